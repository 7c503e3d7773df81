// Package origin says which web sites may use the service from a browser.
package origin

import (
	"fmt"
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

// Share tells browsers that pages of the origins may read the answers.
func Share(origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next // the library would take no list for everybody
	}
	return cors.New(cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: []string{http.MethodPost},
		AllowedHeaders: []string{"Accept", "Content-Type", "Authorization", "Xi-Api-Key", "X-Request-Id"},
		ExposedHeaders: []string{"X-Request-Id", "Retry-After"},
		MaxAge:         600,
	}).Handler(next)
}
