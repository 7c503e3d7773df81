package upstream_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/upstream"
)

// serve starts a server and returns a session of a client that calls it.
func serve(t testing.TB, h http.HandlerFunc) *upstream.Session {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := upstream.NewClient(upstream.Config{BaseURL: base, Timeout: time.Second})
	return client.As(upstream.Caller{Key: upstream.NewAPIKey("canary-key")})
}

const referenceUser = `{"user_id":"u","last_contact_unix_secs":20,"first_contact_unix_secs":10,"conversation_count":3,"last_contact_conversation_id":"conv_1"`

func TestParameters(t *testing.T) {
	hard := `søren/王小明 ?&#+%"\`
	for name, c := range map[string]struct {
		query upstream.PageQuery
		want  url.Values
	}{
		"only a size": {
			upstream.PageQuery{Size: 30},
			url.Values{"page_size": {"30"}},
		},
		"everything": {
			upstream.PageQuery{Size: 1, Cursor: "a/b+c==", Query: upstream.Query{
				Sort: upstream.SortConversationCount, Ascending: true,
				Filter: upstream.Filter{AgentID: "agent_1", BranchID: "branch 1", UserID: hard, StartedAfter: upstream.At(-1), StartedBefore: upstream.At(0)},
			}},
			url.Values{
				"page_size": {"1"}, "cursor": {"a/b+c=="}, "sort_by": {"conversation_count"}, "sort_direction": {"asc"},
				"agent_id": {"agent_1"}, "branch_id": {"branch 1"}, "search": {hard},
				"call_start_after_unix": {"-1"}, "call_start_before_unix": {"0"},
			},
		},
		"the third sort key": {
			upstream.PageQuery{Size: 100, Query: upstream.Query{Sort: upstream.SortAverageSentimentScore}},
			url.Values{"page_size": {"100"}, "sort_by": {"average_sentiment_score"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			session := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodGet || r.URL.Path != "/v1/convai/users" {
					t.Errorf("%s %s", r.Method, r.URL.Path)
				}
				if got := r.Header.Get("xi-api-key"); got != "canary-key" {
					t.Errorf("xi-api-key is %q", got)
				}
				if got, err := url.ParseQuery(r.URL.RawQuery); err != nil || !reflect.DeepEqual(got, c.want) {
					t.Errorf("got %v, want %v (err %v)", got, c.want, err)
				}
				fmt.Fprint(w, `{"users":[],"has_more":false}`)
			})
			if _, err := session.ListUsers(t.Context(), c.query); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDecodePage(t *testing.T) {
	score, started := upstream.Score{Value: 0.25, Known: true}, int64(15)
	plain := upstream.User{ID: "u", LastContact: 20, FirstContact: 10, ConversationCount: 3, LastContactConversationID: "conv_1"}
	with := func(change func(*upstream.User)) upstream.Page {
		u := plain
		change(&u)
		return upstream.Page{Users: []upstream.User{u}}
	}
	users := func(rest string) string { return `{"users":[` + referenceUser + rest + `}],"has_more":false}` }
	for name, c := range map[string]struct {
		body string
		want upstream.Page
	}{
		"the reference page's required fields": {users(""), upstream.Page{Users: []upstream.User{plain}}},
		"all of the reference page": {
			`{"users":[` + referenceUser + `,"last_contact_agent_id":"agent_1","last_contact_agent_name":"Ann"}],"next_cursor":"n","has_more":true}`,
			upstream.Page{Users: []upstream.User{{ID: "u", LastContact: 20, FirstContact: 10, ConversationCount: 3, LastContactConversationID: "conv_1", LastContactAgentID: "agent_1", LastContactAgentName: "Ann"}}, Next: "n"},
		},
		"null is the same as absent": {
			`{"users":[` + referenceUser + `,"last_contact_agent_id":null,"last_contact_agent_name":null,"sentiment":null,"most_frustrated_conversations":null}],"next_cursor":null,"has_more":false}`,
			upstream.Page{Users: []upstream.User{plain}},
		},
		"has_more decides, not the cursor": {`{"users":[],"next_cursor":"n","has_more":false}`, upstream.Page{Users: []upstream.User{}}},
		"unknown fields are skipped":       {users(`,"new":{"deep":[1,{"x":null}]},"newer":1e9`), upstream.Page{Users: []upstream.User{plain}}},
		"sentiment": {
			users(`,"sentiment":{"scored_conversation_count":3,"positive_count":2,"neutral_count":1,"negative_count":0,"average_sentiment_score":0.25,"average_frustration_score":null,"recent_scored_conversation_count":1,"recent_positive_count":1,"recent_neutral_count":0,"recent_negative_count":0,"recent_average_sentiment_score":null,"recent_average_frustration_score":0.25}`),
			with(func(u *upstream.User) {
				u.Sentiment = &upstream.Sentiment{
					Overall: upstream.SentimentSummary{Scored: 3, Positive: 2, Neutral: 1, AverageSentimentScore: score},
					Recent:  upstream.SentimentSummary{Scored: 1, Positive: 1, AverageFrustrationScore: score},
				}
			}),
		},
		"frustrated conversations": {
			users(`,"most_frustrated_conversations":[{"conversation_id":"c","agent_id":"a","start_time_unix_secs":15,"overall_label":"negative","overall_sentiment_score":0.25,"overall_frustration_score":0.25},{"conversation_id":"d","agent_id":null},{"agent_id":"no conversation"}]`),
			with(func(u *upstream.User) {
				u.MostFrustrated = []upstream.FrustratedConversation{
					{ConversationID: "c", AgentID: "a", StartedAt: &started, Label: upstream.Negative, SentimentScore: score, FrustrationScore: score},
					{ConversationID: "d"},
				}
			}),
		},
		"no frustrated conversations": {users(`,"most_frustrated_conversations":[]`), with(func(u *upstream.User) { u.MostFrustrated = []upstream.FrustratedConversation{} })},
	} {
		t.Run(name, func(t *testing.T) {
			session := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, c.body) })
			got, err := session.ListUsers(t.Context(), upstream.PageQuery{Size: 30})
			if err != nil || got.Next != c.want.Next || !reflect.DeepEqual(got.Users, c.want.Users) {
				t.Errorf("got %s, want %s (err %v)", text(got), text(c.want), err)
			}
		})
	}
}

func text(v any) string {
	b, _ := json.Marshal(v)
	return string(b)
}

// TestFaults checks the kind and stage of each fault of a response, and that the
// error's text contains nothing that was sent or received.
func TestFaults(t *testing.T) {
	reply := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("x-trace-id", "trace-1")
			w.WriteHeader(status)
			fmt.Fprint(w, body)
		}
	}
	user := func(field, value string) http.HandlerFunc {
		var u map[string]any
		if err := json.Unmarshal([]byte(referenceUser+"}"), &u); err != nil {
			t.Fatal(err)
		}
		delete(u, field)
		if value != "" {
			u[field] = json.RawMessage(value)
		}
		return reply(200, `{"users":[`+text(u)+`],"has_more":false}`)
	}
	endless := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			chunk := bytes.Repeat([]byte(" "), 1<<20)
			for sent := range 256 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
				if sent > 16 { // more than sockets buffer
					t.Error("the client read more than the largest body")
					return
				}
			}
		}
	}
	bomb := gzipped(8 << 20)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		kind   upstream.Kind
		stage  upstream.Stage
	}{
		"HTML":                              {reply(200, `<html>canary-body</html>`), upstream.BadResponse, upstream.Decoding},
		"nothing":                           {reply(200, ``), upstream.BadResponse, upstream.Decoding},
		"an array":                          {reply(200, `[]`), upstream.BadResponse, upstream.Decoding},
		"cut JSON":                          {reply(200, `{"users":[`), upstream.BadResponse, upstream.Decoding},
		"something after the page":          {reply(200, `{"users":[],"has_more":false}{}`), upstream.BadResponse, upstream.Decoding},
		"not UTF-8":                         {reply(200, "{\"users\":[],\"has_more\":false,\"x\":\"\xff\"}"), upstream.BadResponse, upstream.Decoding},
		"no users":                          {reply(200, `{"has_more":false}`), upstream.BadResponse, upstream.Decoding},
		"users of null":                     {reply(200, `{"users":null,"has_more":false}`), upstream.BadResponse, upstream.Decoding},
		"no has_more":                       {reply(200, `{"users":[]}`), upstream.BadResponse, upstream.Decoding},
		"more without a cursor":             {reply(200, `{"users":[],"has_more":true}`), upstream.BadResponse, upstream.Decoding},
		"more with an empty cursor":         {reply(200, `{"users":[],"has_more":true,"next_cursor":""}`), upstream.BadResponse, upstream.Decoding},
		"the same cursor again":             {reply(200, `{"users":[],"has_more":true,"next_cursor":"canary-cursor"}`), upstream.BadResponse, upstream.Decoding},
		"users of a wrong type":             {reply(200, `{"users":{},"has_more":false}`), upstream.BadResponse, upstream.Decoding},
		"a user of a wrong type":            {reply(200, `{"users":["canary-body"],"has_more":false}`), upstream.BadResponse, upstream.Decoding},
		"a user without an ID":              {user("user_id", ""), upstream.BadResponse, upstream.Decoding},
		"a user with a null ID":             {user("user_id", "null"), upstream.BadResponse, upstream.Decoding},
		"an ID that is a number":            {user("user_id", "7"), upstream.BadResponse, upstream.Decoding},
		"no last contact":                   {user("last_contact_unix_secs", ""), upstream.BadResponse, upstream.Decoding},
		"a last contact that is a string":   {user("last_contact_unix_secs", `"canary-body"`), upstream.BadResponse, upstream.Decoding},
		"a last contact in the year 10,000": {user("last_contact_unix_secs", "253402300800"), upstream.BadResponse, upstream.Decoding},
		"no first contact":                  {user("first_contact_unix_secs", ""), upstream.BadResponse, upstream.Decoding},
		"no count":                          {user("conversation_count", ""), upstream.BadResponse, upstream.Decoding},
		"a count that is a fraction":        {user("conversation_count", "1.5"), upstream.BadResponse, upstream.Decoding},
		"a count beyond 32 bits":            {user("conversation_count", "2147483648"), upstream.BadResponse, upstream.Decoding},
		"no conversation":                   {user("last_contact_conversation_id", ""), upstream.BadResponse, upstream.Decoding},
		"an agent that is an object":        {user("last_contact_agent_id", "{}"), upstream.BadResponse, upstream.Decoding},
		"JSON 400,000 levels deep":          {reply(200, `{"x":`+strings.Repeat("[", 400_000)), upstream.BadResponse, upstream.Decoding},
		"a body of more than 512 KiB":       {reply(200, `{"users":[],"has_more":false,"x":"`+strings.Repeat("x", 512<<10)+`"}`), upstream.BadResponse, upstream.Reading},
		"a body of 256 MiB":                 {endless(200), upstream.BadResponse, upstream.Reading},
		"a refusal of 256 MiB":              {endless(401), upstream.Unauthenticated, upstream.Status},
		"a slow drip": {func(w http.ResponseWriter, r *http.Request) {
			for range 100 {
				fmt.Fprint(w, " ")
				w.(http.Flusher).Flush()
				select {
				case <-time.After(20 * time.Millisecond):
				case <-r.Context().Done():
					return
				}
			}
		}, upstream.Timeout, upstream.Reading},
		"a reset in the middle": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"users":[`)
			w.(http.Flusher).Flush()
			conn, _, _ := w.(http.Hijacker).Hijack()
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}, upstream.Unavailable, upstream.Reading},
		"a gzip bomb": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb)
		}, upstream.BadResponse, upstream.Reading},
		"a body that is not gzip": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			fmt.Fprint(w, "canary-body, not gzip at all")
		}, upstream.BadResponse, upstream.Reading},
		"a truncated body": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, `{"users":[`)
		}, upstream.BadResponse, upstream.Reading},
		"a closed connection": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			_ = conn.Close()
		}, upstream.Unavailable, upstream.Sending},
		"a hang": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, upstream.Timeout, upstream.Sending},
		"a hang after the head": {func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `{"users":[`)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, upstream.Timeout, upstream.Reading},
		"a cursor of more than 4 KiB":          {reply(200, `{"users":[],"has_more":true,"next_cursor":"`+strings.Repeat("x", 4<<10+1)+`"}`), upstream.BadResponse, upstream.Decoding},
		"more users than the largest page has": {reply(200, `{"users":[`+strings.Repeat(referenceUser+"},", 100)+referenceUser+`}],"has_more":false}`), upstream.BadResponse, upstream.Decoding},
		"47 KB of gzip that are 15,680 users": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			fmt.Fprint(z, `{"users":[`+strings.Repeat(referenceUser+"},", 15_679)+referenceUser+`}],"has_more":false}`)
			_ = z.Close()
		}, upstream.BadResponse, upstream.Reading},
		"a status below 100":        {raw("HTTP/1.1 099 Low\r\n\r\n"), upstream.BadResponse, upstream.Status},
		"a switch of protocols":     {raw("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), upstream.BadResponse, upstream.Status},
		"endless interim responses": {raw(strings.Repeat("HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n", 10_000)), upstream.BadResponse, upstream.Sending},
		"an endless head":           {raw("HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 200_000)), upstream.BadResponse, upstream.Sending},
		"another success":           {reply(204, ""), upstream.BadResponse, upstream.Status},
		"a redirect":                {reply(302, ""), upstream.BadResponse, upstream.Status},
		"400":                       {reply(400, `{"detail":{"message":"canary-body"}}`), upstream.InvalidArgument, upstream.Status},
		"400 for a malformed key":   {reply(400, `{"detail":{"type":"authentication_error"}}`), upstream.Unauthenticated, upstream.Status},
		"401":                       {reply(401, `canary-body`), upstream.Unauthenticated, upstream.Status},
		"401 for a permission":      {reply(401, `{"detail":{"status":"missing_permissions","message":"canary-body"}}`), upstream.Forbidden, upstream.Status},
		"402":                       {reply(402, ``), upstream.Forbidden, upstream.Status},
		"403":                       {reply(403, ``), upstream.Forbidden, upstream.Status},
		"404 without an agent":      {reply(404, ``), upstream.BadResponse, upstream.Status},
		"405":                       {reply(405, ``), upstream.BadResponse, upstream.Status},
		"408":                       {reply(408, ``), upstream.Timeout, upstream.Status},
		"422":                       {reply(422, ``), upstream.InvalidArgument, upstream.Status},
		"429":                       {reply(429, ``), upstream.RateLimited, upstream.Status},
		"500":                       {reply(500, `<html>`), upstream.Unavailable, upstream.Status},
		"503":                       {reply(503, ``), upstream.Unavailable, upstream.Status},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			session := serve(t, c.answer)
			page, err := session.ListUsers(t.Context(), upstream.PageQuery{Size: 30, Cursor: "canary-cursor", Query: upstream.Query{Filter: upstream.Filter{UserID: "canary-user"}}})
			var e *upstream.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, %v", page, err)
			}
			if e.Kind != c.kind || e.Stage != c.stage {
				t.Errorf("got %s while %s, want %s while %s: %v", e.Kind, e.Stage, c.kind, c.stage, err)
			}
			if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "http://") || strings.Contains(err.Error(), "/v1/") {
				t.Errorf("the text contains private data: %v", err)
			}
		})
	}
}

// raw writes a response verbatim, and then waits until the client closes the
// connection.
func raw(response string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		defer conn.Close()
		_, _ = io.WriteString(conn, response)
		_, _ = io.Copy(io.Discard, conn)
	}
}

// gzipped returns size zeros, compressed.
func gzipped(size int) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(make([]byte, size))
	_ = z.Close()
	return b.Bytes()
}

func TestNoServer(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	base, _ := url.Parse(server.URL)
	server.Close()
	_, err := upstream.NewClient(upstream.Config{BaseURL: base}).As(upstream.Caller{}).ListUsers(t.Context(), upstream.PageQuery{Size: 1})
	var e *upstream.Error
	if !errors.As(err, &e) || e.Kind != upstream.Unavailable || e.Stage != upstream.Sending {
		t.Errorf("err is %v", err)
	}
}

func TestDetails(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want upstream.Detail
	}{
		"a list": {
			`{"detail":[{"loc":["query","page_size"],"msg":"too large","type":"less_than_equal","input":"101","ctx":{"le":100}},{"loc":["query",3],"msg":"odd","type":"x"},{}]}`,
			upstream.Detail{Faults: []upstream.Fault{{Param: "page_size", Message: "too large"}, {Param: "query", Message: "odd"}, {}}},
		},
		"an object": {
			`{"detail":{"type":"invalid_request","code":"invalid_cursor","message":"bad cursor","status":"bad","request_id":"r-1","param":"cursor"}}`,
			upstream.Detail{Type: "invalid_request", Code: "invalid_cursor", Message: "bad cursor", Status: "bad", RequestID: "r-1", Param: "cursor"},
		},
		"the older object":            {`{"detail":{"status":"document_not_found","message":"gone"}}`, upstream.Detail{Status: "document_not_found", Message: "gone"}},
		"an object with a wrong type": {`{"detail":{"status":7,"message":"gone"}}`, upstream.Detail{Message: "gone"}},
		"a string":                    {`{"detail":"Not Found"}`, upstream.Detail{Message: "Not Found"}},
		"a number":                    {`{"detail":7}`, upstream.Detail{}},
		"null":                        {`{"detail":null}`, upstream.Detail{}},
		"no detail":                   {`{"error":"x"}`, upstream.Detail{}},
		"no JSON":                     {`<html>`, upstream.Detail{}},
		"nothing":                     {``, upstream.Detail{}},
	} {
		t.Run(name, func(t *testing.T) {
			session := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusUnprocessableEntity)
				fmt.Fprint(w, c.body)
			})
			_, err := session.ListUsers(t.Context(), upstream.PageQuery{Size: 30})
			var e *upstream.Error
			if !errors.As(err, &e) || !reflect.DeepEqual(e.Detail, c.want) {
				t.Fatalf("got %+v, want %+v", e.Detail, c.want)
			}
			if e.TraceID != c.want.RequestID {
				t.Errorf("the trace ID is %q", e.TraceID)
			}
		})
	}
}

// TestDetailHasNoKey has an upstream that quotes the key in each member of a
// refusal's detail, as it is and percent-encoded.
func TestDetailHasNoKey(t *testing.T) {
	const quoted = "<canary/key canary%2Fkey>"
	for name, c := range map[string]struct {
		body string
		want upstream.Detail
	}{
		"a list": {
			`{"detail":[{"loc":["query","<canary/key canary%2Fkey>"],"msg":"<canary/key canary%2Fkey>"}]}`,
			upstream.Detail{Faults: []upstream.Fault{{Param: quoted, Message: quoted}}},
		},
		"an object": {
			strings.ReplaceAll(`{"detail":{"type":"Q","code":"Q","message":"Q","status":"Q","request_id":"Q","param":"Q"}}`, "Q", quoted),
			upstream.Detail{Type: quoted, Code: quoted, Message: quoted, Status: quoted, RequestID: quoted, Param: quoted},
		},
		"a string": {`{"detail":"<canary/key canary%2Fkey>"}`, upstream.Detail{Message: quoted}},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusUnprocessableEntity)
				fmt.Fprint(w, c.body)
			}))
			defer server.Close()
			base, _ := url.Parse(server.URL)
			client := upstream.NewClient(upstream.Config{BaseURL: base})
			defer client.Close()
			_, err := client.As(with("canary/key")).ListUsers(t.Context(), page)
			var e *upstream.Error
			if !errors.As(err, &e) {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(fmt.Sprintf("%+v", c.want), quoted, "<[redacted] [redacted]>")
			if got := fmt.Sprintf("%+v", e.Detail); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	for name, c := range map[string]struct {
		header string
		min    time.Duration
		max    time.Duration
	}{
		"seconds":            {"7", 7 * time.Second, 7 * time.Second},
		"a date":             {time.Now().Add(time.Minute).UTC().Format(http.TimeFormat), 50 * time.Second, time.Minute},
		"a date in the past": {time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat), 0, 0},
		"a negative count":   {"-3", 0, 0},
		"a word":             {"soon", 0, 0},
		"nothing":            {"", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			session := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Retry-After", c.header)
				w.WriteHeader(http.StatusTooManyRequests)
			})
			_, err := session.ListUsers(t.Context(), upstream.PageQuery{Size: 30})
			var e *upstream.Error
			if !errors.As(err, &e) || e.RetryAfter < c.min || e.RetryAfter > c.max {
				t.Errorf("got %v", e.RetryAfter)
			}
		})
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		session := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		if _, err := session.ListUsers(t.Context(), upstream.PageQuery{Size: 30}); err == nil {
			t.Errorf("%d is no error", status)
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("the other host got %d requests", n)
	}
}

func TestAPIKeyIsRedacted(t *testing.T) {
	caller := upstream.Caller{Key: upstream.NewAPIKey("canary-key")}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, caller); strings.Contains(got, "canary") || strings.Contains(got, "63616e617279") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	if got := text(caller); strings.Contains(got, "canary") {
		t.Errorf("JSON is %s", got)
	}
}

func TestRegions(t *testing.T) {
	for region, want := range map[string]string{
		"global": "https://api.elevenlabs.io",
		"us":     "https://api.us.elevenlabs.io",
		"eu":     "https://api.eu.residency.elevenlabs.io",
		"in":     "https://api.in.residency.elevenlabs.io",
		"sg":     "https://api.sg.residency.elevenlabs.io",
	} {
		if got, ok := upstream.RegionURL(region); got != want || !ok {
			t.Errorf("%s is %s", region, got)
		}
	}
	if _, ok := upstream.RegionURL("mars"); ok {
		t.Error("there is a region mars")
	}
}

// doer is a transport without a network, so that time can be faked.
type doer func(*http.Request) (*http.Response, error)

func (d doer) RoundTrip(r *http.Request) (*http.Response, error) { return d(r) }

func newSession(d doer, caller upstream.Caller) (*upstream.Client, *upstream.Session) {
	c := upstream.NewClient(upstream.Config{BaseURL: &url.URL{Scheme: "https", Host: "upstream.test"}, Transport: d})
	return c, c.As(caller)
}
