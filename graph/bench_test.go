package graph_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"rollcall/graph"
	"rollcall/graph/internal/graphtest"
	"rollcall/graph/persisted"
	"rollcall/upstream/emulator"
)

// allFields selects everything of a page that the vendor's reference page has.
const allFields = `query Page($first: Int, $after: String) { users(first: $first, after: $after) {
  edges { cursor node { id userId conversationCount firstContactAt lastContactAt lastContactAgentName
    lastContactAgent { agentId } lastContactConversation { conversationId } } }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }`

// canned is an upstream whose responses are prepared in advance.
type canned map[string][]byte

func (c canned) RoundTrip(r *http.Request) (*http.Response, error) {
	body, ok := c[r.URL.Query().Get("cursor")]
	if !ok {
		return nil, fmt.Errorf("no page at %q", r.URL.Query().Get("cursor"))
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body)), Request: r}, nil
}

// pages returns n responses of an emulator, by cursor.
func pages(t testing.TB, n int) canned {
	t.Helper()
	server := emulator.New(emulator.Options{Users: 30 * (n + 1)})
	c := canned{}
	for cursor := ""; len(c) < n; {
		r := httptest.NewRequest(http.MethodGet, "/v1/convai/users?page_size=30&cursor="+url.QueryEscape(cursor), nil)
		r.Header.Set("xi-api-key", "key")
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		var page struct {
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || page.NextCursor == "" {
			t.Fatalf("%v: %s", err, w.Body)
		}
		c[cursor] = w.Body.Bytes()
		cursor = page.NextCursor
	}
	return c
}

// walker returns a function that requests the next page, and the first one after
// the last. The requests pass through everything but the network.
func walker(t testing.TB, config func(*graph.Config)) (next func() *httptest.ResponseRecorder) {
	t.Helper()
	return walk(t, graphtest.New(t, graphtest.Options{RoundTripper: pages(t, walkedPages), Graph: config}), map[string]any{"query": allFields})
}

// walkedPages is how many pages a walker requests in turn.
const walkedPages = 50

// walk is as walker, of a service. A request's body has other members besides its
// variables.
func walk(t testing.TB, s *graphtest.Service, members map[string]any) (next func() *httptest.ResponseRecorder) {
	t.Helper()
	const n = walkedPages
	bodies := make([]string, 0, n)
	var after any
	for range n {
		members["variables"] = map[string]any{"first": 30, "after": after}
		body, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, string(body))
		var r graphtest.Reply
		if err := json.Unmarshal(s.Post(string(body)).Body.Bytes(), &r); err != nil || len(r.Errors) > 0 {
			t.Fatal(err, r.Errors)
		}
		after = graphtest.Get(r.Data, "users", "pageInfo", "endCursor")
	}
	i := 0
	return func() *httptest.ResponseRecorder {
		i++
		w := s.Post(bodies[i%n])
		if w.Body.Len() < 10_000 || strings.HasPrefix(w.Body.String(), `{"errors"`) {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return w
	}
}

// BenchmarkPage requests a different page of 30 users each time.
func BenchmarkPage(b *testing.B) {
	next := walker(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		next()
	}
}

// BenchmarkPageByID requests the same pages with the ID of a trusted document, and
// with a registered hash.
func BenchmarkPageByID(b *testing.B) {
	for name, members := range map[string]map[string]any{
		"trusted":   {"documentId": "page"},
		"automatic": {"extensions": map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": persisted.Hash(allFields)}}},
	} {
		b.Run(name, func(b *testing.B) {
			s := graphtest.New(b, graphtest.Options{RoundTripper: pages(b, walkedPages), Graph: func(c *graph.Config) { c.PersistedQueries = true }})
			if err := s.Executor.Trust(graph.TrustPrefer, []persisted.Document{{ID: "page", Text: allFields}}); err != nil {
				b.Fatal(err)
			}
			registering, _ := json.Marshal(map[string]any{"query": allFields, "documentId": persisted.Hash(allFields)})
			s.Post(string(registering))
			next := walk(b, s, members)
			b.ReportAllocs()
			for b.Loop() {
				next()
			}
		})
	}
}

// maxAllocations is how many allocations a page of 30 users may need, with the
// upstream's client and everything but the network. In contrast to times, they do
// not depend on the machine.
const maxAllocations = 260

func TestPageAllocations(t *testing.T) {
	if raceFactor > 1 {
		t.Skip("the race detector allocates")
	}
	next := walker(t, nil)
	if n := testing.AllocsPerRun(200, func() { next() }); n > maxAllocations {
		t.Errorf("%v allocations, want at most %d", n, maxAllocations)
	}
}
