package graph

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/maypok86/otter/v2"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"go.opentelemetry.io/otel/trace"

	"rollcall/graph/connection"
	"rollcall/graph/loader"
	"rollcall/upstream"
)

// executor turns the body of a request into its answer.
type executor struct {
	gqlgen       graphql.GraphExecutor
	client       *upstream.Client
	documents    documents
	limits       Limits
	timeout      time.Duration
	cursorSecret string
	sealers      *otter.Cache[upstream.Caller, *connection.Sealer]
	// unrendered leaves all writing to gqlgen, for comparison.
	unrendered bool
}

// maxErrors is how many errors a refused document gets.
const maxErrors = 5

// execute answers a request. What it refuses, it refuses before any upstream
// call.
func (e *executor) execute(ctx context.Context, caller upstream.Caller, body []byte) *answer {
	params, no := parseBody(body)
	if no != nil {
		return no
	}
	known, seen := e.documents.known(params.Query)
	if !seen {
		if errs := e.limits.screen(params.Query); len(errs) > 0 {
			return newAnswer(e.gqlgen.DispatchError(ctx, errs), false)
		}
	}
	ctx = graphql.StartOperationTrace(ctx) // which gqlgen insists on
	request, errs := e.gqlgen.CreateOperationContext(ctx, params)
	if !seen {
		known, _ = e.documents.known(params.Query)
	}
	work := work{document: known.fingerprint, span: trace.SpanContextFromContext(ctx)}
	if work.document == "" { // it is not valid, or too large to be known
		work.document = fingerprint(params.Query)
	}
	if len(errs) == 0 {
		work.operation, work.cost = request.Operation, costOf(request)
	}
	if work.cost > e.limits.Cost {
		errs = tooComplex(fmt.Sprintf("The operation could fetch more than %d users; ask for less at once.", e.limits.Cost))
	}
	if work.cost > e.limits.Calls && lookUps(request) > e.limits.Calls { // each costs at least one
		errs = tooComplex(fmt.Sprintf("The operation looks up more than %d users; ask for fewer at once.", e.limits.Calls))
	}
	if len(errs) > 0 {
		errs = errs[:min(len(errs), maxErrors)]
		return newAnswer(e.gqlgen.DispatchError(graphql.WithOperationContext(ctx, request), errs), false).after(work)
	}
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	session := e.client.As(caller)
	op := &operation{
		document:   known,
		sealer:     e.sealer(caller),
		loader:     loader.New(session, e.limits.Calls),
		unrendered: e.unrendered,
	}
	emptyNoObjects(request)
	op.forecast = foresee(request, op)
	respond, ctx := e.gqlgen.DispatchOperation(withOperation(ctx, op), request)
	response := respond(ctx)
	if response == nil { // gqlgen begins nothing once the time is up
		response = e.gqlgen.DispatchError(ctx, gqlerror.List{gqlerror.Wrap(context.Cause(ctx))})
	}
	work.usage, work.batched = session.Usage(), op.loader.Saved()
	return newAnswer(response, true).after(work)
}

// fault is the answer to a request that something went wrong with, outside of
// its fields.
func (e *executor) fault(ctx context.Context, err error) *answer {
	return newAnswer(e.gqlgen.DispatchError(ctx, gqlerror.List{gqlerror.Wrap(err)}), true)
}

// knownSealers is how many callers' sealers are kept: deriving one takes longer
// than sealing a page of cursors.
const knownSealers = 1000

func newSealers() *otter.Cache[upstream.Caller, *connection.Sealer] {
	return otter.Must(&otter.Options[upstream.Caller, *connection.Sealer]{
		MaximumSize: knownSealers,
		Executor:    func(task func()) { task() },
	})
}

// sealer is what seals a caller's cursors.
func (e *executor) sealer(caller upstream.Caller) *connection.Sealer {
	s, ok := e.sealers.GetIfPresent(caller)
	if !ok {
		s = connection.NewSealer(cmp.Or(caller.Key.Reveal(), e.cursorSecret), caller.Subject)
		e.sealers.Set(caller, s)
	}
	return s
}
