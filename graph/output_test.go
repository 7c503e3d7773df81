package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"rollcall/graph"
	"rollcall/graph/internal/graphtest"
	"rollcall/upstream/emulator"
)

// TestResponseLimit bounds responses, whoever writes them: the service itself, or
// gqlgen. Each query's response has more than 64 KiB, so that it is written twice.
func TestResponseLimit(t *testing.T) {
	world := emulator.New(emulator.Options{Users: 500})
	names := aliases(29, "lastContactAgentName")
	for name, query := range map[string]string{
		"lists":                                aliases(5, `users(first: 500) { edges { cursor node { id userId firstContactAt } } }`),
		"one list of large rows":               `{ users(first: 200) { nodes ` + names + ` } }`,
		"lists, and fields that gqlgen writes": `{ node(id: "QWdlbnQ6YWdlbnRfeA") { id } a: users(first: 500) { edges { cursor node { id userId } } } b: users(first: 500) { nodes { id userId } } }`,
		"lists in lists":                       `{ users(first: 40) { nodes { lastContactAgent { users(first: 100) { nodes { id userId firstContactAt } } } } } }`,
		"objects that gqlgen writes":           `{ users(first: 300) { nodes { lastContactAgent { agentId users(first: 0) { nodes { id } } } ` + names[1:] + ` } }`,
	} {
		t.Run(name, func(t *testing.T) {
			ask := func(limit int, config func(*graph.Config)) (int, string) {
				s := graphtest.New(t, graphtest.Options{Upstream: world, Graph: func(c *graph.Config) {
					c.Limits.Response = limit
					if config != nil {
						config(c)
					}
				}})
				w := s.Post(body(query), "Accept", "application/graphql-response+json")
				return w.Code, w.Body.String()
			}
			status, whole := ask(8<<20, nil)
			size := len(whole)
			if status != http.StatusOK || size < 64<<10 || !json.Valid([]byte(whole)) {
				t.Fatalf("%d, %d bytes: %.300s", status, size, whole)
			}
			for _, unrendered := range []bool{false, true} {
				config := func(c *graph.Config) {
					if unrendered {
						*c = c.Unrendered()
					}
				}
				if _, got := ask(size, config); got != whole {
					t.Errorf("unrendered %v: within the limit: %d bytes, want %d: %.300s", unrendered, len(got), len(whole), got)
				}
				status, got := ask(size-1, config)
				var r graphtest.Reply
				if err := json.Unmarshal([]byte(got), &r); err != nil || status != http.StatusBadRequest || len(r.Errors) != 1 ||
					r.Errors[0].Extensions["code"] != "OPERATION_TOO_COMPLEX" || strings.Contains(got, `"data"`) {
					t.Errorf("unrendered %v: beyond the limit: %d %.300s %v", unrendered, status, got, err)
				}
			}
		})
	}
}

// TestResponseLimitOfErrors has a response whose errors are larger than its data.
func TestResponseLimitOfErrors(t *testing.T) {
	refused := graphtest.Refuse(422, `{"detail":[{"loc":["query","search"],"msg":"`+strings.Repeat("x", 400)+`"}]}`)
	ids := make([]string, 100)
	for i := range ids {
		ids[i] = fmt.Sprintf(`{__typename: "User", userId: "u%d"}`, i)
	}
	query := body(`{ _entities(representations: [` + strings.Join(ids, ",") + `]) { ... on User { conversationCount } } }`)
	for limit, code := range map[int]string{80_000: "BAD_USER_INPUT", 20_000: "OPERATION_TOO_COMPLEX"} {
		s := graphtest.New(t, graphtest.Options{Upstream: refused, Graph: func(c *graph.Config) { c.Limits.Response = limit }})
		w := s.Post(query)
		if !strings.Contains(w.Body.String(), code) || w.Body.Len() > limit || strings.Contains(w.Body.String(), `"data"`) != (code == "BAD_USER_INPUT") {
			t.Errorf("limit %d: %d bytes: %.300s", limit, w.Body.Len(), w.Body)
		}
	}
}
