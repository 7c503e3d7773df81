package graph

import (
	"bytes"
	"context"
	"io"

	"github.com/99designs/gqlgen/graphql"

	"rollcall/graph/connection"
	"rollcall/graph/datetime"
	"rollcall/graph/globalid"
	"rollcall/graph/internal/generated"
	"rollcall/graph/render"
	"rollcall/upstream"
)

// listArgs are the arguments of a list of users.
type listArgs struct {
	First         *int
	After         *string
	Filter        *generated.ConversationUserFilter
	SortBy        *generated.ConversationUserSort
	SortDirection *generated.SortDirection
}

// ofAgent narrows the list to the users of one agent.
func (args listArgs) ofAgent(agentID string) listArgs {
	var filter generated.ConversationUserFilter
	if args.Filter != nil {
		filter = *args.Filter
	}
	filter.AgentID = &agentID
	args.Filter = &filter
	return args
}

// conversationFilter is an agent's filter in the terms of the whole list's.
func conversationFilter(f *generated.AgentUserFilter) *generated.ConversationUserFilter {
	if f == nil {
		return nil
	}
	return &generated.ConversationUserFilter{
		BranchID:          f.BranchID,
		CallStartedAfter:  f.CallStartedAfter,
		CallStartedBefore: f.CallStartedBefore,
		UserID:            f.UserID,
	}
}

// window checks the arguments. The error is a [*connection.ArgumentError].
func (args listArgs) window(sealer *connection.Sealer) (connection.Window, error) {
	query, err := args.query()
	if err != nil {
		return connection.Window{}, err
	}
	return connection.NewWindow(query, connection.Args{First: args.First, After: args.After}, sealer)
}

func (args listArgs) query() (q upstream.Query, err error) {
	if f := args.Filter; f != nil {
		for _, id := range []struct {
			argument string
			value    *string
			to       *string
		}{
			{"filter.agentId", f.AgentID, &q.Filter.AgentID},
			{"filter.branchId", f.BranchID, &q.Filter.BranchID},
			{"filter.userId", f.UserID, &q.Filter.UserID},
		} {
			if id.value == nil {
				continue
			}
			if err := checkID(id.argument, *id.value); err != nil {
				return q, err
			}
			*id.to = *id.value
		}
		q.Filter.StartedAfter = bound(f.CallStartedAfter)
		q.Filter.StartedBefore = bound(f.CallStartedBefore)
	}
	if args.SortBy != nil {
		switch *args.SortBy {
		case generated.ConversationUserSortLastContact:
			q.Sort = upstream.SortLastContact
		case generated.ConversationUserSortConversationCount:
			q.Sort = upstream.SortConversationCount
		case generated.ConversationUserSortAverageSentimentScore:
			q.Sort = upstream.SortAverageSentimentScore
		}
	}
	q.Ascending = args.SortDirection != nil && *args.SortDirection == generated.SortDirectionAsc
	return q, nil
}

func bound(at *datetime.DateTime) upstream.Bound {
	if at == nil {
		return upstream.Bound{}
	}
	return upstream.At(int64(*at))
}

// checkID returns an error if an argument cannot be the ID of anything.
func checkID(argument, id string) error {
	if reason := globalid.Fault(id); reason != "" {
		return &connection.ArgumentError{Argument: argument, Reason: reason}
	}
	return nil
}

// users resolves a list of users.
func users(ctx context.Context, args listArgs) (*generated.UserConnection, error) {
	op := operationOf(ctx)
	window, err := args.window(op.sealer)
	if err != nil {
		return nil, err
	}
	selection := op.document.selection(graphql.GetOperationContext(ctx), graphql.GetFieldContext(ctx).Field)
	slice := window.Empty()
	if needsPages(selection, window) {
		if slice, err = op.loader.Load(ctx, window); err != nil {
			return nil, err
		}
	}
	if selection.Complete() && !op.unrendered {
		return &generated.UserConnection{Rendered: rendered{selection, slice}}, nil
	}
	return newConnection(slice, selection), nil
}

// needsPages reports whether anything is selected that only the upstream knows.
func needsPages(s *render.Selection, w connection.Window) bool {
	return s.HasNextPage || w.Size > 0 && (s.Users || s.StartCursor || s.EndCursor)
}

// usersOfAgent resolves a list of one agent's users.
func usersOfAgent(ctx context.Context, agent *generated.Agent, args listArgs) (*generated.UserConnection, error) {
	if err := checkID("agentId", agent.AgentID); err != nil {
		return nil, err
	}
	operationOf(ctx).expectOfAgent(agent.AgentID)
	return users(ctx, args.ofAgent(agent.AgentID))
}

// rendered writes a slice, all of whose selection is at hand.
type rendered struct {
	selection *render.Selection
	slice     connection.Slice
}

// MarshalGQL implements gqlgen's Marshaler.
func (r rendered) MarshalGQL(w io.Writer) {
	if buffer, ok := w.(*bytes.Buffer); ok { // as gqlgen's is: no copy is needed
		buffer.Grow(r.selection.Size(r.slice.Len()))
		buffer.Write(r.selection.Append(buffer.AvailableBuffer(), r.slice))
		return
	}
	_, _ = w.Write(r.selection.Append(nil, r.slice))
}

// newConnection is a slice for gqlgen to write, as far as it is selected.
func newConnection(s connection.Slice, selected *render.Selection) *generated.UserConnection {
	c := &generated.UserConnection{
		PageInfo: &generated.PageInfo{HasNextPage: s.HasNextPage, HasPreviousPage: s.HasPreviousPage},
		Edges:    make([]*generated.UserEdge, s.Len()),
		Nodes:    make([]*generated.User, s.Len()),
	}
	for i := range s.Len() {
		if u := s.User(i); globalid.Fault(u.ID) == "" {
			c.Nodes[i] = newUser(u)
		}
		c.Edges[i] = &generated.UserEdge{Node: c.Nodes[i]}
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
