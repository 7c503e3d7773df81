package upstream

import (
	"sync/atomic"
	"time"
)

// Usage is what the calls of one [Session] came to.
type Usage struct {
	// Sent is how many calls went upstream; second attempts are not counted.
	Sent int
	// Shared is how many joined an equal call that was in flight.
	Shared int
	// Cached is how many were answered by a page that was kept.
	Cached int
	// Waited is the time until there was an answer, added up over all calls.
	Waited time.Duration
}

// usage is a [Usage] that is being counted.
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

// Usage tells what the session's calls came to so far.
func (s *Session) Usage() Usage {
	return Usage{
		Sent:   int(s.usage.sent.Load()),
		Shared: int(s.usage.shared.Load()),
		Cached: int(s.usage.cached.Load()),
		Waited: time.Duration(s.usage.waited.Load()),
	}
}
