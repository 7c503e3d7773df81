package graph

import (
	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"rollcall/graph/datetime"
	"rollcall/graph/internal/generated"
)

// readArgs reads a list's arguments off the document, as gqlgen would; false
// where something is wrong with them, about which gqlgen has the words. An
// argument that is left out is like null.
func readArgs(field *ast.Field, variables map[string]any) (args listArgs, ok bool) {
	for _, argument := range field.Arguments {
		value, err := argument.Value.Value(variables)
		if err != nil {
			return args, false
		}
		if value == nil {
			continue
		}
		switch argument.Name {
		case "first":
			args.First, err = pointer(graphql.UnmarshalInt(value))
		case "after":
			args.After, err = pointer(graphql.UnmarshalString(value))
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
			return args, false
		}
	}
	return args, true
}

// readFilter reads the filter of a list, or what an agent's has of it.
func readFilter(value any) (*generated.ConversationUserFilter, error) {
	var f generated.ConversationUserFilter
	fields, _ := value.(map[string]any) // the validator takes nothing else
	for name, value := range fields {
		if value == nil {
			continue
		}
		var err error
		switch name {
		case "agentId":
			f.AgentID, err = pointer(graphql.UnmarshalID(value))
		case "branchId":
			f.BranchID, err = pointer(graphql.UnmarshalID(value))
		case "userId":
			f.UserID, err = pointer(graphql.UnmarshalID(value))
		case "callStartedAfter":
			f.CallStartedAfter = new(datetime.DateTime)
			err = f.CallStartedAfter.UnmarshalGQL(value)
		case "callStartedBefore":
			f.CallStartedBefore = new(datetime.DateTime)
			err = f.CallStartedBefore.UnmarshalGQL(value)
		}
		if err != nil {
			return nil, err
		}
	}
	return &f, nil
}

func pointer[T any](value T, err error) (*T, error) { return &value, err }
