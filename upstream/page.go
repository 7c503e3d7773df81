package upstream

// Page is one page of users. Pages are shared between requests: treat them as
// read-only.
type Page struct {
	Users []User
	// Next is the cursor of the page after this one, empty on the last page.
	// The upstream's has_more decides which it is.
	Next string

	// text is the length of all strings together, in bytes.
	text int
}

// User is one user as the upstream counts them over the selected
// conversations. Instants are Unix seconds within the years 0 to 9999. An
// empty string is one that the upstream left out or sent as null.
type User struct {
	ID                        string
	ConversationCount         int
	FirstContact              int64
	LastContact               int64
	LastContactAgentID        string
	LastContactAgentName      string
	LastContactConversationID string
	// Sentiment is nil where the upstream does not score this user.
	Sentiment *Sentiment
	// MostFrustrated is nil where the upstream does not say; empty where it
	// says that there are none.
	MostFrustrated []FrustratedConversation
}

// Sentiment is how a user's conversations went, over all and over the recent ones.
type Sentiment struct {
	Overall, Recent SentimentSummary
}

// Score is a score, or an average of some, that may be missing.
type Score struct {
	Value float64
	Known bool
}

// SentimentSummary counts conversations by their label and averages their
// scores. An average is not known where there is nothing to average.
type SentimentSummary struct {
	Scored, Positive, Neutral, Negative int
	AverageSentimentScore               Score
	AverageFrustrationScore             Score
}

// SentimentLabel is the upstream's overall_label; empty where it gives none.
type SentimentLabel string

// The labels that the upstream is known to give.
const (
	Positive SentimentLabel = "positive"
	Neutral  SentimentLabel = "neutral"
	Negative SentimentLabel = "negative"
)

// FrustratedConversation is one of the conversations that went worst.
type FrustratedConversation struct {
	ConversationID   string
	AgentID          string
	StartedAt        *int64 // Unix seconds
	Label            SentimentLabel
	SentimentScore   Score
	FrustrationScore Score
}
