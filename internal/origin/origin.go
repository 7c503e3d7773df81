// Package origin says which web sites may use the service from a browser.
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

// Check reports what keeps s from being an origin that can be allowed: one as a
// browser spells it, in lower case and without a wildcard.
func Check(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Scheme+"://"+u.Host != s || strings.ContainsAny(s, "*ABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		return fmt.Errorf("%q is not an origin such as https://app.example.com", s)
	}
	return nil
}

// Admit returns what tells whether a request may be served: browsers' may where
// they come from the service's own origin or from one of those given. Programs
// that are no browsers send no origin and are not its concern. Origins have
// passed [Check].
func Admit(origins []string) func(*http.Request) error {
	protection := http.NewCrossOriginProtection()
	for _, o := range origins {
		if err := protection.AddTrustedOrigin(o); err != nil {
			panic(err) // Check has let it pass
		}
	}
	return protection.Check
}

var errHost = errors.New("the host that is asked for is not this machine")

// AdmitLocal is [Admit] for a service that lets everybody in who reaches it on
// loopback. A web site can have its own name lead there, and browsers then take
// the service for that site's own (DNS rebinding); only the name tells. So a
// page that is of none of the origins has to ask for localhost or for a loopback
// address. Browsers name a page's origin in every POST.
func AdmitLocal(origins []string) func(*http.Request) error {
	admit := Admit(origins)
	return func(r *http.Request) error {
		page := r.Header.Get("Origin")
		host := strings.ToLower((&url.URL{Host: r.Host}).Hostname())
		if page != "" && !slices.Contains(origins, page) && !isLoopback(host) {
			return errHost
		}
		return admit(r)
	}
}

// isLoopback reports whether a host, in lower case, can be nothing but this
// machine: nobody can have names below localhost lead elsewhere (RFC 6761).
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// Share tells browsers that pages of the origins may read the answers.
func Share(origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next // the library would take no list for everybody
	}
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodPost},
		AllowedHeaders: []string{
			"Accept", "Content-Type", "Authorization", "Xi-Api-Key", "X-Request-Id",
			"Traceparent", "Tracestate", "Baggage", // W3C trace context
			"Apollographql-Client-Name", "Apollographql-Client-Version", // Apollo Client's, where it has a name
		},
		ExposedHeaders: []string{"X-Request-Id", "Retry-After"},
		MaxAge:         600,
	}).Handler(next)
}
