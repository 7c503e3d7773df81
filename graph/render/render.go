// Package render writes lists of users as JSON, as an operation selects them. The
// bytes are those that gqlgen would write, in a fraction of the time: gqlgen
// starts a goroutine for every edge, and uses a marshaler for every field of it.
//
// A selection is read once and becomes a tree of functions, which read the
// upstream's users and append JSON. A selection is incomplete if it has a field
// that must be resolved first, such as the users of an agent under a user. An
// incomplete selection is left to gqlgen.
//
// The package knows the schema's types and fields by their names. It does not
// know where users come from.
package render

import (
	"cmp"
	"strconv"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"rollcall/graph/connection"
)

// Selection is an operation's selection of a UserConnection. It is safe for
// concurrent use.
type Selection struct {
	// The parts of the selection for which the upstream's pages may be needed.
	Users           bool // any edges or nodes
	Cursors         bool // of edges
	HasNextPage     bool
	HasPreviousPage bool
	StartCursor     bool
	EndCursor       bool
	// Counts are the fields totalCount. Their limits are arguments and may be
	// variables, so they are read for each operation.
	Counts []graphql.CollectedField

	incomplete bool
	connection object[target]
	rowSize    atomic.Int64 // in bytes; the average of the last list's rows
}

// List is a list of users to be written.
type List struct {
	Slice *connection.Slice
	// Counts has a number or null for each of the selection's Counts.
	Counts []*int
}

// Select reads a selection set of a UserConnection in an operation.
func Select(op *graphql.OperationContext, set ast.SelectionSet) *Selection {
	r := &reader{op: op, selection: new(Selection)}
	r.selection.connection = r.connection(set)
	return r.selection
}

// Complete reports whether Append writes the whole selection.
func (s *Selection) Complete() bool { return !s.incomplete }

// firstRowSize is the assumed size of a row until one has been written. It is
// that of a row with most of its fields.
const firstRowSize = 400

// Size returns approximately how many bytes a slice of n users takes.
func (s *Selection) Size(n int) int {
	return (n + 1) * int(cmp.Or(s.rowSize.Load(), firstRowSize))
}

// Append appends a list as a JSON object. The selection must be complete. After
// each row it calls flush with b, and appends the next row to the result: flush
// may remove the bytes, or panic to stop. Append panics with [TooLarge] if b
// grows beyond maxRow between two flushes.
func (s *Selection) Append(b []byte, list List, flush func([]byte) []byte) []byte {
	return s.connection.write(b, target{list, s, flush})
}

// TooLarge is the value of the panic that stops the writing of a response.
type TooLarge struct{}

// maxRow is many times the size of the largest legitimate row, in bytes. It bounds
// what an upstream with very long strings, selected by many aliases, can allocate.
const maxRow = 1 << 20

// target is a list with its destination.
type target struct {
	List
	selection *Selection
	flush     func([]byte) []byte
}

// rows writes each row of the list as an element of a JSON array.
func (t target) rows(b []byte, row func(b []byte, i int) []byte) []byte {
	b = append(b, '[')
	size, n := 0, t.Slice.Len()
	for i := range n {
		before := len(b)
		if i > 0 {
			b = append(b, ',')
		}
		b = row(b, i)
		size += len(b) - before
		b = t.flush(b)
	}
	if n > 0 {
		t.selection.rowSize.Store(int64(size/n + 1))
	}
	return append(b, ']')
}

// reader reads one selection.
type reader struct {
	op        *graphql.OperationContext
	selection *Selection
}

// read reads the selection set of one type. satisfies has the names of the types
// that it satisfies, its own first. If field returns no writer for a field, the
// selection is incomplete.
func read[T any](r *reader, set ast.SelectionSet, satisfies []string, field func(graphql.CollectedField) writer[T]) object[T] {
	fields := graphql.CollectFields(r.op, set, satisfies)
	o := make(object[T], 0, len(fields))
	for _, f := range fields {
		value := text[T](satisfies[0])
		if f.Name != "__typename" {
			value = field(f)
		}
		if value == nil {
			r.selection.incomplete = true
			continue
		}
		o = append(o, member[T]{name: `"` + f.Alias + `":`, value: value})
	}
	return o
}

// The types of the schema, each with the abstract types that it belongs to.
var (
	connectionType = []string{"UserConnection"}
	edgeType       = []string{"UserEdge"}
	activityType   = []string{"UserActivity"}
	pageInfoType   = []string{"PageInfo"}
	userType       = []string{"User", "Node", "_Entity"}
	agentType      = []string{"Agent", "Node", "_Entity"}
	talkType       = []string{"Conversation", "_Entity"}
	sentimentType  = []string{"UserSentiment"}
	summaryType    = []string{"SentimentSummary"}
	frustratedType = []string{"FrustratedConversation"}
)

func (r *reader) connection(set ast.SelectionSet) object[target] {
	return read(r, set, connectionType, func(f graphql.CollectedField) writer[target] {
		switch f.Name {
		case "edges":
			r.selection.Users = true
			edge := r.edge(f.Selections)
			return func(b []byte, t target) []byte {
				return t.rows(b, func(b []byte, i int) []byte { return edge.write(b, row{t.Slice, i}) })
			}
		case "nodes":
			r.selection.Users = true
			user := r.user(f.Selections)
			return func(b []byte, t target) []byte {
				return t.rows(b, func(b []byte, i int) []byte { return user(b, t.Slice.User(i)) })
			}
		case "pageInfo":
			info := r.pageInfo(f.Selections)
			return func(b []byte, t target) []byte { return info.write(b, t.Slice) }
		case "totalCount":
			i := len(r.selection.Counts)
			r.selection.Counts = append(r.selection.Counts, f)
			return func(b []byte, t target) []byte {
				if t.Counts[i] == nil {
					return null(b)
				}
				return integer(b, *t.Counts[i])
			}
		}
		return nil
	})
}

// row is a user of a slice by index.
type row struct {
	slice *connection.Slice
	index int
}

func (r *reader) edge(set ast.SelectionSet) object[row] {
	return read(r, set, edgeType, func(f graphql.CollectedField) writer[row] {
		switch f.Name {
		case "cursor":
			r.selection.Cursors = true
			return func(b []byte, at row) []byte { return cursor(b, at.slice, at.index) }
		case "node":
			user := r.user(f.Selections)
			return func(b []byte, at row) []byte { return user(b, at.slice.User(at.index)) }
		case "activity":
			activity := r.activity(f.Selections)
			return func(b []byte, at row) []byte { return activity.write(b, at.slice.User(at.index)) }
		}
		return nil
	})
}

func cursor(b []byte, s *connection.Slice, i int) []byte {
	b = append(b, '"')
	b = s.AppendCursor(b, i)
	return append(b, '"')
}

func (r *reader) pageInfo(set ast.SelectionSet) object[*connection.Slice] {
	return read(r, set, pageInfoType, func(f graphql.CollectedField) writer[*connection.Slice] {
		switch f.Name {
		case "hasNextPage":
			r.selection.HasNextPage = true
			return func(b []byte, s *connection.Slice) []byte { return strconv.AppendBool(b, s.HasNextPage) }
		case "hasPreviousPage":
			r.selection.HasPreviousPage = true
			return func(b []byte, s *connection.Slice) []byte { return strconv.AppendBool(b, s.HasPreviousPage) }
		case "startCursor":
			r.selection.StartCursor = true
			return func(b []byte, s *connection.Slice) []byte {
				if s.Len() == 0 {
					return null(b)
				}
				return cursor(b, s, 0)
			}
		case "endCursor":
			r.selection.EndCursor = true
			return func(b []byte, s *connection.Slice) []byte {
				if s.Len() == 0 {
					return null(b)
				}
				return cursor(b, s, s.Len()-1)
			}
		}
		return nil
	})
}
