package transport

import "strings"

// requestIDHeader carries a request's ID in the request and in the response. A
// request without a usable ID gets a new one.
const requestIDHeader = "X-Request-Id"

// isRequestID reports whether a caller's ID may be used in logs and responses.
func isRequestID(id string) bool {
	return id != "" && len(id) <= 128 && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.:/=+", r)
	})
}
