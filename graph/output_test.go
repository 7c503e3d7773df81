package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/graph"
	"rollcall/graph/internal/graphtest"
	"rollcall/upstream/emulator"
)

// large returns an operation of five lists of n users. With some fields, gqlgen
// writes the response.
func large(n int, fields string) string {
	var b strings.Builder
	for i := range 5 {
		fmt.Fprintf(&b, "a%d: users(first: %d) { edges { cursor node { userId %s } } } ", i, n, fields)
	}
	return "{ " + b.String() + "}"
}

const byGqlgen = "lastContactAgent { users(first: 0) { pageInfo { hasPreviousPage } } }"

func TestResponseLimit(t *testing.T) {
	for name, fields := range map[string]string{"rendered": "", "by gqlgen": byGqlgen} {
		t.Run(name, func(t *testing.T) {
			const limit = 20_000
			s := graphtest.New(t, graphtest.Options{Graph: func(c *graph.Config) { c.Limits.Answer, c.Limits.Answers = limit, 2*limit }})
			query := func(n int) string {
				body, _ := json.Marshal(map[string]string{"query": large(n, fields)})
				return string(body)
			}
			if w := s.Post(query(10)); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "errors") {
				t.Errorf("a smaller response: %d %.200s", w.Code, w.Body)
			}
			for range 5 { // each request returns its bytes to the budget
				w := s.Post(query(100))
				if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "OPERATION_TOO_COMPLEX") || strings.Contains(w.Body.String(), "data") || w.Body.Len() > 500 {
					t.Fatalf("a larger response: %d %.200s", w.Code, w.Body)
				}
			}
		})
	}
}

// stalled is a response writer whose caller does not read.
type stalled struct {
	http.ResponseWriter
	header  http.Header
	arrived chan struct{}
	resume  chan struct{}
	once    sync.Once
}

func (s *stalled) Header() http.Header { return s.header }
func (s *stalled) WriteHeader(int)     {}
func (s *stalled) Write(b []byte) (int, error) {
	s.once.Do(func() { close(s.arrived) })
	<-s.resume
	return len(b), nil
}

func TestResponsesInMemory(t *testing.T) {
	for name, c := range map[string]struct {
		fields string
		limit  int // of one response and of one key: more than one response, and less than two
	}{
		"rendered":  {"", 200_000},
		"by gqlgen": {byGqlgen, 300_000},
	} {
		t.Run(name, func(t *testing.T) {
			fields, limit := c.fields, c.limit
			s := graphtest.New(t, graphtest.Options{Passthrough: true, Timeout: time.Second, Graph: func(c *graph.Config) {
				c.Limits.Answer, c.Limits.Answers = limit, 2*limit
			}})
			query := func(n int) string {
				body, _ := json.Marshal(map[string]string{"query": large(n, fields)})
				return string(body)
			}
			held := &stalled{header: http.Header{}, arrived: make(chan struct{}), resume: make(chan struct{})}
			r := func() *http.Request {
				r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(query(300)))
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Xi-Api-Key", "a")
				return r
			}
			ended := make(chan struct{})
			go func() { s.Handler.ServeHTTP(held, r()); close(ended) }()
			<-held.arrived

			w := s.Post(query(301), "Xi-Api-Key", "a")
			if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "OVERLOADED") || w.Header().Get("Retry-After") == "" {
				t.Errorf("another large response of the key: %d %v %.200s", w.Code, w.Header(), w.Body)
			}
			if w := s.Post(query(1), "Xi-Api-Key", "a"); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "errors") {
				t.Errorf("a small response of the key: %d %.200s", w.Code, w.Body)
			}
			if w := s.Post(query(302), "Xi-Api-Key", "b"); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "errors") {
				t.Errorf("a large response of another key: %d %.200s", w.Code, w.Body)
			}
			close(held.resume)
			<-ended
			if w := s.Post(query(303), "Xi-Api-Key", "a"); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "errors") {
				t.Errorf("once the first one is sent: %d %.200s", w.Code, w.Body)
			}
		})
	}
}

// TestLargeResponses checks that a response of more than 64 KiB is the same whether
// the service or gqlgen writes it, and that its limit is exact.
func TestLargeResponses(t *testing.T) {
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
					c.Limits.Answer = limit
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

// TestLargeResponsesThatWait has a budget for two of eight concurrent responses: the
// others are dropped while they are written, and are written again later.
func TestLargeResponsesThatWait(t *testing.T) {
	const limit = 300_000
	s := graphtest.New(t, graphtest.Options{Passthrough: true, Timeout: 30 * time.Second, Graph: func(c *graph.Config) {
		c.Limits.Answer, c.Limits.Answers = limit, 2*limit
	}})
	query := func(i int) string { return body(strings.ReplaceAll(large(400, ""), "a0:", fmt.Sprintf("b%d:", i))) }
	want := s.Post(query(9), "Xi-Api-Key", "key-9").Body.String()
	if len(want) < limit*3/4 || len(want) > limit {
		t.Fatalf("the response has %d bytes: %.200s", len(want), want)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 5 {
				w := s.Post(query(i), "Xi-Api-Key", fmt.Sprintf("key-%d", i))
				if got := strings.Replace(w.Body.String(), fmt.Sprintf("b%d", i), "b9", 1); cursorless(got) != cursorless(want) {
					t.Errorf("%d bytes, want %d: %.200s", len(got), len(want), got)
				}
			}
		})
	}
	wg.Wait()
}

// cursorless returns a response without its cursors, which each key has of its own.
func cursorless(response string) string {
	return regexp.MustCompile(`"cursor":"[^"]*"`).ReplaceAllString(response, "")
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
		s := graphtest.New(t, graphtest.Options{Upstream: refused, Graph: func(c *graph.Config) { c.Limits.Answer = limit }})
		w := s.Post(query)
		if !strings.Contains(w.Body.String(), code) || w.Body.Len() > limit || strings.Contains(w.Body.String(), `"data"`) != (code == "BAD_USER_INPUT") {
			t.Errorf("limit %d: %d bytes: %.300s", limit, w.Body.Len(), w.Body)
		}
	}
}
