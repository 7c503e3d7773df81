package upstream_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"rollcall/upstream"
)

// watched is a client whose spans and metrics are recorded.
type watched struct {
	*upstream.Client
	spans  *tracetest.SpanRecorder
	reader *sdkmetric.ManualReader
}

func watch(t *testing.T, answer http.HandlerFunc, timeout time.Duration) watched {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	base, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := watched{spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	w.Client = upstream.NewClient(upstream.Config{
		BaseURL: base, Timeout: timeout, Concurrency: 1,
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(w.spans)),
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(w.reader)),
	})
	return w
}

// value returns the value of a series, or the number of its measurements. It
// returns -1 if there is no such series.
func (w watched) value(t *testing.T, name string, labels ...attribute.KeyValue) float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := w.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	matches := func(set attribute.Set) bool {
		return !slices.ContainsFunc(labels, func(l attribute.KeyValue) bool { v, ok := set.Value(l.Key); return !ok || v != l.Value })
	}
	sum, found := 0.0, false
	add := func(set attribute.Set, value float64) {
		if matches(set) {
			sum, found = sum+value, true
		}
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, float64(p.Value))
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, float64(p.Count))
				}
			}
		}
	}
	if !found {
		return -1
	}
	return sum
}

// TestOutcomes also checks that spans contain nothing that must stay private.
func TestOutcomes(t *testing.T) {
	for name, c := range map[string]struct {
		answer  http.HandlerFunc
		status  int
		failure string
	}{
		"a page":    {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"users":[],"has_more":false}`) }, 200, ""},
		"a refusal": {func(w http.ResponseWriter, r *http.Request) { http.Error(w, r.URL.String(), http.StatusNotFound) }, 404, "404"},
		"a fault": {func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, r.URL.String(), http.StatusInternalServerError)
		}, 500, "500"},
		"a redirect":                  {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/canary", http.StatusFound) }, 0, "unexpected_status"},
		"an unassigned status":        {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(999) }, 0, "unexpected_status"},
		"a body that is not a page":   {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `canary`) }, 200, "contract"},
		"a connection that is closed": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, "connection"},
		"no response":                 {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 0, "timeout"},
		"half a response": {func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, `{"users":[`)
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}, 200, "timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			w := watch(t, c.answer, time.Second)
			session := w.As(upstream.Caller{Key: upstream.NewAPIKey("canary-key"), Subject: "canary-subject"})
			q := upstream.PageQuery{Size: 1, Cursor: "canary-cursor", Query: upstream.Query{Filter: upstream.Filter{UserID: "canary-user"}}}
			_, err := session.ListUsers(t.Context(), q)
			if (err != nil) != (c.failure != "") {
				t.Fatal(err)
			}
			labels := []attribute.KeyValue{attribute.String("http.request.method", "GET"), attribute.String("server.address", "127.0.0.1")}
			if c.failure != "" {
				labels = append(labels, attribute.String("error.type", c.failure))
			}
			if c.status != 0 {
				labels = append(labels, attribute.Int("http.response.status_code", c.status))
			}
			if got := w.value(t, "http.client.request.duration", labels...); got < 1 {
				t.Errorf("%v requests have %v", got, labels)
			}
			if got := w.value(t, "http.client.active_requests"); got != 0 {
				t.Errorf("%v are in flight", got)
			}
			for _, s := range w.spans.Ended() {
				recorded := fmt.Sprint(s.Name(), s.Attributes(), s.Status(), s.Events(), s.Links())
				if strings.Contains(recorded, "canary") || !strings.Contains(recorded, "/v1/convai/users") {
					t.Errorf("the span is %s", recorded)
				}
				if c.failure != "" && !strings.Contains(recorded, c.failure) {
					t.Errorf("the span is %s, want %s", recorded, c.failure)
				}
			}
			if len(w.spans.Ended()) == 0 {
				t.Error("there is no span")
			}
			if usage := session.Usage(); usage.Sent != 1 || usage.Shared != 0 || usage.Waited <= 0 {
				t.Errorf("the usage is %+v", usage)
			}
		})
	}
}

func TestRefusalMetrics(t *testing.T) {
	w := watch(t, func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusBadGateway) }, time.Second)
	session := w.As(upstream.Caller{})
	for size := range 40 {
		_, _ = session.ListUsers(t.Context(), upstream.PageQuery{Size: size + 1})
	}
	for _, c := range []struct {
		name   string
		labels []attribute.KeyValue
		least  float64
		most   float64
	}{
		{"rollcall.upstream.breaker.trips", nil, 1, 1},
		{"rollcall.upstream.breaker.state", []attribute.KeyValue{attribute.String("state", "open")}, 1, 1},
		{"rollcall.upstream.breaker.state", []attribute.KeyValue{attribute.String("state", "closed")}, 0, 0},
		{"rollcall.upstream.refusals", []attribute.KeyValue{attribute.String("reason", "breaker")}, 1, 40},
		{"rollcall.upstream.retries", []attribute.KeyValue{attribute.String("outcome", "retried")}, 1, 20},
		{"rollcall.upstream.retries", []attribute.KeyValue{attribute.String("outcome", "no_budget")}, 0, 40},
	} {
		if got := w.value(t, c.name, c.labels...); got < c.least || got > c.most {
			t.Errorf("%s%v is %v", c.name, c.labels, got)
		}
	}
}

func TestQueueMetrics(t *testing.T) {
	arrived, answer := make(chan struct{}, 3), make(chan struct{})
	w := watch(t, func(rw http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-answer
		fmt.Fprint(rw, `{"users":[],"has_more":false}`)
	}, 5*time.Second)
	ended := make(chan error, 3)
	for size := range 3 {
		go func() {
			_, err := w.As(upstream.Caller{}).ListUsers(context.Background(), upstream.PageQuery{Size: size + 1})
			ended <- err
		}()
	}
	<-arrived
	for waiting := 0.0; waiting < 2; { // until both wait
		waiting = w.value(t, "rollcall.upstream.queue")
	}
	if w.value(t, "http.client.active_requests") != 1 || w.value(t, "rollcall.upstream.limit") != 1 || w.value(t, "rollcall.upstream.keys") != 1 {
		t.Error("one key should have one request in flight, of one")
	}
	close(answer)
	for range 3 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if w.value(t, "rollcall.upstream.queue") != 0 || w.value(t, "rollcall.upstream.keys") != 0 {
		t.Error("a call still waits")
	}
}
