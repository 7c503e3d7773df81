package shared

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/semconv/v1.43.0"

	"rollcall/internal/instrument"
)

// The metrics report whether a limit is shared, and what Redis costs. None of
// them names a key, a page or a caller.

// scope is the name of this package as a source of telemetry.
const scope = "rollcall/upstream/shared"

type telemetry struct {
	duration metric.Float64Histogram
	wait     metric.Float64Histogram
	options  instrument.Table[string] // by error.type
}

// durationBuckets are in seconds; a command may take at most 50 ms.
var durationBuckets = metric.WithExplicitBucketBoundaries(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05)

// waitBuckets are in seconds.
var waitBuckets = metric.WithExplicitBucketBoundaries(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

func newTelemetry(s *Store, provider metric.MeterProvider) *telemetry {
	meter := instrument.Meter(provider, scope)
	t := &telemetry{
		duration: instrument.Must(meter.Float64Histogram("db.client.operation.duration", durationBuckets,
			metric.WithUnit("s"), metric.WithDescription("Time that commands to Redis took."))),
		wait: instrument.Must(meter.Float64Histogram("rollcall.shared.wait", waitBuckets,
			metric.WithUnit("s"), metric.WithDescription("Time that calls waited for a permit of their key."))),
	}
	gauge := func(name, description string) metric.Int64ObservableGauge {
		return instrument.Must(meter.Int64ObservableGauge(name, metric.WithDescription(description)))
	}
	mode := gauge("rollcall.shared.mode", "1 for the mode that the replica is in: shared, syncing, or away without Redis.")
	replicas := gauge("rollcall.shared.replicas", "Replicas that were seen last; 0 if Redis was never reached.")
	permits := gauge("rollcall.shared.permits", "Calls in flight with a permit, in this replica.")
	switches := instrument.Must(meter.Int64ObservableCounter("rollcall.shared.switches",
		metric.WithDescription("Times that the replica switched to its share of the limits.")))
	modes := map[Mode]metric.ObserveOption{}
	for _, m := range []Mode{Away, Syncing, Shared} {
		modes[m] = metric.WithAttributeSet(attribute.NewSet(attribute.String("mode", m.String())))
	}
	instrument.Must(meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		stats := s.Stats()
		for m, option := range modes {
			o.ObserveInt64(mode, instrument.Bool(m == stats.Mode), option)
		}
		o.ObserveInt64(replicas, int64(stats.Replicas))
		o.ObserveInt64(permits, int64(stats.Permits))
		o.ObserveInt64(switches, stats.Switches)
		return nil
	}, mode, replicas, permits, switches))
	return t
}

// took records a command.
func (t *telemetry) took(began time.Time, err error) {
	kind := ""
	if err != nil {
		kind = "connection"
		if _, ok := rueidis.IsRedisErr(err); ok {
			kind = "redis"
		} else if errors.Is(err, errSlow) {
			kind = "timeout"
		}
	}
	t.duration.Record(context.Background(), time.Since(began).Seconds(), t.options.Options(kind, labels)...)
}

func labels(kind string) []attribute.KeyValue {
	list := []attribute.KeyValue{semconv.DBSystemNameRedis}
	if kind != "" {
		list = append(list, semconv.ErrorTypeKey.String(kind))
	}
	return list
}
