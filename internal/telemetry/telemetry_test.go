package telemetry_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rollcall/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector is one that takes OTLP over HTTP, or does not.
type collector struct {
	status int
	mu     sync.Mutex
	got    map[string]string // bodies by path
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	c.got[r.URL.Path] += string(body)
	c.mu.Unlock()
	w.WriteHeader(c.status)
}

func start(t *testing.T, status int, o telemetry.Options) (*telemetry.Telemetry, *collector) {
	t.Helper()
	c := &collector{status: status, got: make(map[string]string)}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=testing")
	o.Version, o.Commit, o.Go = "v1.2.3", "0123abc", "go1"
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	tell, err := telemetry.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return tell, c
}

// tellSomething makes a span and counts it.
func tellSomething(t *testing.T, tell *telemetry.Telemetry) {
	t.Helper()
	if tell.TracerProvider != nil {
		_, span := tell.TracerProvider.Tracer("test").Start(t.Context(), "the-span")
		span.End()
	}
	if tell.MeterProvider != nil {
		counter, err := tell.MeterProvider.Meter("test").Int64Counter("the.counter")
		if err != nil {
			t.Fatal(err)
		}
		counter.Add(t.Context(), 7)
	}
}

func end(t *testing.T, tell *telemetry.Telemetry) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := tell.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func TestNobodyWantsToKnow(t *testing.T) {
	tell, _ := start(t, http.StatusOK, telemetry.Options{})
	if tell.TracerProvider != nil || tell.MeterProvider != nil || tell.Page != nil {
		t.Errorf("got %+v", tell)
	}
	end(t, tell)
}

func TestThePage(t *testing.T) {
	tell, collector := start(t, http.StatusOK, telemetry.Options{Scrape: true})
	tellSomething(t, tell)
	w := httptest.NewRecorder()
	tell.Page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		"the_counter_total 7\n", `rollcall_build_info{commit="0123abc",goversion="go1",version="v1.2.3"} 1`, "go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q is missing in\n%s", want, w.Body)
		}
	}
	end(t, tell)
	if len(collector.got) > 0 || tell.TracerProvider != nil {
		t.Error("the collector was told")
	}
}

func TestTheCollectorGetsWhatIsLeftAtTheEnd(t *testing.T) {
	tell, collector := start(t, http.StatusOK, telemetry.Options{PushMetrics: true, PushTraces: true})
	tellSomething(t, tell)
	end(t, tell)
	for path, wants := range map[string][]string{
		"/v1/traces":  {"the-span", "rollcall", "v1.2.3", "testing"},
		"/v1/metrics": {"the.counter", "rollcall", "v1.2.3", "testing"},
	} {
		for _, want := range wants {
			if !strings.Contains(collector.got[path], want) {
				t.Errorf("%s: %q is missing in %q", path, want, collector.got[path])
			}
		}
	}
	if tell.Page != nil {
		t.Error("there is a page that nobody asked for")
	}
}

func TestACollectorThatRefusesIsLogged(t *testing.T) {
	var log bytes.Buffer
	tell, _ := start(t, http.StatusForbidden, telemetry.Options{PushMetrics: true, PushTraces: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	tellSomething(t, tell)
	end(t, tell)
	for _, want := range []string{"spans cannot be exported", "metrics cannot be exported", "403"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is missing in %s", want, log.String())
		}
	}
}

func TestMalformedAttributes(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "no-equals-sign")
	if _, err := telemetry.Start(t.Context(), telemetry.Options{PushTraces: true, Log: slog.New(slog.DiscardHandler)}); err == nil || !strings.Contains(err.Error(), "OTEL_RESOURCE_ATTRIBUTES") {
		t.Errorf("got %v", err)
	}
}
