package graph_test

import (
	"strings"
	"testing"

	"rollcall/graph"
	"rollcall/graph/internal/graphtest"
)

func TestIntrospectionOff(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{Graph: func(c *graph.Config) { c.Introspection = false }})
	for _, query := range []string{`{ __schema { types { name } } }`, `{ __type(name: "User") { name } }`, `{ _service { sdl } }`, `{ user(userID: 1) { x } }`, `{ userz { x } }`, `{ users(sortBy: LAST) { nodes { usrId } } }`, `{ users(filter: {agentID: 1}) { nodes } }`} {
		r := s.Query(query, nil)
		if len(r.Errors) == 0 {
			t.Errorf("%s is executed: %v", query, r.Data)
		}
		for _, e := range r.Errors {
			if e.Extensions["code"] != "GRAPHQL_VALIDATION_FAILED" || strings.Contains(e.Message, "Did you mean") {
				t.Errorf("%s: %+v", query, e)
			}
		}
	}
	if r := s.Query(`{ __typename users(first: 1) { __typename nodes { __typename } } }`, nil); len(r.Errors) > 0 {
		t.Errorf("got %+v", r.Errors)
	}
}
