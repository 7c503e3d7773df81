package graph

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	gqlexecutor "github.com/99designs/gqlgen/graphql/executor"
	"github.com/99designs/gqlgen/graphql/handler/extension"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"rollcall/graph/internal/generated"
	"rollcall/internal/flight"
	"rollcall/upstream"
)

// Config is what the GraphQL handler is made of. All fields but Admit, Challenge,
// CallersKey, Introspection, Wait, ExecuteEach and the providers are required.
type Config struct {
	Client *upstream.Client
	// Admit tells whether a request may be served, by the web site that it comes
	// from and the host that it asks for. Its error becomes a 403, in other words.
	Admit func(*http.Request) error
	// Authenticate tells on whose behalf a request is made. Its error becomes a
	// 401 whose message ends in the error's text.
	Authenticate func(*http.Request) (upstream.Caller, error)
	// Challenge is what a 401 has as WWW-Authenticate; empty for nothing.
	Challenge string
	// CallersKey says that callers bring the upstream's key themselves.
	CallersKey bool
	// CursorSecret seals the cursors of callers without a key.
	CursorSecret string
	// Introspection opens the schema to everybody, and lets validation errors
	// say what was perhaps meant.
	Introspection bool
	// Timeout bounds all of an operation's upstream work.
	Timeout time.Duration
	Limits  Limits
	// Wait, if there is one, is how long a caller has to wait until they may cause
	// upstream calls again; 0 if not at all.
	Wait func(upstream.Caller) time.Duration
	// ExecuteEach executes each request by itself. Otherwise equal requests of
	// one caller that are in flight share an answer.
	ExecuteEach bool
	Log         *slog.Logger
	// TracerProvider and MeterProvider are told of requests; nil for nobody.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider

	unrendered bool
}

// NewHandler serves GraphQL over HTTP, at whatever path it is mounted.
func NewHandler(c Config) http.Handler {
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
	exec.SetRecoverFunc(func(_ context.Context, panicked any) error { return flight.NewPanicError(panicked) })
	if c.Introspection {
		exec.Use(extension.Introspection{})
	}
	return newObserver(c).handler(&transport{config: c, executor: &executor{
		gqlgen:       exec,
		client:       c.Client,
		documents:    documents,
		limits:       c.Limits,
		timeout:      c.Timeout,
		cursorSecret: c.CursorSecret,
		sealers:      newSealers(),
		unrendered:   c.unrendered,
	}})
}

// validationRules are GraphQL's own and the service's.
func validationRules(introspection bool) func() *rules.Rules {
	return func() *rules.Rules {
		set := rules.NewDefaultRules()
		set.AddRule("NoDefer", noDefer)
		set.AddRule("NoOtherRepresentations", noOtherRepresentations)
		if !introspection {
			set.AddRule("NoIntrospection", noIntrospection)
		}
		return set
	}
}

// noDefer refuses what gqlgen's schema offers and a plain JSON reply cannot
// carry: the deferred part would be lost.
func noDefer(observers *core.Events, addError core.AddErrFunc) {
	observers.OnDirective(func(_ *core.Walker, d *ast.Directive) {
		if d.Name == "defer" {
			addError(core.Message("@defer is not supported."), core.At(d.Position))
		}
	})
}

// noIntrospection refuses the fields that describe the schema.
func noIntrospection(observers *core.Events, addError core.AddErrFunc) {
	observers.OnField(func(_ *core.Walker, f *ast.Field) {
		switch f.Name {
		case "__schema", "__type", "_service":
			addError(core.Message("Introspection is off; %s is not available.", f.Name), core.At(f.Position))
		}
	})
}
