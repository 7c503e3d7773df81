// Package idle has something done once a handler has had nothing to do for a
// while.
package idle

import (
	"net/http"
	"sync/atomic"
	"time"
)

// Handler serves next, and calls do when there has been no request for quiet, or
// up to twice that: once, until there are requests again. A busy handler takes it
// one timer in that time, and an idle one none.
func Handler(next http.Handler, quiet time.Duration, do func()) http.Handler {
	return &handler{next: next, quiet: quiet, do: do}
}

type handler struct {
	next  http.Handler
	quiet time.Duration
	do    func()

	active atomic.Int64 // requests
	ended  atomic.Int64 // requests
	armed  atomic.Bool  // whether look is going to be called
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.active.Add(1)
	defer func() {
		h.ended.Add(1)
		h.active.Add(-1)
	}()
	h.arm()
	h.next.ServeHTTP(w, r)
}

// arm has look called after a while, unless it is going to be.
func (h *handler) arm() {
	if h.armed.Load() || !h.armed.CompareAndSwap(false, true) {
		return
	}
	seen := h.ended.Load()
	time.AfterFunc(h.quiet, func() { h.look(seen) })
}

// look waits on where there is a request, or more have ended than were seen to.
func (h *handler) look(seen int64) {
	h.armed.Store(false)
	if h.active.Load() > 0 || h.ended.Load() != seen {
		h.arm()
		return
	}
	h.do()
}
