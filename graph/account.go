package graph

import (
	"context"
	"net/http"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"go.opentelemetry.io/otel/trace"

	"rollcall/upstream"
)

// work is what an operation is, and what it took to execute it.
type work struct {
	document  string                   // its fingerprint; empty where it was not read
	operation *ast.OperationDefinition // nil where there is none
	cost      int
	usage     upstream.Usage
	batched   int               // calls that its fields shared
	span      trace.SpanContext // of the request that it was executed for
}

// saved is the work of a request that was spared it: the calls that it would
// have sent by itself are shared.
func (w work) saved() work {
	w.usage = upstream.Usage{Shared: w.usage.Sent + w.usage.Shared, Cached: w.usage.Cached}
	return w
}

// account is what one request comes to. The transport fills it in, and when the
// request is over it becomes a line in the log, a span and a few measurements.
type account struct {
	requestID string // never changes: resolvers read it
	began     time.Time
	method    string
	route     string
	span      trace.Span // nil where nobody wants spans

	caller upstream.Caller
	status int // of HTTP; 0 where there was no answer
	answer answer
}

type accountKey struct{}

func withAccount(ctx context.Context, a *account) context.Context {
	return context.WithValue(ctx, accountKey{}, a)
}

// accountOf returns the account of the request that ctx belongs to. Every
// request has one.
func accountOf(ctx context.Context) *account {
	a, ok := ctx.Value(accountKey{}).(*account)
	if !ok {
		panic("graph: the context belongs to no request")
	}
	return a
}

// answered notes the end. A request that has joined another has the answer
// without the work.
func (a *account) answered(with *answer, status int, joined bool) {
	a.answer, a.status = *with, status
	if joined {
		a.answer.work = with.work.saved()
		if a.span != nil && with.work.span.IsValid() {
			a.span.AddLink(trace.Link{SpanContext: with.work.span})
		}
	}
}

// left notes that nobody was there to be answered. The errors are nobody's
// then: they are what became of the work when it was given up.
func (a *account) left(with *answer) {
	a.answer = *with
	a.answer.errors = nil
}

// The reasons for which a request does not become an operation.
var refusalReasons = []string{
	"origin", "method", "media_type", "accept", "credentials", "quota", "size", "malformed", "parse", "validation", "too_complex", "internal",
}

// refusedFor is why there was no operation; empty where there was one, or
// nobody to answer.
func (a *account) refusedFor() string {
	if a.answer.executed || a.status == 0 {
		return ""
	}
	switch a.status {
	case http.StatusForbidden:
		return "origin"
	case http.StatusMethodNotAllowed:
		return "method"
	case http.StatusUnsupportedMediaType:
		return "media_type"
	case http.StatusNotAcceptable:
		return "accept"
	case http.StatusUnauthorized:
		return "credentials"
	case http.StatusTooManyRequests:
		return "quota"
	case http.StatusRequestEntityTooLarge:
		return "size"
	case http.StatusInternalServerError:
		return "internal"
	}
	switch a.worst() {
	case codeParseFailed:
		return "parse"
	case codeValidationFailed:
		return "validation"
	case codeTooComplex:
		return "too_complex"
	case codeInternal:
		return "internal"
	}
	return "malformed"
}

// worst is the code of the gravest error; empty where there is none.
func (a *account) worst() string {
	worst := len(errorCodes)
	for _, err := range a.answer.errors {
		worst = min(worst, codeIndex(err))
	}
	if worst == len(errorCodes) {
		return ""
	}
	return errorCodes[worst]
}

// codeIndex is the place of an error's code among errorCodes.
func codeIndex(err *gqlerror.Error) int {
	for i, code := range errorCodes {
		if err.Extensions["code"] == code {
			return i
		}
	}
	return 0 // nobody has given it a code: a fault of the service
}
