package graph

import (
	"cmp"
	"context"
	"time"

	"github.com/99designs/gqlgen/graphql"
	gqlexecutor "github.com/99designs/gqlgen/graphql/executor"
	"github.com/maypok86/otter/v2"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"go.opentelemetry.io/otel/trace"

	"rollcall/graph/connection"
	"rollcall/graph/document"
	"rollcall/graph/internal/generated"
	"rollcall/graph/loader"
	"rollcall/internal/flight"
	"rollcall/upstream"
)

// executor turns the body of a request into its answer.
type executor struct {
	gqlgen    graphql.GraphExecutor
	fields    fields
	client    *upstream.Client
	documents documents
	limits    Limits
	// introspection lets callers read the schema.
	introspection bool
	timeout       time.Duration
	cursorSecret  string
	sealers       *otter.Cache[upstream.Caller, *connection.Sealer]
	// unrendered leaves all writing to gqlgen, for comparison.
	unrendered bool
}

func newExecutor(c Config) *executor {
	resolvers := &Resolver{}
	schema := generated.NewExecutableSchema(generated.Config{Resolvers: resolvers})
	presenter := &presenter{log: c.Log, callersKey: c.CallersKey}
	gqlgen := gqlexecutor.New(lists{schema})
	gqlgen.SetErrorPresenter(presenter.present)
	gqlgen.SetRecoverFunc(recovered)
	return &executor{
		gqlgen:        gqlgen,
		fields:        fields{entities{resolvers.Entity()}},
		client:        c.Client,
		documents:     newDocuments(document.NewReader(schema.Schema(), c.Limits.document(), c.Introspection)),
		limits:        c.Limits,
		introspection: c.Introspection,
		timeout:       c.Timeout,
		cursorSecret:  c.CursorSecret,
		sealers:       newSealers(),
		unrendered:    c.unrendered,
	}
}

// execute answers a request. What it refuses, it refuses before any upstream
// call.
func (e *executor) execute(ctx context.Context, caller upstream.Caller, body []byte) *answer {
	params, no := parseBody(body)
	if no != nil {
		return no
	}
	work := work{span: trace.SpanContextFromContext(ctx)}
	known, refused := e.documents.read(params.Query)
	if refused != nil {
		work.document = fingerprint(params.Query)
		return newAnswer(e.gqlgen.DispatchError(ctx, coded(refused)), false).after(work)
	}
	work.document = known.fingerprint
	request, refused := e.request(known, params)
	if refused != nil {
		return newAnswer(e.gqlgen.DispatchError(ctx, coded(refused)), false).after(work)
	}
	work.operation, work.cost = request.Operation, costOf(request)
	if errs := e.limits.checkCost(request, work.cost); errs != nil {
		return newAnswer(e.gqlgen.DispatchError(ctx, errs), false).after(work)
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
	op.forecast = foresee(request, op)
	respond, ctx := e.gqlgen.DispatchOperation(withOperation(ctx, op), request)
	response := respond(ctx)
	if response == nil { // gqlgen begins nothing once the time is up
		response = e.gqlgen.DispatchError(ctx, gqlerror.List{gqlerror.Wrap(context.Cause(ctx))})
	}
	work.usage, work.batched = session.Usage(), op.loader.Saved()
	return newAnswer(response, true).after(work)
}

// request returns the operation that a request names, with its variables.
func (e *executor) request(d *prepared, params *graphql.RawParams) (*graphql.OperationContext, *document.Refusal) {
	operation, refused := d.Operation(params.OperationName)
	if refused != nil {
		return nil, refused
	}
	variables, refused := e.documents.reader.Variables(d.Document, operation, params.Variables)
	if refused != nil {
		return nil, refused
	}
	return &graphql.OperationContext{
		RawQuery:               params.Query,
		Variables:              variables,
		OperationName:          params.OperationName,
		Doc:                    d.QueryDocument,
		Extensions:             params.Extensions,
		Operation:              operation,
		DisableIntrospection:   !e.introspection,
		RecoverFunc:            recovered,
		ResolverMiddleware:     e.fields.intercept,
		RootResolverMiddleware: func(ctx context.Context, next graphql.RootResolver) graphql.Marshaler { return next(ctx) },
	}, nil
}

// recovered implements gqlgen's RecoverFunc.
func recovered(_ context.Context, panicked any) error { return flight.NewPanicError(panicked) }

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
