package graph_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/graph/internal/graphtest"
)

// busy is an upstream whose users keep calling. A user who calls moves to the
// top.
type busy struct {
	*rand.Rand
	now   int64
	users []caller // latest first
	moved map[string]bool
	calls int
}

type caller struct {
	ID   string `json:"user_id"`
	Last int64  `json:"last_contact_unix_secs"`
}

func newBusy(seed uint64, n int) *busy {
	b := &busy{Rand: rand.New(rand.NewPCG(seed, 1)), now: int64(n), moved: make(map[string]bool)}
	for i := range n {
		b.users = append(b.users, caller{ID: fmt.Sprint("u", i), Last: int64(n - i)})
	}
	return b
}

// turn makes one user call again.
func (b *busy) turn() {
	i := b.IntN(len(b.users))
	u := b.users[i]
	b.now++
	u.Last = b.now
	b.moved[u.ID] = true
	b.users = slices.Insert(slices.Delete(b.users, i, i+1), 0, u)
}

// RoundTrip responds with keyset pages: a cursor is the last instant of the page
// before.
func (b *busy) RoundTrip(r *http.Request) (*http.Response, error) {
	b.calls++
	size, _ := strconv.Atoi(r.URL.Query().Get("page_size"))
	from := 0
	if cursor := r.URL.Query().Get("cursor"); cursor != "" {
		last, _ := strconv.ParseInt(cursor, 10, 64)
		for from < len(b.users) && b.users[from].Last >= last {
			from++
		}
	}
	to := min(from+size, len(b.users))
	users := make([]map[string]any, 0, size)
	for _, u := range b.users[from:to] {
		users = append(users, map[string]any{
			"user_id": u.ID, "last_contact_unix_secs": u.Last, "first_contact_unix_secs": 1, "conversation_count": 1, "last_contact_conversation_id": "c",
		})
	}
	page := map[string]any{"users": users, "has_more": to < len(b.users)}
	if to < len(b.users) {
		page["next_cursor"] = strconv.FormatInt(b.users[to-1].Last, 10)
	}
	body, err := json.Marshal(page)
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(body))), Request: r}, err
}

func TestWalkWithCache(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			b := newBusy(seed, 150)
			s := graphtest.New(t, graphtest.Options{RoundTripper: b, CacheTTL: time.Minute})
			for range 3 { // walkers, who may read pages that another has cached
				for id := range b.moved {
					delete(b.moved, id)
				}
				seen := make(map[string]int)
				var after any
				for more := true; more; {
					data := s.Must(`query($first: Int, $after: String) { users(first: $first, after: $after) { edges { cursor node { userId } } pageInfo { hasNextPage } } }`,
						map[string]any{"first": []int{10, 10, 10, 25, 1}[b.IntN(5)], "after": after})
					edges := graphtest.Get(data, "users", "edges").([]any)
					more = graphtest.Get(data, "users", "pageInfo", "hasNextPage").(bool)
					if len(edges) > 0 && more && b.IntN(3) == 0 { // resumes in the middle
						edges = edges[:1+b.IntN(len(edges))]
					}
					for _, e := range edges {
						seen[graphtest.Get(e, "node", "userId").(string)]++
						after = graphtest.Get(e, "cursor")
					}
					for range b.IntN(3) {
						b.turn()
					}
					time.Sleep(time.Duration(b.IntN(25)) * time.Second) //nolint:forbidigo // in fake time
				}
				for _, u := range b.users {
					if !b.moved[u.ID] && seen[u.ID] != 1 {
						t.Errorf("seed %d: %s, who did not move, was seen %d times", seed, u.ID, seen[u.ID])
					}
				}
			}
		})
	}
}

func TestCacheLookUps(t *testing.T) {
	b := newBusy(1, 50)
	s := graphtest.New(t, graphtest.Options{RoundTripper: b, CacheTTL: time.Minute})
	s.Must(`{ users(first: 30) { nodes { userId } } }`, nil)
	for _, query := range []string{
		`{ users(first: 30) { nodes { userId } } }`,
		`{ users(first: 7) { nodes { userId } } }`,
		`{ user(userId: "u3") { conversationCount } }`,
		`{ _entities(representations: [{__typename: "User", userId: "u3"}, {__typename: "User", userId: "u4"}]) { ... on User { conversationCount } } }`,
	} {
		b.calls = 0
		if s.Must(query, nil); b.calls != 0 {
			t.Errorf("%s: %d calls", query, b.calls)
		}
	}
	b.calls = 0
	if s.Must(`{ user(userId: "u45") { conversationCount } }`, nil); b.calls != 1 {
		t.Errorf("a user who was on no page: %d calls", b.calls)
	}
}
