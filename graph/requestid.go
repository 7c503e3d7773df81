package graph

import "context"

type requestIDKey struct{}

// WithRequestID returns a context that carries the ID of its request.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the ID of ctx's request, or "" if ctx has none.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
