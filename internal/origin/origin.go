// Package origin decides which web sites may use the service from a browser.
package origin

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/rs/cors"
)

// defaultPorts are omitted in the origins of web sites (RFC 6454, section 6.1).
var defaultPorts = map[string]string{"http": ":80", "https": ":443"}

// appSchemes are the schemes of pages inside apps: Capacitor, Ionic, Tauri, and
// apps of Electron and others that register one. Those of extensions, such as
// chrome-extension, end in a common suffix.
var appSchemes = []string{"capacitor", "ionic", "tauri", "app"}

// Parse returns an origin in the form that browsers send: scheme, host and a port
// that is not the scheme's default. Wildcards are not accepted.
func Parse(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.Scheme+"://"+u.Host != s || strings.Contains(s, "*") {
		return "", invalid(s)
	}
	port, isWeb := defaultPorts[u.Scheme]
	switch {
	case isWeb && s == strings.ToLower(s):
		return strings.TrimSuffix(s, port), nil
	case !isWeb && (slices.Contains(appSchemes, u.Scheme) || strings.HasSuffix(u.Scheme, "-extension")):
		return s, nil // hosts with these schemes may have capitals, as Safari's extensions do
	default:
		return "", invalid(s)
	}
}

func invalid(origin string) error {
	return fmt.Errorf("%q is not an origin such as https://app.example.com", origin)
}

// spellings returns the origins, and those with their default port written out.
func spellings(origins []string) []string {
	all := slices.Clone(origins)
	for _, o := range origins {
		if u, err := url.Parse(o); err == nil && u.Port() == "" {
			if port, isWeb := defaultPorts[u.Scheme]; isWeb {
				all = append(all, o+port)
			}
		}
	}
	return all
}

// Admit returns a function that reports whether a request may be served. A
// browser's request must come from the service's own origin or from one of the
// given origins, which [Parse] has returned. A request without an origin does not
// come from a web site, and is admitted. GET is checked as POST is.
func Admit(origins []string) func(*http.Request) error {
	protection := http.NewCrossOriginProtection()
	for _, o := range spellings(origins) {
		if err := protection.AddTrustedOrigin(o); err != nil {
			panic(err) // Parse accepts only what this does
		}
	}
	return func(r *http.Request) error {
		if isRead(r) { // which CrossOriginProtection allows
			post := *r
			post.Method = http.MethodPost
			r = &post
		}
		return protection.Check(r)
	}
}

var errHost = errors.New("the request is addressed to another host than this machine")

// AdmitLocal is [Admit] for a service on loopback that admits every caller. A web
// site can make its own name resolve to 127.0.0.1, and browsers then treat the
// service as that site (DNS rebinding): only the name in the request differs.
// Therefore, unless its origin is one of the given ones, a page must address
// localhost or a loopback address. Browsers send a page's origin with every POST,
// but not with a GET to the same site: a GET must therefore do so even without an
// origin. (Fetch standard, "append a request Origin header".)
func AdmitLocal(origins []string) func(*http.Request) error {
	admit, known := Admit(origins), spellings(origins)
	return func(r *http.Request) error {
		page := r.Header.Get("Origin")
		mayBePage := page != "" || isRead(r)
		if mayBePage && !slices.Contains(known, page) && !isLocal(r.Host) {
			return errHost
		}
		return admit(r)
	}
}

// OnlyLocal refuses requests that are addressed to a host other than this
// machine. It is for a listener on loopback that serves no web site. Requests
// without a host, which only HTTP/1.0 permits, do not come from a browser.
func OnlyLocal(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "" && !isLocal(r.Host) {
			http.Error(w, errHost.Error(), http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isRead(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }

// isLocal reports whether a request's host can only be this machine. Names below
// localhost always resolve to it (RFC 6761, section 6.3).
func isLocal(host string) bool {
	host = strings.ToLower((&url.URL{Host: host}).Hostname())
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// CORS lets pages of the origins send requests with the methods, and read the
// responses. A preflight allows the headers that GraphQL clients, and the tracing
// libraries of browsers, add to the requests of a page. These headers cannot do any
// harm here, and without them the page's request would fail. The next handler
// completes the response to a preflight.
func CORS(origins, methods []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next // the library would allow every origin
	}
	return cors.New(cors.Options{
		AllowedOrigins: spellings(origins),
		AllowedMethods: methods,
		AllowedHeaders: []string{
			"Accept", "Content-Type", "Authorization", "Xi-Api-Key", "X-Request-Id", "X-Requested-With",
			// W3C Trace Context and Baggage
			"Traceparent", "Tracestate", "Baggage",
			// Sentry
			"Sentry-Trace",
			// Datadog's RUM
			"X-Datadog-Trace-Id", "X-Datadog-Parent-Id", "X-Datadog-Origin", "X-Datadog-Sampling-Priority", "X-Datadog-Tags",
			// Zipkin's B3, as one header or several
			"B3", "X-B3-Traceid", "X-B3-Spanid", "X-B3-Parentspanid", "X-B3-Sampled", "X-B3-Flags",
			// Elastic's RUM, New Relic's and AWS X-Ray
			"Elastic-Apm-Traceparent", "Newrelic", "X-Amzn-Trace-Id",
			// Apollo's clients for the web, Kotlin and iOS
			"Apollographql-Client-Name", "Apollographql-Client-Version", "Apollo-Require-Preflight",
			"X-Apollo-Operation-Name", "X-Apollo-Operation-Id", "X-Apollo-Operation-Type",
		},
		ExposedHeaders: []string{"X-Request-Id", "Retry-After"},
		MaxAge:         600,

		OptionsPassthrough: true,
	}).Handler(next)
}
