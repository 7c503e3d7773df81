package graph

import (
	"bytes"
	"context"
	"sync"

	"github.com/99designs/gqlgen/graphql"

	"rollcall/internal/panics"
)

// lists executes operations that ask for lists of users and nothing else, which
// is what nearly all do, and leaves all others to gqlgen. Of what gqlgen does for
// a field such a list needs little: its arguments are simple, its resolver is
// known, and what that returns is written already.
type lists struct{ graphql.ExecutableSchema }

// list is a field Query.users with its arguments.
type list struct {
	field graphql.CollectedField
	args  listArgs
}

// Exec implements gqlgen's ExecutableSchema.
func (l lists) Exec(ctx context.Context) graphql.ResponseHandler {
	all, ok := plainLists(graphql.GetOperationContext(ctx), operationOf(ctx))
	if !ok {
		return l.ExecutableSchema.Exec(ctx)
	}
	return func(ctx context.Context) *graphql.Response {
		values := make([]graphql.Marshaler, len(all))
		if len(all) == 1 {
			values[0] = all[0].resolve(ctx)
		} else {
			var wg sync.WaitGroup
			for i, one := range all {
				wg.Go(func() { values[i] = one.resolve(ctx) })
			}
			wg.Wait()
		}
		var data bytes.Buffer
		for i, one := range all {
			data.WriteByte("{,"[min(i, 1)])
			graphql.MarshalString(one.field.Alias).MarshalGQL(&data)
			data.WriteByte(':')
			values[i].MarshalGQL(&data)
		}
		data.WriteByte('}')
		return &graphql.Response{Data: data.Bytes()}
	}
}

// resolve is the list as it is written; null where that fails.
func (l list) resolve(ctx context.Context) (value graphql.Marshaler) {
	ctx = graphql.WithFieldContext(ctx, &graphql.FieldContext{Object: "Query", Field: l.field})
	defer func() {
		if p := recover(); p != nil {
			graphql.AddError(ctx, panics.New(p))
			value = graphql.Null
		}
	}()
	connection, err := users(ctx, l.args)
	if err != nil {
		graphql.AddError(ctx, graphql.AddFieldLocationToError(ctx, err))
		return graphql.Null
	}
	return connection.Rendered
}

// plainLists are the fields of an operation, if all of them are lists whose
// arguments are right and whose selection can be written as it is.
func plainLists(request *graphql.OperationContext, op *operation) (all []list, ok bool) {
	if op.unrendered || !op.document.plain {
		return nil, false
	}
	for _, field := range op.document.fields(request) {
		if field.Name != "users" || !op.document.selection(request, field).Complete() {
			return nil, false
		}
		args, ok := readArgs(field.Field, request.Variables)
		if !ok {
			return nil, false
		}
		all = append(all, list{field, args})
	}
	return all, len(all) > 0
}
