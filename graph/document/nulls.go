package document

import (
	"github.com/vektah/gqlparser/v2/ast"
)

// A nullable variable with a default may be used in a position that does not
// accept null, as in
//
//	query ($id: ID = "x") { user(userId: $id) { id } }
//
// and a given null takes precedence over the default. graphql-js reports that
// when it executes the field. gqlgen uses the null as a value, or panics.
// Therefore an operation with such a null is refused before it is executed,
// unless the selection that uses the variable is skipped.

// refuseNulls calls refuse for each null variable that the operation uses in a
// position that does not accept null. Uses that are not executed do not count.
func refuseNulls(operation *ast.OperationDefinition, values map[string]any, refuse func(position *ast.Position, name, use string)) {
	n := &nulls{values: values, refuse: refuse, visited: make(map[*ast.FragmentDefinition]bool)}
	n.set(operation.SelectionSet)
}

type nulls struct {
	values  map[string]any
	refuse  func(position *ast.Position, name, use string)
	visited map[*ast.FragmentDefinition]bool
}

func (n *nulls) set(set ast.SelectionSet) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			if !n.included(s.Directives) {
				continue
			}
			n.arguments(s.Definition.Arguments, s.Arguments)
			n.set(s.SelectionSet)
		case *ast.InlineFragment:
			if n.included(s.Directives) {
				n.set(s.SelectionSet)
			}
		case *ast.FragmentSpread:
			if n.included(s.Directives) && !n.visited[s.Definition] {
				n.visited[s.Definition] = true
				n.set(s.Definition.SelectionSet)
			}
		}
	}
}

// included reports whether @skip and @include include a selection. It evaluates
// both.
func (n *nulls) included(directives ast.DirectiveList) bool {
	for _, d := range directives {
		if d.Definition != nil {
			n.arguments(d.Definition.Arguments, d.Arguments)
		}
	}
	return Included(directives, n.values)
}

// Included reports whether @skip and @include include a selection of a valid
// document.
func Included(directives ast.DirectiveList, variables map[string]any) bool {
	is := func(name string, condition bool) bool {
		d := directives.ForName(name)
		return d != nil && d.ArgumentMap(variables)["if"] == condition
	}
	return !is("skip", true) && !is("include", false)
}

func (n *nulls) arguments(definitions ast.ArgumentDefinitionList, arguments ast.ArgumentList) {
	for _, a := range arguments {
		n.value(a.Name, definitions.ForName(a.Name).Type, a.Value)
	}
}

func (n *nulls) value(argument string, t *ast.Type, v *ast.Value) {
	if v.Kind == ast.Variable {
		if value, given := n.values[v.Raw]; given && value == nil && t.NonNull {
			n.refuse(v.Position, v.Raw, "the argument "+argument)
		}
		return
	}
	if t.Elem == nil {
		return // no input object of the schema has a field that is not nullable
	}
	if v.Kind != ast.ListValue {
		n.value(argument, t.Elem, v)
		return
	}
	for _, child := range v.Children {
		n.value(argument, t.Elem, child.Value)
	}
}
