package pace_test

import (
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/pace"
)

func TestAverage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a pace.Average
		for _, c := range []struct {
			name        string
			later, took time.Duration // took 0 for no observation
			want        time.Duration
		}{
			{"nothing was observed", 0, 0, 0},
			{"the first duration", 0, 800, 800},
			{"an eighth of a longer one", time.Second, 1600, 900},
			{"an eighth of a shorter one", time.Second, 100, 800},
			{"ten seconds later", 10 * time.Second, 0, 800},
			{"and a moment", 1, 0, 0},
			{"a duration after the old ones", 0, 80, 80},
		} {
			time.Sleep(c.later) //nolint:forbidigo // in fake time
			if c.took > 0 {
				a.Observe(c.took)
			}
			if got := a.Recent(); got != c.want {
				t.Errorf("%s: %d, want %d", c.name, got, c.want)
			}
		}
	})
}
