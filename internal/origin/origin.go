// Package origin says which web sites may use the service from a browser.
package origin

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
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

// Guard lets browsers in from the service's own origin and from those given,
// and nobody else's pages. Programs that are no browsers send no origin and are
// not its concern. Origins have passed [Check].
func Guard(origins []string, log *slog.Logger, next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	for _, o := range origins {
		if err := protection.AddTrustedOrigin(o); err != nil {
			panic(err) // Check has let it pass
		}
	}
	protection.SetDenyHandler(deny(log))
	guarded := protection.Handler(next)
	if len(origins) == 0 {
		return guarded // the library would take no list for everybody
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
	}).Handler(guarded)
}

// deny refuses a request as the GraphQL side would: with an ID, which is in the log.
func deny(log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := rand.Text()
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("X-Request-Id", id)
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"errors":[{"message":"This service may not be used from that web site.","extensions":{"code":"FORBIDDEN","requestId":"`+id+`"}}]}`)
		log.InfoContext(r.Context(), "no operation", "request_id", id, "status", http.StatusForbidden, "refused", "origin")
	})
}
