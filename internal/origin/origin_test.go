package origin_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"rollcall/internal/origin"
)

var methods = []string{"GET", "POST", "QUERY"}

// guarded returns a handler with the service's checks.
func guarded(origins []string) http.Handler {
	admit := origin.Admit(origins)
	return origin.CORS(origins, methods, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if admit(r) != nil {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
}

func TestCrossOrigin(t *testing.T) {
	allowed := []string{"https://app.test"}
	for name, c := range map[string]struct {
		origins []string
		method  string
		headers map[string]string
		status  int
		cors    string // Access-Control-Allow-Origin
	}{
		"a program":                           {nil, "POST", nil, 200, ""},
		"the service's own page":              {nil, "POST", map[string]string{"Origin": "http://service.test", "Sec-Fetch-Site": "same-origin"}, 200, ""},
		"its own page, from an old browser":   {nil, "POST", map[string]string{"Origin": "http://service.test"}, 200, ""},
		"a foreign page":                      {nil, "POST", map[string]string{"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"}, 403, ""},
		"a foreign page, from an old browser": {nil, "POST", map[string]string{"Origin": "https://evil.test"}, 403, ""},
		"a foreign page's preflight":          {nil, "OPTIONS", map[string]string{"Origin": "https://evil.test", "Access-Control-Request-Method": "POST"}, 200, ""},
		"an allowed page":                     {allowed, "POST", map[string]string{"Origin": "https://app.test", "Sec-Fetch-Site": "cross-site"}, 200, "https://app.test"},
		"an allowed page's preflight":         {allowed, "OPTIONS", map[string]string{"Origin": "https://app.test", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,xi-api-key"}, 200, "https://app.test"},
		"its preflight for headers of libraries": {allowed, "OPTIONS", map[string]string{
			"Origin": "https://app.test", "Access-Control-Request-Method": "POST",
			"Access-Control-Request-Headers": "apollographql-client-name,apollographql-client-version,baggage,content-type,traceparent,tracestate",
		}, 200, "https://app.test"},
		"its preflight for QUERY":            {allowed, "OPTIONS", map[string]string{"Origin": "https://app.test", "Access-Control-Request-Method": "QUERY", "Access-Control-Request-Headers": "content-type"}, 200, "https://app.test"},
		"its preflight for GET":              {allowed, "OPTIONS", map[string]string{"Origin": "https://app.test", "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "xi-api-key"}, 200, "https://app.test"},
		"its preflight for PUT":              {allowed, "OPTIONS", map[string]string{"Origin": "https://app.test", "Access-Control-Request-Method": "PUT"}, 200, ""},
		"an allowed page's GET":              {allowed, "GET", map[string]string{"Origin": "https://app.test", "Sec-Fetch-Site": "cross-site"}, 200, "https://app.test"},
		"an allowed page's QUERY":            {allowed, "QUERY", map[string]string{"Origin": "https://app.test", "Sec-Fetch-Site": "cross-site"}, 200, "https://app.test"},
		"a foreign page's GET":               {allowed, "GET", map[string]string{"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"}, 403, ""},
		"a foreign page's image":             {allowed, "GET", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403, ""},
		"a neighbour's image":                {allowed, "GET", map[string]string{"Sec-Fetch-Site": "same-site"}, 403, ""},
		"a foreign page's QUERY":             {allowed, "QUERY", map[string]string{"Origin": "https://evil.test"}, 403, ""},
		"an address that is typed":           {allowed, "GET", map[string]string{"Sec-Fetch-Site": "none"}, 200, ""},
		"its preflight for something else":   {allowed, "OPTIONS", map[string]string{"Origin": "https://app.test", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-else"}, 200, ""},
		"a page that is not on the list":     {allowed, "POST", map[string]string{"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"}, 403, ""},
		"its preflight":                      {allowed, "OPTIONS", map[string]string{"Origin": "https://evil.test", "Access-Control-Request-Method": "POST"}, 200, ""},
		"a page on a subdomain":              {allowed, "POST", map[string]string{"Origin": "https://x.app.test", "Sec-Fetch-Site": "cross-site"}, 403, ""},
		"an allowed page without encryption": {allowed, "POST", map[string]string{"Origin": "http://app.test", "Sec-Fetch-Site": "cross-site"}, 403, ""},
		"a page without an origin":           {allowed, "POST", map[string]string{"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "http://service.test/graphql", nil)
			for k, v := range c.headers {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			guarded(c.origins).ServeHTTP(w, r)
			if w.Code != c.status || w.Header().Get("Access-Control-Allow-Origin") != c.cors {
				t.Errorf("got %d, %v", w.Code, w.Header())
			}
			if allowed := w.Header().Get("Access-Control-Allow-Methods"); c.cors != "" && c.method == "OPTIONS" && allowed != c.headers["Access-Control-Request-Method"] {
				t.Errorf("the methods are %q", allowed)
			}
			if exposed := w.Header().Get("Access-Control-Expose-Headers"); c.cors != "" && c.method == "POST" && exposed != "X-Request-Id, Retry-After" {
				t.Errorf("exposed is %q", exposed)
			}
			if w.Header().Get("Access-Control-Allow-Credentials") != "" {
				t.Error("credentials are allowed")
			}
		})
	}
}

// TestDNSRebinding sends requests as they arrive on loopback. For its browser, a
// rebound page is the service's own page.
func TestDNSRebinding(t *testing.T) {
	admit := origin.AdmitLocal([]string{"https://app.test:8443"})
	for host, ok := range map[string]bool{
		"localhost": true, "localhost:8080": true, "LocalHost:8080": true, "rollcall.localhost:8080": true,
		"127.0.0.1": true, "127.0.0.1:8080": true, "127.9.9.9:8080": true, "[::1]": true, "[::1]:8080": true,
		"evil.test": false, "evil.test:8080": false, "localhost.evil.test": false, "evillocalhost": false, "127.0.0.1.evil.test": false,
		"app.test": false, "10.0.0.1:8080": false, "0.0.0.0:8080": false, "[::2]:8080": false, "::1": false, "": false, ":8080": false,
	} {
		for name, headers := range map[string]map[string]string{
			"a page of that host":                    {"Origin": "http://" + host, "Sec-Fetch-Site": "same-origin"},
			"a page of that host, in an old browser": {"Origin": "http://" + host},
			"a program":                              nil,
		} {
			for _, method := range methods {
				r := httptest.NewRequest(method, "/graphql", nil)
				r.Host = host
				for k, v := range headers {
					r.Header.Set(k, v)
				}
				mayBeProgram := name == "a program" && method != http.MethodGet // browsers send a GET without an origin
				if err := admit(r); (err == nil) != (ok || mayBeProgram) {
					t.Errorf("%s to %q, %s: %v", method, host, name, err)
				}
			}
		}
	}
	for page, ok := range map[string]bool{"https://app.test:8443": true, "https://app.test": false, "https://evil.test": false} {
		for _, host := range []string{"localhost", "app.test:8443"} { // hosts that a proxy may pass on
			r := httptest.NewRequest(http.MethodPost, "http://"+host+"/graphql", nil)
			r.Header.Set("Origin", page)
			if err := admit(r); (err == nil) != ok {
				t.Errorf("a page of %s at %s: %v", page, host, err)
			}
		}
	}
}
