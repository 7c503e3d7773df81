package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"rollcall/graph"
	"rollcall/graph/internal/graphtest"
)

// TestListedIDs has the upstream list users and agents with unusual IDs. Each is
// either null in the list, or can be requested by its ID and by its global ID.
func TestListedIDs(t *testing.T) {
	ids := map[string]struct {
		id   string
		null bool
	}{
		"an ordinary one":               {"user 1", false},
		"empty":                         {"", true},
		"a space":                       {" ", false},
		"control characters":            {"a\x00b\n\t\x1b\x7f\u0085", false},
		"only a control character":      {"\x01", false},
		"quotes, slashes, percent":      {`"\/%2F&search=x#?`, false},
		"colons":                        {":User:x", false},
		"another script, right to left": {"\u202eمستخدم🙂", false},
		"not normalised":                {"e\u0301", false},
		"257 bytes":                     {strings.Repeat("a", 257), false},
		"1024 bytes":                    {strings.Repeat("é", 512), false},
		"1025 bytes":                    {strings.Repeat("a", 1025), true},
		"60 KiB":                        {strings.Repeat("a", 60<<10), true},
	}
	var listed []string
	for _, c := range ids {
		listed = append(listed, c.id)
	}
	slices.Sort(listed)
	up := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		users := []map[string]any{}
		q := r.URL.Query()
		for _, id := range listed {
			if search, ok := q["search"]; ok && search[0] != id {
				continue
			}
			if agent, ok := q["agent_id"]; ok && agent[0] != id {
				continue
			}
			users = append(users, map[string]any{
				"user_id": id, "last_contact_agent_id": id, "last_contact_unix_secs": 20, "first_contact_unix_secs": 10, "conversation_count": 3, "last_contact_conversation_id": "c",
				"most_frustrated_conversations": []map[string]any{{"conversation_id": "c", "agent_id": id}},
			})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"users": users, "has_more": false})
	})
	const user = `{ id userId lastContactAgent { id agentId } mostFrustratedConversations { agent { agentId } } }`
	for name, rendered := range map[string]bool{"rendered": true, "by gqlgen": false} {
		t.Run(name, func(t *testing.T) {
			s := graphtest.New(t, graphtest.Options{Upstream: up, Graph: func(c *graph.Config) {
				if !rendered {
					*c = c.Unrendered()
				}
			}})
			data := s.Must(`{ users(first: 100) { nodes `+user+` edges { cursor node `+user+` } } }`, nil)
			nodes, edges := graphtest.Get(data, "users", "nodes").([]any), graphtest.Get(data, "users", "edges").([]any)
			if len(nodes) != len(listed) || len(edges) != len(listed) {
				t.Fatalf("%d nodes and %d edges of %d users", len(nodes), len(edges), len(listed))
			}
			for what, c := range ids {
				t.Run(what, func(t *testing.T) {
					i := slices.Index(listed, c.id)
					if got := graphtest.Get(edges[i], "node"); c.null != (nodes[i] == nil) || c.null != (got == nil) {
						t.Fatalf("the node is %.100v and %.100v", nodes[i], got)
					}
					byUserID := s.Query(`query($id: ID!) { user(userId: $id) { userId } }`, map[string]any{"id": c.id})
					byAgent := s.Query(`query($id: ID!) { users(filter: {agentId: $id}) { nodes { userId } } }`, map[string]any{"id": c.id})
					if c.null {
						for _, r := range []graphtest.Reply{byUserID, byAgent} {
							if len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != "BAD_USER_INPUT" {
								t.Errorf("got %.200v", r)
							}
						}
						return
					}
					if graphtest.Get(nodes[i], "lastContactAgent", "agentId") != c.id || graphtest.Get(nodes[i], "mostFrustratedConversations", 0, "agent", "agentId") != c.id {
						t.Errorf("the agent is %.100v", nodes[i])
					}
					byID := s.Query(`query($user: ID!, $agent: ID!) { user: node(id: $user) { ... on User { userId } } agent: node(id: $agent) { ... on Agent { agentId users(first: 5) { nodes { userId } } } } }`,
						map[string]any{"user": graphtest.Get(nodes[i], "id"), "agent": graphtest.Get(nodes[i], "lastContactAgent", "id")})
					got := []any{graphtest.Get(byUserID.Data, "user", "userId"), graphtest.Get(byAgent.Data, "users", "nodes", 0, "userId"), graphtest.Get(byID.Data, "user", "userId"), graphtest.Get(byID.Data, "agent", "agentId"), graphtest.Get(byID.Data, "agent", "users", "nodes", 0, "userId")}
					for _, id := range got {
						if id != c.id {
							t.Errorf("got %.300s, want %.100q in each place", fmt.Sprintf("%q", got), c.id)
							break
						}
					}
				})
			}
		})
	}
}
