package graph

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/99designs/gqlgen/graphql"
	gqlexecutor "github.com/99designs/gqlgen/graphql/executor"
	"github.com/maypok86/otter/v2"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"

	"rollcall/graph/connection"
	"rollcall/graph/document"
	"rollcall/graph/internal/generated"
	"rollcall/graph/loader"
	"rollcall/graph/persisted"
	"rollcall/internal/budget"
	"rollcall/internal/panics"
	"rollcall/upstream"
)

// Config configures what is answered. All fields but CallersKey, CursorSecret,
// PreviousKey, CacheTTL, Introspection, PersistedQueries and SharedDocuments are
// required.
type Config struct {
	Client *upstream.Client
	// CallersKey reports that the key for the upstream is the caller's own.
	CallersKey bool
	// CursorSecret seals the cursors of callers without a key.
	CursorSecret string
	// PreviousKey is an API key that opens the cursors that it sealed, and is used
	// for nothing else; empty for none.
	PreviousKey string
	// CacheTTL is how long the number of users in a list is remembered. It equals
	// the client's TTL for pages; default 0, which remembers none.
	CacheTTL time.Duration
	// Introspection lets callers read the schema, and lets validation errors
	// suggest names.
	Introspection bool
	// PersistedQueries lets callers register a document by its hash, and from then on
	// send the hash alone (automatic persisted queries).
	PersistedQueries bool
	// SharedDocuments returns where the replicas keep the registered documents of an
	// API key's callers, or nil if they cannot. Default: each replica keeps its own.
	SharedDocuments func(upstream.APIKey) SharedDocuments
	// Timeout bounds all of an operation's upstream work.
	Timeout time.Duration
	Limits  Limits
	// Log receives internal errors and panics.
	Log *slog.Logger

	unrendered bool // see prepared
}

// Executor executes the operations of requests. It is safe for concurrent use. It
// must be closed after use.
type Executor struct {
	gqlgen    graphql.GraphExecutor
	present   graphql.ErrorPresenterFunc
	fields    fieldMiddleware
	client    *upstream.Client
	lookup    *lookup
	documents documents
	limits    Limits
	// introspection lets callers read the schema.
	introspection bool
	timeout       time.Duration
	cursorSecret  string
	previousKeys  []string // at most one
	memory        *loader.Memory
	sealers       *otter.Cache[upstream.APIKey, *connection.Sealer]
	answers       *budget.Budget[upstream.APIKey]
}

// NewExecutor returns an executor of the service's schema.
func NewExecutor(c Config) *Executor {
	resolvers := &Resolver{}
	schema := generated.NewExecutableSchema(generated.Config{Resolvers: resolvers})
	presenter := &presenter{log: c.Log, callersKey: c.CallersKey}
	exec := gqlexecutor.New(schema)
	exec.SetErrorPresenter(presenter.present)
	exec.SetRecoverFunc(recovered)
	var previousKeys []string
	if c.PreviousKey != "" {
		previousKeys = append(previousKeys, c.PreviousKey)
	}
	return &Executor{
		gqlgen:  exec,
		present: presenter.present,
		fields:  fieldMiddleware{entities{resolvers.Entity()}},
		client:  c.Client,
		lookup: &lookup{
			automatic: c.PersistedQueries, registered: persisted.NewMemory[upstream.APIKey](), shared: c.SharedDocuments,
			accepts: c.Client.Accepts, strangers: rate.NewLimiter(strangersRate, strangersBurst),
		},
		documents:     newDocuments(document.NewReader(schema.Schema(), c.Limits.document(), c.Introspection), c.unrendered),
		limits:        c.Limits,
		introspection: c.Introspection,
		timeout:       c.Timeout,
		cursorSecret:  c.CursorSecret,
		previousKeys:  previousKeys,
		memory:        loader.NewMemory(c.CacheTTL),
		sealers:       newSealers(),
		answers:       budget.New[upstream.APIKey](c.Limits.Answers),
	}
}

// Close stops the executor's background goroutines. The executor must not be used
// afterwards.
func (e *Executor) Close() { e.memory.Close() }

// recovered implements gqlgen's RecoverFunc.
func recovered(_ context.Context, panicked any) error { return panics.New(panicked) }

// Timeout returns how long all of an operation's upstream work may take.
func (e *Executor) Timeout() time.Duration { return e.timeout }

// Execute returns the outcome of a request. A refused request makes no upstream
// call.
func (e *Executor) Execute(ctx context.Context, caller upstream.Caller, r *Request) *Result {
	work := &Work{Span: trace.SpanContextFromContext(ctx)}
	found, errs := e.lookup.find(caller.Key, r)
	if errs != nil {
		result := e.refuse(ctx, errs, work)
		result.Malformed = CodeOf(errs[0]) == CodeBadUserInput
		return result
	}
	work.Trusted, work.Untrusted = found.trusted, found.untrusted
	known, refused := e.documents.read(found.text)
	if refused != nil {
		work.Document = fingerprint(found.text)
		result := e.refuse(ctx, coded(refused), work)
		result.Mutation = refused.Mutation
		return result
	}
	work.Document = known.fingerprint
	if found.register != "" { // afterwards: the operation may show that the upstream accepts the key
		defer e.lookup.put(caller.Key, r.DocumentID, found.register)
	}
	request, refused := e.request(known, r)
	if refused != nil {
		return e.refuse(ctx, coded(refused), work)
	}
	work.Operation, work.Cost = request.Operation, costOf(request)
	if errs := e.limits.checkCost(request, work.Cost); errs != nil {
		return e.refuse(ctx, errs, work)
	}
	return e.run(ctx, caller, known, request, work)
}

// run executes an operation. The result has the work so far and that of the
// operation.
func (e *Executor) run(ctx context.Context, caller upstream.Caller, known *prepared, request *graphql.OperationContext, work *Work) *Result {
	if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > e.timeout {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, e.timeout)
		defer cancel()
	}
	session := e.client.As(caller)
	op := &operation{
		document:    known,
		sealer:      e.sealer(caller.Key),
		loader:      loader.New(session, e.memory, caller.Key, e.limits.Calls),
		countsUntil: time.Now().Add(e.timeout / 4 * 3),
		output:      &output{limit: e.limits.Answer, answers: e.answers, key: caller.Key},
	}
	defer op.output.close()
	op.plan.read(request, op)
	response := e.dispatch(withOperation(ctx, op), op, request)
	work.Usage, work.Batched = session.Usage(), op.loader.Saved()
	result := newResult(response, true, *work)
	held, err := op.output.finish(result.size())
	if err != nil {
		return &Result{Executed: true, Errors: withoutData(err, e.limits.Answer), Work: *work}
	}
	result.held = newHold(e.answers, caller.Key, held)
	return result
}

// dispatch returns the response of an operation. It leaves to gqlgen all
// operations but those that have only lists, as nearly all do.
func (e *Executor) dispatch(ctx context.Context, op *operation, request *graphql.OperationContext) *graphql.Response {
	if op.plan.rendered() {
		ctx = graphql.WithResponseContext(graphql.WithOperationContext(ctx, request), e.present, recovered)
		data := op.writeLists(ctx)
		return &graphql.Response{Data: data, Errors: graphql.GetErrors(ctx)}
	}
	request.RootResolverMiddleware = op.output.root
	respond, ctx := e.gqlgen.DispatchOperation(ctx, request)
	response := respond(ctx)
	if response == nil { // gqlgen starts nothing if the deadline has expired
		response = e.gqlgen.DispatchError(ctx, gqlerror.List{gqlerror.Wrap(context.Cause(ctx))})
	}
	return response
}

// request returns the operation of a request, with its variables.
func (e *Executor) request(d *prepared, r *Request) (*graphql.OperationContext, *document.Refusal) {
	operation, refused := d.Operation(r.OperationName)
	if refused != nil {
		return nil, refused
	}
	variables, refused := e.documents.reader.Variables(d.Document, operation, r.Variables)
	if refused != nil {
		return nil, refused
	}
	return &graphql.OperationContext{
		Variables:            variables,
		OperationName:        r.OperationName,
		Doc:                  d.QueryDocument,
		Operation:            operation,
		DisableIntrospection: !e.introspection,
		RecoverFunc:          recovered,
		ResolverMiddleware:   e.fields.intercept,
	}, nil
}

// refuse returns the outcome of a request that is not executed.
func (e *Executor) refuse(ctx context.Context, errs gqlerror.List, work *Work) *Result {
	return newResult(e.gqlgen.DispatchError(ctx, errs), false, *work)
}

// Fault returns the outcome of a request that failed outside of its fields, for
// example because of a panic.
func (e *Executor) Fault(ctx context.Context, err error) *Result {
	return newResult(e.gqlgen.DispatchError(ctx, gqlerror.List{gqlerror.Wrap(err)}), true, Work{})
}

// maxSealers is how many keys' sealers are cached: deriving a sealer takes longer
// than sealing a page of cursors.
const maxSealers = 1000

func newSealers() *otter.Cache[upstream.APIKey, *connection.Sealer] {
	return otter.Must(&otter.Options[upstream.APIKey, *connection.Sealer]{
		MaximumSize: maxSealers,
		Executor:    func(task func()) { task() },
	})
}

// sealer returns the sealer of a key's cursors. All callers with one key share
// it, because a cursor's list depends on the key alone.
func (e *Executor) sealer(key upstream.APIKey) *connection.Sealer {
	s, ok := e.sealers.GetIfPresent(key)
	if !ok {
		s = connection.NewSealer(cmp.Or(key.Reveal(), e.cursorSecret), e.previousKeys...)
		e.sealers.Set(key, s)
	}
	return s
}
