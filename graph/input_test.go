package graph_test

import (
	"encoding/json"
	"strings"
	"testing"

	"rollcall/graph/internal/graphtest"
)

// TestInputErrors sends documents and variables that do not have the schema's
// types. graph/document has the table of types; this test checks the codes, and
// what reaches the upstream and the log.
func TestInputErrors(t *testing.T) {
	for name, c := range map[string]struct {
		query, variables string
		code             string // "" if it is accepted
	}{
		"an enum value in another case, by variable":      {`query($v: SortDirection) { users(sortDirection: $v) { nodes { id } } }`, `{"v": "canary"}`, "BAD_USER_INPUT"},
		"the same under an agent":                         {`query($v: SortDirection) { node(id: "QWdlbnQ6YQ") { ... on Agent { users(sortDirection: $v) { nodes { id } } } } }`, `{"v": "asc"}`, "BAD_USER_INPUT"},
		"an enum value in another case, as a literal":     {`{ users(sortDirection: asc) { nodes { id } } }`, `{}`, "GRAPHQL_VALIDATION_FAILED"},
		"null for a default, in a directive":              {`query($v: Boolean = true) { users { nodes { id @include(if: $v) } } }`, `{"v": null}`, "BAD_USER_INPUT"},
		"null for a default, in an argument":              {`query($v: ID = "canary") { user(userId: $v) { userId } }`, `{"v": null}`, "BAD_USER_INPUT"},
		"an object for an ID":                             {`{ user(userId: {canary: 1}) { userId } }`, `{}`, "GRAPHQL_VALIDATION_FAILED"},
		"an object for a condition":                       {`{ users @include(if: {}) { nodes { id } } }`, `{}`, "GRAPHQL_VALIDATION_FAILED"},
		"a string for representations":                    {`{ _entities(representations: "canary") { __typename } }`, `{}`, "GRAPHQL_VALIDATION_FAILED"},
		"an integer of 20 digits in a representation":     {`{ _entities(representations: [{__typename: "User", userId: 12345678901234567890}]) { __typename } }`, `{}`, ""},
		"an integer of 20 digits as an ID":                {`{ user(userId: 12345678901234567890) { userId } }`, `{}`, ""},
		"an integer of 20 digits as an ID, by variable":   {`query($v: ID!) { user(userId: $v) { userId } }`, `{"v": 12345678901234567890}`, ""},
		"a number beyond all numbers":                     {`{ _entities(representations: [{__typename: "User", userId: "u", x: 1e999}]) { __typename } }`, `{}`, ""},
		"an integer with a decimal point":                 {`query($v: Int) { users(first: $v) { nodes { id } } }`, `{"v": 2.0}`, ""},
		"a string for an integer":                         {`query($v: Int) { users(first: $v) { nodes { id } } }`, `{"v": "canary"}`, "BAD_USER_INPUT"},
		"one representation for a list":                   {`query($v: [_Any!]!) { _entities(representations: $v) { __typename } }`, `{"v": {"__typename": "User", "userId": "u"}}`, ""},
		"an invalid instant, by variable":                 {`query($v: DateTime) { users(filter: {callStartedAfter: $v}) { nodes { id } } }`, `{"v": "canary"}`, "BAD_USER_INPUT"},
		"a default of another operation":                  {`query a { ...f } query b($v: ID = "canary") { users(filter: {userId: $v}) { nodes { id } } } fragment f on Query { users(first: 1) { nodes { id } } }`, `{}`, ""},
		"variables in objects":                            {`query($v: Float) { _entities(representations: [{__typename: "User", userId: "u", x: $v}]) { __typename } }`, `{"v": 1.5}`, ""},
		"an input object that is a list":                  {`query($v: ConversationUserFilter) { users(filter: $v) { nodes { id } } }`, `{"v": ["canary"]}`, "BAD_USER_INPUT"},
		"both directives, one of them null for a default": {`query($v: Boolean = true) { users @skip(if: true) @include(if: $v) { nodes { id } } __typename }`, `{"v": null}`, "BAD_USER_INPUT"},
	} {
		t.Run(name, func(t *testing.T) {
			s := graphtest.New(t, graphtest.Options{})
			body, err := json.Marshal(map[string]any{"query": c.query, "variables": json.RawMessage(c.variables), "operationName": map[bool]any{true: "a"}[strings.HasPrefix(c.query, "query a")]})
			if err != nil {
				t.Fatal(err)
			}
			w := s.Post(string(body))
			if c.code == "" {
				if w.Code != 200 || strings.Contains(w.Body.String(), `"errors"`) {
					t.Errorf("got %d %s", w.Code, w.Body)
				}
				return
			}
			if !strings.Contains(w.Body.String(), `"code":"`+c.code+`"`) || strings.Contains(w.Body.String(), `"data"`) || strings.Contains(w.Body.String(), "canary") {
				t.Errorf("got %d %s, want %s", w.Code, w.Body, c.code)
			}
			if log := s.Log.String(); strings.Contains(log, "canary") || strings.Contains(log, "level=ERROR") {
				t.Errorf("logged %s", log)
			}
			if calls := s.Count(); calls != 0 {
				t.Errorf("%d upstream calls", calls)
			}
		})
	}
}
