package graph

import (
	"context"
	"strings"
)

// requestIDHeader carries a request's ID, in and out. A request without a
// usable one gets a new one.
const requestIDHeader = "X-Request-Id"

// usableRequestID keeps what a caller sends from becoming more than an ID in
// logs and replies.
func usableRequestID(id string) bool {
	return id != "" && len(id) <= 128 && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.:/=+", r)
	})
}

// requestIDOf is the ID of the request that ctx belongs to.
func requestIDOf(ctx context.Context) string { return accountOf(ctx).requestID }
