package graph

import (
	"rollcall/graph/datetime"
	"rollcall/graph/globalid"
	"rollcall/graph/internal/generated"
	"rollcall/upstream"
)

// newUser returns a user of the upstream in the schema's terms.
func newUser(u *upstream.User) *generated.User {
	user := &generated.User{
		ID:                   globalid.New("User", u.ID),
		UserID:               u.ID,
		ConversationCount:    &u.ConversationCount,
		FirstContactAt:       instant(&u.FirstContact),
		LastContactAt:        instant(&u.LastContact),
		LastContactAgent:     newAgent(u.LastContactAgentID),
		LastContactAgentName: notEmpty(u.LastContactAgentName),
		Sentiment:            newSentiment(u.Sentiment),

		MostFrustratedConversations: newFrustratedConversations(u.MostFrustrated),
	}
	if u.LastContactConversationID != "" {
		user.LastContactConversation = &generated.Conversation{ConversationID: u.LastContactConversationID}
	}
	return user
}

// newActivity returns a user's activity in a list. Its latest conversation is not
// null: if the upstream does not report it, its ID is empty.
func newActivity(u *upstream.User) *generated.UserActivity {
	return &generated.UserActivity{
		ConversationCount:           u.ConversationCount,
		FirstContactAt:              datetime.DateTime(u.FirstContact),
		LastContactAt:               datetime.DateTime(u.LastContact),
		LastContactAgent:            newAgent(u.LastContactAgentID),
		LastContactAgentName:        notEmpty(u.LastContactAgentName),
		LastContactConversation:     &generated.Conversation{ConversationID: u.LastContactConversationID},
		Sentiment:                   newSentiment(u.Sentiment),
		MostFrustratedConversations: newFrustratedConversations(u.MostFrustrated),
	}
}

// newStranger returns a user whom another service knows and who has no
// conversations.
func newStranger(userID string) *generated.User {
	return &generated.User{ID: globalid.New("User", userID), UserID: userID, ConversationCount: new(int)}
}

// newAgent returns nil if the upstream sent no agent ID, or one that cannot be
// requested.
func newAgent(agentID string) *generated.Agent {
	if globalid.Fault(agentID) != "" {
		return nil
	}
	return &generated.Agent{ID: globalid.New("Agent", agentID), AgentID: agentID}
}

func newSentiment(s *upstream.Sentiment) *generated.UserSentiment {
	if s == nil {
		return nil
	}
	return &generated.UserSentiment{Overall: newSummary(s.Overall), Recent: newSummary(s.Recent)}
}

func newSummary(s upstream.SentimentSummary) *generated.SentimentSummary {
	return &generated.SentimentSummary{
		ScoredConversationCount: s.Scored,
		PositiveCount:           s.Positive,
		NeutralCount:            s.Neutral,
		NegativeCount:           s.Negative,
		AverageSentimentScore:   score(s.AverageSentimentScore),
		AverageFrustrationScore: score(s.AverageFrustrationScore),
	}
}

// newFrustratedConversations returns nil if the upstream did not send the list.
func newFrustratedConversations(list []upstream.FrustratedConversation) []*generated.FrustratedConversation {
	if list == nil {
		return nil
	}
	conversations := make([]*generated.FrustratedConversation, len(list))
	for i, c := range list {
		conversations[i] = newFrustratedConversation(c)
	}
	return conversations
}

func newFrustratedConversation(c upstream.FrustratedConversation) *generated.FrustratedConversation {
	return &generated.FrustratedConversation{
		Conversation:     &generated.Conversation{ConversationID: c.ConversationID},
		Agent:            newAgent(c.AgentID),
		StartedAt:        instant(c.StartedAt),
		Label:            newLabel(c.Label),
		SentimentScore:   score(c.SentimentScore),
		FrustrationScore: score(c.FrustrationScore),
	}
}

// newLabel returns nil for a label that the schema does not have.
func newLabel(l upstream.SentimentLabel) *generated.SentimentLabel {
	var label generated.SentimentLabel
	switch l {
	case upstream.Positive:
		label = generated.SentimentLabelPositive
	case upstream.Neutral:
		label = generated.SentimentLabelNeutral
	case upstream.Negative:
		label = generated.SentimentLabelNegative
	default:
		return nil
	}
	return &label
}

// score returns nil if the score is not known.
func score(s upstream.Score) *float64 {
	if !s.Known {
		return nil
	}
	return &s.Value
}

func instant(unix *int64) *datetime.DateTime { return (*datetime.DateTime)(unix) }

func notEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
