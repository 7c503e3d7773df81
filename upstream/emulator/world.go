package emulator

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// The world ends at an instant of its own, so that it is the same every day.
var endOfTime = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// history is how far back the conversations go.
const history = 180 * 24 * time.Hour

type agent struct {
	id, name string // without a name, the upstream does not say it
	branches int
}

var agents = []agent{
	{"agent_7k01front", "Front desk", 2},
	{"agent_7k02billing", "Billing", 3},
	{"agent_7k03returns", "Returns", 1},
	{"agent_7k04travel", "Travel planner", 2},
	{"agent_7k05night", "Night line", 1},
	{"agent_7k06onboard", "Onboarding", 2},
	{"agent_7k07tutor", "Tutor", 1},
	{"agent_7k08clinic", "Clinic intake", 1},
	{"agent_7k09survey", "Survey", 3},
	{"agent_7k10ruby", "Ruby", 1},
	{"agent_7k11lab", "", 1},
	{"agent_7k12order", "Order status", 2},
}

// hard are user IDs that an application may choose and that break what is
// careless with them.
var hard = []string{
	"ada.%d@example.com", "søren-%d", "王小明%d", "أمينة-%d", "आशा %d", "🦊%d",
	"team/%d?role=admin&x=#1", "50%% of %d+1", `"quoted" %d`, " spaced  %d ", "Łukasz;%d,=", "ID-%d\\n",
}

// newWorld makes so many users and their conversations.
func newWorld(seed uint64, users int) []Conversation {
	r := rand.New(rand.NewPCG(seed, 0x726f6c6c63616c6c))
	var all []Conversation
	for n := 1; n <= users; n++ {
		id := fmt.Sprintf("user_%05d", n)
		if n%50 == 0 {
			id = fmt.Sprintf(hard[(n/50)%len(hard)], n)
		}
		all = append(all, life(r, n, id)...)
	}
	return all
}

// life is all conversations of one user. Most have few; some have dozens.
func life(r *rand.Rand, n int, id string) []Conversation {
	count := 1 + int(math.Floor(1.6/math.Sqrt(1-r.Float64())-1.6))
	mood := r.Float64()*1.6 - 0.6
	favourite := r.IntN(len(agents))
	conversations := make([]Conversation, min(count, 60))
	for i := range conversations {
		a := agents[favourite]
		if r.IntN(3) == 0 {
			a = agents[r.IntN(len(agents))]
		}
		// Whole minutes, so that two users are sometimes last seen at once.
		ago := time.Duration(r.Int64N(int64(history/time.Minute))) * time.Minute
		conversations[i] = Conversation{
			ID:        fmt.Sprintf("conv_%06x%02x", n, i),
			UserID:    id,
			AgentID:   a.id,
			AgentName: a.name,
			BranchID:  fmt.Sprintf("agtbrch_%s_%d", a.id[6:10], 1+r.IntN(a.branches)),
			StartedAt: endOfTime.Add(-ago),
		}
		if r.IntN(5) > 0 {
			score := math.Round(math.Max(-1, math.Min(1, mood+r.NormFloat64()*0.3))*100) / 100
			conversations[i].Sentiment = &Sentiment{
				Score:       score,
				Frustration: math.Round((1-score)/2*r.Float64()*100) / 100,
			}
		}
	}
	return conversations
}
