package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"rollcall/graph/internal/generated"
)

// fields is what gqlgen does with a field differently here.
type fields struct{ entities entities }

// intercept implements gqlgen's FieldMiddleware: Query._entities is resolved by
// the service, and a connection that is rendered is taken as it is.
func (f fields) intercept(ctx context.Context, next graphql.Resolver) (any, error) {
	field := graphql.GetFieldContext(ctx)
	switch {
	case field.Object == "Query" && field.Field.Name == "_entities":
		if representations, ok := field.Args["representations"].([]map[string]any); ok {
			return f.entities.all(ctx, representations), nil
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
