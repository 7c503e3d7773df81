package transport_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"rollcall/graph/internal/graphtest"
	"rollcall/graph/transport"
	"rollcall/upstream"
	"rollcall/upstream/emulator"
)

// watched is a service whose spans and metrics are recorded.
type watched struct {
	*graphtest.Service
	t      testing.TB
	spans  *tracetest.SpanRecorder
	reader *sdkmetric.ManualReader
}

func newWatched(t testing.TB, o graphtest.Options) watched {
	w := watched{t: t, spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(w.spans))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(w.reader))
	o.Tracers, o.Meters = tracers, meters
	w.Service = graphtest.New(t, o)
	return w
}

// metrics returns every series as "name{labels}", with its value or the number of
// its measurements.
func (w watched) metrics() map[string]float64 {
	w.t.Helper()
	var all metricdata.ResourceMetrics
	if err := w.reader.Collect(w.t.Context(), &all); err != nil {
		w.t.Fatal(err)
	}
	series := make(map[string]float64)
	add := func(name string, labels attribute.Set, value float64) {
		text := labels.Encoded(attribute.DefaultEncoder())
		text = regexp.MustCompile(`server.address=127.0.0.1,server.port=\d+`).ReplaceAllString(text, "SERVER")
		series[name+"{"+text+"}"] += value
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, float64(p.Value))
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, float64(p.Count))
				}
			case metricdata.Histogram[int64]:
				for _, p := range data.DataPoints {
					add(m.Name, p.Attributes, float64(p.Sum))
				}
			default:
				w.t.Fatalf("%s is a %T", m.Name, m.Data)
			}
		}
	}
	return series
}

// tags returns a span's attributes.
func tags(s sdktrace.ReadOnlySpan) map[string]string {
	m := make(map[string]string)
	for _, a := range s.Attributes() {
		m[string(a.Key)] = a.Value.String()
	}
	return m
}

func TestSpans(t *testing.T) {
	failed := false
	world := emulator.New(emulator.Options{Users: 500})
	w := newWatched(t, graphtest.Options{Upstream: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Traceparent") != "" || r.Header.Get("Baggage") != "" {
			t.Error("the upstream has seen our trace")
		}
		if !failed {
			failed = true
			rw.Header().Set("X-Trace-Id", "trace-of-upstream")
			rw.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		world.ServeHTTP(rw, r)
	})})
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	r := w.Query(`query Callers { a: users(first: 2) { nodes { userId } } b: users(first: 3) { nodes { userId } } }`, nil,
		"Traceparent", parent, "Baggage", "canary=1", "X-Request-Id", "req-1")
	if len(r.Errors) > 0 {
		t.Fatal(r.Errors)
	}
	spans := w.spans.Ended()
	if len(spans) != 3 {
		t.Fatalf("%d spans", len(spans))
	}
	first, second, operation := spans[0], spans[1], spans[2]
	if operation.Name() != "query" || operation.SpanKind() != trace.SpanKindServer ||
		operation.SpanContext().TraceID().String() != "0af7651916cd43dd8448eb211c80319c" || operation.Parent().SpanID().String() != "b7ad6b7169203331" {
		t.Errorf("the operation is %v of %v", operation, operation.Parent())
	}
	got := tags(operation)
	for name, want := range map[string]string{
		"graphql.operation.name": "Callers", "graphql.operation.type": "query", "http.request.method": "POST", "http.response.status_code": "200",
		"rollcall.request_id": "req-1", "rollcall.operation.upstream.calls": "1", "rollcall.operation.upstream.calls.batched": "1", "rollcall.operation.cost": "5",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	for i, attempt := range []sdktrace.ReadOnlySpan{first, second} {
		got := tags(attempt)
		if attempt.SpanKind() != trace.SpanKindClient || attempt.Parent().SpanID() != operation.SpanContext().SpanID() {
			t.Errorf("attempt %d is %v", i, attempt)
		}
		if !strings.HasSuffix(got["url.full"], "/v1/convai/users") || got["server.address"] != "127.0.0.1" || got["http.request.method"] != "GET" {
			t.Errorf("attempt %d is of %v", i, got)
		}
		want := []map[string]string{
			{"http.response.status_code": "503", "error.type": "503", "http.request.resend_count": "", "rollcall.upstream.trace_id": "trace-of-upstream"},
			{"http.response.status_code": "200", "error.type": "", "http.request.resend_count": "1", "rollcall.upstream.trace_id": ""},
		}[i]
		for name, want := range want {
			if got[name] != want {
				t.Errorf("attempt %d: %s is %q, want %q", i, name, got[name], want)
			}
		}
	}
}

func TestSpansOfSharedWork(t *testing.T) {
	const first = `query A { users(first: 3) { nodes { userId } } }`
	for name, second := range map[string]string{
		"an equal request":          first,
		"a request for equal calls": `query B { users(first: 3) { nodes { userId } } }`,
	} {
		t.Run(name, func(t *testing.T) {
			arrived, answer := make(chan struct{}), make(chan struct{})
			world := emulator.New(emulator.Options{Users: 50})
			w := newWatched(t, graphtest.Options{Upstream: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				close(arrived)
				<-answer
				world.ServeHTTP(rw, r)
			})})
			var both sync.WaitGroup
			both.Go(func() { w.Query(first, nil, "X-Request-Id", "first") })
			<-arrived
			both.Go(func() { w.Query(second, nil, "X-Request-Id", "second") })
			for active := 0.0; active < 2; { // the second request has arrived
				active = w.metrics()["http.server.active_requests{}"]
			}
			time.Sleep(50 * time.Millisecond) //nolint:forbidigo // real sockets: it has joined by then
			close(answer)
			both.Wait()

			byID := make(map[string]sdktrace.ReadOnlySpan)
			for _, s := range w.spans.Ended() {
				byID[tags(s)["rollcall.request_id"]] = s
			}
			links := byID["second"].Links()
			if len(links) != 1 || links[0].SpanContext.SpanID() != byID["first"].SpanContext().SpanID() || len(byID["first"].Links()) > 0 {
				t.Errorf("the links are %v", links)
			}
			if got := tags(byID["second"]); got["rollcall.operation.upstream.calls"] != "0" || got["rollcall.operation.upstream.calls.shared"] != "1" {
				t.Errorf("got %v", got)
			}
			if got := w.metrics()[`rollcall.upstream.calls.saved{reason=shared}`]; got != 1 {
				t.Errorf("%v calls were shared", got)
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	const server = "http.server.request.duration{%shttp.request.method=%s,http.response.status_code=%d,url.scheme=http}"
	for name, c := range map[string]struct {
		query    string
		upstream http.HandlerFunc
		request  func(*http.Request)
		want     map[string]float64
	}{
		"an operation": {query: `{ users(first: 2) { nodes { userId } } }`, want: map[string]float64{
			fmt.Sprintf(server, "", "POST", 200):                                                         1,
			"rollcall.operation.upstream.calls{}":                                                        1,
			"rollcall.upstream.calls.saved{reason=batched}":                                              0,
			"rollcall.upstream.breaker.state{state=closed}":                                              1,
			"rollcall.upstream.breaker.state{state=open}":                                                0,
			"rollcall.upstream.limit{}":                                                                  8,
			"rollcall.upstream.queue{}":                                                                  0,
			"http.server.active_requests{}":                                                              0,
			"rollcall.graphql.errors{code=BAD_USER_INPUT}":                                               0,
			"rollcall.graphql.refusals{reason=malformed}":                                                0,
			"rollcall.upstream.retries{outcome=retried}":                                                 0,
			"rollcall.upstream.refusals{reason=breaker}":                                                 0,
			"rollcall.upstream.breaker.trips{}":                                                          0,
			"rollcall.graphql.errors{code=UPSTREAM_TIMEOUT}":                                             0,
			"http.client.request.duration{http.request.method=GET,http.response.status_code=200,SERVER}": 1,
		}},
		"five windows of a page": {
			query: `{ a: users(first: 2) { nodes { userId } } b: users(first: 3) { nodes { userId } } c: users(first: 120) { nodes { userId } } }`,
			want: map[string]float64{
				"rollcall.operation.upstream.calls{}":           2,
				"rollcall.upstream.calls.saved{reason=batched}": 2,
			},
		},
		"an upstream that is down": {
			query:    `{ users { nodes { userId } } }`,
			upstream: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) },
			want: map[string]float64{
				fmt.Sprintf(server, "error.type=UPSTREAM_UNAVAILABLE,", "POST", 200): 1,
				"rollcall.graphql.errors{code=UPSTREAM_UNAVAILABLE}":                 1,
				"rollcall.upstream.retries{outcome=retried}":                         1,
			},
		},
		"two bad arguments": {query: `{ a: users(first: -1) { nodes { id } } b: users(first: -2) { nodes { id } } }`, want: map[string]float64{
			fmt.Sprintf(server, "error.type=BAD_USER_INPUT,", "POST", 200): 1,
			"rollcall.graphql.errors{code=BAD_USER_INPUT}":                 2,
			"rollcall.operation.upstream.calls{}":                          0,
		}},
		"a wrong document": {query: `{ canary }`, want: map[string]float64{
			fmt.Sprintf(server, "error.type=GRAPHQL_VALIDATION_FAILED,", "POST", 200): 1,
			"rollcall.graphql.refusals{reason=validation}":                            1,
		}},
		"no GraphQL":  {query: `{ canary`, want: map[string]float64{"rollcall.graphql.refusals{reason=parse}": 1}},
		"too complex": {query: `{ users(first: 500) { nodes { lastContactAgent { users(first: 500) { nodes { id } } } } } }`, want: map[string]float64{"rollcall.graphql.refusals{reason=too_complex}": 1}},
		"a made-up method": {query: `{ __typename }`, request: func(r *http.Request) { r.Method = "CANARY" }, want: map[string]float64{
			fmt.Sprintf(server, "error.type=BAD_USER_INPUT,", "_OTHER", 405): 1,
			"rollcall.graphql.refusals{reason=method}":                       1,
		}},
		"a foreign page": {query: `{ __typename }`, request: func(r *http.Request) { r.Header.Set("Origin", "https://canary.test") }, want: map[string]float64{
			fmt.Sprintf(server, "error.type=FORBIDDEN,", "POST", 403): 1,
			"rollcall.graphql.refusals{reason=origin}":                1,
		}},
		"a form": {query: `{ __typename }`, request: func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, want: map[string]float64{"rollcall.graphql.refusals{reason=media_type}": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			o := graphtest.Options{Transport: func(c *transport.Config) { c.Admit = http.NewCrossOriginProtection().Check }}
			if c.upstream != nil {
				o.Upstream = c.upstream
			}
			w := newWatched(t, o)
			body, _ := json.Marshal(map[string]string{"query": c.query})
			r := httptest.NewRequest(http.MethodPost, "/graphql", bytes.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			if c.request != nil {
				c.request(r)
			}
			w.Handler.ServeHTTP(httptest.NewRecorder(), r)
			got := w.metrics()
			for series, want := range c.want {
				if value, ok := got[series]; !ok || value != want {
					t.Errorf("%s is %v, want %v", series, value, want)
				}
			}
			for series := range got {
				if strings.Contains(strings.ToLower(series), "canary") {
					t.Errorf("a caller has named %s", series)
				}
			}
			if t.Failed() {
				t.Logf("%v", got)
			}
		})
	}
}

func TestMetricsOfDisconnectedCaller(t *testing.T) {
	var log bytes.Buffer
	arrived := make(chan struct{})
	w := newWatched(t, graphtest.Options{
		Upstream: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(arrived)
			<-r.Context().Done()
		}),
		Transport: func(c *transport.Config) { c.Log = slog.New(slog.NewJSONHandler(&log, nil)) },
	})
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-arrived
		leave()
	}()
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/graphql", strings.NewReader(`{"query":"{ users { nodes { userId } } }"}`))
	r.Header.Set("Content-Type", "application/json")
	func() {
		defer func() {
			if p := recover(); p != http.ErrAbortHandler { //nolint:errorlint // which net/http compares so too
				t.Errorf("got %v, want the connection to be closed", p)
			}
		}()
		w.Handler.ServeHTTP(httptest.NewRecorder(), r)
	}()
	got := w.metrics()
	for series, want := range map[string]float64{
		"http.server.request.duration{error.type=canceled,http.request.method=POST,url.scheme=http}": 1,
		"http.server.active_requests{}":                                                    0,
		"rollcall.graphql.refusals{reason=internal}":                                       0,
		"rollcall.graphql.errors{code=INTERNAL_SERVER_ERROR}":                              0,
		"http.client.request.duration{error.type=canceled,http.request.method=GET,SERVER}": 1,
	} {
		if value, ok := got[series]; !ok || value != want {
			t.Errorf("%s is %v, want %v", series, value, want)
		}
	}
	if !strings.Contains(log.String(), "the caller has disconnected") || strings.Contains(log.String(), `"refused"`) {
		t.Errorf("logged %s", log.String())
	}
	if t.Failed() {
		t.Logf("%v", got)
	}
}

func TestMetricsOfPanic(t *testing.T) {
	w := newWatched(t, graphtest.Options{Transport: func(c *transport.Config) {
		c.Authenticate = func(*http.Request) (upstream.Caller, error) { panic("canary") }
	}})
	if answer := w.Post(`{"query":"{ __typename }"}`); answer.Code != http.StatusInternalServerError || strings.Contains(answer.Body.String(), "canary") {
		t.Errorf("got %d %s", answer.Code, answer.Body)
	}
	got := w.metrics()
	for _, series := range []string{
		"http.server.request.duration{error.type=INTERNAL_SERVER_ERROR,http.request.method=POST,http.response.status_code=500,url.scheme=http}",
		"rollcall.graphql.refusals{reason=internal}",
		"rollcall.graphql.errors{code=INTERNAL_SERVER_ERROR}",
	} {
		if got[series] != 1 {
			t.Errorf("%s is %v", series, got[series])
		}
	}
	if log := w.Log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "refused=internal") || strings.Contains(log, "canary") {
		t.Errorf("logged %s", log)
	}
}

func TestMetricOfStaleDocuments(t *testing.T) {
	const gauge = "rollcall.documents.stale{}"
	stale := false
	w := newWatched(t, graphtest.Options{Transport: func(c *transport.Config) {
		c.StaleDocuments = func() bool { return stale }
	}})
	for _, want := range []float64{0, 1, 0} {
		stale = want == 1
		if got, ok := w.metrics()[gauge]; got != want || !ok {
			t.Errorf("it is %v, want %v", got, want)
		}
	}
	if _, ok := newWatched(t, graphtest.Options{}).metrics()[gauge]; ok {
		t.Error("there is a metric without trusted documents")
	}
}

// BenchmarkTelemetry measures the cost of a request's telemetry, with a request
// that needs no upstream call and telemetry that is not exported.
func BenchmarkTelemetry(b *testing.B) {
	body := `{"query":"query Name { __typename }"}`
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	tracers := func(s sdktrace.Sampler) trace.TracerProvider {
		p := sdktrace.NewTracerProvider(sdktrace.WithSampler(s), sdktrace.WithBatcher(tracetest.NewNoopExporter()))
		b.Cleanup(func() { _ = p.Shutdown(context.Background()) })
		return p
	}
	logger := slog.New(slog.NewJSONHandler(struct{ io.Writer }{io.Discard}, nil)) // formatted, but written nowhere
	for _, c := range []struct {
		name   string
		config func(*transport.Config)
	}{
		{"silent", func(c *transport.Config) { c.Log = slog.New(slog.DiscardHandler) }},
		{"metrics", func(c *transport.Config) { c.Log, c.MeterProvider = slog.New(slog.DiscardHandler), meters }},
		{"log", func(c *transport.Config) { c.Log = logger }},
		{"metrics and log", func(c *transport.Config) { c.Log, c.MeterProvider = logger, meters }},
		{"metrics, log and unsampled spans", func(c *transport.Config) {
			c.Log, c.MeterProvider, c.TracerProvider = logger, meters, tracers(sdktrace.NeverSample())
		}},
		{"metrics, log and spans", func(c *transport.Config) {
			c.Log, c.MeterProvider, c.TracerProvider = logger, meters, tracers(sdktrace.AlwaysSample())
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := graphtest.New(b, graphtest.Options{Transport: c.config})
			r := httptest.NewRequest(http.MethodPost, "/graphql", nil)
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Request-Id", "req-1")
			w := httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				r.Body = io.NopCloser(strings.NewReader(body))
				w.Body.Reset()
				s.Handler.ServeHTTP(w, r.WithContext(context.Background()))
			}
			if w.Body.String() != `{"data":{"__typename":"Query"}}` {
				b.Fatal(w.Body)
			}
		})
	}
}

// TestURLIsNotRecorded has variables in a URL.
func TestURLIsNotRecorded(t *testing.T) {
	w := newWatched(t, graphtest.Options{})
	for _, target := range []string{
		inURL("query", "query($id: ID!) { user(userId: $id) { id } }", "variables", `{"id":"canary"}`),
		inURL("query", "{ canary }"), inURL("canary", "canary"), "/graphql?query=%7B__typename%7D&canary=%zz",
	} {
		if r := send(w.Service, http.MethodGet, target); r.Code == http.StatusMethodNotAllowed {
			t.Fatal(r.Code)
		}
	}
	for series := range w.metrics() {
		if strings.Contains(series, "canary") {
			t.Errorf("a metric: %s", series)
		}
	}
	for _, span := range w.spans.Ended() {
		if strings.Contains(fmt.Sprint(span.Name(), tags(span)), "canary") {
			t.Errorf("a span: %s %v", span.Name(), tags(span))
		}
	}
	if strings.Contains(w.Log.String(), "canary") || strings.Count(w.Log.String(), "\n") != 4 {
		t.Errorf("logged %s", w.Log)
	}
}
