package graph

import (
	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"rollcall/graph/connection"
	"rollcall/graph/datetime"
	"rollcall/graph/globalid"
	"rollcall/graph/internal/generated"
	"rollcall/upstream"
)

// listArgs are the arguments of a list of users. A null argument means the same
// as an absent one.
type listArgs struct {
	First         *int
	After         *string
	Last          *int
	Before        *string
	Filter        *generated.ConversationUserFilter
	SortBy        *generated.ConversationUserSort
	SortDirection *generated.SortDirection
}

// readArgs reads a list's arguments. The document must be valid and its variables
// coerced. The error is a [*connection.ArgumentError].
func readArgs(field *ast.Field, variables map[string]any) (args listArgs, err error) {
	for _, argument := range field.Arguments {
		value, err := argument.Value.Value(variables)
		if err != nil {
			return args, err
		}
		if value == nil {
			continue
		}
		switch argument.Name {
		case "first":
			args.First, err = pointer(graphql.UnmarshalInt(value))
		case "after":
			args.After, err = pointer(graphql.UnmarshalString(value))
		case "last":
			args.Last, err = pointer(graphql.UnmarshalInt(value))
		case "before":
			args.Before, err = pointer(graphql.UnmarshalString(value))
		case "filter":
			args.Filter, err = readFilter(value)
		case "sortBy":
			args.SortBy = new(generated.ConversationUserSort)
			err = args.SortBy.UnmarshalGQL(value)
		case "sortDirection":
			args.SortDirection = new(generated.SortDirection)
			err = args.SortDirection.UnmarshalGQL(value)
		}
		if err != nil {
			return args, err
		}
	}
	return args, nil
}

// readFilter reads the filter of a list. The filter of an agent's users has only
// some of its fields.
func readFilter(value any) (*generated.ConversationUserFilter, error) {
	var f generated.ConversationUserFilter
	fields, _ := value.(map[string]any) // nothing else is valid
	for _, id := range []struct {
		name string
		to   **string
	}{
		{"agentId", &f.AgentID},
		{"branchId", &f.BranchID},
		{"userId", &f.UserID},
	} {
		if value := fields[id.name]; value != nil {
			text, err := graphql.UnmarshalID(value)
			if err != nil {
				return nil, err
			}
			*id.to = &text
		}
	}
	for _, instant := range []struct {
		name string
		to   **datetime.DateTime
	}{
		{"callStartedAfter", &f.CallStartedAfter},
		{"callStartedBefore", &f.CallStartedBefore},
	} {
		if value := fields[instant.name]; value != nil {
			*instant.to = new(datetime.DateTime)
			if err := (*instant.to).UnmarshalGQL(value); err != nil {
				return nil, &connection.ArgumentError{Argument: "filter." + instant.name, Reason: err.Error()}
			}
		}
	}
	return &f, nil
}

func pointer[T any](value T, err error) (*T, error) { return &value, err }

// ofAgent restricts the list to the users of one agent.
func (args listArgs) ofAgent(agentID string) listArgs {
	var filter generated.ConversationUserFilter
	if args.Filter != nil {
		filter = *args.Filter
	}
	filter.AgentID = &agentID
	args.Filter = &filter
	return args
}

// window checks the arguments. The error is a [*connection.ArgumentError].
func (args listArgs) window(sealer *connection.Sealer) (*connection.Window, error) {
	query, err := args.query()
	if err != nil {
		return nil, err
	}
	return connection.NewWindow(query, connection.Args{First: args.First, After: args.After, Last: args.Last, Before: args.Before}, sealer)
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

// checkID returns an error if an argument cannot be the ID of any object. The
// error is a [*connection.ArgumentError].
func checkID(argument, id string) error {
	if reason := globalid.Fault(id); reason != "" {
		return &connection.ArgumentError{Argument: argument, Reason: reason}
	}
	return nil
}
