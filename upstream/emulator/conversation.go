package emulator

import (
	"cmp"
	"time"
)

// Conversation is one conversation of a user with an agent.
type Conversation struct {
	// ID is the conversation's own. If several conversations of a user start in
	// the same second, the one with the greatest ID counts as the last.
	ID string

	// UserID is the ID that the integrating application gave its user. A
	// conversation without one counts for no user.
	UserID string

	// AgentID is agent_…, or its alias seng_…. It is empty if the agent was
	// deleted.
	AgentID string

	// AgentName may be empty: an agent need not have a name.
	AgentName string

	// BranchID is the version of the agent that took the call, or empty.
	BranchID string

	// StartedAt is truncated to whole seconds.
	StartedAt time.Time

	// Sentiment is nil if the conversation has not been scored.
	Sentiment *Sentiment
}

// Sentiment is a user's sentiment in a conversation. Both scales are guesses: the
// SDK says only that they are numbers. Neither value may be NaN or infinite,
// which JSON cannot represent.
type Sentiment struct {
	Score       float64 // from -1, bad, to 1, good
	Frustration float64 // from 0, none, to 1
}

// label returns the word for a score. The words are the SDK's; the limits between
// them are a guess.
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

// compare orders conversations by start, and by ID if they start in the same
// second.
func (c Conversation) compare(other Conversation) int {
	return cmp.Or(c.StartedAt.Compare(other.StartedAt), cmp.Compare(c.ID, other.ID))
}
