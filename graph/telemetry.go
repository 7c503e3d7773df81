package graph

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
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// What the service tells of its requests, in the words of OpenTelemetry's
// conventions for HTTP servers and GraphQL. A caller chooses none of the
// metrics' labels; operation names are in spans and in the log alone.
//
// It is on the way of every request, so labels are put together once and a
// request that nobody traces pays for no span.

// scope is this package's name as a source of telemetry.
const scope = "rollcall/graph"

type observer struct {
	log    *slog.Logger
	secret string // that hashes callers without a key

	tracer   trace.Tracer // nil where nobody wants spans
	duration metric.Float64Histogram
	calls    metric.Int64Histogram
	saved    metric.Int64Counter
	errors   metric.Int64Counter
	refusals metric.Int64Counter
	inFlight atomic.Int64

	byReason map[string][]metric.AddOption // refusals
	byCode   [][]metric.AddOption          // errors, as errorCodes has them

	mu       sync.RWMutex
	outcomes map[outcome][]metric.RecordOption
}

// The reasons for which an operation needs fewer calls than its fields ask for.
var (
	savedByBatch = label("reason", "batched") // its fields share them
	savedByShare = label("reason", "shared")  // equal ones were in flight
	savedByCache = label("reason", "cached")  // their pages were kept
)

func label(key, value string) []metric.AddOption {
	return []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String(key, value)))}
}

var (
	// durationBuckets are those of the convention, in seconds, and two for
	// answers without the upstream.
	durationBuckets = metric.WithExplicitBucketBoundaries(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
	callsBuckets    = metric.WithExplicitBucketBoundaries(0, 1, 2, 3, 5, 10, 20, 50, 120)
)

func newObserver(c Config) *observer {
	o := &observer{
		log: c.Log, secret: c.CursorSecret,
		byReason: make(map[string][]metric.AddOption), outcomes: make(map[outcome][]metric.RecordOption),
	}
	if c.TracerProvider != nil {
		o.tracer = c.TracerProvider.Tracer(scope)
	}
	meter := metricnoop.NewMeterProvider().Meter(scope)
	if c.MeterProvider != nil {
		meter = c.MeterProvider.Meter(scope)
	}
	o.duration = must(meter.Float64Histogram("http.server.request.duration", durationBuckets,
		metric.WithUnit("s"), metric.WithDescription("Time that requests took; error.type is the code of the gravest error.")))
	o.calls = must(meter.Int64Histogram("rollcall.operation.upstream.calls", callsBuckets,
		metric.WithDescription("Upstream calls that operations sent.")))
	o.saved = must(meter.Int64Counter("rollcall.upstream.calls.saved",
		metric.WithDescription("Upstream calls that operations did without, by reason.")))
	o.errors = must(meter.Int64Counter("rollcall.graphql.errors",
		metric.WithDescription("Errors in answers, by code.")))
	o.refusals = must(meter.Int64Counter("rollcall.graphql.refusals",
		metric.WithDescription("Requests that did not become an operation, by reason.")))
	active := must(meter.Int64ObservableUpDownCounter("http.server.active_requests",
		metric.WithDescription("Requests that are being served.")))
	must(meter.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		to.ObserveInt64(active, o.inFlight.Load())
		return nil
	}, active))

	// All counters begin at 0: what has not been there cannot be seen to rise.
	ctx := context.Background()
	for _, reason := range refusalReasons {
		o.byReason[reason] = label("reason", reason)
		o.refusals.Add(ctx, 0, o.byReason[reason]...)
	}
	for _, code := range errorCodes {
		o.byCode = append(o.byCode, label("code", code))
		o.errors.Add(ctx, 0, label("code", code)...)
	}
	for _, reason := range [][]metric.AddOption{savedByBatch, savedByShare, savedByCache} {
		o.saved.Add(ctx, 0, reason...)
	}
	return o
}

// handler gives each request an ID and an account, and reads the account when
// the request is over.
func (o *observer) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &account{requestID: r.Header.Get(requestIDHeader), began: time.Now(), method: knownMethod(r.Method), route: r.Pattern}
		if !usableRequestID(a.requestID) {
			a.requestID = rand.Text()
		}
		w.Header().Set(requestIDHeader, a.requestID)
		ctx := o.startSpan(withAccount(r.Context(), a), a, r.Header)
		o.inFlight.Add(1)
		defer o.finish(ctx, a)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// startSpan begins a request's span, in the trace that the caller says it is
// part of. Its name is put right once the operation is known.
func (o *observer) startSpan(ctx context.Context, a *account, header http.Header) context.Context {
	if header["Traceparent"] != nil {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(header))
	}
	if o.tracer == nil {
		return ctx
	}
	ctx, a.span = o.tracer.Start(ctx, a.method+" "+a.route, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(a.began))
	return ctx
}

// finish tells what a request came to.
func (o *observer) finish(ctx context.Context, a *account) {
	o.inFlight.Add(-1)
	took := time.Since(a.began)
	end := outcome{a.method, a.route, a.status, a.failure()}
	o.duration.Record(ctx, took.Seconds(), o.labels(end)...)
	if reason := a.refusedFor(); reason != "" {
		o.refusals.Add(ctx, 1, o.byReason[reason]...)
	}
	for _, err := range a.answer.errors {
		o.errors.Add(ctx, 1, o.byCode[codeIndex(err)]...)
	}
	if a.answer.executed {
		o.calls.Record(ctx, int64(a.answer.work.usage.Sent))
		o.save(ctx, a.answer.work.batched, savedByBatch)
		o.save(ctx, a.answer.work.usage.Shared, savedByShare)
		o.save(ctx, a.answer.work.usage.Cached, savedByCache)
	}
	o.write(ctx, a, took)
	if a.span != nil {
		if a.span.IsRecording() {
			a.describe(end)
		}
		a.span.End()
	}
}

func (o *observer) save(ctx context.Context, calls int, reason []metric.AddOption) {
	if calls > 0 {
		o.saved.Add(ctx, int64(calls), reason...)
	}
}

// describe puts what is known of a request on its span.
func (a *account) describe(end outcome) {
	a.span.SetAttributes(end.attributes()...)
	a.span.SetAttributes(attribute.String("rollcall.request_id", a.requestID))
	if a.answer.work.operation != nil {
		kind := string(a.answer.work.operation.Operation)
		a.span.SetName(kind)
		a.span.SetAttributes(
			semconv.GraphQLOperationTypeKey.String(kind),
			attribute.Int("rollcall.operation.cost", a.answer.work.cost),
			attribute.Int("rollcall.operation.upstream.calls", a.answer.work.usage.Sent),
			attribute.Int("rollcall.operation.upstream.calls.batched", a.answer.work.batched),
			attribute.Int("rollcall.operation.upstream.calls.shared", a.answer.work.usage.Shared),
			attribute.Int("rollcall.operation.upstream.calls.cached", a.answer.work.usage.Cached),
		)
		if name := boundedName(a.answer.work.operation.Name); name != "" {
			a.span.SetAttributes(semconv.GraphQLOperationName(name))
		}
	}
	if isFault(end.failure) {
		a.span.SetStatus(codes.Error, end.failure)
	}
}

// outcome is what requests are told apart by.
type outcome struct {
	method, route string
	status        int    // 0 where there was no answer
	failure       string // error.type; empty where all is well
}

// failure is a request's error.type: the code of its gravest error.
func (a *account) failure() string {
	if a.status == 0 {
		return "canceled"
	}
	return a.worst()
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

// labels are made once for each outcome, of which there are few.
func (o *observer) labels(of outcome) []metric.RecordOption {
	o.mu.RLock()
	options, ok := o.outcomes[of]
	o.mu.RUnlock()
	if ok {
		return options
	}
	options = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(of.attributes()...))}
	o.mu.Lock()
	o.outcomes[of] = options
	o.mu.Unlock()
	return options
}

// knownMethod keeps callers from making up labels, as the convention has it.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return method
	}
	return "_OTHER"
}

// must is for instruments, whose names are constants.
func must[T any](instrument T, err error) T {
	if err != nil {
		panic(err)
	}
	return instrument
}
