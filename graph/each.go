package graph

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
)

// resolveEach resolves the elements of a list, all at once. An element that fails,
// or panics, becomes an error with its own path and the zero value; the others are
// not affected.
func resolveEach[T any](ctx context.Context, n int, resolve func(ctx context.Context, i int) (T, error)) []T {
	list := make([]T, n)
	var wg sync.WaitGroup
	for i := range n {
		ctx := graphql.WithPathContext(ctx, graphql.NewPathWithIndex(i))
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					graphql.AddError(ctx, graphql.GetOperationContext(ctx).Recover(ctx, p))
				}
			}()
			value, err := resolve(ctx, i)
			if err != nil {
				graphql.AddError(ctx, err)
				return
			}
			list[i] = value
		})
	}
	wg.Wait()
	return list
}
