package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"

	"rollcall/graph"
	"rollcall/graph/internal/generated"
	"rollcall/graph/internal/graphtest"
)

// FuzzRenderedEqualsGqlgen compares the service's responses with gqlgen's, byte
// for byte, over random operations and random users.
func FuzzRenderedEqualsGqlgen(f *testing.F) {
	for seed := range uint64(400) {
		f.Add(seed, "")
	}
	f.Add(uint64(1), "\x00\x1f \"\\/<>& \u2028 é王\t\n\r\x7f")
	var page string
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(page)) })
	large := func(c *graph.Config) { c.Limits.Tokens, c.Limits.Aliases, c.Limits.Fields = 5000, 500, 50_000 }
	rendered := graphtest.New(f, graphtest.Options{Upstream: answer, Graph: large})
	plain := graphtest.New(f, graphtest.Options{Upstream: answer, Graph: func(c *graph.Config) { large(c); *c = c.Unrendered() }})
	f.Fuzz(func(t *testing.T, seed uint64, text string) {
		g := &generator{rand.New(rand.NewPCG(seed, 0)), text}
		page = g.page()
		for range 3 {
			body, err := json.Marshal(map[string]any{"query": g.operation(), "variables": map[string]any{"yes": true, "no": false}})
			if err != nil {
				t.Fatal(err)
			}
			got, want := rendered.Post(string(body), "X-Request-Id", "same"), plain.Post(string(body), "X-Request-Id", "same")
			if sorted(t, got) != sorted(t, want) {
				t.Errorf("%s\nover %s\nreturns\n%s\nand with gqlgen\n%s", body, page, got.Body, want.Body)
			}
			if strings.Contains(want.Body.String(), "VALIDATION") || strings.Contains(want.Body.String(), "TOO_COMPLEX") {
				t.Fatalf("the operation is not valid: %s\n%s", body, want.Body)
			}
		}
	})
}

// FuzzListsEqualGqlgen compares the responses to operations of lists alone, as
// most operations are, with gqlgen's, byte for byte. The lists have arguments of
// all kinds, and the upstream refuses some of them.
func FuzzListsEqualGqlgen(f *testing.F) {
	for seed := range uint64(400) {
		f.Add(seed)
	}
	var status int
	var page string
	answer := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("page_size") == "3" { // one of several lists fails
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"detail":[{"loc":["query","page_size"],"msg":"is refused"}]}`))
			return
		}
		_, _ = w.Write([]byte(page))
	})
	ours := graphtest.New(f, graphtest.Options{Upstream: answer})
	gqlgens := graphtest.New(f, graphtest.Options{Upstream: answer, Graph: func(c *graph.Config) { *c = c.Unrendered() }})
	f.Fuzz(func(t *testing.T, seed uint64) {
		g := &generator{rand.New(rand.NewPCG(seed, 1)), ""}
		page, status = g.page(), []int{400, 401, 404, 422}[g.IntN(4)]
		for range 3 {
			body, err := json.Marshal(map[string]any{"query": g.lists(), "variables": map[string]any{"n": g.IntN(4), "null": nil, "after": g.text, "sort": "LAST_CONTACT", "filter": map[string]any{"userId": "u", "callStartedAfter": g.one("2026-01-31T12:00:00Z", "no instant")}}})
			if err != nil {
				t.Fatal(err)
			}
			got, want := ours.Post(string(body), "X-Request-Id", "same"), gqlgens.Post(string(body), "X-Request-Id", "same")
			if sorted(t, got) != sorted(t, want) {
				t.Errorf("%s\nreturns\n%s\nand with gqlgen\n%s", body, got.Body, want.Body)
			}
			if strings.Contains(want.Body.String(), "VALIDATION") || strings.Contains(want.Body.String(), "TOO_COMPLEX") {
				t.Fatalf("the operation is not valid: %s\n%s", body, want.Body)
			}
		}
	})
}

// sorted returns a response with its errors sorted by text: fields that fail at
// the same time do so in any order.
func sorted(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var a struct {
		Errors []json.RawMessage
		Data   json.RawMessage
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	slices.SortFunc(a.Errors, func(a, b json.RawMessage) int { return bytes.Compare(a, b) })
	return fmt.Sprintf("%d %s %s", w.Code, a.Errors, a.Data)
}

// generator generates operations and pages.
type generator struct {
	*rand.Rand
	text string // one of the strings
}

func (g *generator) one(of ...string) string { return of[g.IntN(len(of))] }

// fields has the fields of each object type below a list of users, by the type's
// name: a field of an object type has that type after a colon. routes has the
// path from a user to each of these types. Both are read from the schema, so that
// a new field is compared as well. Lists inside of lists are left out, because
// they are resolved.
var fields, routes = readSchema()

func readSchema() (fields map[string][]string, routes map[string]string) {
	schema := generated.NewExecutableSchema(generated.Config{}).Schema()
	fields, routes = make(map[string][]string), map[string]string{"User": "%s"}
	for queue := []string{"User"}; len(queue) > 0; queue = queue[1:] {
		for _, f := range schema.Types[queue[0]].Fields {
			inner := schema.Types[f.Type.Name()]
			if inner.Kind != ast.Object {
				fields[queue[0]] = append(fields[queue[0]], f.Name)
				continue
			}
			if inner.Name != "UserConnection" {
				fields[queue[0]] = append(fields[queue[0]], f.Name+":"+inner.Name)
			}
			if routes[inner.Name] == "" {
				routes[inner.Name] = fmt.Sprintf(routes[queue[0]], f.Name+" { %s }")
				queue = append(queue, inner.Name)
			}
		}
	}
	return fields, routes
}

// lists returns an operation that has only lists at its root.
func (g *generator) lists() string {
	var root, inside strings.Builder
	for i := range 1 + g.IntN(3) {
		args := []string{"sortDirection: " + g.one("null", "ASC", "DESC")}
		for _, argument := range []string{
			g.one("", "first: 2", "first: 3", "first: $n", "first: null", "first: $null", "first: -1", "first: 501", "first: 2147483647"),
			g.one("", "", "after: null", `after: "made up"`, "after: $after", "after: $missing"),
			g.one("", "", "", "last: 2", "last: 3", "last: $n", "last: null", "last: 501"),
			g.one("", "", "", "before: null", `before: "made up"`, `before: ""`, "before: $missing"),
			g.one("", "sortBy: CONVERSATION_COUNT", "sortBy: $sort", "sortBy: null"),
			g.one("", "", "", "filter: null", "filter: {}", `filter: {agentId: "agent_1"}`, `filter: {userId: ""}`,
				`filter: {agentId: 5, branchId: "b", callStartedAfter: "2026-01-31T12:00:00+01:00", callStartedBefore: null}`, `filter: {callStartedBefore: "no instant"}`, "filter: $filter"),
		} {
			if argument != "" {
				args = append(args, argument)
			}
		}
		field := fmt.Sprintf(" %susers(%s) { ...some %s }", fmt.Sprintf("l%d: ", i), strings.Join(args, ", "), g.one("", "", "pageInfo { endCursor }", "totalCount", "totalCount(limit: 2) counted: totalCount(limit: $n)", "totalCount(limit: null) pageInfo { hasPreviousPage }", "edges { activity { conversationCount lastContactConversation { conversationId } } }", "nodes { lastContactAgent { users { nodes { id } } } }"))
		if g.IntN(3) == 0 {
			inside.WriteString(field)
		} else {
			root.WriteString(field)
		}
	}
	if inside.Len() == 0 {
		inside.WriteString(g.one("__typename", "same: users { ...some }", "...on Query { same: users(first: 1) { nodes { userId } } }"))
	}
	return "query($n: Int, $null: Int, $after: String, $missing: String, $sort: ConversationUserSort, $filter: ConversationUserFilter) {" + root.String() +
		" ...rest used: users(first: $n, after: $after, sortBy: $sort, filter: $filter) { ...some } alike: users(first: $null, after: $missing) { ...some } }" +
		" fragment rest on Query {" + inside.String() + "} fragment some on UserConnection { edges { cursor node { userId } } }"
}

func (g *generator) operation() string {
	var lists, spread strings.Builder
	for i := range 1 + g.IntN(2) {
		fmt.Fprintf(&lists, " l%d: users(first: %d) %s", i, g.IntN(4), g.set("UserConnection", 0))
	}
	// Every fragment and variable is used.
	lists.WriteString(" users @skip(if: $yes) @include(if: $no) { ...fUserConnection }")
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		fmt.Fprintf(&lists, " x%s: node(id: \"\") { ...on Node { __typename } ... on User { %s } }", name, fmt.Sprintf(routes[name], "...f"+name))
		fmt.Fprintf(&spread, " fragment f%s on %s %s", name, name, g.set(name, 4))
	}
	return "query($yes: Boolean!, $no: Boolean!) {" + lists.String() + " }" + spread.String()
}

// set returns a random selection set of a type.
func (g *generator) set(on string, depth int) string {
	var b strings.Builder
	b.WriteString("{")
	for range 1 + g.IntN(4) {
		directive := g.one("", "", "", "", " @include(if: $yes)", " @skip(if: $yes)", " @include(if: $no)", " @skip(if: $no)", " @include(if: true)")
		switch g.IntN(8) {
		case 0:
			b.WriteString(" " + g.one("", "t: ") + "__typename" + directive)
		case 1:
			if depth < 4 {
				b.WriteString(" ..." + g.one("", " on "+on) + directive + " " + g.set(on, depth+1))
			}
		case 2:
			if depth < 3 {
				b.WriteString(" ...f" + on + directive)
			}
		case 3:
			if on == "User" || on == "Agent" {
				b.WriteString(" ... on Node" + directive + " { id }")
			}
		default:
			name, inner, object := strings.Cut(fields[on][g.IntN(len(fields[on]))], ":")
			alias := ""
			if g.IntN(4) == 0 {
				alias = "a" + name + ": " // the same for the same field, so that such fields merge
			}
			b.WriteString(" " + alias + name + directive)
			if object {
				if depth >= 6 {
					b.WriteString(" { __typename }")
				} else {
					b.WriteString(" " + g.set(inner, depth+1))
				}
			}
		}
	}
	b.WriteString(" __typename }")
	return b.String()
}

// page returns a response of the upstream.
func (g *generator) page() string {
	users := make([]any, g.IntN(6))
	for i := range users {
		u := map[string]any{
			"user_id":                      fmt.Sprint(i, g.str()),
			"last_contact_unix_secs":       g.Int64N(4e9) - 2e9,
			"first_contact_unix_secs":      g.Int64N(4e9) - 2e9,
			"conversation_count":           g.IntN(1000),
			"last_contact_conversation_id": g.str(),
			"last_contact_agent_name":      g.maybe(g.str()),
			"last_contact_agent_id":        g.maybe(g.str()),
			"sentiment":                    g.maybe(g.sentiment()),
		}
		if g.IntN(2) == 0 {
			list := []any{}
			for range g.IntN(3) {
				list = append(list, map[string]any{
					"conversation_id": "c" + g.str(), "agent_id": g.maybe(g.str()), "start_time_unix_secs": g.maybe(g.Int64N(4e9)),
					"overall_label": g.maybe(g.one("positive", "neutral", "negative", "odd")), "overall_sentiment_score": g.maybe(g.NormFloat64()), "overall_frustration_score": g.maybe(g.score()),
				})
			}
			u["most_frustrated_conversations"] = list
		}
		users[i] = u
	}
	text, err := json.Marshal(map[string]any{"users": users, "has_more": len(users) > 3, "next_cursor": "next"}) // enough users for any first
	if err != nil {
		panic(err)
	}
	return string(text)
}

func (g *generator) sentiment() map[string]any {
	s := map[string]any{}
	for _, prefix := range []string{"", "recent_"} {
		for _, count := range []string{"scored_conversation_count", "positive_count", "neutral_count", "negative_count"} {
			s[prefix+count] = g.IntN(10)
		}
		s[prefix+"average_sentiment_score"] = g.maybe(g.score())
		s[prefix+"average_frustration_score"] = g.maybe(g.score())
	}
	return s
}

func (g *generator) score() float64 {
	return []float64{0, 1, -1, 0.1, 1e21, 1e-7, 123456789, 1e6, g.Float64(), g.NormFloat64() * 1e9}[g.IntN(10)]
}

func (g *generator) maybe(v any) any {
	if g.IntN(4) == 0 {
		return nil
	}
	return v
}

func (g *generator) str() string {
	return g.one("", "plain", `"quoted\`, "tab\tline\n", "\x00\x01", "王小明", "<b>&", "\u2028", "a/b?c#d%", g.text)
}
