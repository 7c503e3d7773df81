package graph

import (
	"encoding/json"
	"fmt"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"go.opentelemetry.io/otel/trace"

	"rollcall/internal/budget"
	"rollcall/upstream"
)

// Result is the outcome of a well-formed request. Equal requests share one, so it
// is never modified.
type Result struct {
	// Executed reports whether there was an operation to execute.
	Executed bool
	Errors   gqlerror.List
	// Data is the value of the response's member data, as JSON; empty if nothing
	// was executed.
	Data []byte
	Work Work

	lease *lease // nil if the data is small
}

// Hold and Release count the requests that have the result. Execute returns it
// held once; each other request that shares it holds it too. When all of them have
// released it, the bytes of its data are free for other responses.
func (r *Result) Hold() { r.lease.add(1) }

// Release ends a Hold, or the request for which the result was made. The data must
// not be used afterwards.
func (r *Result) Release() { r.lease.add(-1) }

// lease is what a large response holds of the budget for all of them.
type lease struct {
	budget *budget.Budget[upstream.APIKey]
	key    upstream.APIKey
	size   int

	mu      sync.Mutex
	holders int
}

func (l *lease) add(holders int) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.holders
	l.holders += holders
	switch {
	case before > 0 && l.holders == 0:
		l.budget.Release(l.key, l.size)
	case before == 0 && l.holders > 0: // the others were done before this one had it
		l.budget.Force(l.key, l.size)
	}
}

// Work describes an operation and what its execution took.
type Work struct {
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

// envelope is how many bytes a response without errors has around its data.
const envelope = len(`{"data":}`)

// size returns how many bytes the response has, at most.
func (r *Result) size() int {
	size := envelope + len(r.Data)
	if len(r.Errors) > 0 {
		text, _ := json.Marshal(r.Errors) // of strings, numbers and maps of them: it cannot fail
		size += len(`"errors":,`) + len(text) + len(r.Errors)*maxStamp
	}
	return size
}
