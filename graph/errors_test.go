package graph_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"rollcall/graph/internal/graphtest"
	"rollcall/upstream/emulator"
)

func TestErrorCodes(t *testing.T) {
	const list = `{ users { nodes { userId } } }`
	hang := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for name, c := range map[string]struct {
		query    string
		upstream http.Handler
		callers  bool // the key is the caller's
		want     map[string]any
		message  string // a part of it
	}{
		"first is too large":               {query: `{ users(first: 501) { nodes { userId } } }`, want: map[string]any{"code": "BAD_USER_INPUT", "argument": "first"}, message: "first: must be from 0 to 500"},
		"first is negative":                {query: `{ users(first: -1) { nodes { userId } } }`, want: map[string]any{"code": "BAD_USER_INPUT", "argument": "first"}},
		"a made-up cursor":                 {query: `{ users(after: "canary") { nodes { userId } } }`, want: map[string]any{"code": "BAD_USER_INPUT", "argument": "after"}},
		"an empty filter":                  {query: `{ users(filter: {userId: ""}) { nodes { userId } } }`, want: map[string]any{"code": "BAD_USER_INPUT", "argument": "filter.userId"}},
		"an ID too long":                   {query: `{ user(userId: "` + strings.Repeat("canary", 200) + `") { userId } }`, want: map[string]any{"code": "BAD_USER_INPUT", "argument": "userId"}},
		"an invalid instant":               {query: `{ users(filter: {callStartedAfter: "canary"}) { nodes { userId } } }`, want: map[string]any{"code": "BAD_USER_INPUT", "argument": "filter.callStartedAfter"}, message: "filter.callStartedAfter: must be an instant"},
		"an integer of 80 bits":            {query: `{ users(first: 999999999999999999999999) { nodes { userId } } }`, want: map[string]any{"code": "GRAPHQL_VALIDATION_FAILED"}},
		"an entity of no type":             {query: `{ _entities(representations: [{x: 1}]) { __typename } }`, want: map[string]any{"code": "BAD_USER_INPUT", "argument": "representations"}},
		"an entity of another type":        {query: `{ _entities(representations: [{__typename: "canary"}]) { __typename } }`, want: map[string]any{"code": "BAD_USER_INPUT", "argument": "representations"}},
		"an entity without its key":        {query: `{ _entities(representations: [{__typename: "User"}]) { __typename } }`, want: map[string]any{"code": "BAD_USER_INPUT", "argument": "representations"}},
		"an entity with an impossible key": {query: `{ _entities(representations: [{__typename: "User", userId: ""}]) { __typename } }`, want: map[string]any{"code": "BAD_USER_INPUT", "argument": "userId"}},
		"an entity that is not an object":  {query: `{ _entities(representations: [{__typename: "User", userId: "u"}, "canary"]) { __typename } }`, want: map[string]any{"code": "GRAPHQL_VALIDATION_FAILED"}, message: "representations[1]: must be an object, not a string"},
		"an unknown field":                 {query: `{ canary }`, want: map[string]any{"code": "GRAPHQL_VALIDATION_FAILED"}},
		"no GraphQL":                       {query: `{`, want: map[string]any{"code": "GRAPHQL_PARSE_FAILED"}},
		"@defer":                           {query: `{ ... @defer { users { nodes { userId } } } }`, want: map[string]any{"code": "GRAPHQL_VALIDATION_FAILED"}, message: "@defer"},
		"a 422": {
			upstream: graphtest.Refuse(422, `{"detail":[{"loc":["query","call_start_after_unix"],"msg":"is odd","type":"x"},{"loc":["query","page_size"],"msg":"is large","type":"x"}]}`),
			want:     map[string]any{"code": "BAD_USER_INPUT", "argument": "filter.callStartedAfter"}, message: "filter.callStartedAfter: is odd; first: is large",
		},
		"a 422 of a look-up": {
			query: `{ user(userId: "u") { userId } }`, upstream: graphtest.Refuse(422, `{"detail":[{"loc":["query","search"],"msg":"is odd","type":"x"}]}`),
			want: map[string]any{"code": "BAD_USER_INPUT", "argument": "userId"}, message: "userId: is odd",
		},
		"a 422 of a node": {
			query: `{ node(id: "VXNlcjp1") { id } }`, upstream: graphtest.Refuse(422, `{"detail":[{"loc":["query","search"],"msg":"is odd","type":"x"}]}`),
			want: map[string]any{"code": "BAD_USER_INPUT", "argument": "id"},
		},
		"a 400 that blames a parameter":        {upstream: graphtest.Refuse(400, `{"detail":{"param":"cursor","message":"is stale"}}`), want: map[string]any{"code": "BAD_USER_INPUT", "argument": "after"}, message: "after: is stale"},
		"a 422 that names its own parameter":   {upstream: graphtest.Refuse(422, `{"detail":[{"loc":["query","page_size"],"msg":"page_size: is large"}]}`), want: map[string]any{"code": "BAD_USER_INPUT", "argument": "first"}, message: "first: is large"},
		"a 422 that quotes the key":            {callers: true, upstream: graphtest.Refuse(422, `{"detail":[{"loc":["query","page_size"],"msg":"odd \u0063anary/key, canary%2Fkey"}]}`), want: map[string]any{"code": "BAD_USER_INPUT", "argument": "first"}, message: "first: odd [redacted], [redacted]"},
		"a 400 that quotes the key":            {callers: true, upstream: graphtest.Refuse(400, `{"detail":{"message":"not for canary/key","request_id":"canary/key"}}`), want: map[string]any{"code": "BAD_USER_INPUT", "upstreamTraceId": "[redacted]"}, message: "not for [redacted]"},
		"a string that quotes the key":         {callers: true, upstream: graphtest.Refuse(400, `{"detail":"not for canary/key"}`, "x-trace-id", "canary/key"), want: map[string]any{"code": "BAD_USER_INPUT", "upstreamTraceId": "[redacted]"}, message: "not for [redacted]"},
		"a 404 of no agent":                    {upstream: graphtest.Refuse(404, `{"detail":{"status":"document_not_found"}}`), want: map[string]any{"code": "UPSTREAM_BAD_RESPONSE"}},
		"a 404 of a look-up":                   {query: `{ user(userId: "u") { userId } }`, upstream: graphtest.Refuse(404, ``), want: map[string]any{"code": "UPSTREAM_BAD_RESPONSE"}},
		"a 404 of the framework, for an agent": {query: `{ users(filter: {agentId: "a"}) { nodes { userId } } }`, upstream: graphtest.Refuse(404, `{"detail":"Not Found"}`), want: map[string]any{"code": "UPSTREAM_BAD_RESPONSE"}},
		"an agent of another workspace":        {query: `{ users(filter: {agentId: "a"}) { nodes { userId } } }`, upstream: graphtest.Refuse(404, `{"detail":{"status":"document_not_found","message":"Not Found"}}`), want: map[string]any{"code": "NOT_FOUND"}},
		"an unknown branch":                    {query: `{ users(filter: {branchId: "b"}) { nodes { userId } } }`, upstream: graphtest.Refuse(404, ``), want: map[string]any{"code": "NOT_FOUND"}},
		"a 400 without a detail":               {upstream: graphtest.Refuse(400, `<html>`), want: map[string]any{"code": "BAD_USER_INPUT"}},
		"the service's key is refused":         {upstream: graphtest.Refuse(401, `{"detail":{"status":"invalid_api_key","message":"canary"}}`, "x-trace-id", "tr-1"), want: map[string]any{"code": "UPSTREAM_CREDENTIALS", "upstreamTraceId": "tr-1"}},
		"the service's key is malformed": {
			upstream: graphtest.Refuse(400, `{"detail":{"type":"authentication_error","request_id":"tr-2"}}`),
			want:     map[string]any{"code": "UPSTREAM_CREDENTIALS", "upstreamTraceId": "tr-2"},
		},
		"the service has to pay":      {upstream: graphtest.Refuse(402, `{"detail":{"status":"payment_required"}}`), want: map[string]any{"code": "UPSTREAM_CREDENTIALS"}},
		"the service's key may not":   {upstream: graphtest.Refuse(403, `{"detail":{"status":"forbidden"}}`), want: map[string]any{"code": "UPSTREAM_CREDENTIALS"}},
		"the caller's key is refused": {callers: true, upstream: graphtest.Refuse(401, ``), want: map[string]any{"code": "UNAUTHENTICATED"}},
		"the caller's key is malformed": {
			callers: true, upstream: graphtest.Refuse(400, `{"detail":{"type":"authentication_error"}}`), want: map[string]any{"code": "UNAUTHENTICATED"},
		},
		"the caller has to pay":                                  {callers: true, upstream: graphtest.Refuse(402, ``), want: map[string]any{"code": "FORBIDDEN"}, message: "quota"},
		"the caller's key may not":                               {callers: true, upstream: graphtest.Refuse(403, ``), want: map[string]any{"code": "FORBIDDEN"}, message: "does not allow"},
		"the caller's key lacks a permission, as a 401":          {callers: true, upstream: graphtest.Refuse(401, `{"detail":{"status":"missing_permissions","message":"canary"}}`), want: map[string]any{"code": "FORBIDDEN"}, message: "permission"},
		"the caller's key lacks a permission, in the newer form": {callers: true, upstream: graphtest.Refuse(401, `{"detail":{"type":"authentication_error","code":"missing_permissions"}}`), want: map[string]any{"code": "FORBIDDEN"}, message: "permission"},
		"the caller's key lacks a permission, as a 403":          {callers: true, upstream: graphtest.Refuse(403, `{"detail":{"code":"insufficient_permissions"}}`), want: map[string]any{"code": "FORBIDDEN"}, message: "permission"},
		"the caller's quota is exhausted, as a 401":              {callers: true, upstream: graphtest.Refuse(401, `{"detail":{"status":"quota_exceeded","message":"canary"}}`), want: map[string]any{"code": "FORBIDDEN"}, message: "quota"},
		"the caller's plan lacks the feature":                    {callers: true, upstream: graphtest.Refuse(403, `{"detail":{"status":"feature_not_available"}}`), want: map[string]any{"code": "FORBIDDEN"}, message: "plan"},
		"the caller's key is unknown":                            {callers: true, upstream: graphtest.Refuse(401, `{"detail":{"status":"invalid_api_key","message":"missing_permissions"}}`), want: map[string]any{"code": "UNAUTHENTICATED"}},
		"the service's key lacks a permission":                   {upstream: graphtest.Refuse(401, `{"detail":{"status":"missing_permissions"}}`), want: map[string]any{"code": "UPSTREAM_CREDENTIALS"}},
		"the service's quota is exhausted":                       {upstream: graphtest.Refuse(401, `{"detail":{"status":"quota_exceeded"}}`), want: map[string]any{"code": "UPSTREAM_CREDENTIALS"}},
		"an unknown agent":                                       {query: `{ users(filter: {agentId: "agent_nobody"}) { nodes { userId } } }`, upstream: graphtest.Refuse(404, `{"detail":{"status":"document_not_found"}}`), want: map[string]any{"code": "NOT_FOUND"}},
		"a 429":                                                  {upstream: graphtest.Refuse(429, ``), want: map[string]any{"code": "RATE_LIMITED"}},
		"a 429 with Retry-After":                                 {upstream: graphtest.Refuse(429, ``, "Retry-After", "7"), want: map[string]any{"code": "RATE_LIMITED", "retryAfter": 7.0}},
		"a 408":                                                  {upstream: graphtest.Refuse(408, ``), want: map[string]any{"code": "UPSTREAM_TIMEOUT"}},
		"a hang":                                                 {upstream: hang, want: map[string]any{"code": "UPSTREAM_TIMEOUT"}},
		"a 500":                                                  {upstream: graphtest.Refuse(500, `canary`), want: map[string]any{"code": "UPSTREAM_UNAVAILABLE"}},
		"a 503":                                                  {upstream: graphtest.Refuse(503, ``), want: map[string]any{"code": "UPSTREAM_UNAVAILABLE"}},
		"HTML":                                                   {upstream: graphtest.Refuse(200, `<html>canary`), want: map[string]any{"code": "UPSTREAM_BAD_RESPONSE"}},
		"a user without an ID":                                   {upstream: graphtest.Refuse(200, `{"users":[{}],"has_more":false}`), want: map[string]any{"code": "UPSTREAM_BAD_RESPONSE"}},
		"a redirect":                                             {upstream: graphtest.Refuse(302, ``, "Location", "http://127.0.0.1:1/"), want: map[string]any{"code": "UPSTREAM_BAD_RESPONSE"}},
		"more calls than one may":                                {query: `{ users(first: 500) { nodes { userId } } }`, upstream: drip(), want: map[string]any{"code": "OPERATION_TOO_COMPLEX"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := graphtest.New(t, graphtest.Options{Upstream: c.upstream, Passthrough: c.callers, Timeout: 500 * time.Millisecond})
			query := c.query
			if query == "" {
				query = list
			}
			r := s.Query(query, nil, "xi-api-key", "canary/key", "X-Request-Id", "req-1")
			if len(r.Errors) != 1 {
				t.Fatalf("got %+v", r)
			}
			e := r.Errors[0]
			c.want["requestId"] = "req-1"
			if !reflect.DeepEqual(e.Extensions, c.want) {
				t.Errorf("extensions are %v, want %v", e.Extensions, c.want)
			}
			if !strings.Contains(e.Message, c.message) || strings.Contains(e.Message, "canary") && name != "an unknown field" {
				t.Errorf("the message is %q", e.Message)
			}
			if r.Data != nil && e.Path[0] != slices.Collect(maps.Keys(r.Data))[0] {
				t.Errorf("the path is %v, the data %v", e.Path, r.Data)
			}
			if log := s.Log.String(); strings.Count(log, "\n") != 1 || !strings.Contains(log, c.want["code"].(string)) || strings.Contains(log, "canary") {
				t.Errorf("logged %s", log)
			}
		})
	}
}

// drip is an upstream that returns its users one by one, for any page size.
func drip() http.Handler {
	n := 0
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n++
		fmt.Fprintf(w, `{"users":[{"user_id":"u%d","last_contact_unix_secs":20,"first_contact_unix_secs":10,"conversation_count":3,"last_contact_conversation_id":"c"}],"next_cursor":"%d","has_more":true}`, n, n)
	})
}

func TestPartialFailure(t *testing.T) {
	world := emulator.New(emulator.Options{Users: 100})
	s := graphtest.New(t, graphtest.Options{Upstream: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("sort_by") != "" || q.Get("search") == "sick" {
			graphtest.Refuse(503, ``).ServeHTTP(w, r)
			return
		}
		world.ServeHTTP(w, r)
	})})
	r := s.Query(`{
		good: users(first: 2) { nodes { userId } }
		down: users(sortBy: CONVERSATION_COUNT) { nodes { userId } }
		wrong: users(first: -1) { nodes { userId } }
		nodes(ids: ["VXNlcjpzaWNr", "QWdlbnQ6YQ", "nonsense"]) { id }
	}`, nil)
	if got := len(graphtest.Get(r.Data, "good", "nodes").([]any)); got != 2 {
		t.Errorf("the good alias has %d users", got)
	}
	if r.Data["down"] != nil || r.Data["wrong"] != nil {
		t.Errorf("got %v", r.Data)
	}
	if got := graphtest.Get(r.Data, "nodes"); !reflect.DeepEqual(got, []any{nil, map[string]any{"id": "QWdlbnQ6YQ"}, nil}) {
		t.Errorf("nodes are %v", got)
	}
	codes := map[string]any{}
	for _, e := range r.Errors {
		codes[fmt.Sprint(e.Path)] = e.Extensions["code"]
	}
	if want := map[string]any{"[down]": "UPSTREAM_UNAVAILABLE", "[wrong]": "BAD_USER_INPUT", "[nodes 0]": "UPSTREAM_UNAVAILABLE"}; !reflect.DeepEqual(codes, want) {
		t.Errorf("errors are %v, want %v", codes, want)
	}
}

// TestErrorPathsWithAliases has fields whose response keys have a meaning in
// gqlgen's paths.
func TestErrorPathsWithAliases(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{})
	for name, c := range map[string]struct {
		query    string
		path     string
		argument any
	}{
		"filter, under a list":    {`{ users(first: 1) { nodes { filter: lastContactAgent { users(first: -1) { nodes { userId } } } } } }`, "[users nodes 0 filter users]", "first"},
		"filter, at the root":     {`{ filter: users(first: -1) { nodes { userId } } }`, "[filter]", "first"},
		"filter, with a filter":   {`{ filter: users(filter: {callStartedAfter: "x"}) { nodes { userId } } }`, "[filter]", "filter.callStartedAfter"},
		"filters in filters":      {`{ filter: users(first: 1) { filter: nodes { filter: lastContactAgent { filter: users(filter: {callStartedBefore: "x"}) { nodes { userId } } } } } }`, "[filter filter 0 filter filter]", "filter.callStartedBefore"},
		"variable, at the root":   {`{ variable: users(first: -1) { nodes { userId } } }`, "[variable]", "first"},
		"variable, with a filter": {`{ variable: users(filter: {callStartedAfter: "x"}) { nodes { userId } } }`, "[variable]", "filter.callStartedAfter"},
		"a place in a list":       {`{ variable: _entities(representations: [{__typename: "User"}]) { __typename } }`, "[variable 0]", "representations"},
	} {
		t.Run(name, func(t *testing.T) {
			r := s.Query(c.query, nil)
			if len(r.Errors) != 1 || fmt.Sprint(r.Errors[0].Path) != c.path || r.Errors[0].Extensions["argument"] != c.argument {
				t.Errorf("got %+v, want %s, %s", r.Errors, c.path, c.argument)
			}
		})
	}
}

func TestRequestErrorMessages(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{})
	for name, c := range map[string]struct {
		query, variables, operation string
		message                     string
	}{
		"a variable that is missing":   {`query($user: ID!) { user(userId: $user) { userId } }`, `{}`, ``, "$user: must be defined"},
		"a variable that is null":      {`query($user: ID!) { user(userId: $user) { userId } }`, `{"user":null}`, ``, "$user: cannot be null"},
		"a variable of a wrong type":   {`query($n: Int) { users(first: $n) { nodes { userId } } }`, `{"n":[["canary"]]}`, ``, "$n: "},
		"what is inside of a variable": {`query($f: ConversationUserFilter) { users(filter: $f) { nodes { userId } } }`, `{"f":{"canary":1}}`, ``, "$f: "},
		"which of several operations":  {`query a { __typename } query b { __typename }`, `{}`, ``, "operationName has to name one"},
		"an operation that is missing": {`query a { __typename } query b { __typename }`, `{}`, `canary`, "no operation of that name"},
	} {
		t.Run(name, func(t *testing.T) {
			body, _ := json.Marshal(map[string]any{"query": c.query, "variables": json.RawMessage(c.variables), "operationName": c.operation})
			w := s.Post(string(body))
			var r graphtest.Reply
			if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil || len(r.Errors) != 1 {
				t.Fatalf("got %s", w.Body)
			}
			if e := r.Errors[0]; !strings.Contains(e.Message, c.message) || e.Path != nil || strings.Contains(w.Body.String(), "canary") {
				t.Errorf("got %s, want %s", w.Body, c.message)
			}
		})
	}
}
