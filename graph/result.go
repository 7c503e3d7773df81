package graph

import (
	"encoding/json"
	"fmt"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"go.opentelemetry.io/otel/trace"

	"rollcall/upstream"
)

// Result is the outcome of a well-formed request. Equal requests share it, so it
// is never modified.
type Result struct {
	// Executed reports whether there was an operation to execute.
	Executed bool
	// Mutation reports that the document has a mutation, of which there are none.
	Mutation bool
	// Malformed reports that the parameters contradict each other, or name no
	// document.
	Malformed bool
	Errors    gqlerror.List
	// Data is the value of the response's member data, as JSON; empty if nothing
	// was executed.
	Data []byte
	Work Work

	held *hold // nil if the response does not count against the budget
}

// Work describes an operation and what its execution took.
type Work struct {
	Trusted   string                   // the ID of a trusted document; empty for others
	Untrusted bool                     // there are trusted documents, and this is another one
	Document  string                   // its fingerprint; empty if it was not read
	Operation *ast.OperationDefinition // nil if there is none
	Cost      int
	Usage     upstream.Usage
	Batched   int               // calls that its fields shared
	Span      trace.SpanContext // of the request that it was executed for
}

// Shared returns the work of a request that joined another one: it sent no
// calls, and the calls that it would have sent count as shared.
func (w Work) Shared() Work {
	w.Usage = upstream.Usage{Shared: w.Usage.Sent + w.Usage.Shared, Cached: w.Usage.Cached}
	return w
}

func newResult(r *graphql.Response, executed bool, work Work) *Result {
	result := &Result{Executed: executed, Errors: bounded(r.Errors), Work: work}
	if executed {
		result.Data = r.Data
	}
	return result
}

// maxFieldErrors is how many errors a response lists. The fields of the others
// are null in the data all the same.
const maxFieldErrors = 100

// bounded keeps a response with very many errors small: one more error, without
// a path, stands for those beyond the first ones.
func bounded(errs gqlerror.List) gqlerror.List {
	more := len(errs) - maxFieldErrors
	if more <= 0 {
		return errs
	}
	rest := &gqlerror.Error{
		Message:    fmt.Sprintf("%d more errors are left out.", more),
		Extensions: map[string]any{"code": errs[maxFieldErrors].Extensions["code"]},
	}
	return append(errs[:maxFieldErrors:maxFieldErrors], rest)
}

// maxStamp is what the ID of a request adds to each error when the response is
// written, in bytes.
const maxStamp = 160

// size returns how many bytes the response has, at most.
func (r *Result) size() int {
	size := len(`{"data":}`) + len(r.Data)
	if len(r.Errors) > 0 {
		text, _ := json.Marshal(r.Errors) // of strings, numbers and maps of them: it cannot fail
		size += len(`"errors":,`) + len(text) + len(r.Errors)*maxStamp
	}
	return size
}
