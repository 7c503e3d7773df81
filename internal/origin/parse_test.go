package origin_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"rollcall/internal/origin"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]string{
		"https://app.test": "https://app.test", "http://localhost:5173": "http://localhost:5173", "https://app.test:8443": "https://app.test:8443",
		"https://app.test:443": "https://app.test", "http://app.test:80": "http://app.test", "https://app.test:80": "https://app.test:80",
		"http://[::1]:80": "http://[::1]", "https://[2001:db8::1]": "https://[2001:db8::1]",
		"capacitor://localhost": "capacitor://localhost", "ionic://localhost": "ionic://localhost", "tauri://localhost": "tauri://localhost", "app://desk": "app://desk",
		"chrome-extension://abcdefghijklmnopabcdefghijklmnop":         "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
		"moz-extension://0b3d8c6a-1f7e-4a52-9a53-6f0d5a1c2e4b":        "moz-extension://0b3d8c6a-1f7e-4a52-9a53-6f0d5a1c2e4b",
		"safari-web-extension://0B3D8C6A-1F7E-4A52-9A53-6F0D5A1C2E4B": "safari-web-extension://0B3D8C6A-1F7E-4A52-9A53-6F0D5A1C2E4B",
		"*": "", "null": "", "app.test": "", "https://app.test/": "", "https://app.test/x": "", "https://*.app.test": "", "https://App.test": "",
		"https://u:p@app.test": "", "ftp://app.test": "", "file://": "", "file://x": "", "data:x": "", "https://": "", "https://:443": "", "": "", "https://app.test?x": "",
		"chrome-extension://*": "", "capacitor://": "", "capacitor://localhost/": "", "htps://app.test": "",
	} {
		if got, err := origin.Parse(s); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", s, got, err)
		}
	}
}

// TestParsedOriginsPass checks that both libraries accept what Parse accepts.
func TestParsedOriginsPass(t *testing.T) {
	for listed, page := range map[string]string{
		"https://app.test:443": "https://app.test", "https://app.test": "https://app.test:443", "http://app.test": "http://app.test:80", "http://[::1]:80": "http://[::1]",
		"capacitor://localhost": "capacitor://localhost", "tauri://localhost": "tauri://localhost", "app://desk": "app://desk",
		"chrome-extension://abcdefghijklmnopabcdefghijklmnop":         "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
		"safari-web-extension://0B3D8C6A-1F7E-4A52-9A53-6F0D5A1C2E4B": "safari-web-extension://0B3D8C6A-1F7E-4A52-9A53-6F0D5A1C2E4B",
	} {
		parsed, err := origin.Parse(listed)
		if err != nil {
			t.Fatal(err)
		}
		for _, admit := range []func([]string) func(*http.Request) error{origin.Admit, origin.AdmitLocal} {
			for page, ok := range map[string]bool{page: true, "https://evil.test": false, "chrome-extension://evil": false} {
				r := httptest.NewRequest(http.MethodPost, "http://service.test/graphql", nil)
				r.Header.Set("Origin", page)
				r.Header.Set("Sec-Fetch-Site", "cross-site")
				if err := admit([]string{parsed})(r); (err == nil) != ok {
					t.Errorf("with %s, a page of %s: %v", listed, page, err)
				}
			}
		}
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "http://service.test/graphql", nil)
		r.Header.Set("Origin", page)
		origin.CORS([]string{parsed}, methods, http.NotFoundHandler()).ServeHTTP(w, r)
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != page {
			t.Errorf("with %s, a page of %s may read for %q", listed, page, got)
		}
	}
}

// TestPreflightHeaders requests the headers that clients and tracing libraries
// add.
func TestPreflightHeaders(t *testing.T) {
	for name, headers := range map[string]string{
		"Sentry":                 "baggage,content-type,sentry-trace",
		"Datadog":                "content-type,traceparent,tracestate,x-datadog-origin,x-datadog-parent-id,x-datadog-sampling-priority,x-datadog-trace-id",
		"Datadog, with tags":     "x-datadog-tags",
		"B3":                     "b3",
		"B3 in several headers":  "x-b3-flags,x-b3-parentspanid,x-b3-sampled,x-b3-spanid,x-b3-traceid",
		"Elastic":                "elastic-apm-traceparent,traceparent,tracestate",
		"New Relic":              "newrelic,traceparent,tracestate",
		"X-Ray":                  "x-amzn-trace-id",
		"Apollo Client":          "apollographql-client-name,apollographql-client-version,content-type",
		"Apollo's other clients": "apollo-require-preflight,x-apollo-operation-id,x-apollo-operation-name,x-apollo-operation-type",
		"Axios and jQuery":       "x-requested-with",
	} {
		r := httptest.NewRequest(http.MethodOptions, "http://service.test/graphql", nil)
		r.Header = http.Header{"Origin": {"https://app.test"}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {headers}}
		w := httptest.NewRecorder()
		origin.CORS([]string{"https://app.test"}, methods, http.NotFoundHandler()).ServeHTTP(w, r)
		if got := w.Header().Get("Access-Control-Allow-Headers"); got != headers {
			t.Errorf("%s: allowed are %q", name, got)
		}
	}
}

// TestGetIsCheckedLikePost sends what browsers send with a GET.
func TestGetIsCheckedLikePost(t *testing.T) {
	for name, c := range map[string]struct {
		admit   func([]string) func(*http.Request) error
		host    string
		headers map[string]string
		ok      bool
	}{
		"a program":                           {origin.Admit, "service.test", nil, true},
		"the service's own page":              {origin.Admit, "service.test", map[string]string{"Sec-Fetch-Site": "same-origin"}, true},
		"an address that is typed":            {origin.Admit, "service.test", map[string]string{"Sec-Fetch-Site": "none"}, true},
		"a foreign page":                      {origin.Admit, "service.test", map[string]string{"Sec-Fetch-Site": "cross-site"}, false},
		"a foreign page with CORS":            {origin.Admit, "service.test", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.test"}, false},
		"a page of another subdomain":         {origin.Admit, "service.test", map[string]string{"Sec-Fetch-Site": "same-site"}, false},
		"an allowed page":                     {origin.Admit, "service.test", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://app.test"}, true},
		"on loopback, a program":              {origin.AdmitLocal, "127.0.0.1:8080", nil, true},
		"on loopback, a rebound page":         {origin.AdmitLocal, "evil.test:8080", map[string]string{"Sec-Fetch-Site": "same-origin"}, false},
		"on loopback, an old browser's page":  {origin.AdmitLocal, "evil.test:8080", nil, false},
		"on loopback, an allowed page":        {origin.AdmitLocal, "evil.test:8080", map[string]string{"Origin": "https://app.test"}, true},
		"on loopback, the service's own page": {origin.AdmitLocal, "localhost:8080", map[string]string{"Sec-Fetch-Site": "same-origin"}, true},
		"on loopback, a foreign page's image": {origin.AdmitLocal, "localhost:8080", map[string]string{"Sec-Fetch-Site": "cross-site"}, false},
	} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			r := httptest.NewRequest(method, "/graphql", nil)
			r.Host = c.host
			for k, v := range c.headers {
				r.Header.Set(k, v)
			}
			if err := c.admit([]string{"https://app.test"})(r); (err == nil) != c.ok {
				t.Errorf("%s, %s: %v", method, name, err)
			}
		}
	}
}

func TestOnlyLocal(t *testing.T) {
	h := origin.OnlyLocal(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for host, status := range map[string]int{
		"127.0.0.1:9090": 418, "localhost:9090": 418, "[::1]:9090": 418, "admin.localhost": 418, "": 418,
		"evil.test": 403, "evil.test:9090": 403, "10.0.0.1:9090": 403, "localhost.evil.test:9090": 403,
	} {
		r := httptest.NewRequest(http.MethodGet, "/debug/pprof/heap", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != status {
			t.Errorf("%q: %d, want %d", host, w.Code, status)
		}
	}
}
