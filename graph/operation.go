package graph

import (
	"context"
	"time"

	"rollcall/graph/connection"
	"rollcall/graph/loader"
)

// operation has what the fields of one GraphQL operation share.
type operation struct {
	document *prepared
	sealer   *connection.Sealer
	loader   *loader.Loader
	plan     plan
	output   *output
	// countsUntil is the deadline of counts.
	countsUntil time.Time
}

type operationKey struct{}

func withOperation(ctx context.Context, op *operation) context.Context {
	return context.WithValue(ctx, operationKey{}, op)
}

// operationOf returns the operation that ctx belongs to.
func operationOf(ctx context.Context) *operation {
	op, ok := ctx.Value(operationKey{}).(*operation)
	if !ok {
		panic("graph: the context belongs to no operation")
	}
	return op
}
