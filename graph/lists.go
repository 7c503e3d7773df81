package graph

import (
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"

	"rollcall/graph/internal/generated"
	"rollcall/internal/panics"
)

// writeLists executes an operation that has only lists of users at its root, and
// returns the response's data. Such a list needs little of what gqlgen does for a
// field: its arguments are already read, its resolver is known, and its value
// writes itself as JSON.
func (op *operation) writeLists(ctx context.Context) []byte {
	all := op.plan.roots
	values := make([]graphql.Marshaler, len(all))
	if len(all) == 1 {
		values[0] = op.resolve(ctx, all[0])
	} else {
		var wg sync.WaitGroup
		for i, list := range all {
			wg.Go(func() { values[i] = op.resolve(ctx, list) })
		}
		wg.Wait()
	}
	estimate := 0
	for _, value := range values {
		if list, ok := value.(rendered); ok {
			estimate += list.size()
		}
	}
	return op.output.write(ctx, estimate, func(w *writer) {
		for i, list := range all {
			w.buf = append(w.buf, "{,"[min(i, 1)])
			graphql.MarshalString(list.field.Alias).MarshalGQL(w)
			w.buf = append(w.buf, ':')
			values[i].MarshalGQL(w)
		}
		w.buf = w.flush(append(w.buf, '}'))
	})
}

// resolve returns a list that writes itself as JSON. It is null if the list fails,
// which adds an error to the response.
func (op *operation) resolve(ctx context.Context, list *listField) (value graphql.Marshaler) {
	ctx = graphql.WithFieldContext(ctx, &graphql.FieldContext{Object: "Query", Field: list.field})
	defer func() {
		if p := recover(); p != nil {
			graphql.AddError(ctx, panics.New(p))
			value = graphql.Null
		}
	}()
	connection, err := op.load(ctx, list)
	if err != nil {
		graphql.AddError(ctx, graphql.AddFieldLocationToError(ctx, err))
		return graphql.Null
	}
	return connection.Rendered
}

// fieldMiddleware replaces what gqlgen does for some fields.
type fieldMiddleware struct{ entities entities }

// intercept implements gqlgen's FieldMiddleware. The service resolves
// Query._entities, and a connection that writes itself is returned as it is.
func (m fieldMiddleware) intercept(ctx context.Context, next graphql.Resolver) (any, error) {
	output := operationOf(ctx).output
	if err := output.failure(); err != nil {
		return nil, err
	}
	result, err := m.resolve(ctx, next)
	if err == nil {
		err = output.count(ctx, sizeOf(graphql.GetFieldContext(ctx).Field, result))
	}
	return result, err
}

// resolve returns the value of a field.
func (m fieldMiddleware) resolve(ctx context.Context, next graphql.Resolver) (any, error) {
	field := graphql.GetFieldContext(ctx)
	switch {
	case field.Object == "Query" && field.Field.Name == "_entities":
		if representations, ok := field.Args["representations"].([]map[string]any); ok {
			return m.entities.all(ctx, representations), nil
		}
	case field.Field.Name == "users":
		result, err := next(ctx)
		if c, ok := result.(*generated.UserConnection); ok && c != nil && c.Rendered != nil {
			return c.Rendered, err
		}
		return result, err
	}
	return next(ctx)
}
