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

// collector accepts OTLP over HTTP, or refuses it.
type collector struct {
	status int
	mu     sync.Mutex
	got    map[string]string // the bodies received, by path
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
	providers, err := telemetry.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return providers, c
}

// record creates a span and increments a counter.
func record(t *testing.T, providers *telemetry.Telemetry) {
	t.Helper()
	if providers.TracerProvider != nil {
		_, span := providers.TracerProvider.Tracer("test").Start(t.Context(), "the-span")
		span.End()
	}
	if providers.MeterProvider != nil {
		counter, err := providers.MeterProvider.Meter("test").Int64Counter("the.counter")
		if err != nil {
			t.Fatal(err)
		}
		counter.Add(t.Context(), 7)
	}
}

func end(t *testing.T, providers *telemetry.Telemetry) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := providers.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

func TestNoReader(t *testing.T) {
	providers, _ := start(t, http.StatusOK, telemetry.Options{})
	if providers.TracerProvider != nil || providers.MeterProvider != nil || providers.Page != nil {
		t.Errorf("got %+v", providers)
	}
	end(t, providers)
}

func TestPage(t *testing.T) {
	providers, collector := start(t, http.StatusOK, telemetry.Options{Scrape: true})
	record(t, providers)
	w := httptest.NewRecorder()
	providers.Page.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		"the_counter_total 7\n", `rollcall_build_info{commit="0123abc",goversion="go1",version="v1.2.3"} 1`, "go_goroutines ", "process_resident_memory_bytes ",
	} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("%q is missing in\n%s", want, w.Body)
		}
	}
	end(t, providers)
	if len(collector.got) > 0 || providers.TracerProvider != nil {
		t.Error("something was exported")
	}
}

func TestShutdownExports(t *testing.T) {
	providers, collector := start(t, http.StatusOK, telemetry.Options{PushMetrics: true, PushTraces: true})
	record(t, providers)
	end(t, providers)
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
	if providers.Page != nil {
		t.Error("there is a page without Scrape")
	}
}

func TestFailedExportIsLogged(t *testing.T) {
	var log bytes.Buffer
	providers, _ := start(t, http.StatusForbidden, telemetry.Options{PushMetrics: true, PushTraces: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	record(t, providers)
	end(t, providers)
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

// TestSDKMessages uses settings that the SDK cannot use, and would print with
// their values to standard error.
func TestSDKMessages(t *testing.T) {
	var log bytes.Buffer
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "canary,authorization=%zzcanary")
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "/canary")
	t.Setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "canary")
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "canary")
	providers, _ := start(t, http.StatusOK, telemetry.Options{PushMetrics: true, PushTraces: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	end(t, providers)
	for _, want := range []string{`problem="parse headers"`, `problem="escape header value"`, `problem="read tls ca cert file"`, `problem="parse duration"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s is missing in %s", want, log.String())
		}
	}
	if strings.Contains(log.String(), "canary") {
		t.Errorf("a value is logged: %s", log.String())
	}
}
