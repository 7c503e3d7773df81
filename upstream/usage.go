package upstream

import (
	"sync/atomic"
	"time"
)

// Usage counts the calls of one [Session] by outcome.
type Usage struct {
	// Sent is how many calls were sent upstream. Second attempts are not counted.
	Sent int
	// Shared is how many joined an equal call that was in flight.
	Shared int
	// Cached is how many calls returned a cached page.
	Cached int
	// Waited is the time until each call returned, added up over all calls.
	Waited time.Duration
}

// usage is the [Usage] of a session, while its calls are counted.
type usage struct{ sent, shared, cached, waited atomic.Int64 }

// count adds a call.
func (u *usage) count(joined bool, waited time.Duration) {
	if joined {
		u.shared.Add(1)
	} else {
		u.sent.Add(1)
	}
	u.waited.Add(int64(waited))
}

// Usage returns the counts of the session's calls so far.
func (s *Session) Usage() Usage {
	return Usage{
		Sent:   int(s.usage.sent.Load()),
		Shared: int(s.usage.shared.Load()),
		Cached: int(s.usage.cached.Load()),
		Waited: time.Duration(s.usage.waited.Load()),
	}
}
