package graph

import (
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"rollcall/graph/connection"
	"rollcall/graph/render"
)

// gqlgen starts the fields of an operation one by one, and a field starts its
// upstream call at once. If five aliases request five sizes of the same page, the
// first call should request the largest. So before any field starts, all lists of
// the operation are read once: their arguments, their cursors and their
// selections. The plan stores them, the loader expects the windows, and the
// fields take their windows from the plan.
//
// The expected windows are only a hint: they change the size of a page, never
// what a field returns.

// plan has the lists of one operation. It is safe for concurrent use.
type plan struct {
	op *operation
	// roots are the fields Query.users, in the order of the response.
	roots []*listField
	// onlyLists reports that the operation has nothing else at its root.
	onlyLists bool
	// ofAgents are the fields Agent.users. Their windows depend on the agent.
	ofAgents []agentList

	mu sync.Mutex
	// windows has the windows on the users of each agent, in the order of ofAgents.
	windows map[string][]agentWindow
}

// listField is a list of users that is part of an operation.
type listField struct {
	field     graphql.CollectedField
	selection *render.Selection
	window    *connection.Window
	counts    []countField
	err       error // if the arguments are invalid
}

// agentList is a field Agent.users with its arguments.
type agentList struct {
	field *ast.Field
	args  listArgs
	err   error // if the arguments are invalid

	selection *render.Selection
	counts    []countField
}

type agentWindow struct {
	window *connection.Window
	err    error
}

// read reads the lists of an operation whose other members are set.
func (p *plan) read(request *graphql.OperationContext, op *operation) {
	fields := op.document.roots(request)
	p.op, p.onlyLists, p.roots = op, len(fields) > 0, make([]*listField, 0, len(fields))
	for _, field := range fields {
		if field.Name != "users" {
			p.onlyLists = false
			continue
		}
		list := &listField{field: field, selection: op.document.selection(request, field)}
		args, err := readArgs(field.Field, request.Variables)
		if err == nil {
			list.window, err = args.window(op.sealer)
		}
		list.err = err
		list.counts = readCounts(request, list.selection)
		p.roots = append(p.roots, list)
	}
	for _, field := range op.document.agentLists(request) {
		list := agentList{field: field}
		list.args, list.err = readArgs(field, request.Variables)
		list.selection = op.document.selection(request, graphql.CollectedField{Field: field, Selections: field.SelectionSet})
		list.counts = readCounts(request, list.selection)
		p.ofAgents = append(p.ofAgents, list)
	}
	p.expectRoots()
}

// expectRoots announces the lists at the root to the loader.
func (p *plan) expectRoots() {
	if len(p.roots) < 2 && (len(p.roots) == 0 || len(p.roots[0].counts) == 0) {
		return
	}
	lists := make([]*listField, 0, len(p.roots))
	for _, list := range p.roots {
		if list.err == nil {
			lists = append(lists, list)
		}
	}
	p.expect(lists)
}

// expect announces the windows and counts of lists to the loader. A single window
// needs no announcement, unless its list is also counted.
func (p *plan) expect(lists []*listField) {
	windows := make([]*connection.Window, 0, len(lists))
	counts := 0
	for _, list := range lists {
		if list.window.Size > 0 && needsPages(list.selection, list.window) {
			windows = append(windows, list.window)
		}
		counts += len(list.counts)
	}
	if len(windows) > 1 || counts > 0 {
		p.op.loader.Expect(windows...)
	}
	if counts == 0 {
		return
	}
	for _, list := range lists {
		for _, count := range list.counts {
			if count.err == nil {
				p.op.loader.ExpectCount(list.window, count.limit)
			}
		}
	}
}

// root returns the list that is a field at the operation's root.
func (p *plan) root(field *ast.Field) *listField {
	for _, list := range p.roots {
		if list.field.Field == field {
			return list
		}
	}
	panic("graph: the plan lacks a list")
}

// ofAgent returns the window of a field Agent.users on the users of one agent. An
// agent may occur wherever the operation selects one, so the loader expects all
// windows that the operation may open on its users: if it expected fewer, an
// agent that occurs in two places would cost another call.
func (p *plan) ofAgent(agentID string, field *ast.Field) (*connection.Window, error) {
	p.mu.Lock()
	defer p.mu.Unlock() // until all windows are expected: no field starts before
	windows, known := p.windows[agentID]
	if !known {
		windows = p.open(agentID)
		if p.windows == nil {
			p.windows = make(map[string][]agentWindow)
		}
		p.windows[agentID] = windows
	}
	for i, list := range p.ofAgents {
		if list.field == field {
			return windows[i].window, windows[i].err
		}
	}
	panic("graph: the plan lacks a list of an agent")
}

// open opens the windows on the users of an agent, and announces them to the
// loader.
func (p *plan) open(agentID string) []agentWindow {
	windows := make([]agentWindow, len(p.ofAgents))
	lists := make([]*listField, 0, len(p.ofAgents))
	for i, list := range p.ofAgents {
		if list.err != nil {
			windows[i].err = list.err
			continue
		}
		window, err := list.args.ofAgent(agentID).window(p.op.sealer)
		windows[i] = agentWindow{window, err}
		if err == nil {
			lists = append(lists, &listField{selection: list.selection, window: window, counts: list.counts})
		}
	}
	p.expect(lists)
	return windows
}

// rendered reports whether the operation's response can be written without
// gqlgen: it has only lists, and each selection is complete.
func (p *plan) rendered() bool {
	if !p.onlyLists {
		return false
	}
	for _, list := range p.roots {
		if !p.op.document.renders(list.selection) {
			return false
		}
	}
	return true
}
