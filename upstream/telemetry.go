package upstream

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"rollcall/internal/instrument"
)

// The client's telemetry: a span and a duration for each request that it sends,
// named by OpenTelemetry's conventions for HTTP clients, and counters of second
// attempts, of calls that are not sent, and of the breaker.
//
// It contains no key, cursor, user ID or query string, and callers cannot choose
// the value of any label. The trace context is not sent to the server, which
// belongs to another party and has no use for it.

// scope is the name of this package as a source of telemetry.
const scope = "rollcall/upstream"

type telemetry struct {
	log      *failureLog
	tracer   trace.Tracer // nil if spans are off
	span     trace.SpanStartEventOption
	duration metric.Float64Histogram
	retries  metric.Int64Counter
	refusals metric.Int64Counter
	trips    metric.Int64Counter
	inFlight atomic.Int64

	server []attribute.KeyValue // its address and port

	outcomes instrument.Table[outcome]
}

// The outcomes of a failure that is worth a second attempt.
var (
	retried       = instrument.Label("outcome", "retried")
	retryTooLate  = instrument.Label("outcome", "too_late")
	retryNoBudget = instrument.Label("outcome", "no_budget")
)

// The reasons for which a call is not sent.
var (
	refusedByQueue   = instrument.Label("reason", "queue")
	refusedByPause   = instrument.Label("reason", "rate_limited")
	refusedByBreaker = instrument.Label("reason", "breaker")
	refusedByLoad    = instrument.Label("reason", "overloaded")
	refusedByKey     = instrument.Label("reason", "key")
)

// durationBuckets are the convention's, in seconds.
var durationBuckets = metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)

func newTelemetry(c Config) *telemetry {
	t := &telemetry{log: newFailureLog(c.Log, c.CallersKeys), server: serverOf(c.BaseURL)}
	if c.TracerProvider != nil {
		t.tracer = c.TracerProvider.Tracer(scope)
	}
	bare := *c.BaseURL.JoinPath(path)
	bare.User, bare.RawQuery, bare.Fragment = nil, "", ""
	t.span = trace.WithAttributes(append([]attribute.KeyValue{
		semconv.HTTPRequestMethodGet, semconv.URLFull(bare.String()), semconv.URLTemplate(path),
	}, t.server...)...)

	meter := instrument.Meter(c.MeterProvider, scope)
	t.duration = instrument.Must(meter.Float64Histogram("http.client.request.duration", durationBuckets,
		metric.WithUnit("s"), metric.WithDescription("Time that requests to the upstream took.")))
	t.retries = instrument.Must(meter.Int64Counter("rollcall.upstream.retries",
		metric.WithDescription("Failures that were worth a second attempt, by outcome.")))
	t.refusals = instrument.Must(meter.Int64Counter("rollcall.upstream.refusals",
		metric.WithDescription("Calls that were not sent, by reason.")))
	t.trips = instrument.Must(meter.Int64Counter("rollcall.upstream.breaker.trips",
		metric.WithDescription("Times that the breaker has opened.")))

	// All counters start at 0: a rate cannot be computed for a series that does
	// not exist yet.
	ctx := context.Background()
	for _, outcome := range [][]metric.AddOption{retried, retryTooLate, retryNoBudget} {
		t.retries.Add(ctx, 0, outcome...)
	}
	for _, reason := range [][]metric.AddOption{refusedByQueue, refusedByPause, refusedByBreaker, refusedByLoad, refusedByKey} {
		t.refusals.Add(ctx, 0, reason...)
	}
	t.trips.Add(ctx, 0)
	return t
}

// observe registers the gauges, which read the client's state when metrics are
// collected.
func (t *telemetry) observe(c *Client, meter metric.Meter) {
	gauge := func(name, description string) metric.Int64ObservableGauge {
		return instrument.Must(meter.Int64ObservableGauge(name, metric.WithDescription(description)))
	}
	active := instrument.Must(meter.Int64ObservableUpDownCounter("http.client.active_requests",
		metric.WithDescription("Requests to the upstream in flight.")))
	limit := gauge("rollcall.upstream.limit", "Requests that one key may have in flight.")
	maximum := gauge("rollcall.upstream.maximum", "Requests that one key may have in flight, as reported by the upstream.")
	connections := gauge("rollcall.upstream.connections", "Connections to the upstream, idle ones included.")
	keys := gauge("rollcall.upstream.keys", "Keys in use.")
	queue := gauge("rollcall.upstream.queue", "Calls that wait in a queue, of all keys.")
	state := gauge("rollcall.upstream.breaker.state", "1 for the state that the breaker is in.")

	server := metric.WithAttributes(t.server...)
	states := map[gobreaker.State]metric.ObserveOption{}
	for s, name := range map[gobreaker.State]string{gobreaker.StateClosed: "closed", gobreaker.StateHalfOpen: "half_open", gobreaker.StateOpen: "open"} {
		states[s] = metric.WithAttributes(attribute.String("state", name))
	}
	instrument.Must(meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := c.limiters.state()
		o.ObserveInt64(active, t.inFlight.Load(), server)
		o.ObserveInt64(limit, int64(s.limit))
		o.ObserveInt64(keys, int64(s.used))
		o.ObserveInt64(queue, int64(s.waiting+c.slots.waiting(preferred)+c.slots.waiting(restricted)))
		o.ObserveInt64(connections, int64(c.connections.count()))
		if s.maximum > 0 {
			o.ObserveInt64(maximum, int64(s.maximum))
		}
		for s, option := range states {
			o.ObserveInt64(state, instrument.Bool(c.breaker.State() == s), option)
		}
		return nil
	}, active, limit, maximum, keys, queue, connections, state))
}

// tripped logs that the breaker changed its state, and counts its openings.
func (t *telemetry) tripped(_ string, _, to gobreaker.State) {
	t.log.breakerChanged(to)
	if to == gobreaker.StateOpen {
		t.trips.Add(context.Background(), 1)
	}
}

// refused logs the failure of an attempt, and counts the attempt if it was not
// sent.
func (t *telemetry) refused(ctx context.Context, err error) {
	t.log.failed(ctx, err)
	switch {
	case errors.Is(err, errQueue), errors.Is(err, errNoTime):
		t.refusals.Add(ctx, 1, refusedByQueue...)
	case errors.Is(err, errPaused):
		t.refusals.Add(ctx, 1, refusedByPause...)
	case errors.Is(err, errOpen):
		t.refusals.Add(ctx, 1, refusedByBreaker...)
	case errors.Is(err, errOverloaded):
		t.refusals.Add(ctx, 1, refusedByLoad...)
	case errors.Is(err, errRefusedKey):
		t.refusals.Add(ctx, 1, refusedByKey...)
	}
}

// spanOf returns the span context of ctx, or an empty one if spans are off.
func (t *telemetry) spanOf(ctx context.Context) trace.SpanContext {
	if t.tracer == nil {
		return trace.SpanContext{}
	}
	return trace.SpanContextFromContext(ctx)
}

// request is the telemetry of one request in flight.
type request struct {
	telemetry *telemetry
	began     time.Time
	span      trace.Span // nil if spans are off
}

// begin records that a request is about to be sent; again is 0 for the first
// attempt. It returns the context of the request's span.
func (t *telemetry) begin(ctx context.Context, again int) (context.Context, request) {
	t.inFlight.Add(1)
	r := request{telemetry: t, began: time.Now()}
	if t.tracer != nil {
		ctx, r.span = t.tracer.Start(ctx, "GET "+path, trace.WithSpanKind(trace.SpanKindClient), t.span)
		if again > 0 {
			r.span.SetAttributes(semconv.HTTPRequestResendCount(again))
		}
	}
	return ctx, r
}

// end records the outcome of the request.
func (r *request) end(ctx context.Context, err error) {
	t := r.telemetry
	t.inFlight.Add(-1)
	o := outcomeOf(err)
	t.duration.Record(ctx, time.Since(r.began).Seconds(), t.outcomes.Options(o, t.labels)...)
	if r.span == nil {
		return
	}
	if r.span.IsRecording() {
		r.span.SetAttributes(o.attributes()...)
		if o.failure != "" {
			r.span.SetStatus(codes.Error, o.failure)
		}
		if e, ok := errors.AsType[*Error](err); ok && e.TraceID != "" {
			r.span.SetAttributes(attribute.String("rollcall.upstream.trace_id", e.TraceID))
		}
	}
	r.span.End()
}

// outcome is what distinguishes requests in the metric.
type outcome struct {
	status  int    // 0 if none arrived
	failure string // error.type: the status, or a word for another failure; empty if the request succeeded
}

func outcomeOf(err error) outcome {
	if err == nil {
		return outcome{status: http.StatusOK}
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		if errors.Is(err, context.Canceled) {
			return outcome{failure: "canceled"} // no caller waits for the response any more
		}
		return outcome{failure: "_OTHER"}
	}
	o := outcome{status: e.Status}
	switch {
	case e.Stage == Status && e.Status >= http.StatusBadRequest && e.Status < 600:
		o.failure = strconv.Itoa(e.Status)
	case e.Stage == Status:
		o = outcome{failure: "unexpected_status"} // without the status, because there are many
	default:
		o.failure = string(e.class())
	}
	return o
}

func (o outcome) attributes() (list []attribute.KeyValue) {
	if o.status != 0 {
		list = append(list, semconv.HTTPResponseStatusCode(o.status))
	}
	if o.failure != "" {
		list = append(list, semconv.ErrorTypeKey.String(o.failure))
	}
	return list
}

// labels returns the attributes of the duration of a request with this outcome.
func (t *telemetry) labels(o outcome) []attribute.KeyValue {
	return append(append(o.attributes(), semconv.HTTPRequestMethodGet), t.server...)
}

// serverOf returns the server's attributes in the convention's terms.
func serverOf(base *url.URL) []attribute.KeyValue {
	port, err := strconv.Atoi(base.Port())
	if err != nil {
		port = map[string]int{"http": 80, "https": 443}[base.Scheme]
	}
	return []attribute.KeyValue{semconv.ServerAddress(base.Hostname()), semconv.ServerPort(port)}
}
