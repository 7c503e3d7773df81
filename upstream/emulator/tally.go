package emulator

import (
	"cmp"
	"slices"
)

// Both numbers are guesses.
const (
	recentConversations     = 5 // scored conversations that the recent_ numbers cover
	frustratedConversations = 3 // conversations that are listed
)

// tally sums up the sentiment of conversations. It ignores conversations without
// a score.
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

// newRecentTally sums up the last conversations that have a score.
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

// averageScore and averageFrustration require a scored conversation.
func (t tally) averageScore() float64       { return t.score / float64(t.scored) }
func (t tally) averageFrustration() float64 { return t.frustration / float64(t.scored) }

// mostFrustrated returns the conversations with the most frustration, the
// greatest first, and the latest first among equals. It leaves out conversations
// without frustration, and those whose agent was deleted: the SDK requires an
// agent ID.
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
