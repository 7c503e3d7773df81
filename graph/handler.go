package graph

import (
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

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
	return newObserver(c).handler(&transport{config: c, executor: newExecutor(c)})
}
