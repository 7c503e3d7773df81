package graph

import (
	"context"
	"errors"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"rollcall/internal/panics"
)

// TestPanicInAList executes a list without a selection.
func TestPanicInAList(t *testing.T) {
	var presented error
	ctx := graphql.WithResponseContext(t.Context(), func(_ context.Context, err error) *gqlerror.Error {
		presented = err
		return gqlerror.Wrap(err)
	}, graphql.DefaultRecover)
	value := new(operation).resolve(ctx, &listField{field: graphql.CollectedField{Field: &ast.Field{Name: "users", Alias: "users"}}})
	if _, panicked := errors.AsType[*panics.Error](presented); value != graphql.Null || !panicked {
		t.Errorf("got %v, %v", value, presented)
	}
}
