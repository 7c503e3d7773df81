package graph_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"rollcall/graph/internal/graphtest"
	"rollcall/upstream"
)

func body(query string) string {
	b, _ := json.Marshal(map[string]string{"query": query})
	return string(b)
}

// nested returns a query of a number of levels: one of 2, 5, 8, 11, … and its
// leaves.
func nested(levels int, leaf string) string {
	fields := []string{"users(first: 1)", "nodes", "lastContactAgent"}
	var b strings.Builder
	for i := range levels - 1 {
		b.WriteString("{ " + fields[i%3] + " ")
	}
	return b.String() + "{ " + leaf + strings.Repeat(" }", levels)
}

// bomb returns a number of fragments that each spread the next one twice.
func bomb(fragments int, inside string) string {
	var b strings.Builder
	b.WriteString(inside)
	for i := range fragments {
		fmt.Fprintf(&b, " fragment f%d on Query { ...f%d ...f%d }", i, i+1, i+1)
	}
	fmt.Fprintf(&b, " fragment f%d on Query { canary: __typename }", fragments)
	return b.String()
}

// operations returns a number of operations that each spread the fragment f.
func operations(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "query a%d { ...f } ", i)
	}
	return b.String()
}

// TestExpensiveRequests checks that requests which would keep the service busy
// are refused fast, briefly, without repeating the request, and before any
// upstream call.
func TestExpensiveRequests(t *testing.T) {
	var unknown strings.Builder
	for i := range 900 {
		fmt.Fprintf(&unknown, " c%d", i)
	}
	for name, c := range map[string]struct {
		body string
		code string
	}{
		"a fragment bomb":                      {body(bomb(40, "{ ...f0 }")), "OPERATION_TOO_COMPLEX"},
		"a fragment bomb in another operation": {body(bomb(40, "{ __typename } query b { ...f0 }")), "OPERATION_TOO_COMPLEX"},
		"a fragment bomb beyond 64 bits":       {body(strings.ReplaceAll(strings.ReplaceAll(bomb(64, "{ user(userId: 1) { ...f0 } }"), "on Query", "on User"), "canary: __typename", "id")), "OPERATION_TOO_COMPLEX"},
		"80 operations of 29 fields":           {body(operations(80) + "fragment f on Query { user(userId: 1) {" + strings.Repeat(" id userId conversationCount firstContactAt lastContactAt lastContactAgentName __typename", 4) + " } }"), "OPERATION_TOO_COMPLEX"},
		"a circle of fragments":                {body("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }"), "GRAPHQL_VALIDATION_FAILED"},
		"20,000 fields":                        {body("{" + strings.Repeat(" __typename", 10000) + "}"), "OPERATION_TOO_COMPLEX"},
		"1,000 unknown fields":                 {body("{" + strings.Repeat(" canary", 1000) + "}"), "OPERATION_TOO_COMPLEX"},
		"nine hundred unknown fields":          {body("{ user(userId: 1) {" + unknown.String() + "} }"), "GRAPHQL_VALIDATION_FAILED"},
		"one field 960 times":                  {body("{ users(first: 0) { nodes {" + strings.Repeat(" userId", 960) + "} } }"), "OPERATION_TOO_COMPLEX"},
		"one field 960 times by fragments":     {body("{ users(first: 0) { nodes { ...f ... { ...g } } } } fragment f on User {" + strings.Repeat(" userId", 480) + "} fragment g on User {" + strings.Repeat(" userId", 470) + "}"), "OPERATION_TOO_COMPLEX"},
		"an unknown field of 100 kB":           {body("{ canary" + strings.Repeat("x", 100_000) + " }"), "OPERATION_TOO_COMPLEX"},
		"1,000 directives":                     {body("{ __typename" + strings.Repeat(" @canary", 1000) + "}"), "OPERATION_TOO_COMPLEX"},
		"21 directives on a field":             {body("{ __typename" + strings.Repeat(" @skip(if: false)", 21) + "}"), "OPERATION_TOO_COMPLEX"},
		"21 directives on a fragment":          {body("{ ..." + strings.Repeat(" @canary", 21) + " { __typename } }"), "OPERATION_TOO_COMPLEX"},
		"21 directives on a variable":          {body("query($n: Int" + strings.Repeat(" @canary", 21) + ") { users(first: $n) { __typename } }"), "OPERATION_TOO_COMPLEX"},
		"21 directives on a spread":            {body("{ ...f" + strings.Repeat(" @canary", 21) + " } fragment f on Query { __typename }"), "OPERATION_TOO_COMPLEX"},
		"21 directives on a definition":        {body("{ ...f } fragment f on Query" + strings.Repeat(" @canary", 21) + " { __typename }"), "OPERATION_TOO_COMPLEX"},
		"21 directives on an operation":        {body("query" + strings.Repeat(" @canary", 21) + " { __typename }"), "OPERATION_TOO_COMPLEX"},
		"31 aliases":                           {body(strings.Replace(aliases(31, "userId"), "{", "{ users { nodes {", 1) + " } }"), "OPERATION_TOO_COMPLEX"},
		"21 fields at the root":                {body(aliases(21, "users(first: 1) { nodes { userId } }")), "OPERATION_TOO_COMPLEX"},
		"15 levels":                            {body(nested(15, "userId")), "OPERATION_TOO_COMPLEX"},
		"20 lists of 500":                      {body(aliases(20, "users(first: 500) { nodes { userId } }")), "OPERATION_TOO_COMPLEX"},
		"lists in lists":                       {body("{ users(first: 100) { nodes { lastContactAgent { users(first: 100) { nodes { userId } } } } } }"), "OPERATION_TOO_COMPLEX"},
		"lists in lists by a fragment":         {body("{ users(first: 100) { nodes { ...f } } } fragment f on User { lastContactAgent { users(first: 100) { nodes { userId } } } }"), "OPERATION_TOO_COMPLEX"},
		"an array":                             {`[` + body("{ __typename }") + `]`, "BAD_USER_INPUT"},
		"100,000 brackets":                     {strings.Repeat("[", 100_000), "BAD_USER_INPUT"},
		"100,000 braces in a document":         {body(strings.Repeat("{a", 40_000)), "OPERATION_TOO_COMPLEX"},
		"broken JSON":                          {`{"query":"` + strings.Repeat("canary", 1000), "BAD_USER_INPUT"},
		"trailing bytes":                       {body("{ __typename }") + strings.Repeat("canary", 1000), "BAD_USER_INPUT"},
		"20,000 wrong values in a variable":    {`{"query":"query($i: [ID!]!) { nodes(ids: $i) { id } }","variables":{"i":[{}` + strings.Repeat(",{}", 19_999) + `]}}`, "BAD_USER_INPUT"},
		"a wrong variable of 100 kB":           {`{"query":"query($n: Int) { users(first: $n) { nodes { id } } }","variables":{"n":"` + strings.Repeat("canary", 17_000) + `"}}`, "BAD_USER_INPUT"},
	} {
		t.Run(name, func(t *testing.T) {
			s := graphtest.New(t, graphtest.Options{})
			s.Post(body("{ __typename }")) // the schema is read at the first request
			began := cpu()
			w := s.Post(c.body)
			spent := cpu() - began
			t.Logf("%v of CPU", spent)
			if spent > 100*time.Millisecond*raceFactor {
				t.Errorf("took %v of CPU", spent)
			}
			if w.Body.Len() > 8<<10 {
				t.Errorf("the response has %d bytes", w.Body.Len())
			}
			if !strings.Contains(w.Body.String(), `"`+c.code+`"`) || strings.Contains(w.Body.String(), `"data"`) {
				t.Errorf("got %.300s, want %s", w.Body, c.code)
			}
			if strings.Contains(w.Body.String(), "canarycanary") || c.code != "GRAPHQL_VALIDATION_FAILED" && strings.Contains(w.Body.String(), "canary") {
				t.Errorf("the response repeats the request: %.300s", w.Body)
			}
			if n := s.Count(); n != 0 {
				t.Errorf("%d upstream calls", n)
			}
		})
	}
}

// cpu returns the CPU time of the process so far.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestLimitsAllowRealClients sends what real clients send.
func TestLimitsAllowRealClients(t *testing.T) {
	representations := make([]map[string]any, 100)
	for i := range representations {
		representations[i] = map[string]any{"__typename": "User", "userId": fmt.Sprintf("user_%05d", i+1)}
	}
	for name, c := range map[string]struct {
		query     string
		variables map[string]any
	}{
		"20 aliases of a page":   {aliases(20, "users(first: 30) { edges { cursor node { id userId } } pageInfo { hasNextPage endCursor } }"), nil},
		"the largest page":       {"{ users(first: 500) { nodes { userId } } }", nil},
		"agents under a page":    {"{ users(first: 30) { nodes { lastContactAgent { users(first: 3) { nodes { userId } } } } } }", nil},
		"100 representations":    {"query($r: [_Any!]!) { _entities(representations: $r) { ... on User { userId conversationCount } } }", map[string]any{"r": representations}},
		"GraphiQL's first query": {introspection, nil},
		"30 aliases":             {strings.Replace(aliases(30, "userId"), "{", "{ users(first: 1) { nodes {", 1) + " } }", nil},
		"12 levels":              {nested(12, "userId"), nil},
	} {
		t.Run(name, func(t *testing.T) { graphtest.New(t, graphtest.Options{}).Must(c.query, c.variables) })
	}
}

// introspection is as deep and as long as GraphiQL's query.
const introspection = `query IntrospectionQuery {
  __schema { description queryType { name kind } mutationType { name kind } subscriptionType { name kind }
    types { ...FullType } directives { name description isRepeatable locations args(includeDeprecated: true) { ...InputValue } } } }
fragment FullType on __Type { kind name description specifiedByURL isOneOf
  fields(includeDeprecated: true) { name description args(includeDeprecated: true) { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
  inputFields(includeDeprecated: true) { ...InputValue } interfaces { ...TypeRef }
  enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue isDeprecated deprecationReason }
fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
  ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }`

func TestPanicInAField(t *testing.T) {
	var calls atomic.Int32
	s := graphtest.New(t, graphtest.Options{OnCall: func(upstream.Caller) {
		if calls.Add(1) == 2 {
			panic("canary")
		}
	}})
	r := s.Query(`{ a: users(first: 1) { nodes { id } } b: users(first: 1, sortDirection: ASC) { nodes { id } } c: user(userId: "user_00001") { id } }`, nil, "X-Request-Id", "req-1")
	failed := 0
	for _, value := range r.Data {
		if value == nil {
			failed++
		}
	}
	if failed != 1 || len(r.Data) != 3 || len(r.Errors) != 1 {
		t.Fatalf("got %+v", r)
	}
	if e := r.Errors[0]; e.Extensions["code"] != "INTERNAL_SERVER_ERROR" || e.Extensions["requestId"] != "req-1" || strings.Contains(e.Message, "canary") {
		t.Errorf("got %+v", e)
	}
	if log := s.Log.String(); !strings.Contains(log, "req-1") || !strings.Contains(log, "limits_test.go") || strings.Contains(log, "canary") {
		t.Errorf("logged %s", log)
	}
	s.Must(`{ users(first: 2) { nodes { id } } }`, nil)
}
