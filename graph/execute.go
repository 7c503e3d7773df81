package graph

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/maypok86/otter/v2"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"rollcall/graph/connection"
	"rollcall/graph/loader"
	"rollcall/upstream"
)

// executor turns the body of a request into its answer.
type executor struct {
	client       *upstream.Client
	documents    documents
	limits       Limits
	timeout      time.Duration
	quota        Quota // nil for none
	cursorSecret string
	sealers      *otter.Cache[upstream.Caller, *connection.Sealer]
	// unrendered leaves all writing to gqlgen, for comparison.
	unrendered bool
}

// maxErrors is how many errors a refused document gets.
const maxErrors = 5

// execute answers a request. What it refuses, it refuses before any upstream
// call.
func (e *executor) execute(ctx context.Context, exec graphql.GraphExecutor, caller upstream.Caller, body []byte) *answer {
	params, no := parseBody(body)
	if no != nil {
		return no
	}
	if errs := e.limits.screen(ctx, e.documents, params.Query); len(errs) > 0 {
		return newAnswer(exec.DispatchError(ctx, errs), false)
	}
	request, errs := exec.CreateOperationContext(ctx, params)
	if len(errs) == 0 && costOf(request) > e.limits.Cost {
		errs = tooComplex(fmt.Sprintf("The operation could fetch more than %d users; ask for less at once.", e.limits.Cost))
	}
	if len(errs) > 0 {
		errs = errs[:min(len(errs), maxErrors)]
		return newAnswer(exec.DispatchError(graphql.WithOperationContext(ctx, request), errs), false)
	}
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	op := &operation{
		document:   e.documents.known(params.Query),
		sealer:     e.sealer(caller),
		loader:     loader.New(e.source(caller), e.limits.Calls),
		unrendered: e.unrendered,
	}
	op.forecast = foresee(request, op)
	respond, ctx := exec.DispatchOperation(withOperation(ctx, op), request)
	response := respond(ctx)
	if response == nil { // gqlgen begins nothing once the time is up
		response = exec.DispatchError(ctx, gqlerror.List{gqlerror.Wrap(context.Cause(ctx))})
	}
	return newAnswer(response, true)
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

// source is the upstream for one caller.
func (e *executor) source(caller upstream.Caller) loader.Source {
	session := e.client.As(caller)
	if e.quota == nil {
		return session
	}
	return rationed{session, e.quota, caller}
}

// rationed counts a caller's calls.
type rationed struct {
	loader.Source
	quota  Quota
	caller upstream.Caller
}

func (r rationed) ListUsers(ctx context.Context, q upstream.PageQuery) (upstream.Page, error) {
	r.quota.Spend(r.caller)
	return r.Source.ListUsers(ctx, q)
}
