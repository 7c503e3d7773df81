package graph

import (
	"context"

	"github.com/99designs/gqlgen/graphql"

	"rollcall/graph/connection"
	"rollcall/graph/globalid"
	"rollcall/graph/internal/generated"
	"rollcall/graph/render"
)

// users resolves Query.users.
func users(ctx context.Context) (*generated.UserConnection, error) {
	op := operationOf(ctx)
	return op.load(ctx, op.plan.root(graphql.GetFieldContext(ctx).Field.Field))
}

// usersOfAgent resolves Agent.users.
func usersOfAgent(ctx context.Context, agent *generated.Agent) (*generated.UserConnection, error) {
	if err := checkID("agentId", agent.AgentID); err != nil {
		return nil, err
	}
	op, field := operationOf(ctx), graphql.GetFieldContext(ctx).Field
	list := &listField{field: field, selection: op.document.selection(graphql.GetOperationContext(ctx), field)}
	list.window, list.err = op.plan.ofAgent(agent.AgentID, field.Field)
	list.counts = readCounts(graphql.GetOperationContext(ctx), list.selection)
	return op.load(ctx, list)
}

// load returns a list of users.
func (op *operation) load(ctx context.Context, list *listField) (_ *generated.UserConnection, err error) {
	if list.err != nil {
		return nil, list.err
	}
	renders := op.document.renders(list.selection)
	var counts *counting
	if renders && len(list.counts) > 0 {
		counts = op.startCounts(ctx, list)
	}
	slice := list.window.Empty()
	if needsPages(list.selection, list.window) {
		if slice, err = op.loader.Load(ctx, list.window); err != nil {
			if counts != nil {
				counts.stop()
			}
			return nil, err
		}
	}
	if !renders {
		c := newConnection(slice, list.selection)
		c.Window = list.window
		return c, nil
	}
	written := render.List{Slice: slice}
	if counts != nil {
		written.Counts = counts.wait(ctx)
	}
	return &generated.UserConnection{Rendered: rendered{list.selection, written}}, nil
}

// needsPages reports whether the selection needs the upstream's pages.
func needsPages(s *render.Selection, w *connection.Window) bool {
	further := s.HasNextPage
	if w.Backward() {
		further = s.HasPreviousPage
	}
	return further || w.Size > 0 && (s.Users || s.StartCursor || s.EndCursor)
}

// rendered writes a list whose selection is complete.
type rendered struct {
	selection *render.Selection
	list      render.List
}

// size returns approximately how many bytes MarshalGQL writes.
func (r rendered) size() int { return r.selection.Size(r.list.Slice.Len()) }

// newConnection returns the selected part of a slice, for gqlgen to write.
func newConnection(s *connection.Slice, selected *render.Selection) *generated.UserConnection {
	c := &generated.UserConnection{
		PageInfo: &generated.PageInfo{HasNextPage: s.HasNextPage, HasPreviousPage: s.HasPreviousPage},
		Edges:    make([]*generated.UserEdge, s.Len()),
		Nodes:    make([]*generated.User, s.Len()),
	}
	for i := range s.Len() {
		if u := s.User(i); globalid.Fault(u.ID) == "" {
			c.Nodes[i] = newUser(u)
		}
		c.Edges[i] = &generated.UserEdge{Node: c.Nodes[i], Activity: newActivity(s.User(i))}
		if selected.Cursors {
			c.Edges[i].Cursor = s.Cursor(i)
		}
	}
	if selected.StartCursor && s.Len() > 0 {
		cursor := s.Cursor(0)
		c.PageInfo.StartCursor = &cursor
	}
	if selected.EndCursor && s.Len() > 0 {
		cursor := s.Cursor(s.Len() - 1)
		c.PageInfo.EndCursor = &cursor
	}
	return c
}
