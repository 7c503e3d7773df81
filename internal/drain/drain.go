// Package drain lets a server stop without losing a request: first it says that
// it is not ready and has clients close their connections, and only then does
// it stop listening.
package drain

import (
	"net/http"
	"sync/atomic"
)

// Drain is open until it is closed. Its zero value is ready to use.
type Drain struct{ closed atomic.Bool }

// Close begins the end.
func (d *Drain) Close() { d.closed.Store(true) }

// Ready reports whether new work is welcome.
func (d *Drain) Ready() bool { return !d.closed.Load() }

// Handler serves next, and once the drain is closed has each client connect
// anew, to wherever it is sent by then.
func (d *Drain) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !d.Ready() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
