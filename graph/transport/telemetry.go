package transport

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"rollcall/graph"
	"rollcall/internal/instrument"
)

// The telemetry of requests follows OpenTelemetry's conventions for HTTP servers
// and for GraphQL. A caller chooses none of the metrics' labels; operation names
// are only in spans and in the log.
//
// Every request passes through this file, so labels are built once, and a
// request that is not traced costs no span.

// scope is the name of this package's tracer and meter.
const scope = "rollcall/graph"

type telemetry struct {
	log    *slog.Logger
	secret string // key of the hash of callers without an API key

	tracer   trace.Tracer // nil if spans are off
	duration metric.Float64Histogram
	calls    metric.Int64Histogram
	trusted  metric.Float64Histogram
	saved    metric.Int64Counter
	errors   metric.Int64Counter
	refusals metric.Int64Counter
	inFlight atomic.Int64

	byReason map[string][]metric.AddOption // refusals
	byCode   map[string][]metric.AddOption // errors
	outcomes instrument.Table[outcome]
	labels   documentLabels
	byID     instrument.Table[string] // trusted
}

// The reasons why an operation sent fewer calls than its fields requested.
var (
	savedByBatch = instrument.Label("reason", "batched") // its fields share them
	savedByShare = instrument.Label("reason", "shared")  // equal ones were in flight
	savedByCache = instrument.Label("reason", "cached")  // their pages were in the cache
)

var (
	// durationBuckets are the convention's, in seconds, and two more for responses
	// that need no upstream call.
	durationBuckets = metric.WithExplicitBucketBoundaries(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
	// documentBuckets are few, because each document has its own.
	documentBuckets = metric.WithExplicitBucketBoundaries(0.1, 1)
	callsBuckets    = metric.WithExplicitBucketBoundaries(0, 1, 2, 3, 5, 10, 20, 50, 120)
)

func newTelemetry(c Config) *telemetry {
	t := &telemetry{
		log: c.Log, secret: c.LogSecret,
		byReason: make(map[string][]metric.AddOption), byCode: make(map[string][]metric.AddOption),
	}
	if c.TracerProvider != nil {
		t.tracer = c.TracerProvider.Tracer(scope)
	}
	meter := instrument.Meter(c.MeterProvider, scope)
	t.duration = instrument.Must(meter.Float64Histogram("http.server.request.duration", durationBuckets,
		metric.WithUnit("s"), metric.WithDescription("Duration of requests; error.type is the code of the most severe error.")))
	t.calls = instrument.Must(meter.Int64Histogram("rollcall.operation.upstream.calls", callsBuckets,
		metric.WithDescription("Upstream calls that operations sent.")))
	t.trusted = instrument.Must(meter.Float64Histogram("rollcall.document.duration", documentBuckets,
		metric.WithUnit("s"), metric.WithDescription("Duration of requests of trusted documents, by ID.")))
	t.saved = instrument.Must(meter.Int64Counter("rollcall.upstream.calls.saved",
		metric.WithDescription("Upstream calls that operations did not need to send, by reason.")))
	t.errors = instrument.Must(meter.Int64Counter("rollcall.graphql.errors",
		metric.WithDescription("Errors in responses, by code.")))
	t.refusals = instrument.Must(meter.Int64Counter("rollcall.graphql.refusals",
		metric.WithDescription("Requests that were not executed, by reason.")))
	active := instrument.Must(meter.Int64ObservableUpDownCounter("http.server.active_requests",
		metric.WithDescription("Requests in flight.")))
	instrument.Must(meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		to.ObserveInt64(active, t.inFlight.Load())
		return nil
	}, active))
	if c.StaleDocuments != nil {
		observeStale(meter, c.StaleDocuments)
	}

	// All counters start at 0, because a rate needs a value before the first increment.
	ctx := context.Background()
	for _, reason := range refusals {
		t.byReason[reason] = instrument.Label("reason", reason)
		t.refusals.Add(ctx, 0, t.byReason[reason]...)
	}
	for _, code := range graph.Codes() {
		t.byCode[code] = instrument.Label("code", code)
		t.errors.Add(ctx, 0, t.byCode[code]...)
	}
	for _, reason := range [][]metric.AddOption{savedByBatch, savedByShare, savedByCache} {
		t.saved.Add(ctx, 0, reason...)
	}
	return t
}

func observeStale(meter metric.Meter, stale func() bool) {
	gauge := instrument.Must(meter.Int64ObservableGauge("rollcall.documents.stale",
		metric.WithDescription("1 if the files of trusted documents have changed and cannot be used.")))
	instrument.Must(meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		to.ObserveInt64(gauge, instrument.Bool(stale()))
		return nil
	}, gauge))
}

// begin returns a request's record, and the context to serve it with.
func (t *telemetry) begin(ctx context.Context, req *http.Request) (context.Context, *record) {
	r := &record{requestID: req.Header.Get(requestIDHeader), began: time.Now(), method: knownMethod(req.Method), route: req.Pattern}
	if !isRequestID(r.requestID) {
		r.requestID = rand.Text()
	}
	t.inFlight.Add(1)
	return t.startSpan(graph.WithRequestID(ctx, r.requestID), r, req.Header), r
}

// startSpan starts a request's span, in the trace that the caller names. The span
// gets its final name when the operation is known.
func (t *telemetry) startSpan(ctx context.Context, r *record, header http.Header) context.Context {
	if header["Traceparent"] != nil {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(header))
	}
	if t.tracer == nil {
		return ctx
	}
	ctx, r.span = t.tracer.Start(ctx, r.method+" "+r.route, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(r.began))
	return ctx
}

// finish publishes the record of a request.
func (t *telemetry) finish(ctx context.Context, r *record) {
	t.inFlight.Add(-1)
	took := time.Since(r.began)
	end := outcome{r.method, r.route, r.status, r.failure()}
	t.duration.Record(ctx, took.Seconds(), t.outcomes.Options(end, outcome.attributes)...)
	if reason := r.refusal(); reason != "" {
		t.refusals.Add(ctx, 1, t.byReason[reason]...)
	}
	for _, err := range r.result.Errors {
		t.errors.Add(ctx, 1, t.byCode[graph.CodeOf(err)]...)
	}
	if id := r.result.Work.Trusted; id != "" {
		t.trusted.Record(ctx, took.Seconds(), t.byID.Options(t.labels.label(id), documentID)...)
	}
	if r.result.Executed {
		work := r.result.Work
		t.calls.Record(ctx, int64(work.Usage.Sent))
		t.save(ctx, work.Batched, savedByBatch)
		t.save(ctx, work.Usage.Shared, savedByShare)
		t.save(ctx, work.Usage.Cached, savedByCache)
	}
	t.write(ctx, r, took)
	if r.span != nil {
		if r.span.IsRecording() {
			r.describe(end)
		}
		r.span.End()
	}
}

func (t *telemetry) save(ctx context.Context, calls int, reason []metric.AddOption) {
	if calls > 0 {
		t.saved.Add(ctx, int64(calls), reason...)
	}
}

// describe sets the attributes of a request's span.
func (r *record) describe(end outcome) {
	r.span.SetAttributes(end.attributes()...)
	r.span.SetAttributes(attribute.String("rollcall.request_id", r.requestID))
	if id := r.result.Work.Trusted; id != "" {
		r.span.SetAttributes(attribute.String("rollcall.document.id", id))
	}
	if work := r.result.Work; work.Operation != nil {
		kind := string(work.Operation.Operation)
		r.span.SetName(kind)
		r.span.SetAttributes(
			semconv.GraphQLOperationTypeKey.String(kind),
			attribute.Int("rollcall.operation.cost", work.Cost),
			attribute.Int("rollcall.operation.upstream.calls", work.Usage.Sent),
			attribute.Int("rollcall.operation.upstream.calls.batched", work.Batched),
			attribute.Int("rollcall.operation.upstream.calls.shared", work.Usage.Shared),
			attribute.Int("rollcall.operation.upstream.calls.cached", work.Usage.Cached),
		)
		if name := boundedName(work.Operation.Name); name != "" {
			r.span.SetAttributes(semconv.GraphQLOperationName(name))
		}
	}
	if graph.IsFault(end.failure) {
		r.span.SetStatus(codes.Error, end.failure)
	}
}

// maxDocumentLabels is how many trusted documents have a label of their own: files
// are reloaded, and series are kept.
const maxDocumentLabels = 1000

// documentLabels are the labels of trusted documents. The zero value has none.
type documentLabels struct {
	mu  sync.Mutex
	ids map[string]bool
}

// label returns the label of a trusted document: its ID, or "other" if there are
// too many.
func (l *documentLabels) label(id string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.ids[id] {
		if len(l.ids) == maxDocumentLabels {
			return "other"
		}
		if l.ids == nil {
			l.ids = make(map[string]bool)
		}
		l.ids[id] = true
	}
	return id
}

func documentID(id string) []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("document_id", id)}
}

// outcome determines the labels of a request's duration.
type outcome struct {
	method, route string
	status        int    // 0 if there was no response
	failure       string // error.type; empty for a request without errors
}

func (o outcome) attributes() []attribute.KeyValue {
	list := []attribute.KeyValue{semconv.HTTPRequestMethodKey.String(o.method), semconv.URLScheme("http")}
	if o.route != "" {
		list = append(list, semconv.HTTPRoute(o.route))
	}
	if o.status != 0 {
		list = append(list, semconv.HTTPResponseStatusCode(o.status))
	}
	if o.failure != "" {
		list = append(list, semconv.ErrorTypeKey.String(o.failure))
	}
	return list
}

// knownMethod keeps callers from choosing a label, as the convention requires.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace, methodQuery:
		return method
	}
	return "_OTHER"
}
