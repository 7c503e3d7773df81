package emulator

// The wire forms. Those without a note are the reference page's.

type pageForm struct {
	Users      []userForm `json:"users"`
	NextCursor *string    `json:"next_cursor"`
	HasMore    bool       `json:"has_more"`
}

type userForm struct {
	UserID                    string  `json:"user_id"`
	LastContactUnixSecs       int64   `json:"last_contact_unix_secs"`
	FirstContactUnixSecs      int64   `json:"first_contact_unix_secs"`
	ConversationCount         int     `json:"conversation_count"`
	LastContactAgentID        string  `json:"last_contact_agent_id"`
	LastContactConversationID string  `json:"last_contact_conversation_id"`
	LastContactAgentName      *string `json:"last_contact_agent_name"`
	// The official SDK requires this, and knows the next.
	Sentiment      sentimentForm    `json:"sentiment"`
	MostFrustrated []frustratedForm `json:"most_frustrated_conversations,omitempty"`
}

type sentimentForm struct {
	ScoredConversationCount       int      `json:"scored_conversation_count"`
	PositiveCount                 int      `json:"positive_count"`
	NeutralCount                  int      `json:"neutral_count"`
	NegativeCount                 int      `json:"negative_count"`
	AverageSentimentScore         *float64 `json:"average_sentiment_score"`
	AverageFrustrationScore       *float64 `json:"average_frustration_score"`
	RecentScoredConversationCount int      `json:"recent_scored_conversation_count"`
	RecentPositiveCount           int      `json:"recent_positive_count"`
	RecentNeutralCount            int      `json:"recent_neutral_count"`
	RecentNegativeCount           int      `json:"recent_negative_count"`
	RecentAverageSentimentScore   *float64 `json:"recent_average_sentiment_score"`
	RecentAverageFrustrationScore *float64 `json:"recent_average_frustration_score"`
}

type frustratedForm struct {
	ConversationID          string  `json:"conversation_id"`
	AgentID                 string  `json:"agent_id"`
	StartTimeUnixSecs       int64   `json:"start_time_unix_secs"`
	OverallLabel            string  `json:"overall_label"`
	OverallSentimentScore   float64 `json:"overall_sentiment_score"`
	OverallFrustrationScore float64 `json:"overall_frustration_score"`
}

func newUserForm(u user) userForm {
	form := userForm{
		UserID:                    u.id,
		LastContactUnixSecs:       u.last.StartedAt.Unix(),
		FirstContactUnixSecs:      u.first.StartedAt.Unix(),
		ConversationCount:         u.count,
		LastContactAgentID:        u.last.AgentID,
		LastContactConversationID: u.last.ID,
		Sentiment: sentimentForm{
			ScoredConversationCount:       u.overall.scored,
			PositiveCount:                 u.overall.positive,
			NeutralCount:                  u.overall.neutral,
			NegativeCount:                 u.overall.negative,
			AverageSentimentScore:         u.overall.averageSentiment(),
			AverageFrustrationScore:       u.overall.averageFrustration(),
			RecentScoredConversationCount: u.recent.scored,
			RecentPositiveCount:           u.recent.positive,
			RecentNeutralCount:            u.recent.neutral,
			RecentNegativeCount:           u.recent.negative,
			RecentAverageSentimentScore:   u.recent.averageSentiment(),
			RecentAverageFrustrationScore: u.recent.averageFrustration(),
		},
	}
	if u.last.AgentName != "" {
		form.LastContactAgentName = &u.last.AgentName
	}
	for _, c := range u.frustrated {
		form.MostFrustrated = append(form.MostFrustrated, frustratedForm{
			ConversationID:          c.ID,
			AgentID:                 c.AgentID,
			StartTimeUnixSecs:       c.StartedAt.Unix(),
			OverallLabel:            c.Sentiment.label(),
			OverallSentimentScore:   c.Sentiment.Score,
			OverallFrustrationScore: c.Sentiment.Frustration,
		})
	}
	return form
}
