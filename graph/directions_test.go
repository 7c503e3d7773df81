package graph_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"rollcall/graph"
	"rollcall/graph/internal/graphtest"
	"rollcall/upstream/emulator"
)

// userIDs returns the IDs of a list's users.
func userIDs(list any) []string {
	ids := []string{}
	for _, edge := range graphtest.Get(list, "edges").([]any) {
		ids = append(ids, graphtest.Get(edge, "node", "userId").(string))
	}
	return ids
}

// TestPagesInBothDirections walks lists at random, in every order and with a
// filter, and compares each page with the list that a forward walk returned.
func TestPagesInBothDirections(t *testing.T) {
	const selection = `{ edges { cursor node { userId } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } }`
	r := rand.New(rand.NewPCG(1, 2))
	for _, filter := range []string{"", `, filter: {callStartedAfter: "2026-08-01T00:00:00Z"}`} {
		for _, sort := range []string{"LAST_CONTACT", "CONVERSATION_COUNT", "AVERAGE_SENTIMENT_SCORE"} {
			for _, direction := range []string{"ASC", "DESC"} {
				order := fmt.Sprintf("sortBy: %s, sortDirection: %s%s", sort, direction, filter)
				t.Run(order, func(t *testing.T) {
					s := graphtest.New(t, graphtest.Options{})
					all := userIDs(graphtest.Get(s.Must(`{ users(first: 500, `+order+`) `+selection+` }`, nil), "users"))
					at, cursor := -1, any(nil) // the user whose cursor it is
					for range 40 {
						n := []int{1 + r.IntN(5), 1 + r.IntN(40), 1 + r.IntN(200)}[r.IntN(3)]
						var from int
						to := len(all)
						var list any
						if backward := r.IntN(2) == 0; backward {
							if cursor != nil {
								to = at
							}
							from = max(0, to-n)
							list = graphtest.Get(s.Must(`query($n: Int, $cursor: String) { users(last: $n, before: $cursor, `+order+`) `+selection+` }`, map[string]any{"n": n, "cursor": cursor}), "users")
							if graphtest.Get(list, "pageInfo", "hasPreviousPage") != (from > 0) || graphtest.Get(list, "pageInfo", "hasNextPage") != (cursor != nil) {
								t.Fatalf("%d to %d of %d: pageInfo is %v", from, to, len(all), graphtest.Get(list, "pageInfo"))
							}
						} else {
							from = at + 1
							to = min(to, from+n)
							list = graphtest.Get(s.Must(`query($n: Int, $cursor: String) { users(first: $n, after: $cursor, `+order+`) `+selection+` }`, map[string]any{"n": n, "cursor": cursor}), "users")
							if graphtest.Get(list, "pageInfo", "hasNextPage") != (to < len(all)) || graphtest.Get(list, "pageInfo", "hasPreviousPage") != (cursor != nil) {
								t.Fatalf("%d to %d of %d: pageInfo is %v", from, to, len(all), graphtest.Get(list, "pageInfo"))
							}
						}
						if got := userIDs(list); !slices.Equal(got, all[from:to]) {
							t.Fatalf("%d to %d: got %v, want %v", from, to, got, all[from:to])
						}
						at, cursor = -1, nil
						if to > from && r.IntN(8) > 0 {
							i := r.IntN(to - from)
							at, cursor = from+i, graphtest.Get(list, "edges", i, "cursor")
						}
					}
				})
			}
		}
	}
}

func TestUpstreamCallsInBothDirections(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{Upstream: emulator.New(emulator.Options{Users: 700})})
	const edges = `{ edges { cursor node { userId } } pageInfo { hasPreviousPage startCursor endCursor } }`
	var page any
	after := any(nil)
	for range 10 {
		page = graphtest.Get(s.Must(`query($after: String) { users(first: 30, after: $after) `+edges+` }`, map[string]any{"after": after}), "users")
		after = graphtest.Get(page, "pageInfo", "endCursor")
	}
	end := graphtest.Get(s.Must(`{ users(last: 30) `+edges+` }`, nil), "users")
	variables := map[string]any{
		"start": graphtest.Get(page, "pageInfo", "startCursor"), "middle": graphtest.Get(page, "edges", 20, "cursor"),
		"end": graphtest.Get(end, "pageInfo", "startCursor"), "n": 50,
	}
	for name, c := range map[string]struct {
		query string
		calls int
	}{
		"the last page":                         {`{ users(last: 30) { nodes { userId } } }`, 1},
		"the first page and the last":           {`{ a: users(first: 30) { nodes { userId } } b: users(last: 30) { nodes { userId } } }`, 2},
		"two sizes of the last page":            {`{ a: users(last: 3) { nodes { userId } } b: users(last: 30) { nodes { userId } } }`, 1},
		"five pages from the end":               {`{ users(last: 500) { nodes { userId } } }`, 5},
		"before the last page":                  {`query($end: String) { users(last: 30, before: $end) { nodes { userId } } }`, 1},
		"before a page that was read":           {`query($start: String) { users(last: 30, before: $start) { nodes { userId } } }`, 1},
		"before a user of a page":               {`query($middle: String) { users(last: 15, before: $middle) { nodes { userId } } }`, 1},
		"before a user, more than the page":     {`query($middle: String) { users(last: 30, before: $middle) { nodes { userId } } }`, 1},
		"before and after a user":               {`query($middle: String) { a: users(last: 15, before: $middle) { nodes { userId } } b: users(first: 20, after: $middle) { nodes { userId } } }`, 1},
		"after the first user of the last page": {`query($end: String) { users(first: 30, after: $end) { nodes { userId } } }`, 1},
		"hasPreviousPage of the page before":    {`query($start: String) { users(last: 0, before: $start) { pageInfo { hasPreviousPage } } }`, 1},
		"hasNextPage, which before determines":  {`query($start: String) { users(last: 30, before: $start) { pageInfo { hasNextPage } } }`, 0},
		"a count":                               {`{ users { totalCount } }`, 7},
		"a page with its count":                 {`{ users(first: 30) { totalCount nodes { userId } } }`, 7},
		"the last page with its count":          {`{ users(last: 30) { totalCount nodes { userId } } }`, 7},
		"a count beyond the limit":              {`{ users { totalCount(limit: 300) } }`, 3},
		"a count with a limit that is null":     {`{ users { totalCount(limit: null) } }`, 7},
		"two counts":                            {`{ a: users { totalCount } b: users { totalCount(limit: 700) } }`, 7},
		"two counts in one list":                {`{ users { a: totalCount b: totalCount(limit: 2000) } }`, 7},
		"counts in two orders":                  {`{ a: users { totalCount } b: users(sortBy: CONVERSATION_COUNT, sortDirection: ASC) { totalCount } }`, 7},
		"a count of one user":                   {`{ users(filter: {userId: "user_00001"}) { totalCount } }`, 1},
		"a count by a variable, in a fragment":  {`query($n: Int) { users { ...f } } fragment f on UserConnection { totalCount(limit: $n) nodes { userId } }`, 1},
		"a count that gqlgen writes":            {`{ users(first: 3) { totalCount nodes { lastContactAgent { users(first: 0) { nodes { userId } } } } } }`, 7},
		"a count beside another field":          {`{ node(id: "") { id } users(first: 3) { totalCount nodes { userId } } }`, 7},
	} {
		t.Run(name, func(t *testing.T) {
			s.Count()
			s.Must(c.query, variables)
			if got := s.Count(); got != c.calls {
				t.Errorf("%d calls, want %d", got, c.calls)
			}
		})
	}
}

func TestUpstreamCallsOfShortList(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{Upstream: emulator.New(emulator.Options{Users: 25})})
	for _, list := range []string{"users(first: 30)", "users(last: 30)", "users(first: 3)", "users"} {
		s.Count()
		data := s.Must("{ "+list+" { totalCount nodes { userId } } }", nil)
		if got := graphtest.Get(data, "users", "totalCount"); got != 25.0 {
			t.Errorf("%s: a count of %v, want 25", list, got)
		}
		if got := s.Count(); got != 1 {
			t.Errorf("%s: %d calls, want 1", list, got)
		}
	}
}

func TestUpstreamCallsOfBackwardWalk(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{Upstream: emulator.New(emulator.Options{Users: 700})})
	back := func(before any, most int) any {
		t.Helper()
		s.Count()
		data := s.Must(`query($before: String) { users(last: 30, before: $before) { nodes { userId } pageInfo { startCursor } } }`, map[string]any{"before": before})
		if got := s.Count(); got < 1 || got > most {
			t.Errorf("%d calls, want 1 to %d", got, most)
		}
		return graphtest.Get(data, "users", "pageInfo", "startCursor")
	}
	var cursor any
	for range 10 { // from the end
		cursor = back(cursor, 1)
	}
	cursor = nil
	for range 10 {
		data := s.Must(`query($after: String) { users(first: 30, after: $after) { pageInfo { startCursor endCursor } nodes { userId } } }`, map[string]any{"after": cursor})
		cursor = graphtest.Get(data, "users", "pageInfo", "endCursor")
	}
	for range 9 { // the same pages, in the other direction
		cursor = back(cursor, 2)
	}
}

func TestTotalCount(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{Upstream: emulator.New(emulator.Options{Users: 250})})
	for name, c := range map[string]struct {
		query string
		want  any
		code  string
	}{
		"all":                                {`{ users { totalCount } }`, 250.0, ""},
		"exactly the limit":                  {`{ users { totalCount(limit: 250) } }`, 250.0, ""},
		"one more than the limit":            {`{ users { totalCount(limit: 249) } }`, nil, ""},
		"the smallest limit":                 {`{ users { totalCount(limit: 1) } }`, nil, ""},
		"the largest limit":                  {`{ users { totalCount(limit: 5000) } }`, 250.0, ""},
		"null":                               {`{ users { totalCount(limit: null) } }`, 250.0, ""},
		"an alias, with a page":              {`{ users(first: 5) { totalCount: totalCount nodes { userId } } }`, 250.0, ""},
		"no limit":                           {`{ users { totalCount(limit: 0) } }`, nil, "BAD_USER_INPUT"},
		"too large a limit":                  {`{ users { totalCount(limit: 5001) } }`, nil, "BAD_USER_INPUT"},
		"a limit that also exceeds the cost": {`{ users { totalCount(limit: 1000000) } }`, nil, "BAD_USER_INPUT"},
		"by gqlgen, no limit":                {`{ users { totalCount(limit: 0) nodes { lastContactAgent { users(first: 0) { nodes { userId } } } } } }`, nil, "BAD_USER_INPUT"},
		"by gqlgen, all the users":           {`{ users(first: 2) { totalCount nodes { lastContactAgent { users(first: 0) { nodes { userId } } } } } }`, 250.0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.Query(c.query, nil)
			if got := graphtest.Get(r.Data, "users", "totalCount"); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if c.code == "" {
				if len(r.Errors) > 0 {
					t.Errorf("errors: %+v", r.Errors)
				}
				return
			}
			if len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != c.code || r.Errors[0].Extensions["argument"] != "limit" ||
				fmt.Sprint(r.Errors[0].Path) != "[users totalCount]" || len(r.Errors[0].Locations) != 1 {
				t.Errorf("errors: %+v", r.Errors)
			}
		})
	}
}

func TestCostOfCount(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{Graph: func(c *graph.Config) { c.Limits.Cost = 130 }})
	for query, tooComplex := range map[string]bool{
		`{ users(first: 30) { totalCount nodes { userId } } }`:                                                    false,
		`{ users(first: 31) { totalCount nodes { userId } } }`:                                                    true,
		`{ users(last: 30) { totalCount nodes { userId } } }`:                                                     false,
		`{ users(last: 131) { nodes { userId } } }`:                                                               true,
		`{ users(first: 30) { ...f } } fragment f on UserConnection { totalCount(limit: 1001) nodes { userId } }`: true,
		`{ users(first: 1) { totalCount(limit: 1290) } }`:                                                         false,
		`{ users(first: 1) { ... { totalCount(limit: 1300) } } }`:                                                 true,
		`query($n: Int = 5000) { users { totalCount(limit: $n) } }`:                                               true,
	} {
		r := s.Query(query, nil)
		if got := len(r.Errors) > 0 && r.Errors[0].Extensions["code"] == "OPERATION_TOO_COMPLEX"; got != tooComplex {
			t.Errorf("%s: too complex is %v: %+v", query, got, r.Errors)
		}
	}
}

func TestFailedCountKeepsPage(t *testing.T) {
	e := emulator.New(emulator.Options{})
	s := graphtest.New(t, graphtest.Options{Upstream: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("cursor") != "" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		e.ServeHTTP(w, r)
	})})
	for _, query := range []string{
		`{ users(first: 30) { totalCount nodes { userId } } }`,
		`{ users(first: 30) { totalCount nodes { userId lastContactAgent { users(first: 0) { nodes { userId } } } } } }`,
	} {
		r := s.Query(query, nil)
		if len(r.Errors) != 1 || fmt.Sprint(r.Errors[0].Path) != "[users totalCount]" || r.Errors[0].Extensions["code"] != "UPSTREAM_CREDENTIALS" {
			t.Errorf("errors: %+v", r.Errors)
		}
		if graphtest.Get(r.Data, "users", "totalCount") != nil || len(graphtest.Get(r.Data, "users", "nodes").([]any)) != 30 {
			t.Errorf("data: %v", r.Data)
		}
	}
}

func TestActivity(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{})
	const activity = `conversationCount firstContactAt lastContactAt lastContactAgent { agentId } lastContactAgentName lastContactConversation { conversationId }
		sentiment { overall { averageSentimentScore } recent { scoredConversationCount } } mostFrustratedConversations { conversation { conversationId } label }`
	data := s.Must(`query($since: DateTime) {
		all: users(first: 200) { edges { node { userId `+activity+` } activity { `+activity+` } } }
		some: users(first: 200, filter: {callStartedAfter: $since}) { edges { node { userId `+activity+` } activity { `+activity+` } } }
	}`, map[string]any{"since": "2026-10-01T00:00:00Z"})
	counts := make(map[any][]any)
	for _, list := range []string{"all", "some"} {
		for _, edge := range graphtest.Get(data, list, "edges").([]any) {
			node, activity := maps.Clone(graphtest.Get(edge, "node").(map[string]any)), graphtest.Get(edge, "activity")
			id := node["userId"]
			delete(node, "userId")
			if fmt.Sprint(node) != fmt.Sprint(activity) {
				t.Fatalf("%v: the node has %v, and the activity %v", id, node, activity)
			}
			counts[id] = append(counts[id], graphtest.Get(activity, "conversationCount"))
		}
	}
	differ := 0
	for _, c := range counts {
		if len(c) == 2 && c[0] != c[1] {
			differ++
		}
	}
	if differ < 10 {
		t.Errorf("only %d users have different numbers in the two lists", differ)
	}
}

func TestActivityWithoutConversation(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{Upstream: graphtest.Refuse(http.StatusOK, `{"users":[{"user_id":"u","last_contact_unix_secs":2,"first_contact_unix_secs":1,"conversation_count":1,"last_contact_conversation_id":""}],"has_more":false}`)})
	for _, more := range []string{"", "users(first: 0) { nodes { userId } }"} { // rendered, and by gqlgen
		data := s.Must(`{ users { edges { node { lastContactConversation { conversationId } lastContactAgent { agentId `+more+` } } activity { lastContactConversation { conversationId } sentiment { overall { positiveCount } } } } } }`, nil)
		edge := graphtest.Get(data, "users", "edges", 0)
		if graphtest.Get(edge, "node", "lastContactConversation") != nil || graphtest.Get(edge, "activity", "lastContactConversation", "conversationId") != "" {
			t.Errorf("got %v", edge)
		}
	}
}

func TestArgumentsOfBothDirections(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{})
	cursor := graphtest.Get(s.Must(`{ users(first: 5) { edges { cursor } } }`, nil), "users", "edges", 2, "cursor")
	for args, argument := range map[string]string{
		`first: 1, last: 1`:                            "last",
		`last: 1, after: $cursor`:                      "after",
		`first: 1, before: $cursor`:                    "before",
		`after: $cursor, before: $cursor`:              "before",
		`last: -1`:                                     "last",
		`last: 501`:                                    "last",
		`last: 5, before: "x"`:                         "before",
		`last: 5, first: null`:                         "",
		`last: 5, after: ""`:                           "",
		`first: 5, before: null`:                       "",
		`before: $cursor`:                              "",
		`last: 5, before: $cursor, sortDirection: ASC`: "before",
	} {
		for _, list := range []string{`users(%s) { edges { cursor } }`, `a: node(id: "QWdlbnQ6YWdlbnRfMQ") { ... on Agent { users(%s) { edges { cursor } } } }`} {
			s.Count()
			r := s.Query(`query($cursor: String) { used: users(after: $cursor) { nodes { id } } `+fmt.Sprintf(list, args)+` }`, map[string]any{"cursor": cursor})
			var codes []string
			for _, e := range r.Errors {
				codes = append(codes, fmt.Sprint(e.Extensions["code"], " ", e.Extensions["argument"]))
			}
			if strings.Contains(list, "node") && strings.Contains(args, "cursor") && argument == "" || strings.Contains(list, "node") && argument == "before" {
				continue // the cursor is of another list
			}
			if argument == "" {
				codes = slices.DeleteFunc(codes, func(c string) bool { return strings.HasPrefix(c, "NOT_FOUND") })
				if len(codes) > 0 {
					t.Errorf("%s: %v", args, codes)
				}
				continue
			}
			if !slices.Contains(codes, "BAD_USER_INPUT "+argument) {
				t.Errorf("%s in %s: %v", args, list, codes)
			}
		}
	}
}

func TestRefusedArguments(t *testing.T) {
	for _, c := range []struct{ query, param, argument string }{
		{`{ users(last: 5) { nodes { id } } }`, "page_size", "last"},
		{`{ users(first: 5) { nodes { id } } }`, "page_size", "first"},
		{`{ users(last: 5) { nodes { id } } }`, "cursor", "before"},
		{`{ users(first: 5) { nodes { id } } }`, "cursor", "after"},
	} {
		s := graphtest.New(t, graphtest.Options{Upstream: graphtest.Refuse(422, `{"detail":[{"loc":["query","`+c.param+`"],"msg":"is refused","type":"x"}]}`)})
		r := s.Query(c.query, nil)
		if len(r.Errors) != 1 || r.Errors[0].Extensions["argument"] != c.argument || !strings.HasPrefix(r.Errors[0].Message, c.argument+": ") {
			t.Errorf("%s, %s: %+v", c.query, c.param, r.Errors)
		}
	}
}

func TestTooFar(t *testing.T) {
	limited := func(o *graph.Config) { o.Limits.Calls = 3 }
	s := graphtest.New(t, graphtest.Options{})
	cursor := graphtest.Get(s.Must(`{ users(first: 450) { pageInfo { endCursor } } }`, nil), "users", "pageInfo", "endCursor")
	other := graphtest.New(t, graphtest.Options{Graph: limited})
	r := other.Query(`query($before: String) { users(last: 30, before: $before) { nodes { id } } }`, map[string]any{"before": cursor})
	if len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != "OPERATION_TOO_COMPLEX" || other.Count() != 0 {
		t.Errorf("%+v", r.Errors)
	}
}

// TestPreviousKey resumes at cursors that the key before a rotation sealed. The
// upstream accepts its own cursors from both keys of the account, which the
// emulator does not.
func TestPreviousKey(t *testing.T) {
	world := emulator.New(emulator.Options{Users: 500})
	account := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("xi-api-key", "account")
		world.ServeHTTP(w, r)
	})
	service := func(previous string) *graphtest.Service {
		return graphtest.New(t, graphtest.Options{Upstream: account, Passthrough: true, Graph: func(c *graph.Config) { c.PreviousKey = previous }})
	}
	const query = `query($first: Int, $after: String, $last: Int, $before: String) {
		users(first: $first, after: $after, last: $last, before: $before) { edges { cursor node { userId } } } }`
	old := service("").Query(query, map[string]any{"first": 220}, "xi-api-key", "old-key")
	all := userIDs(graphtest.Get(old.Data, "users"))
	if len(all) != 220 {
		t.Fatalf("%d users: %+v", len(all), old.Errors)
	}
	for at, user := range map[int]string{2: "in the first page", 99: "at the end of an upstream page", 150: "in a later page"} {
		cursor := graphtest.Get(old.Data, "users", "edges", at, "cursor")
		for name, c := range map[string]struct {
			previous  string
			variables map[string]any
			want      []string // nil if the cursor is refused
		}{
			"with the previous key, after":  {"old-key", map[string]any{"first": 5, "after": cursor}, all[at+1 : at+6]},
			"with the previous key, before": {"old-key", map[string]any{"last": 2, "before": cursor}, all[at-2 : at]},
			"with another previous key":     {"another-key", map[string]any{"first": 5, "after": cursor}, nil},
			"without a previous key":        {"", map[string]any{"first": 5, "after": cursor}, nil},
		} {
			t.Run("a cursor "+user+", "+name, func(t *testing.T) {
				r := service(c.previous).Query(query, c.variables, "xi-api-key", "new-key")
				if c.want == nil {
					if len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != "BAD_USER_INPUT" || r.Errors[0].Extensions["argument"] != "after" {
						t.Errorf("%+v", r)
					}
					return
				}
				if len(r.Errors) > 0 {
					t.Fatalf("%+v", r.Errors)
				}
				if got := userIDs(graphtest.Get(r.Data, "users")); !slices.Equal(got, c.want) {
					t.Errorf("got %q, want %q", got, c.want)
				}
			})
		}
	}
}
