// Package auth tells who a request comes from, and with which key it may go
// upstream. It knows HTTP headers alone.
package auth

import (
	"errors"
	"net/http"
	"strings"
)

// Identity is the outcome of an authentication.
type Identity struct {
	Key     string // for the upstream
	Subject string // who it is, where several share one key; else empty
}

// Authenticator identifies the caller of a request. Its errors are for the
// caller to read.
type Authenticator func(*http.Request) (Identity, error)

// None lets everybody in, and upstream with the service's own key.
func None(key string) Authenticator {
	return func(*http.Request) (Identity, error) { return Identity{Key: key}, nil }
}

// keyHeader is where callers bring the upstream's key, under the upstream's own name.
const keyHeader = "Xi-Api-Key"

// maxKey is far longer than any key of the upstream, in bytes.
const maxKey = 256

// Passthrough takes the upstream's key from the caller and looks no further
// into it: the upstream does.
func Passthrough() Authenticator {
	return func(r *http.Request) (Identity, error) {
		values := r.Header.Values(keyHeader)
		if len(values) == 0 || len(values) == 1 && values[0] == "" {
			return Identity{}, errors.New("send an API key in the header xi-api-key")
		}
		key := values[0]
		if len(values) > 1 || len(key) > maxKey || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return Identity{}, errors.New("the header xi-api-key does not hold an API key")
		}
		return Identity{Key: key}, nil
	}
}
