// Package auth identifies the caller of a request, and the key with which its
// calls are sent upstream. It depends only on HTTP headers.
package auth

import (
	"net/http"
	"strings"
)

// Identity is the outcome of an authentication.
type Identity struct {
	Key     string // for the upstream
	Subject string // the caller, if several share one key; otherwise empty
}

// Authenticator identifies the caller of a request. Its error is a [*Error].
type Authenticator func(*http.Request) (Identity, error)

// Error reports why a request is not accepted. Its text is for the caller. Its
// reason is not, because it would help to forge credentials.
type Error struct {
	reason    string
	forbidden bool
	text      string
}

func (e *Error) Error() string { return e.text }

// Reason returns one of the constants of this package, for the log.
func (e *Error) Reason() string { return e.reason }

// Forbidden reports that the caller is known and may not use the service.
func (e *Error) Forbidden() bool { return e.forbidden }

// The reasons. The first two also apply to API keys, the others to tokens.
const (
	ReasonMissing     = "missing"       // no credentials
	ReasonMalformed   = "malformed"     // several headers, another scheme, or no key or token
	ReasonCritical    = "critical"      // a header in crit, which has to be understood
	ReasonAlgorithm   = "algorithm"     // not accepted, or not the key's
	ReasonUnknownKey  = "unknown key"   // no usable key of the issuer has the token's kid
	ReasonNoKeys      = "no keys"       // none of the issuer's keys are known yet
	ReasonSignature   = "signature"     // not the key's
	ReasonExpired     = "expired"       // more than [leeway] ago
	ReasonNoExpiry    = "no expiry"     // exp is missing
	ReasonNotYetValid = "not yet valid" // nbf is in the future
	ReasonAudience    = "audience"      // aud is missing or another service's
	ReasonIssuer      = "issuer"        // iss is missing or another issuer's
	ReasonScope       = "scope"         // the token is valid and lacks the scope
	ReasonCancelled   = "cancelled"     // the caller disconnected during a wait for the issuer's keys
)

// None accepts all callers. Their calls use the service's own key.
func None(key string) Authenticator {
	return func(*http.Request) (Identity, error) { return Identity{Key: key}, nil }
}

// keyHeader is the header in which callers send the upstream's key, under the
// upstream's own name.
const keyHeader = "Xi-Api-Key"

// maxKey is much longer than any key of the upstream, in bytes.
const maxKey = 256

// Passthrough takes the upstream's key from the caller and checks only its form:
// the upstream decides whether it is valid.
func Passthrough() Authenticator {
	return func(r *http.Request) (Identity, error) {
		values := r.Header.Values(keyHeader)
		if len(values) == 0 || len(values) == 1 && values[0] == "" {
			return Identity{}, &Error{reason: ReasonMissing, text: "send an API key in the header xi-api-key"}
		}
		key := values[0]
		if len(values) > 1 || len(key) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return Identity{}, &Error{reason: ReasonMalformed, text: "the header xi-api-key does not hold an API key"}
		}
		return Identity{Key: key}, nil
	}
}
