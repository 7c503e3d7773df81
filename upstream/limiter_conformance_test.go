package upstream_test

import (
	"testing"
	"testing/synctest"

	"rollcall/upstream"
	"rollcall/upstream/limitertest"
)

func TestLimiterOfOneProcess(t *testing.T) {
	for name, test := range limitertest.Tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test(t, func(_ *testing.T, limit int) upstream.Limiter { return upstream.NewLimiter(limit) }, synctest.Wait)
			})
		})
	}
}
