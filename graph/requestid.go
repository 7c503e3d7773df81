package graph

import (
	"context"
	"crypto/rand"
	"net/http"
	"strings"
)

// requestIDHeader carries a request's ID, in and out.
const requestIDHeader = "X-Request-Id"

type requestIDKey struct{}

// withRequestID gives each request an ID: its own, if it came with a usable
// one, or a new one.
func withRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get(requestIDHeader)
		if !usableRequestID(id) {
			id = rand.Text()
		}
		w.Header().Set(requestIDHeader, id)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}

// usableRequestID keeps what a caller sends from becoming more than an ID in
// logs and replies.
func usableRequestID(id string) bool {
	return id != "" && len(id) <= 128 && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.:/=+", r)
	})
}

// requestIDOf is the ID of the request that ctx belongs to; empty where it has none.
func requestIDOf(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
