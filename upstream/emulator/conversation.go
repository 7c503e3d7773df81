package emulator

import (
	"cmp"
	"time"
)

// Conversation is one conversation of a user with an agent.
type Conversation struct {
	// ID is the conversation's own. Of a user's conversations that start in the
	// same second, the one with the greatest ID is the last.
	ID string

	// UserID is whatever the integrating application calls its user. A
	// conversation without one is in nobody's count.
	UserID string

	// AgentID is agent_…, or its alias seng_…. Empty where the agent is gone.
	AgentID string

	// AgentName may be empty: not every agent has one.
	AgentName string

	// BranchID is the agent's version that took the call, or empty.
	BranchID string

	// StartedAt counts in whole seconds: fractions are cut off.
	StartedAt time.Time

	// Sentiment is nil where the conversation has not been scored.
	Sentiment *Sentiment
}

// Sentiment is how a user felt in a conversation. Both scales are guesses: the
// SDK says only that they are numbers. Neither may be NaN or infinite, which
// JSON cannot say.
type Sentiment struct {
	Score       float64 // from -1, bad, to 1, good
	Frustration float64 // from 0, none, to 1
}

// label is the word for a score. The words are the SDK's; where one ends and
// the next begins is a guess.
func (s Sentiment) label() string {
	switch {
	case s.Score >= 0.25:
		return "positive"
	case s.Score <= -0.25:
		return "negative"
	default:
		return "neutral"
	}
}

// compare orders conversations by start, and those of one second by ID.
func (c Conversation) compare(other Conversation) int {
	return cmp.Or(c.StartedAt.Compare(other.StartedAt), cmp.Compare(c.ID, other.ID))
}
