package graph_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/graph/internal/graphtest"
	"rollcall/upstream/emulator"
)

// aliases repeats a field under distinct aliases; %d in it is the number of the
// repetition.
func aliases(n int, field string) string {
	var b strings.Builder
	b.WriteString("{")
	for i := range n {
		fmt.Fprintf(&b, " a%d: %s", i, strings.ReplaceAll(field, "%d", strconv.Itoa(i+1)))
	}
	b.WriteString(" }")
	return b.String()
}

func TestUpstreamCalls(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{})
	page := s.Must(`{ users(first: 40) { edges { cursor node { userId id } } pageInfo { endCursor } } }`, nil)
	middle, end := graphtest.Get(page, "users", "edges", 9, "cursor"), graphtest.Get(page, "users", "pageInfo", "endCursor")
	agents := make(map[any]bool)
	for _, n := range graphtest.Get(s.Must(`{ users(first: 30) { nodes { lastContactAgent { agentId } } } }`, nil), "users", "nodes").([]any) {
		if a := graphtest.Get(n, "lastContactAgent"); a != nil {
			agents[graphtest.Get(a, "agentId")] = true
		}
	}
	user, id := graphtest.Get(page, "users", "edges", 0, "node", "userId"), graphtest.Get(page, "users", "edges", 0, "node", "id")
	variables := map[string]any{"middle": middle, "end": end, "user": user, "id": id}

	for name, c := range map[string]struct {
		query string
		calls int
	}{
		"a page":                               {`{ users { nodes { userId } } }`, 1},
		"12 equal aliases":                     {aliases(12, `users(first: 30) { nodes { userId } }`), 1},
		"12 sizes of one page":                 {aliases(12, `users(first: %d) { nodes { userId } }`), 1},
		"sizes under a fragment":               {`{ ...f a: users(first: 90) { nodes { userId } } } fragment f on Query { users(first: 5) { nodes { userId } } ... { b: users(first: 50) { nodes { userId } } } }`, 1},
		"five pages":                           {`{ users(first: 500) { nodes { userId } } }`, 5},
		"sizes of several pages":               {`{ a: users(first: 130) { nodes { userId } } b: users(first: 180) { nodes { userId } } }`, 2},
		"null and defaults":                    {`{ a: users(filter: null, sortBy: null, sortDirection: null, first: null) { nodes { userId } } b: users(filter: {}) { nodes { userId } } c: users(filter: {agentId: null}) { nodes { userId } } d: users { nodes { userId } } }`, 1},
		"12 sizes since an instant":            {aliases(12, `users(first: %d, filter: {callStartedAfter: "2026-01-01T00:00:00Z"}) { nodes { userId } }`), 1},
		"sizes of an agent's since an instant": {`{ a: users(first: 1) { nodes { lastContactAgent { x: users(first: 3, filter: {callStartedAfter: "2026-01-01T00:00:00Z"}) { nodes { userId } } y: users(first: 9, filter: {callStartedAfter: "2026-01-01T00:00:00Z"}) { nodes { userId } } } } } }`, 2},
		"two sorts":                            {`{ a: users { nodes { userId } } b: users(sortDirection: ASC) { nodes { userId } } }`, 2},
		"after a middle edge":                  {`query($middle: String) { users(first: 20, after: $middle) { nodes { userId } } }`, 1},
		"the page and its middle":              {`query($middle: String) { a: users(first: 20, after: $middle) { nodes { userId } } b: users(first: 7) { nodes { userId } } }`, 1},
		"two pages":                            {`query($end: String) { a: users(first: 20, after: $end) { nodes { userId } } b: users(first: 7) { nodes { userId } } }`, 2},
		"nested agents":                        {`{ users(first: 30) { nodes { lastContactAgent { users(first: 3) { nodes { userId } } } } } }`, 1 + len(agents)},
		"nested agents, two sizes": {`{ users(first: 30) { nodes { lastContactAgent { a: users(first: 3) { nodes { userId } } b: users(first: 9) { nodes { userId } } } } } }`,
			1 + len(agents)},
		"nested agents in two places": {`{ a: users(first: 30) { nodes { lastContactAgent { users(first: 3) { nodes { userId } } } } } b: users(first: 30) { edges { node { lastContactAgent { users(first: 8) { nodes { userId } } } } } } }`,
			1 + len(agents)},
		"one user in many ways":     {`query($user: ID!, $id: ID!) { a: user(userId: $user) { userId } b: user(userId: $user) { userId } node(id: $id) { id } nodes(ids: [$id, $id]) { id } c: users(filter: {userId: $user}) { nodes { userId } } }`, 1},
		"a list without users":      {`{ users { __typename pageInfo { hasPreviousPage } } }`, 0},
		"no rows":                   {`{ users(first: 0) { edges { cursor } nodes { id } pageInfo { startCursor endCursor hasPreviousPage } } }`, 0},
		"no rows, with hasNextPage": {`{ users(first: 0) { pageInfo { hasNextPage } } }`, 1},
		"a skipped list":            {`{ users @skip(if: true) { nodes { id } } __typename }`, 0},
		"rows that are skipped":     {`{ users { nodes @skip(if: true) { id } } }`, 0},
		"an agent":                  {`{ node(id: "QWdlbnQ6YWdlbnRfeA") { id } }`, 0},
		"a malformed ID":            {`{ node(id: "?") { id } }`, 0},
		"a made-up cursor":          {`{ users(after: "made-up") { nodes { id } } }`, 0},
		"a cursor of another list":  {`query($end: String) { users(after: $end, sortDirection: ASC) { nodes { id } } }`, 0},
		"too many":                  {`{ users(first: 501) { nodes { id } } }`, 0},
		"the schema":                {`{ __schema { queryType { name } } }`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s.Calls()
			s.Query(c.query, variables)
			if got := s.Count(); got != c.calls {
				t.Errorf("%d calls, want %d", got, c.calls)
			}
		})
	}
	if len(agents) < 3 {
		t.Errorf("the page has only %d agents", len(agents))
	}
}

func TestIdenticalRequestsShareCalls(t *testing.T) {
	arrived, release := make(chan struct{}, 100), make(chan struct{})
	upstream := emulator.New(emulator.Options{Users: 100})
	s := graphtest.New(t, graphtest.Options{Upstream: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
		upstream.ServeHTTP(w, r)
	})})
	var wg, started sync.WaitGroup
	for range 40 {
		started.Add(1)
		wg.Go(func() {
			started.Done()
			s.Must(`{ users(first: 30) { nodes { userId } } }`, nil)
		})
	}
	started.Wait()
	<-arrived
	time.Sleep(50 * time.Millisecond) //nolint:forbidigo // real sockets: there is no bubble to wait in
	close(release)
	wg.Wait()
	if got := s.Count(); got != 1 {
		t.Errorf("%d calls, want 1", got)
	}
}

func TestUpstreamCallsOfWalk(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{})
	seen := make(map[any]bool)
	pages := 0
	for after := any(nil); ; pages++ {
		page := s.Must(`query($after: String) { users(first: 25, after: $after) { nodes { userId } pageInfo { hasNextPage endCursor } } }`, map[string]any{"after": after})
		for _, n := range graphtest.Get(page, "users", "nodes").([]any) {
			seen[graphtest.Get(n, "userId")] = true
		}
		if graphtest.Get(page, "users", "pageInfo", "hasNextPage") == false {
			pages++
			break
		}
		after = graphtest.Get(page, "users", "pageInfo", "endCursor")
	}
	if got := s.Count(); pages != 20 || got != 20 || len(seen) != 500 {
		t.Errorf("%d users in %d pages by %d calls; want 500, 20, 20", len(seen), pages, got)
	}
}

func TestPageSizes(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{})
	for name, query := range map[string]string{
		"a list that is skipped":      `query($yes: Boolean = true) { a: users(first: 5) { nodes { userId } } b: users(first: 90) @skip(if: $yes) { nodes { userId } } }`,
		"a list that is not included": `query($no: Boolean = false) { a: users(first: 5) { nodes { userId } } b: users(first: 90) @include(if: $no) { nodes { userId } } }`,
		"a fragment that is skipped":  `query($yes: Boolean = true) { a: users(first: 5) { nodes { userId } } ...f @skip(if: $yes) ... @skip(if: true) { c: users(first: 80) { nodes { userId } } } } fragment f on Query { b: users(first: 90) { nodes { userId } } }`,
		"a list without users":        `{ a: users(first: 5) { nodes { userId } } b: users(first: 90) { pageInfo { hasPreviousPage } } }`,
		"a list that is included":     `query($yes: Boolean = true) { a: users(first: 3) { nodes { userId } } b: users(first: 5) @include(if: $yes) @skip(if: false) { nodes { userId } } }`,
	} {
		t.Run(name, func(t *testing.T) {
			s.Calls()
			s.Must(query, nil)
			if calls := s.Calls(); len(calls) != 1 || calls[0].Get("page_size") != "5" {
				t.Errorf("called with %v", calls)
			}
		})
	}
}
