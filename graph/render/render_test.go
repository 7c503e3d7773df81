package render_test

import (
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"rollcall/graph/internal/generated"
	"rollcall/graph/render"
)

// TestComplete checks that every field of a list can be written without gqlgen,
// except lists inside of it. A field that render does not know is only slower, so
// no comparison of responses would detect it.
func TestComplete(t *testing.T) {
	schema := generated.NewExecutableSchema(generated.Config{}).Schema()
	var everything func(typeName string) string
	everything = func(typeName string) string {
		var b strings.Builder
		b.WriteString("{ __typename")
		for _, field := range schema.Types[typeName].Fields {
			inner := schema.Types[field.Type.Name()]
			switch {
			case inner.Name == "UserConnection":
			case inner.Kind == ast.Object:
				b.WriteString(" " + field.Name + " " + everything(inner.Name))
			default:
				b.WriteString(" " + field.Name)
			}
		}
		return b.String() + " }"
	}
	for name, c := range map[string]struct {
		selection string
		complete  bool
	}{
		"every field":              {everything("UserConnection"), true},
		"a list inside of a list":  {"{ nodes { lastContactAgent { users { nodes { id } } } } }", false},
		"the same inside activity": {"{ edges { activity { lastContactAgent { users { nodes { id } } } } } }", false},
	} {
		t.Run(name, func(t *testing.T) {
			document, errs := gqlparser.LoadQueryWithRules(schema, "{ users "+c.selection+" }", nil)
			if errs != nil {
				t.Fatal(errs)
			}
			op := &graphql.OperationContext{Doc: document, Operation: document.Operations[0]}
			field := document.Operations[0].SelectionSet[0].(*ast.Field)
			if got := render.Select(op, field.SelectionSet).Complete(); got != c.complete {
				t.Errorf("complete is %v", got)
			}
		})
	}
}
