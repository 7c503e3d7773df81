// Package transport serves GraphQL over HTTP: it reads requests, decides who may
// send them, writes responses, and records each request in the log, in a span and
// in metrics. The content of responses is the responsibility of package graph;
// this package knows neither the schema nor its resolvers.
package transport

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"rollcall/graph"
	"rollcall/internal/flight"
	"rollcall/internal/panics"
	"rollcall/upstream"
)

// Config configures who may send requests and how requests are recorded.
// Executor, Authenticate, MaxBody and Log are required.
type Config struct {
	Executor *graph.Executor
	// Admit returns an error, which becomes a 403, if a request may not be served:
	// because of the web site that it comes from, or the host that it is addressed to.
	Admit func(*http.Request) error
	// Authenticate returns the caller of a request. Its error becomes a 401 whose
	// message ends in the error's text, unless it is a [Refusal] that says otherwise.
	Authenticate func(*http.Request) (upstream.Caller, error)
	// Challenge is the WWW-Authenticate header of a 401; empty for none.
	Challenge string
	// ScopeChallenge is that of a 403 for credentials that lack a permission.
	ScopeChallenge string
	// Wait returns how long a caller must wait before it may cause upstream calls
	// again; 0 if it need not. A nil Wait never makes a caller wait.
	Wait func(upstream.Caller) time.Duration
	// MaxBody bounds the body of a request, and the query of a GET's URL, in bytes.
	MaxBody int
	// RefuseGET refuses GET. Its parameters are in URLs, and therefore in the logs of
	// proxies.
	RefuseGET bool
	// ExecuteEach executes each request by itself. Otherwise equal requests of
	// one API key that are in flight share one execution.
	ExecuteEach bool

	Log *slog.Logger
	// LogSecret is the key of the hash that the log names callers by, if they have
	// no API key.
	LogSecret string
	// StaleDocuments reports whether the files of trusted documents have changed and
	// cannot be used; nil if there are none.
	StaleDocuments func() bool
	// TracerProvider and MeterProvider receive spans and measurements; nil for
	// none.
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
}

// NewHandler returns the handler of GraphQL requests, for any path.
func NewHandler(c Config) http.Handler {
	methods := Methods(!c.RefuseGET)
	return &handler{
		config: c, methods: methods, allow: strings.Join(methods, ", "), telemetry: newTelemetry(c),
		// The executor would set the same deadline, in one more context.
		flights: flight.Group[requestKey, *response]{Timeout: c.Executor.Timeout()},
	}
}

// handler implements the specification GraphQL over HTTP for GET, POST and QUERY,
// with bodies of JSON. gqlgen's transports repeat a malformed body in the response,
// and fail some of the specification's audits.
type handler struct {
	config    Config
	methods   []string
	allow     string // the methods as a header
	telemetry *telemetry
	// flights has the requests that are being executed: equal ones share a response.
	flights flight.Group[requestKey, *response]
}

// requestKey determines whether two requests are equal. What the upstream
// returns depends on the API key alone, so callers of one key share responses.
type requestKey struct {
	key    upstream.APIKey
	url    bool // whether the parameters are from a URL
	params string
}

// Headers of every response. The slices are shared and never modified.
var (
	noStore     = []string{"private, no-store"}
	noSniff     = []string{"nosniff"}
	noReferrer  = []string{"no-referrer"} // the URL of a GET contains its variables
	acceptQuery = []string{typeJSON}      // RFC 10008: the types of bodies that QUERY accepts
)

// SetPrivate sets the headers that keep a response out of caches, and its URL out
// of other sites' logs. [NewHandler]'s handler sets them for each response.
func SetPrivate(header http.Header) {
	header["Cache-Control"] = noStore
	header["X-Content-Type-Options"] = noSniff
	header["Referrer-Policy"] = noReferrer
}

// ServeHTTP gives each request an ID and a record, and publishes the record when
// the request ends.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	SetPrivate(header)
	header["Accept-Query"] = acceptQuery
	if r.Method == http.MethodOptions { // also of a preflight, whose other headers are already set
		header.Set("Allow", h.allow)
		w.WriteHeader(http.StatusNoContent)
		return
	}
	ctx, record := h.telemetry.begin(r.Context(), r)
	header[requestIDHeader] = []string{record.requestID}
	defer h.telemetry.finish(ctx, record)
	h.serve(ctx, w, r, record)
	if record.status == 0 {
		// net/http takes a caller that closed the sending half of its connection for
		// one that disconnected. It could still read: without a response, net/http
		// would send a 200 with an empty body.
		panic(http.ErrAbortHandler) // closes the connection
	}
}

// serve serves one request, and completes its record.
func (h *handler) serve(ctx context.Context, w http.ResponseWriter, r *http.Request, record *record) {
	mediaType, acceptable := negotiate(r.Header.Values("Accept"))
	defer func() {
		if p := recover(); p != nil { // outside of any operation: those recover their own
			resp := fault(h.config.Executor.Fault(ctx, panics.New(p)))
			record.answered(resp, resp.status, false)
			resp.send(w, mediaType, record.requestID)
		}
	}()
	params, refused := h.read(w, r, record)
	if refused == nil && !acceptable {
		refused = refuse(http.StatusNotAcceptable, graph.CodeBadUserInput, "This service responds in "+typeGraphQL+" or "+typeJSON+".")
	}
	if refused != nil {
		record.answered(refused, refused.statusIn(mediaType), false)
		refused.send(w, mediaType, record.requestID)
		return
	}
	resp, joined := h.respond(ctx, record.caller, r.Method == http.MethodGet, params)
	if resp == nil {
		return // the caller disconnected while it waited for another request
	}
	if joined {
		resp.Retain()
	}
	defer resp.Release()
	switch {
	case ctx.Err() != nil: // the caller disconnected during the execution
		record.disconnected(resp)
	default:
		resp := h.withoutMutation(w, r.Method, resp)
		record.answered(resp, resp.statusIn(mediaType), joined)
		resp.send(w, mediaType, record.requestID)
	}
}

// withoutMutation returns the response with the status of a mutation that a safe
// method sent: 405 for GET (GraphQL over HTTP, "GET"), and 422 for QUERY.
func (h *handler) withoutMutation(w http.ResponseWriter, method string, resp *response) *response {
	switch {
	case !resp.Mutation:
		return resp
	case method == http.MethodGet:
		w.Header().Set("Allow", strings.Join(Methods(false), ", "))
		return &response{http.StatusMethodNotAllowed, resp.Result}
	case method == methodQuery:
		return &response{http.StatusUnprocessableEntity, resp.Result}
	default:
		return resp
	}
}

// respond executes a request, or joins an equal one of the same API key that is
// being executed. It returns nil if the caller disconnects before there is a
// response to join.
func (h *handler) respond(ctx context.Context, caller upstream.Caller, url bool, params []byte) (resp *response, joined bool) {
	if h.config.ExecuteEach {
		return h.execute(ctx, caller, url, params), false
	}
	resp, joined, err := h.flights.Do(ctx, requestKey{caller.Key, url, string(params)}, func(ctx context.Context) (*response, error) {
		return h.execute(ctx, caller, url, params), nil
	})
	if _, panicked := errors.AsType[*panics.Error](err); panicked {
		return &response{Result: h.config.Executor.Fault(ctx, err)}, joined
	}
	return resp, joined
}

func (h *handler) execute(ctx context.Context, caller upstream.Caller, url bool, params []byte) *response {
	parse := parseBody
	if url {
		parse = parseURL
	}
	request, refused := parse(params)
	if refused != nil {
		return refused
	}
	return &response{Result: h.config.Executor.Execute(ctx, caller, request)}
}
