package upstream

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// pageOf30 is a page with all the fields of the vendor's reference page.
func pageOf30() []byte {
	users := make([]string, 30)
	for i := range users {
		users[i] = fmt.Sprintf(`{"user_id":"user_%05d","last_contact_unix_secs":%d,"first_contact_unix_secs":1780000000,"conversation_count":%d,"last_contact_agent_id":"agent_0123456789abcdef","last_contact_conversation_id":"conv_%016x","last_contact_agent_name":"Front desk"}`, i, 1790000000-i, i+1, i)
	}
	return []byte(`{"users":[` + strings.Join(users, ",") + `],"next_cursor":"eyJsIjoxNzkwMDAwMDAwfQ","has_more":true}`)
}

// BenchmarkDecode compares the decoder with encoding/json on the same fields.
func BenchmarkDecode(b *testing.B) {
	body := pageOf30()
	b.Run("by hand", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			page, err := decodePage(body, "")
			if err != nil || len(page.Users) != 30 || page.Users[29].ID != "user_00029" {
				b.Fatal(page, err)
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var page struct {
				Users []struct {
					ID             string  `json:"user_id"`
					Last           int64   `json:"last_contact_unix_secs"`
					First          int64   `json:"first_contact_unix_secs"`
					Count          int     `json:"conversation_count"`
					AgentID        *string `json:"last_contact_agent_id"`
					ConversationID string  `json:"last_contact_conversation_id"`
					AgentName      *string `json:"last_contact_agent_name"`
				} `json:"users"`
				Next *string `json:"next_cursor"`
				More bool    `json:"has_more"`
			}
			if err := json.Unmarshal(body, &page); err != nil || len(page.Users) != 30 || page.Users[29].ID != "user_00029" {
				b.Fatal(page, err)
			}
		}
	})
}

func FuzzDecodePage(f *testing.F) {
	for _, seed := range []string{
		string(pageOf30()), `{"users":[],"has_more":false}`, `{"users":[],"has_more":true,"next_cursor":"n"}`, `{"users":null}`, `[]`, `{`, "\xff",
		`{"users":[{"user_id":"u","last_contact_unix_secs":1,"first_contact_unix_secs":1,"conversation_count":1,"last_contact_conversation_id":"c","sentiment":{"recent_positive_count":1},"most_frustrated_conversations":[{"conversation_id":"c"}]}],"has_more":false}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		page, err := decodePage([]byte(body), "sent")
		if err != nil {
			if len(body) > 40 && strings.Contains(err.Error(), body) {
				t.Errorf("the error quotes the body: %v", err)
			}
			return
		}
		if !json.Valid([]byte(body)) {
			t.Errorf("accepted what is no JSON: %q", body)
		}
		if page.Next == "sent" {
			t.Error("accepted the cursor that was sent")
		}
	})
}

func FuzzDecodeDetail(f *testing.F) {
	for _, seed := range []string{`{"detail":[{"loc":["query",1],"msg":"m"}]}`, `{"detail":{"message":"m"}}`, `{"detail":"m"}`, `{"detail":[1,{},null]}`, `{"detail":{"loc":1}}`, ``} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, body string) { decodeDetail([]byte(body)) }) // must not panic
}
