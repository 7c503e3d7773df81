package graph

import (
	"slices"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"rollcall/graph/connection"
)

// gqlgen starts the fields of an operation one by one, and a field starts its
// upstream call at once. If five aliases want five sizes of the same page, the
// first of them had better ask for the largest. So before any field starts, the
// forecast reads all lists off the document and tells the loader of them.
//
// It is only ever a hint: a wrong forecast changes the size of a page, never
// what a field returns.

// forecast holds the arguments of those fields Agent.users that are not alone
// in their operation. Their windows are known once an agent is.
type forecast struct {
	ofAgents []listArgs

	mu    sync.Mutex
	known map[string]bool // the agents whose windows are expected
}

// foresee expects the windows of all fields Query.users and returns a forecast
// for those under agents.
func foresee(request *graphql.OperationContext, op *operation) *forecast {
	if op.document.alone {
		return nil
	}
	var fields, ofAgents []*ast.Field
	visited := make(map[*ast.FragmentDefinition]bool)
	visitLists(request.Operation.SelectionSet, request.Variables, visited, func(field *ast.Field) {
		if field.ObjectDefinition.Name == "Agent" {
			ofAgents = append(ofAgents, field)
		} else {
			fields = append(fields, field)
		}
	})
	if fields = op.worthForeseeing(request, fields); len(fields) > 0 {
		op.expect(readLists(fields, request.Variables))
	}
	if ofAgents = op.worthForeseeing(request, ofAgents); len(ofAgents) > 0 {
		return &forecast{ofAgents: readLists(ofAgents, request.Variables), known: make(map[string]bool)}
	}
	return nil
}

// worthForeseeing returns those of the lists that need pages, if there are two
// that do: one alone reads what it needs.
func (op *operation) worthForeseeing(request *graphql.OperationContext, lists []*ast.Field) []*ast.Field {
	if len(lists) < 2 {
		return nil
	}
	lists = slices.DeleteFunc(lists, func(f *ast.Field) bool {
		selection := op.document.selection(request, graphql.CollectedField{Field: f, Selections: f.SelectionSet})
		return !needsPages(selection, connection.Window{Size: 1})
	})
	if len(lists) < 2 {
		return nil
	}
	return lists
}

// expectOfAgent expects all windows that the operation may open on an agent's
// users. Any agent may be met wherever one is asked for, so that is all of them:
// to expect fewer would be a call more where one is met in two places.
func (op *operation) expectOfAgent(agentID string) {
	f := op.forecast
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock() // until all is expected: nobody goes ahead with less
	if f.known[agentID] {
		return
	}
	f.known[agentID] = true
	lists := make([]listArgs, len(f.ofAgents))
	for i, args := range f.ofAgents {
		lists[i] = args.ofAgent(agentID)
	}
	op.expect(lists)
}

func (op *operation) expect(lists []listArgs) {
	windows := make([]connection.Window, 0, len(lists))
	for _, args := range lists {
		if w, err := args.window(op.sealer); err == nil && w.Size > 0 {
			windows = append(windows, w)
		}
	}
	op.loader.Expect(windows...)
}

// visitLists calls visit for every field users that is not left out, each
// fragment once.
func visitLists(set ast.SelectionSet, variables map[string]any, visited map[*ast.FragmentDefinition]bool, visit func(*ast.Field)) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			if isLeftOut(s.Directives, variables) {
				continue
			}
			if s.Name == "users" {
				visit(s)
			}
			visitLists(s.SelectionSet, variables, visited, visit)
		case *ast.InlineFragment:
			if !isLeftOut(s.Directives, variables) {
				visitLists(s.SelectionSet, variables, visited, visit)
			}
		case *ast.FragmentSpread:
			if s.Definition != nil && !visited[s.Definition] && !isLeftOut(s.Directives, variables) {
				visited[s.Definition] = true
				visitLists(s.Definition.SelectionSet, variables, visited, visit)
			}
		}
	}
}

// countLists is how many fields users a plain document has, each fragment taken
// once.
func countLists(d *ast.QueryDocument) (n int) {
	visited := make(map[*ast.FragmentDefinition]bool)
	for _, o := range d.Operations {
		visitLists(o.SelectionSet, nil, visited, func(*ast.Field) { n++ })
	}
	return n
}

// isLeftOut reports whether @skip or @include leaves out a selection.
func isLeftOut(directives ast.DirectiveList, variables map[string]any) bool {
	is := func(name string, answer bool) bool {
		d := directives.ForName(name)
		return d != nil && d.ArgumentMap(variables)["if"] == answer
	}
	return is("skip", true) || is("include", false)
}

// readLists reads the fields' arguments off the document. A field whose
// arguments cannot be read is left out, and will itself say what is wrong.
func readLists(fields []*ast.Field, variables map[string]any) []listArgs {
	lists := make([]listArgs, 0, len(fields))
	for _, field := range fields {
		if args, ok := readArgs(field, variables); ok {
			lists = append(lists, args)
		}
	}
	return lists
}
