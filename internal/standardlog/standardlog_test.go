package standardlog_test

import (
	"bytes"
	"log"
	"log/slog"
	"strings"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"rollcall/internal/standardlog"
)

func TestLinesOfLibraries(t *testing.T) {
	for name, c := range map[string]struct {
		write   func(*log.Logger)
		want    string
		counted int64
	}{
		"a response that no request caused is counted": {
			func(l *log.Logger) {
				l.Printf("Unsolicited response received on idle HTTP channel starting with %q; err=%v", "HTTP/1.1 200 OK\r\n\r\ncanary", nil)
			}, "no request caused", 1,
		},
		"another line is not":               {func(l *log.Logger) { l.Print("canary") }, "wrote to the standard logger", 0},
		"a line with a line break is one":   {func(l *log.Logger) { l.Print("canary\ncanary.go:1: canary") }, "wrote to the standard logger", 0},
		"an empty line":                     {func(l *log.Logger) { l.Print("") }, "wrote to the standard logger", 0},
		"a line without its source's place": {func(l *log.Logger) { l.SetFlags(0); l.Print("canary.go:x: canary") }, "source=unknown", 0},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			reader := sdkmetric.NewManualReader()
			w := standardlog.New(slog.New(slog.NewTextHandler(&out, nil)), sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
			c.write(log.New(w, "", standardlog.Flags))
			if got := out.String(); !strings.Contains(got, c.want) || strings.Contains(got, "canary") || strings.Count(got, "\n") != 1 {
				t.Errorf("logged %s", got)
			}
			if c.want != "source=unknown" && !strings.Contains(out.String(), "source=standardlog_test.go:") {
				t.Errorf("no source: %s", out.String())
			}
			var all metricdata.ResourceMetrics
			if err := reader.Collect(t.Context(), &all); err != nil {
				t.Fatal(err)
			}
			sum, ok := all.ScopeMetrics[0].Metrics[0].Data.(metricdata.Sum[int64])
			if !ok || sum.DataPoints[0].Value != c.counted {
				t.Errorf("counted %+v, want %d", all.ScopeMetrics[0].Metrics[0].Data, c.counted)
			}
		})
	}
}
