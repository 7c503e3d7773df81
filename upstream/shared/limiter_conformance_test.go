package shared_test

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/upstream"
	"rollcall/upstream/limitertest"
	"rollcall/upstream/shared/redistest"
)

// TestConformance runs the tests that the limiter of one process also passes.
func TestConformance(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	var keys atomic.Int64
	for name, test := range limitertest.Tests {
		t.Run(name, func(t *testing.T) {
			store := openAll(t, redis.URL(), 1)[0]
			test(t, func(_ *testing.T, limit int) upstream.Limiter {
				return store.Limiter(strconv.FormatInt(keys.Add(1), 10), limit)
			}, func() { pause(20 * time.Millisecond) })
		})
	}
}
