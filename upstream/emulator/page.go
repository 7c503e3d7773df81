package emulator

import "hash/fnv"

// page is GetConversationUsersPageResponseModel of the vendor's reference page.
type page struct {
	Users      []userForm `json:"users"`
	NextCursor any        `json:"next_cursor,omitzero"`
	HasMore    bool       `json:"has_more"`
}

// userForm is ConversationUserResponseModel of the vendor's reference page. Its
// last two members are the SDK's, which requires the first of them.
type userForm struct {
	UserID                    string           `json:"user_id"`
	LastContactUnixSecs       int64            `json:"last_contact_unix_secs"`
	FirstContactUnixSecs      int64            `json:"first_contact_unix_secs"`
	ConversationCount         int              `json:"conversation_count"`
	LastContactAgentID        any              `json:"last_contact_agent_id,omitzero"`
	LastContactConversationID string           `json:"last_contact_conversation_id"`
	LastContactAgentName      any              `json:"last_contact_agent_name,omitzero"`
	Sentiment                 sentimentForm    `json:"sentiment"`
	MostFrustrated            []frustratedForm `json:"most_frustrated_conversations,omitempty"`
}

// sentimentForm is the SDK's SentimentAggregate. Averages are null if no
// conversation was scored.
type sentimentForm struct {
	Scored             int      `json:"scored_conversation_count"`
	Positive           int      `json:"positive_count"`
	Neutral            int      `json:"neutral_count"`
	Negative           int      `json:"negative_count"`
	AverageScore       *float64 `json:"average_sentiment_score"`
	AverageFrustration *float64 `json:"average_frustration_score"`

	RecentScored             int      `json:"recent_scored_conversation_count"`
	RecentPositive           int      `json:"recent_positive_count"`
	RecentNeutral            int      `json:"recent_neutral_count"`
	RecentNegative           int      `json:"recent_negative_count"`
	RecentAverageScore       *float64 `json:"recent_average_sentiment_score"`
	RecentAverageFrustration *float64 `json:"recent_average_frustration_score"`
}

// frustratedForm is the SDK's FrustratedConversationRef.
type frustratedForm struct {
	ConversationID string  `json:"conversation_id"`
	AgentID        string  `json:"agent_id"`
	StartUnixSecs  int64   `json:"start_time_unix_secs"`
	Label          string  `json:"overall_label"`
	Score          float64 `json:"overall_sentiment_score"`
	Frustration    float64 `json:"overall_frustration_score"`
}

// newUserForm describes a user by their conversations: at least one, oldest
// first.
func newUserForm(id string, conversations []Conversation) userForm {
	first, last := conversations[0], conversations[len(conversations)-1]
	null := hasNulls(last.ID)
	u := userForm{
		UserID:                    id,
		LastContactUnixSecs:       last.StartedAt.Unix(),
		FirstContactUnixSecs:      first.StartedAt.Unix(),
		ConversationCount:         len(conversations),
		LastContactAgentID:        optional(last.AgentID, null),
		LastContactConversationID: last.ID,
		LastContactAgentName:      optional(last.AgentName, null),
		Sentiment:                 newSentimentForm(newTally(conversations), newRecentTally(conversations)),
	}
	for _, c := range mostFrustrated(conversations) {
		u.MostFrustrated = append(u.MostFrustrated, frustratedForm{
			ConversationID: c.ID,
			AgentID:        c.AgentID,
			StartUnixSecs:  c.StartedAt.Unix(),
			Label:          c.Sentiment.label(),
			Score:          c.Sentiment.Score,
			Frustration:    c.Sentiment.Frustration,
		})
	}
	return u
}

func newSentimentForm(all, recent tally) sentimentForm {
	s := sentimentForm{
		Scored: all.scored, Positive: all.positive, Neutral: all.neutral, Negative: all.negative,
		RecentScored: recent.scored, RecentPositive: recent.positive, RecentNeutral: recent.neutral, RecentNegative: recent.negative,
	}
	if all.scored > 0 { // then one of the recent conversations is scored too
		s.AverageScore, s.AverageFrustration = new(all.averageScore()), new(all.averageFrustration())
		s.RecentAverageScore, s.RecentAverageFrustration = new(recent.averageScore()), new(recent.averageFrustration())
	}
	return s
}

// optional returns the value of a member that omits nil: the text, or if it is
// empty, null or nothing. The vendor's OpenAPI allows both.
func optional(text string, null bool) any {
	switch {
	case text != "":
		return text
	case null:
		return (*string)(nil)
	default:
		return nil
	}
}

// hasNulls reports whether a conversation's missing values are null, as for half
// of the conversations. The others omit them, so that clients are tested with
// both.
func hasNulls(conversationID string) bool {
	h := fnv.New32a()
	h.Write([]byte(conversationID))
	return h.Sum32()%2 == 0
}
