package graph_test

import (
	"fmt"
	"net/http"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"rollcall/graph"
	"rollcall/graph/internal/graphtest"
	"rollcall/upstream/emulator"
)

const entitiesQuery = `query($r: [_Any!]!) { _entities(representations: $r) {
	__typename ... on User { userId conversationCount firstContactAt lastContactAt } ... on Agent { agentId users(first: 1) { nodes { userId } } } } }`

func representations[T any](list []T) map[string]any { return map[string]any{"r": list} }

func TestRepresentationErrors(t *testing.T) {
	world := emulator.New(emulator.Options{Users: 500})
	s := graphtest.New(t, graphtest.Options{Upstream: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("search") == "sick" {
			graphtest.Refuse(503, ``).ServeHTTP(w, r)
			return
		}
		world.ServeHTTP(w, r)
	})})
	r := s.Query(entitiesQuery, representations([]any{
		map[string]any{"__typename": "User", "userId": "user_00007", "email": "of another service"},
		map[string]any{"__typename": "User", "userId": "nobody"},
		map[string]any{"__typename": "User", "userId": "sick"},
		map[string]any{"__typename": "Dog", "name": "canary"},
		map[string]any{"__typename": "User"},
		map[string]any{"__typename": "User", "userId": nil},
		map[string]any{"__typename": "User", "userId": map[string]any{}},
		map[string]any{"__typename": "User", "userId": ""},
		map[string]any{"userId": "user_00007"},
		map[string]any{"__typename": 7},
		map[string]any{},
		map[string]any{"__typename": "Agent", "agentId": "agent_7k612acbx9hx0zmrvzc83de18e9b"},
		map[string]any{"__typename": "Agent", "agentId": "agent_nobody"},
		map[string]any{"__typename": "Conversation", "conversationId": "c"},
		"canary",
		7,
		[]any{},
		map[string]any{"__typename": "User", "userId": true},
		map[string]any{"__typename": "User", "userId": 7.5},
		map[string]any{"__typename": "Agent", "agentId": []any{"agent_7k612acbx9hx0zmrvzc83de18e9b"}},
	}), "X-Request-Id", "req-1")
	list := graphtest.Get(r.Data, "_entities").([]any)
	if got := graphtest.Get(list, 0, "conversationCount"); got != 1.0 {
		t.Errorf("the user has %v conversations", got)
	}
	if want := map[string]any{"__typename": "User", "userId": "nobody", "conversationCount": 0.0, "firstContactAt": nil, "lastContactAt": nil}; !reflect.DeepEqual(list[1], want) {
		t.Errorf("a stranger is %v", list[1])
	}
	if got := graphtest.Get(list, 11, "users", "nodes").([]any); len(got) != 1 {
		t.Errorf("the agent has %v", got)
	}
	codes := map[string]any{}
	for _, e := range r.Errors {
		codes[fmt.Sprint(e.Path)] = e.Extensions["code"]
	}
	want := map[string]any{"[_entities 2]": "UPSTREAM_UNAVAILABLE", "[_entities 12 users]": "NOT_FOUND"}
	for _, i := range []int{3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15, 16, 17, 18, 19} {
		want[fmt.Sprintf("[_entities %d]", i)] = "BAD_USER_INPUT"
		if list[i] != nil {
			t.Errorf("%d is %v", i, list[i])
		}
	}
	if !reflect.DeepEqual(codes, want) || len(r.Errors) != len(want) {
		t.Errorf("got %v, want %v", codes, want)
	}
	if log := s.Log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("logged %s", s.Log)
	}
}

func TestUpstreamCallsForRepresentations(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{})
	var users, same, agents []map[string]any
	for i := range 100 {
		users = append(users, map[string]any{"__typename": "User", "userId": fmt.Sprintf("user_%05d", i+1)})
		same = append(same, map[string]any{"__typename": "User", "userId": fmt.Sprintf("user_%05d", i%4+1)})
		agents = append(agents, map[string]any{"__typename": "Agent", "agentId": []string{"agent_7k612acbx9hx0zmrvzc83de18e9b", "agent_7k38atyn651x9jptm065hh70mdjq"}[i%2]})
	}
	for name, c := range map[string]struct {
		query           string
		representations []map[string]any
		calls           int
	}{
		"100 users":               {entitiesQuery, users, 100},
		"4 users, 25 times each":  {entitiesQuery, same, 4},
		"nothing but their keys":  {`query($r: [_Any!]!) { _entities(representations: $r) { __typename ... on User { id userId __typename } ... on Node { id } } }`, users, 0},
		"2 agents, 50 times each": {entitiesQuery, agents, 2},
		"2 agents, in two sizes":  {`query($r: [_Any!]!) { _entities(representations: $r) { ... on Agent { a: users(first: 3) { nodes { userId } } b: users(first: 9) { nodes { userId } } } } }`, agents[:20], 2},
		"nothing of 100 agents":   {`query($r: [_Any!]!) { _entities(representations: $r) { ... on Agent { id agentId } } }`, agents, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s.Calls()
			if data := s.Must(c.query, representations(c.representations)); len(graphtest.Get(data, "_entities").([]any)) != len(c.representations) {
				t.Errorf("got %v", data)
			}
			if got := s.Count(); got != c.calls {
				t.Errorf("%d calls, want %d", got, c.calls)
			}
		})
	}
}

// TestAgentListsAreConcurrent has an upstream that holds all responses until all
// requests have arrived.
func TestAgentListsAreConcurrent(t *testing.T) {
	const agents = 6
	world := emulator.New(emulator.Options{Users: 500})
	var arrived sync.WaitGroup
	arrived.Add(agents)
	s := graphtest.New(t, graphtest.Options{Upstream: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		arrived.Done()
		arrived.Wait()
		world.ServeHTTP(w, r)
	})})
	var list []map[string]any
	for i := range 3 * agents {
		list = append(list, map[string]any{"__typename": "Agent", "agentId": fmt.Sprintf("agent_nobody%d", i%agents)})
	}
	r := s.Query(entitiesQuery, representations(list))
	if len(r.Errors) != len(list) {
		t.Errorf("got %+v", r)
	}
	for _, e := range r.Errors {
		if e.Extensions["code"] != "NOT_FOUND" {
			t.Errorf("got %+v", e)
		}
	}
	if got := s.Count(); got != agents {
		t.Errorf("%d calls, want %d", got, agents)
	}
}

// TestEntityListCursors walks an agent's users alternately by _entities and by
// users: both return the same cursors.
func TestEntityListCursors(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{})
	agent := map[string]any{"__typename": "Agent", "agentId": "agent_7k612acbx9hx0zmrvzc83de18e9b"}
	const list = `users(first: 7, after: $after, sortBy: CONVERSATION_COUNT, %s) { edges { cursor node { userId } } pageInfo { hasNextPage endCursor } }`
	direct := fmt.Sprintf(`query($after: String, $agent: ID!) { %s }`, fmt.Sprintf(list, "filter: {agentId: $agent}"))
	entity := fmt.Sprintf(`query($after: String, $r: [_Any!]!) { _entities(representations: $r) { ... on Agent { %s } } }`, fmt.Sprintf(list, "filter: {}"))
	pages := 0
	for after := any(nil); pages < 5; pages++ {
		variables := map[string]any{"after": after, "agent": agent["agentId"], "r": []any{agent, agent}}
		want := graphtest.Get(s.Must(direct, variables), "users")
		got := graphtest.Get(s.Must(entity, variables), "_entities")
		if !reflect.DeepEqual(graphtest.Get(got, 0, "users"), want) || !reflect.DeepEqual(graphtest.Get(got, 1, "users"), want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		if graphtest.Get(want, "pageInfo", "hasNextPage") != true {
			t.Fatalf("the list ends on page %d", pages)
		}
		after = graphtest.Get(want, "edges", pages, "cursor") // the first edge, then the second, …: each of them works
	}
	if got := s.Count(); got != 2*pages {
		t.Errorf("%d calls for %d pages, each read twice", got, pages)
	}
}

func TestCostOfRepresentations(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{})
	var agents []map[string]any
	for i := range 100 {
		agents = append(agents, map[string]any{"__typename": "Agent", "agentId": fmt.Sprintf("agent_%d", i)})
	}
	r := s.Query(`query($r: [_Any!]!) { _entities(representations: $r) { ... on Agent { users(first: 50) { nodes { userId } } } } }`, representations(agents))
	if len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != "OPERATION_TOO_COMPLEX" || r.Data != nil {
		t.Errorf("got %+v", r)
	}
	if got := s.Count(); got != 0 {
		t.Errorf("%d calls", got)
	}
}

// TestLookUpLimit checks that operations that would run out of calls are refused
// at once.
func TestLookUpLimit(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{Graph: func(c *graph.Config) { c.Limits.Calls = 20 }})
	users := func(from, to int) (list []map[string]any) {
		for i := from; i < to; i++ {
			list = append(list, map[string]any{"__typename": "User", "userId": fmt.Sprintf("user_%05d", i+1)})
		}
		return list
	}
	const twice = `query($r: [_Any!]!, $s: [_Any!]!, $yes: Boolean!) {
		a: _entities(representations: $r) { ... on User { conversationCount } } b: _entities(representations: $s) @skip(if: $yes) { ... on User { conversationCount } } }`
	for name, c := range map[string]struct {
		query   string
		r, s    []map[string]any
		skip    bool
		refused bool
		calls   int
	}{
		"one more than there may be": {entitiesQuery, users(0, 21), nil, false, true, 0},
		"as many as there may be":    {entitiesQuery, users(0, 20), nil, false, false, 20},
		"each of them twice":         {entitiesQuery, append(users(0, 20), users(0, 20)...), nil, false, false, 20},
		"in two fields":              {twice, users(0, 15), users(10, 30), false, true, 0},
		"in one that is skipped":     {twice, users(0, 15), users(10, 30), true, false, 15},
		"users of whom only the key is selected": {`query($r: [_Any!]!) { _entities(representations: $r) { ... on User { userId } } }`,
			users(0, 30), nil, false, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s.Calls()
			r := s.Query(c.query, map[string]any{"r": c.r, "s": c.s, "yes": c.skip})
			if refused := len(r.Errors) == 1 && r.Errors[0].Extensions["code"] == "OPERATION_TOO_COMPLEX" && r.Data == nil; refused != c.refused || !refused && len(r.Errors) > 0 {
				t.Errorf("got %+v", r.Errors)
			}
			if got := s.Count(); got != c.calls {
				t.Errorf("%d calls, want %d", got, c.calls)
			}
		})
	}
}

func TestErrorsAreBounded(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{})
	bad := make([]map[string]any, 1500)
	for i := range bad {
		bad[i] = map[string]any{"__typename": "Nobody"}
	}
	r := s.Query(entitiesQuery, representations(bad))
	if got := len(graphtest.Get(r.Data, "_entities").([]any)); got != 1500 || len(r.Errors) != 101 {
		t.Fatalf("%d places and %d errors", got, len(r.Errors))
	}
	if last := r.Errors[100]; last.Message != "1400 more errors are left out." || last.Extensions["code"] != "BAD_USER_INPUT" || last.Path != nil {
		t.Errorf("got %+v", last)
	}
}

// TestRouterRequests sends subgraph requests as routers write them.
func TestRouterRequests(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{})
	user := map[string]any{"__typename": "User", "userId": "user_00001"}
	agent := map[string]any{"__typename": "Agent", "agentId": "agent_7k612acbx9hx0zmrvzc83de18e9b"}
	for name, c := range map[string]struct {
		query string
		calls int
	}{
		"named after the client's operation, subgraph and fetch": {`query Accounts__rollcall__1($r:[_Any!]!){_entities(representations:$r){...on User{conversationCount lastContactAt}}}`, 1},
		"with fragments and type names":                          {`query Q__rollcall__1($r:[_Any!]!){_entities(representations:$r){__typename ...a ...b}} fragment a on User{__typename userId lastContactAgent{__typename agentId}} fragment b on Agent{__typename users(first:2){__typename nodes{__typename userId}}}`, 2},
		"several fetches in one, by aliases":                     {`query($r:[_Any!]!,$s:[_Any!]!){_0_e:_entities(representations:$r){...on User{conversationCount}} _1_e:_entities(representations:$s){__typename ...on User{conversationCount firstContactAt}}}`, 1},
		"with directives on variables":                           {`query($r:[_Any!]!,$yes:Boolean!){_entities(representations:$r){...on User{conversationCount @include(if:$yes) sentiment @skip(if:$yes){overall{positiveCount}}}}}`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s.Calls()
			list := []any{user, agent, user}
			data := s.Must(c.query, map[string]any{"r": list, "s": list, "yes": true})
			for key := range data {
				if got := graphtest.Get(data, key).([]any); len(got) != 3 || !reflect.DeepEqual(got[0], got[2]) || len(got[0].(map[string]any)) == 0 {
					t.Errorf("%s: got %v", key, got)
				}
			}
			if got := s.Count(); got != c.calls {
				t.Errorf("%d calls, want %d", got, c.calls)
			}
		})
	}
}

// TestSchemaFileIsSDL covers teams that compose with introspection off.
func TestSchemaFileIsSDL(t *testing.T) {
	file, err := os.ReadFile("schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	if got := graphtest.Get(graphtest.New(t, graphtest.Options{}).Must(`{ _service { sdl } }`, nil), "_service", "sdl"); got != string(file) {
		t.Errorf("the served SDL is\n%s", got)
	}
	r := graphtest.New(t, graphtest.Options{Graph: func(c *graph.Config) { c.Introspection = false }}).Query(`{ _service { sdl } }`, nil)
	if len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != "GRAPHQL_VALIDATION_FAILED" {
		t.Errorf("got %+v", r)
	}
}
