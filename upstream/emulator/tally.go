package emulator

import (
	"cmp"
	"slices"
)

// Both numbers are guesses.
const (
	recentConversations     = 5 // scored ones, that the recent_ numbers are over
	frustratedConversations = 3 // that are listed
)

// tally adds up the sentiment of conversations. Those without a score do not
// count.
type tally struct {
	scored, positive, neutral, negative int
	score, frustration                  float64 // sums
}

func newTally(conversations []Conversation) tally {
	var t tally
	for i := range conversations {
		if s := conversations[i].Sentiment; s != nil {
			t.add(*s)
		}
	}
	return t
}

// newRecentTally adds up the last few that have a score.
func newRecentTally(conversations []Conversation) tally {
	var t tally
	for i := len(conversations) - 1; i >= 0 && t.scored < recentConversations; i-- {
		if s := conversations[i].Sentiment; s != nil {
			t.add(*s)
		}
	}
	return t
}

func (t *tally) add(s Sentiment) {
	t.scored++
	t.score += s.Score
	t.frustration += s.Frustration
	switch s.label() {
	case "positive":
		t.positive++
	case "negative":
		t.negative++
	default:
		t.neutral++
	}
}

// averageScore and averageFrustration need something scored.
func (t tally) averageScore() float64       { return t.score / float64(t.scored) }
func (t tally) averageFrustration() float64 { return t.frustration / float64(t.scored) }

// mostFrustrated returns the conversations with the most frustration, those
// first that have most, and of equals the latest. It leaves out those with none,
// and those whose agent is gone: the SDK requires an agent ID.
func mostFrustrated(conversations []Conversation) []Conversation {
	var some []Conversation
	for _, c := range conversations {
		if c.Sentiment != nil && c.Sentiment.Frustration > 0 && c.AgentID != "" {
			some = append(some, c)
		}
	}
	slices.SortFunc(some, func(a, b Conversation) int {
		return cmp.Or(cmp.Compare(b.Sentiment.Frustration, a.Sentiment.Frustration), b.compare(a))
	})
	return some[:min(len(some), frustratedConversations)]
}
