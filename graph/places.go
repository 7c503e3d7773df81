package graph

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"
)

// inPlaces resolves the elements of a list, all at once. One that fails, or
// panics, is an error in its own place, stays the zero value there, and leaves
// the others.
func inPlaces[T any](ctx context.Context, n int, resolve func(ctx context.Context, i int) (T, error)) []T {
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
