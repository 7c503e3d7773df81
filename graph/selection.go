package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"rollcall/graph/connection"
)

// selection is what a query wants of a UserConnection.
type selection struct {
	users       bool // edges or nodes
	edgeCursors bool
	hasNextPage bool
	startCursor bool
	endCursor   bool
}

// needsPages reports whether anything is selected that only the upstream knows.
func (s selection) needsPages(w connection.Window) bool {
	return s.hasNextPage || w.First > 0 && (s.users || s.startCursor || s.endCursor)
}

// selectedOf reads the selection of the field that ctx is resolving.
func selectedOf(ctx context.Context) (s selection) {
	op := graphql.GetOperationContext(ctx)
	collect := func(set ast.SelectionSet, on string) []graphql.CollectedField {
		return graphql.CollectFields(op, set, []string{on})
	}
	for _, field := range collect(graphql.GetFieldContext(ctx).Field.Selections, "UserConnection") {
		switch field.Name {
		case "nodes":
			s.users = true
		case "edges":
			s.users = true
			for _, edge := range collect(field.Selections, "UserEdge") {
				s.edgeCursors = s.edgeCursors || edge.Name == "cursor"
			}
		case "pageInfo":
			for _, info := range collect(field.Selections, "PageInfo") {
				s.hasNextPage = s.hasNextPage || info.Name == "hasNextPage"
				s.startCursor = s.startCursor || info.Name == "startCursor"
				s.endCursor = s.endCursor || info.Name == "endCursor"
			}
		}
	}
	return s
}
