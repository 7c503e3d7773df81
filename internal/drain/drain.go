// Package drain stops a server without losing requests on its connections. A
// request is lost if its connection is closed while the request is on its way to
// the server. Therefore a server stops in this order:
//
//  1. The service reports that it is not ready, and continues as before until
//     load balancers have noticed.
//  2. Its listener closes: new connections are refused.
//  3. Each response tells the client to close the connection. Connections without
//     a request are waited for until they have been silent for a moment.
//
// [http.Server.Shutdown] then closes only silent connections.
package drain

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// silence is how long a connection must be without a request before it may be
	// closed: many times the pause of a busy client between two requests.
	silence = 250 * time.Millisecond
	// interval is how often connections are checked.
	interval = 5 * time.Millisecond
)

// Drain is the state of a server that stops. Its zero value is ready to use, and
// it is safe for concurrent use.
type Drain struct {
	closed, ending atomic.Bool

	mu sync.Mutex
	// silent has the open connections and the time since which each has had no
	// request. The time is zero if the connection has a request.
	silent map[net.Conn]time.Time
}

// Close starts the stop: Ready returns false from now on.
func (d *Drain) Close() { d.closed.Store(true) }

// Ready reports whether the service accepts new work.
func (d *Drain) Ready() bool { return !d.closed.Load() }

// Handler serves next. During End it requests that clients close their
// connections.
func (d *Drain) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.ending.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// ConnState is the ConnState of an [http.Server].
func (d *Drain) ConnState(c net.Conn, state http.ConnState) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch state {
	case http.StateNew, http.StateIdle:
		if d.silent == nil {
			d.silent = make(map[net.Conn]time.Time)
		}
		d.silent[c] = time.Now()
	case http.StateActive:
		d.silent[c] = time.Time{}
	default:
		delete(d.silent, c)
	}
}

// End closes the listener. It returns when each connection is closed or silent,
// or when ctx is cancelled.
func (d *Drain) End(ctx context.Context, l net.Listener) {
	d.ending.Store(true)
	_ = l.Close()
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for !d.isSilent() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// Busy returns the number of connections that have a request.
func (d *Drain) Busy() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, since := range d.silent {
		if since.IsZero() {
			n++
		}
	}
	return n
}

func (d *Drain) isSilent() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, since := range d.silent {
		if since.IsZero() || time.Since(since) < silence {
			return false
		}
	}
	return true
}
