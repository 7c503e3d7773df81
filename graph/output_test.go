package graph_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/graph"
	"rollcall/graph/internal/graphtest"
)

// large is an operation of five lists of n users; some of its fields have gqlgen write
// the response.
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
			for range 5 { // each gives back what it took
				w := s.Post(query(100))
				if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "OPERATION_TOO_COMPLEX") || strings.Contains(w.Body.String(), "data") || w.Body.Len() > 500 {
					t.Fatalf("a larger response: %d %.200s", w.Code, w.Body)
				}
			}
		})
	}
}

// stalled is a response writer that a caller does not read from.
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
	for name, fields := range map[string]string{"rendered": "", "by gqlgen": byGqlgen} {
		t.Run(name, func(t *testing.T) {
			const limit = 400_000
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
