// Package pace measures how long something has taken recently. It does not know
// what is measured.
package pace

import (
	"sync"
	"time"
)

// life is how long an average is used after it was last observed.
const life = 10 * time.Second

// Average is a moving average of durations. Its zero value is ready to use, and
// safe for concurrent use.
type Average struct {
	mu       sync.Mutex
	average  time.Duration
	observed time.Time // the last time
}

// Observe adds a duration. The first one after ten seconds without any replaces
// the average.
func (a *Average) Observe(took time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	was := a.at(now)
	if was == 0 {
		was = took
	}
	a.average, a.observed = was+(took-was)/8, now
}

// Recent returns the average, or 0 if nothing was observed in the last ten
// seconds.
func (a *Average) Recent() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.at(time.Now())
}

// at returns the average at an instant; a.mu is held.
func (a *Average) at(now time.Time) time.Duration {
	if now.Sub(a.observed) > life {
		return 0
	}
	return a.average
}
