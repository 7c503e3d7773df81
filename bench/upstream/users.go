package upstream

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// User is a user of the upstream. The JSON names are the vendor's.
type User struct {
	ID             string  `json:"user_id"`
	Last           int64   `json:"last_contact_unix_secs"`
	First          int64   `json:"first_contact_unix_secs"`
	Count          int     `json:"conversation_count"`
	AgentID        *string `json:"last_contact_agent_id"`
	ConversationID string  `json:"last_contact_conversation_id"`
	AgentName      *string `json:"last_contact_agent_name"`
	// Sentiment is a newer field of the vendor's page; no query selects it.
	Sentiment json.RawMessage `json:"sentiment,omitempty"`
}

// PageSize is the number of users of each page.
const PageSize = 30

var agents = []string{"Order Desk", "Support", "Appointments", "Café Zoë"}

// sentiment is the same for all users: it only has to be skipped.
const sentiment = `{"scored_conversation_count":12,"positive_count":7,"neutral_count":3,"negative_count":2,` +
	`"average_sentiment_score":0.41,"average_frustration_score":0.18,"recent_scored_conversation_count":4,` +
	`"recent_positive_count":2,"recent_neutral_count":1,"recent_negative_count":1,` +
	`"recent_average_sentiment_score":0.25,"recent_average_frustration_score":0.3}`

// Users returns the users of a page. Every tenth user has no agent.
func Users(page int) []User {
	users := make([]User, PageSize)
	for i := range users {
		n := page*PageSize + i
		u := User{
			ID:             fmt.Sprintf("user_%08d", n),
			Last:           1_790_000_000 - int64(n)*61,
			First:          1_760_000_000 - int64(n)*67,
			Count:          1 + n*7%40,
			ConversationID: fmt.Sprintf("conv_%026d", n*31),
		}
		if n%10 != 9 {
			agent := n % len(agents)
			id := fmt.Sprintf("agent_%026d", agent*101)
			u.AgentID, u.AgentName = &id, &agents[agent]
		}
		users[i] = u
	}
	return users
}

// Cursor returns the upstream's cursor of a page; page 0 has none.
func Cursor(page int) string {
	if page == 0 {
		return ""
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "page %d", page))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func encode(page int, withSentiment bool) []byte {
	users := Users(page)
	if withSentiment {
		for i := range users {
			users[i].Sentiment = json.RawMessage(sentiment)
		}
	}
	body, err := json.Marshal(struct {
		Users      []User `json:"users"`
		NextCursor string `json:"next_cursor"`
		HasMore    bool   `json:"has_more"`
	}{users, Cursor(page + 1), true})
	if err != nil {
		panic(err) // JSON can represent all of it
	}
	return body
}
