package upstream

// Page is one page of users. Requests share pages: treat them as read-only.
type Page struct {
	Users []User
	// Next is the cursor of the next page. It is empty on the last page, which is
	// the page whose has_more is false.
	Next string

	// text is the length of all strings together, in bytes.
	text int
}

// User is one user, with the numbers that the upstream computes over the selected
// conversations. Instants are Unix seconds within the years 0 to 9999. A string
// is empty if the upstream left it out or sent null.
type User struct {
	ID                        string
	ConversationCount         int
	FirstContact              int64
	LastContact               int64
	LastContactAgentID        string
	LastContactAgentName      string
	LastContactConversationID string
	// Sentiment is nil if the upstream did not score this user.
	Sentiment *Sentiment
	// MostFrustrated is nil if the upstream did not send the list, and empty if
	// it sent an empty one.
	MostFrustrated []FrustratedConversation
}

// Sentiment summarizes the sentiment of a user's conversations: all of them, and
// the recent ones.
type Sentiment struct {
	Overall, Recent SentimentSummary
}

// Score is a score, or an average of scores, that may be missing.
type Score struct {
	Value float64
	Known bool
}

// SentimentSummary counts conversations by label and averages their scores. An
// average is not known if there is nothing to average.
type SentimentSummary struct {
	Scored, Positive, Neutral, Negative int
	AverageSentimentScore               Score
	AverageFrustrationScore             Score
}

// SentimentLabel is the upstream's overall_label; empty if it sent none.
type SentimentLabel string

// The labels that the upstream is known to send.
const (
	Positive SentimentLabel = "positive"
	Neutral  SentimentLabel = "neutral"
	Negative SentimentLabel = "negative"
)

// FrustratedConversation is one of a user's most frustrated conversations.
type FrustratedConversation struct {
	ConversationID   string
	AgentID          string
	StartedAt        *int64 // Unix seconds
	Label            SentimentLabel
	SentimentScore   Score
	FrustrationScore Score
}
