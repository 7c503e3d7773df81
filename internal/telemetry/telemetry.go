// Package telemetry takes what the service tells of itself to where it is read:
// a page for Prometheus, and a collector that takes OTLP over HTTP. It knows
// OpenTelemetry's SDK; of what is told it knows nothing.
//
// The SDK reads the specification's OTEL_* variables by itself. Whether there is
// anything to export, internal/config says. Nothing here is global.
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

// Options say who tells, and who wants to know.
type Options struct {
	Version, Commit, Go string // what the service was built from

	Scrape      bool // a page of metrics
	PushMetrics bool // metrics by OTLP
	PushTraces  bool // traces by OTLP
	Log         *slog.Logger
}

// Telemetry is where to tell. Whatever nobody wants to know is nil.
type Telemetry struct {
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	// Page serves the metrics to Prometheus.
	Page http.Handler

	shutdowns []func(context.Context) error
}

// Start connects nobody yet: exports happen in the background, and what goes
// wrong with them is logged.
func Start(ctx context.Context, o Options) (*Telemetry, error) {
	t := &Telemetry{}
	who, err := resource.New(ctx,
		resource.WithAttributes(semconv.ServiceName("rollcall"), semconv.ServiceVersion(o.Version)),
		resource.WithTelemetrySDK(),
		resource.WithFromEnv(), // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win
	)
	if err != nil {
		return nil, fmt.Errorf("telemetry: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	if o.PushTraces {
		exporter, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("telemetry: traces: %w", err)
		}
		provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(loggedSpans{exporter, o.Log}), sdktrace.WithResource(who))
		t.TracerProvider = provider
		t.shutdowns = append(t.shutdowns, provider.Shutdown)
	}
	readers := []sdkmetric.Option{sdkmetric.WithResource(who)}
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

// Shutdown exports what is left.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var errs []error
	for _, shutdown := range t.shutdowns {
		errs = append(errs, shutdown(ctx))
	}
	return errors.Join(errs...)
}

// buildInfo is a metric that is always 1 and whose labels say what runs.
func buildInfo(o Options) prometheus.Collector {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "rollcall_build_info",
		Help:        "What runs: 1, with the build in the labels.",
		ConstLabels: prometheus.Labels{"version": o.Version, "commit": o.Commit, "goversion": o.Go},
	})
	g.Set(1)
	return g
}

// The SDK hands what goes wrong with an export to a global handler, which writes
// it past the log. These two keep it from getting there.

type loggedSpans struct {
	sdktrace.SpanExporter
	log *slog.Logger
}

func (l loggedSpans) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := l.SpanExporter.ExportSpans(ctx, spans); err != nil {
		l.log.WarnContext(ctx, "spans are lost: they cannot be exported", "spans", len(spans), "error", err)
	}
	return nil
}

type loggedMetrics struct {
	sdkmetric.Exporter
	log *slog.Logger
}

func (l loggedMetrics) Export(ctx context.Context, metrics *metricdata.ResourceMetrics) error {
	if err := l.Exporter.Export(ctx, metrics); err != nil {
		l.log.WarnContext(ctx, "metrics cannot be exported; the next export has them too", "error", err)
	}
	return nil
}
