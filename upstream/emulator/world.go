package emulator

import (
	"math"
	"math/rand/v2"
	"time"
)

// The world ends at a fixed instant, so that the README's sample stays true.
const (
	worldEnd  = 1793491200 // 2026-11-01T00:00:00Z, in Unix seconds
	worldSpan = 180 * 24 * 60 * 60
	quietSpan = 60 * 60 // at the end, in which only the latest callers called
)

const (
	latestCallers    = 10 // the first users in the default order, whose data are complete
	maxConversations = 60 // the most conversations of one user
)

// world generates conversations. All random numbers come from one source, in a
// fixed order.
type world struct {
	random *rand.Rand
	ledger *ledger
	agents []agent
	latest int // number of latest callers so far
}

// newWorld returns the conversations of a number of users.
func newWorld(seed uint64, users int) *ledger {
	w := world{random: rand.New(rand.NewPCG(seed, 0)), ledger: newLedger()}
	w.agents = w.newAgents()
	for _, a := range w.agents {
		w.ledger.agents[a.id] = true
	}
	for i := range users {
		w.addUser(i, users)
	}
	return w.ledger
}

// addUser generates a user, who has a home agent, a mood, and in most cases one
// or two conversations.
func (w *world) addUser(number, of int) {
	id := userID(number)
	home, mood := w.randomAgent(), w.random.NormFloat64()*0.4+0.15
	for range w.conversationCount() {
		a := home
		if w.random.IntN(10) < 3 {
			a = w.randomAgent()
		}
		c := w.conversation(id, a, w.instant())
		if w.random.IntN(10) < 7 {
			c.Sentiment = w.sentiment(mood)
		}
		if w.random.IntN(150) == 0 {
			c.AgentID, c.AgentName, c.BranchID = "", "", "" // the agent was deleted since
		}
		w.ledger.record(c)
	}
	// The latest callers are spread over all users, and have plain IDs.
	if w.latest < latestCallers && number >= w.latest*(of/latestCallers) && !isHard(number) {
		const each = quietSpan / latestCallers
		at := worldEnd - each*int64(w.latest) - 1 - w.random.Int64N(each-1)
		c := w.conversation(id, home.named(w.agents), at)
		c.Sentiment = w.sentiment(mood)
		w.ledger.record(c)
		w.latest++
	}
}

func (w *world) conversation(userID string, a agent, at int64) Conversation {
	return Conversation{
		ID:        "conv_" + w.letters(26),
		UserID:    userID,
		AgentID:   a.id,
		AgentName: a.name,
		BranchID:  a.branches[min(w.random.IntN(5), w.random.IntN(len(a.branches)))],
		StartedAt: time.Unix(at, 0),
	}
}

// conversationCount returns a number of conversations: one for most users, a few
// dozen for a few users.
func (w *world) conversationCount() int {
	return min(maxConversations, int(math.Pow(1-w.random.Float64(), -0.7)))
}

// instant returns a second before those of the latest callers. One in ten is
// exactly nine o'clock, when agents make their calls, so that users tie.
func (w *world) instant() int64 {
	const day = 24 * 60 * 60
	if w.random.IntN(10) == 0 {
		return worldEnd - day*w.random.Int64N(worldSpan/day) - 15*60*60
	}
	return worldEnd - quietSpan - w.random.Int64N(worldSpan-quietSpan)
}

func (w *world) sentiment(mood float64) *Sentiment {
	score := clamp(-1, mood+w.random.NormFloat64()*0.3, 1)
	frustration := clamp(0, (1-score)/2-0.3+w.random.NormFloat64()*0.15, 1)
	return &Sentiment{Score: hundredths(score), Frustration: hundredths(frustration)}
}

func clamp(low, x, high float64) float64 { return max(low, min(x, high)) }

func hundredths(x float64) float64 { return math.Round(x*100) / 100 }

// letters returns n digits and lower-case letters, without those that look alike.
func (w *world) letters(n int) string {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	b := make([]byte, n)
	var bits uint64
	for i := range b {
		if i%12 == 0 {
			bits = w.random.Uint64()
		}
		b[i] = alphabet[bits%32]
		bits /= 32
	}
	return string(b)
}
