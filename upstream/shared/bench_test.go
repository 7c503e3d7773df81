package shared_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"rollcall/upstream/shared"
	"rollcall/upstream/shared/redistest"
)

// These benchmarks measure what sharing costs a call. Each needs a redis-server
// on the same machine, and reports the 50th and the 99th percentile of the
// latency.

func BenchmarkPagesOfKey(b *testing.B) {
	store := opened(b)
	for b.Loop() {
		if _, err := store.Pages(key, pageTTL); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPermit(b *testing.B) {
	limiter := opened(b).Limiter(key, 8)
	measure(b, func(int) {
		release, err := limiter.Acquire(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		release()
	})
}

func BenchmarkPage(b *testing.B) {
	page := make([]byte, 40<<10)
	b.Run("read near", func(b *testing.B) {
		pages := benchPages(b)
		_, _, end, err := pages.Get(b.Context(), "a", 1, "")
		if err != nil || end == nil {
			b.Fatal(err)
		}
		end(page, 30, "")
		measure(b, func(int) {
			if value, _, _, err := pages.Get(b.Context(), "a", 1, ""); err != nil || len(value) != len(page) {
				b.Fatal(len(value), err)
			}
		})
	})
	b.Run("known", func(b *testing.B) {
		pages := benchPages(b)
		_, version, end, err := pages.Get(b.Context(), "a", 1, "")
		if err != nil || end == nil {
			b.Fatal(err)
		}
		end(page, 30, "")
		measure(b, func(int) {
			if _, got, _, err := pages.Get(b.Context(), "a", 1, version); err != nil || got != version {
				b.Fatal(got, err)
			}
		})
	})
	b.Run("missed and put", func(b *testing.B) {
		pages := benchPages(b)
		measure(b, func(i int) {
			place := strconv.Itoa(i)
			_, _, end, err := pages.Get(b.Context(), place, 1, "")
			if err != nil || end == nil {
				b.Fatal(err)
			}
			end(page, 30, "")
		})
	})
}

func opened(b *testing.B) *shared.Store {
	b.Helper()
	store := open(b, redistest.Start(b).URL())
	awaitMode(b, shared.Shared, 5*time.Second, store)
	return store
}

func benchPages(b *testing.B) *shared.Pages {
	b.Helper()
	pages, err := opened(b).Pages(key, pageTTL)
	if err != nil {
		b.Fatal(err)
	}
	return pages
}

// measure runs a benchmark and reports the latencies of its operations.
func measure(b *testing.B, operation func(i int)) {
	var latencies []time.Duration
	for i := 0; b.Loop(); i++ {
		began := time.Now()
		operation(i)
		latencies = append(latencies, time.Since(began))
	}
	slices.Sort(latencies)
	for name, p := range map[string]int{"p50-µs": 50, "p99-µs": 99} {
		b.ReportMetric(float64(latencies[len(latencies)*p/100].Nanoseconds())/1e3, name)
	}
}
