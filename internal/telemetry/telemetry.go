// Package telemetry sets up OpenTelemetry's SDK: a page of metrics for Prometheus,
// and exports to a collector that accepts OTLP over HTTP. It does not know what is
// measured or traced.
//
// The SDK reads the specification's OTEL_* variables itself. internal/config
// decides whether anything is exported. Providers are returned and not registered
// globally; only the SDK's own messages go through a global logger, see sdklog.go.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Options describe the service, and where its telemetry goes.
type Options struct {
	Version, Commit, Go string // what the service was built from

	Scrape      bool // serve a page of metrics
	PushMetrics bool // export metrics by OTLP
	PushTraces  bool // export traces by OTLP
	Log         *slog.Logger
}

// Telemetry has the providers. A provider whose data is not read is nil.
type Telemetry struct {
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// Page serves the metrics to Prometheus.
	Page http.Handler

	shutdowns []func(context.Context) error
}

// Start sets up what the options request. It does not connect: exports happen in
// the background, and their errors are logged.
func Start(ctx context.Context, o Options) (*Telemetry, error) {
	redirectSDKLog(o.Log)
	t := &Telemetry{}
	described := resource.Empty() // not shown on the page
	if o.PushTraces || o.PushMetrics {
		var err error
		described, err = resource.New(ctx,
			resource.WithAttributes(semconv.ServiceName("rollcall"), semconv.ServiceVersion(o.Version)),
			resource.WithTelemetrySDK(),
			resource.WithFromEnv(), // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence
		)
		if err != nil {
			return nil, fmt.Errorf("telemetry: OTEL_RESOURCE_ATTRIBUTES: %w", err)
		}
	}
	if o.PushTraces {
		exporter, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("telemetry: traces: %w", err)
		}
		provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(loggedSpans{exporter, o.Log}), sdktrace.WithResource(described))
		t.TracerProvider = provider
		t.shutdowns = append(t.shutdowns, provider.Shutdown)
	}
	readers := []sdkmetric.Option{sdkmetric.WithResource(described)}
	if o.Scrape {
		registry := prometheus.NewRegistry()
		reader, err := otelprometheus.New(otelprometheus.WithRegisterer(registry), otelprometheus.WithoutScopeInfo(), otelprometheus.WithoutTargetInfo())
		if err != nil {
			return nil, fmt.Errorf("telemetry: metrics: %w", err)
		}
		registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), buildInfo(o))
		readers = append(readers, sdkmetric.WithReader(reader))
		t.Page = promhttp.HandlerFor(registry, promhttp.HandlerOpts{EnableOpenMetrics: true, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn)})
	}
	if o.PushMetrics {
		exporter, err := otlpmetrichttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("telemetry: metrics: %w", err)
		}
		readers = append(readers, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(loggedMetrics{exporter, o.Log})))
	}
	if len(readers) > 1 {
		provider := sdkmetric.NewMeterProvider(readers...)
		t.MeterProvider = provider
		t.shutdowns = append(t.shutdowns, provider.Shutdown)
	}
	return t, nil
}

// Shutdown exports what has not been exported yet.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var errs []error
	for _, shutdown := range t.shutdowns {
		errs = append(errs, shutdown(ctx))
	}
	return errors.Join(errs...)
}

// buildInfo is a metric that is always 1, with the build in its labels.
func buildInfo(o Options) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "rollcall_build_info",
		Help:        "Always 1, with the build in the labels.",
		ConstLabels: prometheus.Labels{"version": o.Version, "commit": o.Commit, "goversion": o.Go},
	})
	g.Set(1)
	return g
}

// The SDK passes an export's error to a global handler, which does not know the
// signal. These two exporters log the error themselves.

type loggedSpans struct {
	sdktrace.SpanExporter
	log *slog.Logger
}

func (l loggedSpans) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := l.SpanExporter.ExportSpans(ctx, spans); err != nil {
		l.log.WarnContext(ctx, "spans cannot be exported and are lost", "spans", len(spans), "error", err)
	}
	return nil
}

type loggedMetrics struct {
	sdkmetric.Exporter
	log *slog.Logger
}

func (l loggedMetrics) Export(ctx context.Context, metrics *metricdata.ResourceMetrics) error {
	if err := l.Exporter.Export(ctx, metrics); err != nil {
		l.log.WarnContext(ctx, "metrics cannot be exported; the next export includes them", "error", err)
	}
	return nil
}
