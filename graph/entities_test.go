package graph_test

import (
	"fmt"
	"net/http"
	"os"
	"reflect"
	"strings"
	"testing"

	"rollcall/graph"
	"rollcall/upstream/emulator"
)

const entitiesQuery = `query($r: [_Any!]!) { _entities(representations: $r) {
	__typename ... on User { userId conversationCount firstContactAt lastContactAt } ... on Agent { agentId users(first: 1) { nodes { userId } } } } }`

func representations(list ...map[string]any) map[string]any { return map[string]any{"r": list} }

func TestEachRepresentationFailsInItsOwnPlace(t *testing.T) {
	world := emulator.New(emulator.Options{Users: 500})
	s := newService(t, options{upstream: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("search") == "sick" {
			refuse(503, ``).ServeHTTP(w, r)
			return
		}
		world.ServeHTTP(w, r)
	})})
	r := s.ask(entitiesQuery, representations(
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
	), "X-Request-Id", "req-1")
	list := get(r.Data, "_entities").([]any)
	if got := get(list, 0, "conversationCount"); got != 1.0 {
		t.Errorf("the user has %v conversations", got)
	}
	if want := map[string]any{"__typename": "User", "userId": "nobody", "conversationCount": 0.0, "firstContactAt": nil, "lastContactAt": nil}; !reflect.DeepEqual(list[1], want) {
		t.Errorf("a stranger is %v", list[1])
	}
	if got := get(list, 11, "users", "nodes").([]any); len(got) != 1 {
		t.Errorf("the agent has %v", got)
	}
	codes := map[string]any{}
	for _, e := range r.Errors {
		codes[fmt.Sprint(e.Path)] = e.Extensions["code"]
	}
	want := map[string]any{"[_entities 2]": "UPSTREAM_UNAVAILABLE", "[_entities 12 users]": "NOT_FOUND"}
	for _, i := range []int{3, 4, 5, 6, 7, 8, 9, 10, 13} {
		want[fmt.Sprintf("[_entities %d]", i)] = "BAD_USER_INPUT"
		if list[i] != nil {
			t.Errorf("%d is %v", i, list[i])
		}
	}
	if !reflect.DeepEqual(codes, want) || len(r.Errors) != len(want) {
		t.Errorf("got %v, want %v", codes, want)
	}
	if log := s.log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("logged %s", s.log)
	}
}

func TestUpstreamCallsForRepresentations(t *testing.T) {
	s := newService(t, options{})
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
			s.taken()
			if data := s.must(c.query, representations(c.representations...)); len(get(data, "_entities").([]any)) != len(c.representations) {
				t.Errorf("got %v", data)
			}
			if got := s.count(); got != c.calls {
				t.Errorf("%d calls, want %d", got, c.calls)
			}
		})
	}
}

// TestTheSchemaFileIsTheSDL is for those who compose with introspection off.
func TestTheSchemaFileIsTheSDL(t *testing.T) {
	file, err := os.ReadFile("schema.graphqls")
	if err != nil {
		t.Fatal(err)
	}
	if got := get(newService(t, options{}).must(`{ _service { sdl } }`, nil), "_service", "sdl"); got != string(file) {
		t.Errorf("the served SDL is\n%s", got)
	}
	r := newService(t, options{config: func(c *graph.Config) { c.Introspection = false }}).ask(`{ _service { sdl } }`, nil)
	if len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != "GRAPHQL_VALIDATION_FAILED" {
		t.Errorf("got %+v", r)
	}
}
