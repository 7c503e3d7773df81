package graph

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/99designs/gqlgen/graphql"
	gqlexecutor "github.com/99designs/gqlgen/graphql/executor"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/maypok86/otter/v2"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"go.opentelemetry.io/otel/trace"

	"rollcall/graph/connection"
	"rollcall/graph/internal/generated"
	"rollcall/graph/loader"
	"rollcall/internal/panics"
	"rollcall/upstream"
)

// Config determines what is answered. All fields but CallersKey, CursorSecret
// and Introspection are required.
type Config struct {
	Client *upstream.Client
	// CallersKey reports that the key for the upstream is the caller's own.
	CallersKey bool
	// CursorSecret seals the cursors of callers without a key.
	CursorSecret string
	// Introspection lets callers read the schema, and lets validation errors
	// suggest names.
	Introspection bool
	// Timeout bounds all of an operation's upstream work.
	Timeout time.Duration
	Limits  Limits
	// Log gets internal errors and panics.
	Log *slog.Logger

	unrendered bool
}

// Executor executes the operations of requests. It is safe for concurrent use.
type Executor struct {
	gqlgen       graphql.GraphExecutor
	client       *upstream.Client
	documents    documents
	limits       Limits
	timeout      time.Duration
	cursorSecret string
	sealers      *otter.Cache[upstream.APIKey, *connection.Sealer]
	// unrendered leaves all writing to gqlgen, for comparison.
	unrendered bool
}

// NewExecutor returns an executor of the service's schema.
func NewExecutor(c Config) *Executor {
	documents := newDocuments()
	presenter := &presenter{log: c.Log, callersKey: c.CallersKey, suggest: c.Introspection}
	resolvers := &Resolver{}
	exec := gqlexecutor.New(lists{generated.NewExecutableSchema(generated.Config{Resolvers: resolvers})})
	exec.AroundFields(fields{entities{resolvers.Entity()}}.intercept)
	exec.SetQueryCache(documents)
	exec.SetParserTokenLimit(c.Limits.Tokens)
	exec.SetDefaultRulesFn(validationRules(c.Introspection))
	exec.SetDisableSuggestion(!c.Introspection)
	exec.SetErrorPresenter(presenter.present)
	exec.SetRecoverFunc(func(_ context.Context, panicked any) error { return panics.New(panicked) })
	if c.Introspection {
		exec.Use(extension.Introspection{})
	}
	return &Executor{
		gqlgen:       exec,
		client:       c.Client,
		documents:    documents,
		limits:       c.Limits,
		timeout:      c.Timeout,
		cursorSecret: c.CursorSecret,
		sealers:      newSealers(),
		unrendered:   c.unrendered,
	}
}

// maxErrors is how many errors the response to a refused document lists.
const maxErrors = 5

// Execute returns the outcome of a request. A request that is refused makes no
// upstream call.
func (e *Executor) Execute(ctx context.Context, caller upstream.Caller, params *graphql.RawParams) *Result {
	known, seen := e.documents.known(params.Query)
	if !seen {
		if errs := e.limits.screen(params.Query); len(errs) > 0 {
			return newResult(e.gqlgen.DispatchError(ctx, errs), false, Work{})
		}
	}
	ctx = graphql.StartOperationTrace(ctx) // gqlgen requires it
	request, errs := e.gqlgen.CreateOperationContext(ctx, params)
	if !seen {
		known, _ = e.documents.known(params.Query)
	}
	work := Work{Document: known.fingerprint, Span: trace.SpanContextFromContext(ctx)}
	if work.Document == "" { // it is not valid, or too large to be known
		work.Document = fingerprint(params.Query)
	}
	if len(errs) == 0 {
		work.Operation, work.Cost = request.Operation, costOf(request)
	}
	if work.Cost > e.limits.Cost {
		errs = tooComplex(fmt.Sprintf("The operation could fetch more than %d users; ask for less at once.", e.limits.Cost))
	}
	if work.Cost > e.limits.Calls && lookUps(request) > e.limits.Calls { // each costs at least one
		errs = tooComplex(fmt.Sprintf("The operation looks up more than %d users; ask for fewer at once.", e.limits.Calls))
	}
	if len(errs) > 0 {
		errs = errs[:min(len(errs), maxErrors)]
		return newResult(e.gqlgen.DispatchError(graphql.WithOperationContext(ctx, request), errs), false, work)
	}
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	session := e.client.As(caller)
	op := &operation{
		document:   known,
		sealer:     e.sealer(caller.Key),
		loader:     loader.New(session, e.limits.Calls),
		unrendered: e.unrendered,
	}
	emptyNoObjects(request)
	op.forecast = foresee(request, op)
	respond, ctx := e.gqlgen.DispatchOperation(withOperation(ctx, op), request)
	response := respond(ctx)
	if response == nil { // gqlgen starts nothing once the deadline has expired
		response = e.gqlgen.DispatchError(ctx, gqlerror.List{gqlerror.Wrap(context.Cause(ctx))})
	}
	work.Usage, work.Batched = session.Usage(), op.loader.Saved()
	return newResult(response, true, work)
}

// Fault returns the outcome of a request that failed outside of its fields,
// for example by a panic.
func (e *Executor) Fault(ctx context.Context, err error) *Result {
	return newResult(e.gqlgen.DispatchError(ctx, gqlerror.List{gqlerror.Wrap(err)}), true, Work{})
}

// maxSealers is how many keys' sealers are kept: deriving one takes longer than
// sealing a page of cursors.
const maxSealers = 1000

func newSealers() *otter.Cache[upstream.APIKey, *connection.Sealer] {
	return otter.Must(&otter.Options[upstream.APIKey, *connection.Sealer]{
		MaximumSize: maxSealers,
		Executor:    func(task func()) { task() },
	})
}

// sealer returns the sealer of a key's cursors. All callers of one key share it:
// what a cursor leads to depends on nothing but the key.
func (e *Executor) sealer(key upstream.APIKey) *connection.Sealer {
	s, ok := e.sealers.GetIfPresent(key)
	if !ok {
		s = connection.NewSealer(cmp.Or(key.Reveal(), e.cursorSecret))
		e.sealers.Set(key, s)
	}
	return s
}
