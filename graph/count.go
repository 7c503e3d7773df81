package graph

import (
	"context"
	"fmt"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"rollcall/graph/connection"
	"rollcall/graph/render"
)

// The limits of UserConnection.totalCount.
const (
	defaultCountLimit = 1000 // if limit is absent or null
	maxCountLimit     = 5000 // 50 upstream calls
)

// countField is a field totalCount with its argument.
type countField struct {
	field graphql.CollectedField
	limit int
	err   error // if the limit is invalid
}

// readCounts reads the fields totalCount of a list.
func readCounts(request *graphql.OperationContext, selection *render.Selection) []countField {
	if len(selection.Counts) == 0 {
		return nil
	}
	counts := make([]countField, len(selection.Counts))
	for i, field := range selection.Counts {
		counts[i] = countField{field: field}
		counts[i].limit, counts[i].err = readLimit(field.Field, request.Variables)
	}
	return counts
}

// readLimit reads the argument of a field totalCount. The error is a
// [*connection.ArgumentError].
func readLimit(field *ast.Field, variables map[string]any) (int, error) {
	argument := field.Arguments.ForName("limit")
	if argument == nil {
		return defaultCountLimit, nil
	}
	value, err := argument.Value.Value(variables)
	if err != nil || value == nil {
		return defaultCountLimit, err
	}
	limit, err := graphql.UnmarshalInt(value)
	if err != nil {
		return 0, err
	}
	return checkLimit(&limit)
}

func checkLimit(limit *int) (int, error) {
	switch {
	case limit == nil:
		return defaultCountLimit, nil
	case *limit < 1 || *limit > maxCountLimit:
		return 0, &connection.ArgumentError{Argument: "limit", Reason: fmt.Sprintf("must be from 1 to %d", maxCountLimit)}
	}
	return *limit, nil
}

// totalCount resolves UserConnection.totalCount. It is nil beyond the limit.
func totalCount(ctx context.Context, window *connection.Window, limit *int) (*int, error) {
	checked, err := checkLimit(limit)
	if err != nil {
		return nil, err
	}
	return operationOf(ctx).count(ctx, window, checked)
}

// count counts the users of a window's list. It may take the part of the
// operation's time that is reserved for counts.
func (op *operation) count(ctx context.Context, window *connection.Window, limit int) (*int, error) {
	ctx, cancel := context.WithDeadline(ctx, op.countsUntil)
	defer cancel()
	n, within, err := op.loader.Count(ctx, window, limit)
	if err != nil || !within {
		return nil, err
	}
	return &n, nil
}

// counting counts the users of one list for its totalCount fields, while its page
// is read.
type counting struct {
	done   sync.WaitGroup
	cancel context.CancelFunc
	fields []countField
	counts []*int
	errs   []error
}

// startCounts starts to count.
func (op *operation) startCounts(ctx context.Context, list *listField) *counting {
	ctx, cancel := context.WithCancel(ctx)
	n := len(list.counts)
	c := &counting{cancel: cancel, fields: list.counts, counts: make([]*int, n), errs: make([]error, n)}
	for i, count := range list.counts {
		if count.err != nil {
			c.errs[i] = count.err
			continue
		}
		c.done.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					c.errs[i] = recovered(ctx, p)
				}
			}()
			c.counts[i], c.errs[i] = op.count(ctx, list.window, count.limit)
		})
	}
	return c
}

// stop ends the counts of a list whose page failed.
func (c *counting) stop() {
	c.cancel()
	c.done.Wait()
}

// wait returns the counts. A count that fails is nil, and adds an error to the
// response; ctx is that of the list.
func (c *counting) wait(ctx context.Context) []*int {
	c.done.Wait()
	c.cancel()
	for i, err := range c.errs {
		if err != nil {
			ctx := graphql.WithFieldContext(ctx, &graphql.FieldContext{Object: "UserConnection", Field: c.fields[i].field})
			graphql.AddError(ctx, graphql.AddFieldLocationToError(ctx, err))
		}
	}
	return c.counts
}
