package render

import (
	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"rollcall/graph/globalid"
	"rollcall/upstream"
)

// user writes a user, or null if its ID cannot be requested.
func (r *reader) user(set ast.SelectionSet) writer[*upstream.User] {
	user := read(r, set, userType, func(f graphql.CollectedField) writer[*upstream.User] {
		switch f.Name {
		case "id":
			return func(b []byte, u *upstream.User) []byte { return globalID(b, "User", u.ID) }
		case "userId":
			return func(b []byte, u *upstream.User) []byte { return str(b, u.ID) }
		case "lastContactConversation":
			conversation := r.conversation(f.Selections)
			return func(b []byte, u *upstream.User) []byte {
				if u.LastContactConversationID == "" {
					return null(b)
				}
				return conversation.write(b, u.LastContactConversationID)
			}
		default:
			return r.userActivity(f)
		}
	})
	return func(b []byte, u *upstream.User) []byte {
		if globalid.Fault(u.ID) != "" {
			return null(b)
		}
		return user.write(b, u)
	}
}

// activity writes a user's activity in a list.
func (r *reader) activity(set ast.SelectionSet) object[*upstream.User] {
	return read(r, set, activityType, func(f graphql.CollectedField) writer[*upstream.User] {
		if f.Name == "lastContactConversation" { // not null, even if the upstream does not report it
			conversation := r.conversation(f.Selections)
			return func(b []byte, u *upstream.User) []byte { return conversation.write(b, u.LastContactConversationID) }
		}
		return r.userActivity(f)
	})
}

// userActivity writes a field that User and UserActivity have in common.
func (r *reader) userActivity(f graphql.CollectedField) writer[*upstream.User] {
	switch f.Name {
	case "conversationCount":
		return func(b []byte, u *upstream.User) []byte { return integer(b, u.ConversationCount) }
	case "firstContactAt":
		return func(b []byte, u *upstream.User) []byte { return instant(b, u.FirstContact) }
	case "lastContactAt":
		return func(b []byte, u *upstream.User) []byte { return instant(b, u.LastContact) }
	case "lastContactAgent":
		agent := r.agent(f.Selections)
		return func(b []byte, u *upstream.User) []byte { return agent(b, u.LastContactAgentID) }
	case "lastContactAgentName":
		return func(b []byte, u *upstream.User) []byte { return strOrNull(b, u.LastContactAgentName) }
	case "sentiment":
		sentiment := r.sentiment(f.Selections)
		return func(b []byte, u *upstream.User) []byte {
			if u.Sentiment == nil {
				return null(b)
			}
			return sentiment.write(b, u.Sentiment)
		}
	case "mostFrustratedConversations":
		conversation := r.frustrated(f.Selections)
		return func(b []byte, u *upstream.User) []byte {
			if u.MostFrustrated == nil {
				return null(b)
			}
			return writeList(b, len(u.MostFrustrated), func(b []byte, i int) []byte { return conversation.write(b, &u.MostFrustrated[i]) })
		}
	}
	return nil
}

func globalID(b []byte, typeName, id string) []byte {
	b = append(b, '"')
	b = globalid.Append(b, typeName, id)
	return append(b, '"')
}

// agent writes an agent by its ID, or null if the ID is empty or cannot be
// requested. The agent's users have to be resolved.
func (r *reader) agent(set ast.SelectionSet) writer[string] {
	agent := read(r, set, agentType, func(f graphql.CollectedField) writer[string] {
		switch f.Name {
		case "id":
			return func(b []byte, agentID string) []byte { return globalID(b, "Agent", agentID) }
		case "agentId":
			return str
		}
		return nil
	})
	return func(b []byte, agentID string) []byte {
		if globalid.Fault(agentID) != "" {
			return null(b)
		}
		return agent.write(b, agentID)
	}
}

func (r *reader) conversation(set ast.SelectionSet) object[string] {
	return read(r, set, talkType, func(f graphql.CollectedField) writer[string] {
		if f.Name == "conversationId" {
			return str
		}
		return nil
	})
}

func (r *reader) sentiment(set ast.SelectionSet) object[*upstream.Sentiment] {
	return read(r, set, sentimentType, func(f graphql.CollectedField) writer[*upstream.Sentiment] {
		summary := r.summary(f.Selections)
		switch f.Name {
		case "overall":
			return func(b []byte, s *upstream.Sentiment) []byte { return summary.write(b, &s.Overall) }
		case "recent":
			return func(b []byte, s *upstream.Sentiment) []byte { return summary.write(b, &s.Recent) }
		}
		return nil
	})
}

func (r *reader) summary(set ast.SelectionSet) object[*upstream.SentimentSummary] {
	type summary = *upstream.SentimentSummary
	return read(r, set, summaryType, func(f graphql.CollectedField) writer[summary] {
		switch f.Name {
		case "scoredConversationCount":
			return func(b []byte, s summary) []byte { return integer(b, s.Scored) }
		case "positiveCount":
			return func(b []byte, s summary) []byte { return integer(b, s.Positive) }
		case "neutralCount":
			return func(b []byte, s summary) []byte { return integer(b, s.Neutral) }
		case "negativeCount":
			return func(b []byte, s summary) []byte { return integer(b, s.Negative) }
		case "averageSentimentScore":
			return func(b []byte, s summary) []byte { return score(b, s.AverageSentimentScore) }
		case "averageFrustrationScore":
			return func(b []byte, s summary) []byte { return score(b, s.AverageFrustrationScore) }
		}
		return nil
	})
}

func (r *reader) frustrated(set ast.SelectionSet) object[*upstream.FrustratedConversation] {
	type frustrated = *upstream.FrustratedConversation
	return read(r, set, frustratedType, func(f graphql.CollectedField) writer[frustrated] {
		switch f.Name {
		case "conversation":
			conversation := r.conversation(f.Selections)
			return func(b []byte, c frustrated) []byte { return conversation.write(b, c.ConversationID) }
		case "agent":
			agent := r.agent(f.Selections)
			return func(b []byte, c frustrated) []byte { return agent(b, c.AgentID) }
		case "startedAt":
			return func(b []byte, c frustrated) []byte {
				if c.StartedAt == nil {
					return null(b)
				}
				return instant(b, *c.StartedAt)
			}
		case "label":
			return func(b []byte, c frustrated) []byte { return label(b, c.Label) }
		case "sentimentScore":
			return func(b []byte, c frustrated) []byte { return score(b, c.SentimentScore) }
		case "frustrationScore":
			return func(b []byte, c frustrated) []byte { return score(b, c.FrustrationScore) }
		}
		return nil
	})
}

// label writes null for a label that the schema does not have.
func label(b []byte, l upstream.SentimentLabel) []byte {
	switch l {
	case upstream.Positive:
		return append(b, `"POSITIVE"`...)
	case upstream.Neutral:
		return append(b, `"NEUTRAL"`...)
	case upstream.Negative:
		return append(b, `"NEGATIVE"`...)
	}
	return null(b)
}
