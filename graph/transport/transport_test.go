package transport_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"rollcall/graph/internal/graphtest"
	"rollcall/graph/transport"
	"rollcall/upstream"
)

const (
	typeGraphQL = "application/graphql-response+json; charset=utf-8"
	typeJSON    = "application/json; charset=utf-8"
)

// TestRequests covers what the reference audits (e2e) do not.
func TestRequests(t *testing.T) {
	const ok = `{"query":"{ __typename }"}`
	padded := func(size int) string { return ok + strings.Repeat(" ", size-len(ok)) }
	for name, c := range map[string]struct {
		body    string
		headers []string
		status  int
		media   string
		answer  string // a part of the body
	}{
		"plain":                          {ok, nil, 200, typeJSON, `{"data":{"__typename":"Query"}}`},
		"with a charset":                 {ok, []string{"Content-Type", "Application/JSON; charset=UTF-8"}, 200, typeJSON, ""},
		"in another charset":             {ok, []string{"Content-Type", "application/json; charset=latin1"}, 415, typeJSON, "BAD_USER_INPUT"},
		"as text":                        {ok, []string{"Content-Type", "text/plain"}, 415, typeJSON, "BAD_USER_INPUT"},
		"as a form":                      {"query={__typename}", []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, typeJSON, ""},
		"as many parts":                  {ok, []string{"Content-Type", "multipart/form-data; boundary=x"}, 415, typeJSON, ""},
		"without a type":                 {ok, []string{"Content-Type", ""}, 415, typeJSON, ""},
		"for the new media type":         {ok, []string{"Accept", "application/graphql-response+json"}, 200, typeGraphQL, ""},
		"for either, the new one first":  {ok, []string{"Accept", "application/graphql-response+json, application/json;q=0.9"}, 200, typeGraphQL, ""},
		"for either, the old one first":  {ok, []string{"Accept", "application/graphql-response+json;q=0.5, application/json"}, 200, typeJSON, ""},
		"for a browser":                  {ok, []string{"Accept", "text/html,*/*;q=0.8"}, 200, typeJSON, ""},
		"for nothing in particular":      {ok, []string{"Accept", ""}, 200, typeJSON, ""},
		"for HTML alone":                 {ok, []string{"Accept", "text/html"}, 406, typeJSON, "BAD_USER_INPUT"},
		"for all but JSON":               {ok, []string{"Accept", "application/json;q=0"}, 406, typeJSON, ""},
		"an array":                       {`[{"query":"{ __typename }"}]`, nil, 400, typeJSON, "must be a JSON object"},
		"a string":                       {`"canary"`, nil, 400, typeJSON, "must be a JSON object"},
		"broken JSON":                    {`{"query":"canary`, nil, 400, typeJSON, "not JSON"},
		"nothing":                        {``, nil, 400, typeJSON, "not JSON"},
		"null":                           {`null`, nil, 400, typeJSON, "no query"},
		"a byte order mark":              {"\ufeff" + ok, nil, 200, typeJSON, `{"data":{"__typename":"Query"}}`},
		"a byte order mark alone":        {"\ufeff", nil, 400, typeJSON, "not JSON"},
		"trailing bytes":                 {ok + `canary`, nil, 400, typeJSON, "something after"},
		"not UTF-8":                      {"{\"query\":\"{ __typename }\",\"x\":\"\xff\"}", nil, 400, typeJSON, "not JSON"},
		"a second object":                {ok + ok, nil, 400, typeJSON, "something after"},
		"no query":                       {`{"canary":1}`, nil, 400, typeJSON, "no query"},
		"variables of a wrong type":      {`{"query":"{ __typename }","variables":"canary"}`, nil, 400, typeJSON, "wrong types"},
		"an operation that is not there": {`{"query":"query a { __typename }","operationName":"b"}`, nil, 200, typeJSON, "GRAPHQL_VALIDATION_FAILED"},
		"a wrong document, the new way":  {`{"query":"{ canary }"}`, []string{"Accept", "application/graphql-response+json"}, 400, typeGraphQL, "GRAPHQL_VALIDATION_FAILED"},
		"a wrong document, the old way":  {`{"query":"{ canary }"}`, nil, 200, typeJSON, "GRAPHQL_VALIDATION_FAILED"},
		"a failed field, the new way":    {`{"query":"{ users(first: -1) { nodes { id } } }"}`, []string{"Accept", "application/graphql-response+json"}, 200, typeGraphQL, `"data":{"users":null}`},
		"as large as can be":             {padded(128 << 10), nil, 200, typeJSON, ""},
		"too large":                      {padded(128<<10 + 1), nil, 413, typeJSON, "BAD_USER_INPUT"},
		"more tokens than are parsed":    {`{"query":"{` + strings.Repeat(" __typename", 1001) + `}"}`, nil, 200, typeJSON, "OPERATION_TOO_COMPLEX"},
		"as many tokens as can be":       {`{"query":"{ nodes(ids: [` + strings.Repeat(` \"\"`, 988) + `]) { id } }"}`, nil, 200, typeJSON, `"data"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := graphtest.New(t, graphtest.Options{})
			w := s.Post(c.body, c.headers...)
			if w.Code != c.status || w.Header().Get("Content-Type") != c.media || !strings.Contains(w.Body.String(), c.answer) {
				t.Errorf("got %d %s %s; want %d %s %s", w.Code, w.Header().Get("Content-Type"), w.Body, c.status, c.media, c.answer)
			}
			if w.Code != http.StatusOK && strings.Contains(w.Body.String(), `"data"`) {
				t.Errorf("a refusal has data: %s", w.Body)
			}
			if strings.Contains(w.Body.String(), "canary") && !strings.Contains(w.Body.String(), "VALIDATION") {
				t.Errorf("the response repeats the request: %s", w.Body)
			}
			if w.Header().Get("Cache-Control") != "private, no-store" || w.Header().Get("Referrer-Policy") != "no-referrer" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("the headers are %v", w.Header())
			}
			if n := s.Count(); n != 0 {
				t.Errorf("%d upstream calls", n)
			}
		})
	}
}

// brokenBody has a text, after which the connection breaks.
type brokenBody struct{ io.Reader }

func (b brokenBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// TestBodyWithoutLength sends bodies whose length is not announced.
func TestBodyWithoutLength(t *testing.T) {
	const ok = `{"query":"{ __typename }"}`
	padded := func(size int) io.Reader { return strings.NewReader(ok + strings.Repeat(" ", size-len(ok))) }
	for name, c := range map[string]struct {
		body   io.Reader
		status int
		answer string // a part of the body
	}{
		"as large as can be":              {padded(128 << 10), 200, `{"data"`},
		"too large":                       {padded(128<<10 + 1), 413, "larger than 131072 bytes"},
		"complete, and then disconnected": {brokenBody{strings.NewReader(ok)}, 400, "The body is incomplete."},
	} {
		t.Run(name, func(t *testing.T) {
			s := graphtest.New(t, graphtest.Options{})
			r := httptest.NewRequest(http.MethodPost, "/graphql", c.body)
			r.Header.Set("Content-Type", "application/json")
			r.ContentLength = -1
			w := httptest.NewRecorder()
			s.Handler.ServeHTTP(w, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.answer) {
				t.Errorf("got %d %s; want %d %s", w.Code, w.Body, c.status, c.answer)
			}
		})
	}
}

func TestAuthenticationPrecedesCalls(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{Passthrough: true})
	w := s.Post(`{"query":"{ users { nodes { id } } }"}`)
	if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), "UNAUTHENTICATED") || s.Count() != 0 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestRequestIDs(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{})
	for sent, accepted := range map[string]bool{
		"req-1": true, "": false, strings.Repeat("x", 128): true, strings.Repeat("x", 129): false, "a b": false, "<script>": false, "a\"b": false,
	} {
		w := s.Post(`{"query":"{ canary }"}`, "X-Request-Id", sent)
		got := w.Header().Get("X-Request-Id")
		if got == "" || accepted != (got == sent) {
			t.Errorf("%q became %q", sent, got)
		}
		if !strings.Contains(w.Body.String(), `"requestId":"`+got+`"`) {
			t.Errorf("%q is not in %s", got, w.Body)
		}
	}
}

// TestKeysShareNothing has two callers send the same request at the same time, and
// use each other's cursors. The upstream has different users for each key.
func TestKeysShareNothing(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{Passthrough: true, Upstream: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, `{"users":[{"user_id":%q,"last_contact_unix_secs":2,"first_contact_unix_secs":1,"conversation_count":1,"last_contact_conversation_id":"c"}],"next_cursor":"next","has_more":true}`, r.Header.Get("xi-api-key"))
	})})
	const rounds = 1000
	var wg sync.WaitGroup
	for _, key := range []string{"alice", "bob"} {
		wg.Go(func() {
			for range rounds {
				r := s.Query(`{ users(first: 1) { edges { cursor node { userId } } } user(userId: "alice") { userId } }`, nil, "xi-api-key", key)
				if got := graphtest.Get(r.Data, "users", "edges", 0, "node", "userId"); got != key {
					t.Errorf("%s sees %v", key, got)
				}
				if seen := graphtest.Get(r.Data, "user"); (seen != nil) != (key == "alice") {
					t.Errorf("%s sees %v", key, seen)
				}
				cursor := graphtest.Get(r.Data, "users", "edges", 0, "cursor")
				for _, reader := range []string{"alice", "bob"} {
					r := s.Query(`query($c: String) { users(first: 0, after: $c) { nodes { id } } }`, map[string]any{"c": cursor}, "xi-api-key", reader)
					if (len(r.Errors) == 0) != (reader == key) {
						t.Errorf("%s opens %s's cursor: %+v", reader, key, r)
					}
				}
			}
		})
	}
	wg.Wait()
}

// allowance is a quota of a number of calls.
type allowance struct{ left int }

func (a *allowance) Wait(upstream.Caller) time.Duration {
	if a.left > 0 {
		return 0
	}
	return 1500 * time.Millisecond
}

func (a *allowance) Spend(upstream.Caller) { a.left-- }

func TestQuota(t *testing.T) {
	q := &allowance{left: 5}
	s := graphtest.New(t, graphtest.Options{OnCall: q.Spend, Transport: func(c *transport.Config) { c.Wait = q.Wait }})
	s.Must(`{ __typename users(first: 0) { nodes { id } } }`, nil) // costs nothing
	s.Must(`{ users(first: 400) { nodes { id } } }`, nil)
	if q.left != 1 {
		t.Errorf("%d calls are left, want 1", q.left)
	}
	s.Must(`{ users(first: 1) { nodes { id } } }`, nil)
	s.Calls()
	w := s.Post(`{"query":"{ __typename }"}`)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "2" ||
		!strings.Contains(w.Body.String(), `"RATE_LIMITED"`) || !strings.Contains(w.Body.String(), `"retryAfter":2`) {
		t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
	}
	if n := s.Count(); n != 0 {
		t.Errorf("%d upstream calls", n)
	}
}

func FuzzBody(f *testing.F) {
	s := graphtest.New(f, graphtest.Options{Upstream: graphtest.Refuse(500, "")})
	for _, seed := range []string{
		`{"query":"{ __typename }"}`, `{"query":"query($n: Int, $f: ConversationUserFilter) { users(first: $n, filter: $f) { nodes { id } } }","variables":{"n":3,"f":{"userId":"u"}}}`,
		`[]`, `null`, `{`, `{"query":1}`, `{"query":"{","variables":[]}`, `{"query":"{ ...a } fragment a on Query { ...b ...b } fragment b on Query { __typename }"}`, `{"query":"{ __schema { types { ...t } } } fragment t on __Type { name fields { args { name } } ofType { name } }"}`, `{"query":"{ a: __typename @skip(if: true) ...{ __typename } }","operationName":null,"extensions":{}}`,
		`{"query":"query($r: [_Any!]!) { _entities(representations: $r) { __typename } }","variables":{"r":[{"__typename":"User","userId":"u"},{"__typename":7},{}]}}`,
		`{"query":"query($r: [_Any!]!, $o: _Any!) { _entities(representations: $r) { __typename } one: _entities(representations: [$o]) { __typename } }","variables":{"r":["u",[[]],1.5],"o":"u"}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		w := s.Post(body)
		if w.Code >= 500 || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
