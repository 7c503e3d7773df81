package transport_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"rollcall/graph/internal/graphtest"
	"rollcall/graph/transport"
	"rollcall/internal/origin"
)

// send sends a request without a body to the service. Headers are names and values
// in turn.
func send(s *graphtest.Service, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.Handler.ServeHTTP(w, r)
	return w
}

// inURL returns the target of a GET. Parameters are names and values in turn.
func inURL(params ...string) string {
	values := make(url.Values)
	for i := 0; i < len(params); i += 2 {
		values.Add(params[i], params[i+1])
	}
	return "/graphql?" + values.Encode()
}

func TestGET(t *testing.T) {
	const modern = "application/graphql-response+json"
	padded := func(size int) string {
		return "query=%7B__typename%7D&x=" + strings.Repeat("x", size-len("query=%7B__typename%7D&x="))
	}
	for name, c := range map[string]struct {
		target string
		accept string
		status int
		answer string // a part of it
	}{
		"a query":                              {inURL("query", "{ __typename }"), "", 200, `{"data":{"__typename":"Query"}}`},
		"a query, the new way":                 {inURL("query", "{ __typename }"), modern, 200, `{"data":{"__typename":"Query"}}`},
		"a query from a browser's address bar": {inURL("query", "{ __typename }"), "text/html,application/xml;q=0.9,*/*;q=0.8", 200, `{"data":{"__typename":"Query"}}`},
		"variables":                            {inURL("query", "query($n: Int) { users(first: $n) { nodes { userId } } }", "variables", `{"n":1}`), "", 200, `{"data":{"users":{"nodes":[{"userId":"`},
		"an operation's name":                  {inURL("query", "query a { a: __typename } query b { b: __typename }", "operationName", "b"), "", 200, `{"data":{"b":"Query"}}`},
		"extensions":                           {inURL("query", "{ __typename }", "extensions", `{"a":[1]}`), "", 200, `{"data":{"__typename":"Query"}}`},
		"empty parameters":                     {inURL("query", "{ __typename }", "operationName", "", "variables", "", "extensions", ""), "", 200, `{"data":{"__typename":"Query"}}`},
		"null variables":                       {inURL("query", "{ __typename }", "variables", "null"), "", 200, `{"data":{"__typename":"Query"}}`},
		"unknown parameters, also twice":       {inURL("query", "{ __typename }", "x", "1", "x", "2"), "", 200, `{"data":{"__typename":"Query"}}`},
		"no parameter":                         {"/graphql", "", 400, "no query"},
		"an empty query":                       {inURL("query", ""), "", 400, "no query"},
		"two queries":                          {inURL("query", "{ __typename }", "query", "{ __typename }"), "", 400, "the parameter query more than once"},
		"two variables":                        {inURL("query", "{ __typename }", "variables", "{}", "variables", "{}"), "", 400, "the parameter variables more than once"},
		"variables that are not JSON":          {inURL("query", "{ __typename }", "variables", "{canary"), "", 400, "parameter variables must be a JSON object"},
		"variables with something after":       {inURL("query", "{ __typename }", "variables", "{} {}"), "", 400, "parameter variables must be a JSON object"},
		"variables in a list":                  {inURL("query", "{ __typename }", "variables", "[]"), "", 400, "parameter variables must be a JSON object"},
		"extensions in a string":               {inURL("query", "{ __typename }", "extensions", `"canary"`), "", 400, "parameter extensions must be a JSON object"},
		"a broken escape":                      {"/graphql?query=%7B__typename%7D&canary=%zz", "", 400, "not encoded correctly"},
		"a semicolon":                          {"/graphql?query=%7B__typename%7D;variables=canary", "", 400, "not encoded correctly"},
		"not UTF-8":                            {"/graphql?query=%7B__typename%7D%ff", "", 400, "not UTF-8"},
		"a document that is not valid":         {inURL("query", "{ canary }"), modern, 400, "GRAPHQL_VALIDATION_FAILED"},
		"a subscription":                       {inURL("query", "subscription { canary }"), modern, 400, "GRAPHQL_VALIDATION_FAILED"},
		"for HTML alone":                       {inURL("query", "{ __typename }"), "text/html", 406, "BAD_USER_INPUT"},
		"as long as can be":                    {"/graphql?" + padded(1000), "", 200, `{"data"`},
		"too long":                             {"/graphql?" + padded(1001), "", 414, "longer than 1000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			s := graphtest.New(t, graphtest.Options{Transport: func(c *transport.Config) { c.MaxBody = 1000 }})
			w := send(s, http.MethodGet, c.target, "Accept", c.accept)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.answer) {
				t.Errorf("got %d %s; want %d %s", w.Code, w.Body, c.status, c.answer)
			}
			if w.Code >= 400 && !strings.Contains(w.Body.String(), `"code":"`) {
				t.Errorf("a refusal has no code: %s", w.Body)
			}
			if strings.Contains(w.Body.String(), "canary") && !strings.Contains(w.Body.String(), "VALIDATION") {
				t.Errorf("the answer repeats the URL: %s", w.Body)
			}
			if w.Header().Get("Cache-Control") != "private, no-store" || w.Header().Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("the headers are %v", w.Header())
			}
			if strings.Contains(s.Log.String(), "canary") || strings.Contains(s.Log.String(), "typename") {
				t.Errorf("logged %s", s.Log)
			}
		})
	}
}

func TestMutation(t *testing.T) {
	for name, c := range map[string]struct {
		method string
		status int
		allow  string
	}{
		"by GET is a method that is not allowed": {http.MethodGet, 405, "POST, QUERY"},
		"by QUERY is unprocessable":              {"QUERY", 422, ""},
		"by POST is not valid":                   {http.MethodPost, 400, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := graphtest.New(t, graphtest.Options{})
			r := httptest.NewRequest(c.method, inURL("query", "mutation { canary }"), strings.NewReader(`{"query":"mutation { canary }"}`))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Accept", "application/graphql-response+json")
			w := httptest.NewRecorder()
			s.Handler.ServeHTTP(w, r)
			if w.Code != c.status || w.Header().Get("Allow") != c.allow || !strings.Contains(w.Body.String(), "GRAPHQL_VALIDATION_FAILED") {
				t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
			}
		})
	}
}

func TestQUERY(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{})
	query := func(body, mediaType string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("QUERY", "/graphql", strings.NewReader(body))
		r.Header.Set("Content-Type", mediaType)
		w := httptest.NewRecorder()
		s.Handler.ServeHTTP(w, r)
		return w
	}
	if w := query(`{"query":"query($n: Int) { users(first: $n) { nodes { userId } } }","variables":{"n":1}}`, "application/json"); w.Code != 200 || !strings.Contains(w.Body.String(), `{"data":{"users"`) {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	for _, mediaType := range []string{"text/plain", ""} {
		if w := query(`{"query":"{ __typename }"}`, mediaType); w.Code != 415 || w.Header().Get("Accept-Query") != "application/json" {
			t.Errorf("as %q: %d %v", mediaType, w.Code, w.Header())
		}
	}
	if w := query(`{"query":`, "application/json"); w.Code != 400 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestMethods(t *testing.T) {
	for name, c := range map[string]struct {
		refuseGET bool
		allow     string
	}{"with GET": {false, "GET, POST, QUERY"}, "without GET": {true, "POST, QUERY"}} {
		t.Run(name, func(t *testing.T) {
			s := graphtest.New(t, graphtest.Options{Transport: func(config *transport.Config) { config.RefuseGET = c.refuseGET }})
			refused := []string{http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodPatch, "query", "UNHEARD-OF"}
			if c.refuseGET {
				refused = append(refused, http.MethodGet)
			}
			for _, method := range refused {
				w := send(s, method, inURL("query", "{ __typename }"))
				if w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != c.allow || w.Header().Get("Accept-Query") != "application/json" {
					t.Errorf("%s: %d %v", method, w.Code, w.Header())
				}
			}
			if w := send(s, http.MethodOptions, "/graphql"); w.Code != http.StatusNoContent || w.Header().Get("Allow") != c.allow || w.Header().Get("Accept-Query") != "application/json" {
				t.Errorf("OPTIONS: %d %v", w.Code, w.Header())
			}
		})
	}
}

// TestPreflight sends preflights through both handlers that write their responses.
func TestPreflight(t *testing.T) {
	for name, c := range map[string]struct {
		get     bool
		method  string
		allowed string
	}{
		"for POST":              {true, "POST", "POST"},
		"for QUERY":             {true, "QUERY", "QUERY"},
		"for GET":               {true, "GET", "GET"},
		"for GET while off":     {false, "GET", ""},
		"for PUT, which is off": {true, "PUT", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := graphtest.New(t, graphtest.Options{Transport: func(config *transport.Config) { config.RefuseGET = !c.get }})
			s.Handler = origin.CORS([]string{"https://app.test"}, transport.Methods(c.get), s.Handler)
			w := send(s, http.MethodOptions, "/graphql", "Origin", "https://app.test", "Access-Control-Request-Method", c.method, "Access-Control-Request-Headers", "content-type,xi-api-key")
			if w.Code != http.StatusNoContent || w.Header().Get("Access-Control-Allow-Methods") != c.allowed || w.Body.Len() > 0 {
				t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
			}
			if w.Header().Get("Cache-Control") != "private, no-store" || w.Header().Get("Referrer-Policy") != "no-referrer" || w.Header().Get("Accept-Query") != "application/json" {
				t.Errorf("the headers are %v", w.Header())
			}
		})
	}
}

// TestSharingBetweenMethods sends a URL's query that is also a body in flight: as
// parameters they differ.
func TestSharingBetweenMethods(t *testing.T) {
	arrived, proceed := make(chan struct{}), make(chan struct{})
	s := graphtest.New(t, graphtest.Options{Upstream: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-proceed
		fmt.Fprint(w, `{"users":[],"has_more":false}`)
	})})
	const both = `{"query":"{users{nodes{id}}}","x":"&query={b:__typename}&y="}`
	body := make(chan string)
	go func() { body <- s.Post(both).Body.String() }()
	<-arrived
	r := httptest.NewRequest(http.MethodGet, "/graphql", nil)
	r.URL.RawQuery = both
	w := httptest.NewRecorder()
	go func() {
		s.Handler.ServeHTTP(w, r)
		close(proceed)
	}()
	if got := <-body; got != `{"data":{"users":{"nodes":[]}}}` {
		t.Errorf("the body: %s", got)
	}
	if got := w.Body.String(); got != `{"data":{"b":"Query"}}` {
		t.Errorf("the URL: %s", got)
	}
}

func FuzzURL(f *testing.F) {
	s := graphtest.New(f, graphtest.Options{Upstream: graphtest.Refuse(500, "")})
	for _, seed := range []string{"query=%7B__typename%7D", "query={users{nodes{id}}}&variables={}", "variables=%7B&query=x", "query=a&query=b", "%zz", "a;b", "extensions=[]&operationName=%ff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		r := httptest.NewRequest(http.MethodGet, "/graphql", nil)
		r.URL.RawQuery = query
		w := httptest.NewRecorder()
		s.Handler.ServeHTTP(w, r)
		if w.Code >= 500 || !strings.HasPrefix(w.Body.String(), "{") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
}
