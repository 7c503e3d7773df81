// Package instrument has what the telemetry of the server and of the upstream's
// client have in common. It knows OpenTelemetry's API, but neither its SDK nor
// what is measured.
package instrument

import (
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// Meter returns the provider's meter with a name. If provider is nil, the meter
// measures nothing.
func Meter(provider metric.MeterProvider, name string) metric.Meter {
	if provider == nil {
		provider = noop.NewMeterProvider()
	}
	return provider.Meter(name)
}

// Must returns the instrument. It panics if err is not nil, which for instruments
// with constant names is a mistake in the code.
func Must[T any](instrument T, err error) T {
	if err != nil {
		panic(err)
	}
	return instrument
}

// Bool returns the value of a gauge that is 1 while something is so, and otherwise 0.
func Bool(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Label returns the option for a measurement with one label. Options are created
// once and reused, because creating one sorts and copies its labels.
func Label(key, value string) []metric.AddOption {
	return []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attribute.String(key, value)))}
}

// Table caches the options for measurements with several labels, by a comparable
// value that determines the labels. Its zero value is ready to use. It is safe
// for concurrent use. It never shrinks: the keys must be few.
type Table[K comparable] struct {
	mu      sync.RWMutex
	options map[K][]metric.RecordOption
}

// Options returns the options for key. It creates them from labels at the first
// use of that key.
func (t *Table[K]) Options(key K, labels func(K) []attribute.KeyValue) []metric.RecordOption {
	t.mu.RLock()
	options, ok := t.options[key]
	t.mu.RUnlock()
	if ok {
		return options
	}
	options = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(labels(key)...))}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.options == nil {
		t.options = make(map[K][]metric.RecordOption)
	}
	t.options[key] = options
	return options
}
