// Package drain lets a server stop without losing a request. A request is lost
// where its connection is closed while the request is on its way: in the queue
// of the listener, on a new connection, or on an idle one. So the end comes in
// this order:
//
//  1. The service says that it is not ready, and serves on as ever for as long
//     as it takes everybody to notice.
//  2. It lets nobody connect any more, takes all who have, and closes the listener.
//  3. From now on each connection is told to close with its answer. Those that
//     have nothing to ask are waited for, but not for long.
//
// What is left to [http.Server.Shutdown] has been silent for a while.
package drain

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// silence is how long a connection has to be without a request before it may
	// be closed: many times what a busy client leaves between two.
	silence = 250 * time.Millisecond
	// pause is how long nobody may have connected before the listener is closed.
	pause = 20 * time.Millisecond
	// maxRounds is how often that is waited for, where people cannot be kept from connecting.
	maxRounds = 25
	// interval is how often connections are looked at.
	interval = 5 * time.Millisecond
)

// Drain is what a server goes through at its end. Its zero value is ready to use.
type Drain struct {
	closed, ending atomic.Bool

	mu        sync.Mutex
	listeners []*listener
	// silent has the open connections and since when they have had no request;
	// the zero time where they have one.
	silent map[net.Conn]time.Time
}

// Close begins the end: Ready is false from now on.
func (d *Drain) Close() { d.closed.Store(true) }

// Ready reports whether new work is welcome.
func (d *Drain) Ready() bool { return !d.closed.Load() }

// Handler serves next, and at the end has clients close their connections.
func (d *Drain) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.ending.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// ConnState is for the field of that name of an [http.Server].
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

// End stops listening, and returns once every connection has closed or fallen
// silent, or ctx ends.
func (d *Drain) End(ctx context.Context) {
	d.ending.Store(true)
	d.mu.Lock()
	listeners := d.listeners
	d.mu.Unlock()
	for _, l := range listeners {
		l.end(ctx)
	}
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

// Busy is how many connections have a request.
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

// Listener returns a listener that End closes once nobody waits to be accepted.
// A server has to be serving on it.
func (d *Drain) Listener(l net.Listener) net.Listener {
	own := &listener{Listener: l, drain: d, closed: make(chan struct{})}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.listeners = append(d.listeners, own)
	return own
}

type listener struct {
	net.Listener
	drain  *Drain
	rounds int           // of looking who waits to be accepted; Accept's own
	closed chan struct{} // once nobody is accepted any more
	once   sync.Once
}

// deadliner is a listener whose Accept can be woken.
type deadliner interface{ SetDeadline(time.Time) error }

// Accept closes the listener when a deadline has come and nobody waits.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if e, ok := errors.AsType[net.Error](err); !l.drain.ending.Load() || !ok || !e.Timeout() {
		return c, err
	}
	// A deadline that is over hides who is in the queue, so there is a new one to see them by.
	if l.rounds++; l.rounds <= maxRounds && l.Listener.(deadliner).SetDeadline(time.Now().Add(pause)) == nil {
		if c, err = l.Listener.Accept(); err == nil {
			return c, nil
		}
	}
	_ = l.Close()
	return nil, net.ErrClosed
}

// Close closes the listener once: Shutdown may come to close it as well.
func (l *listener) Close() (err error) {
	l.once.Do(func() {
		err = l.Listener.Close()
		close(l.closed)
	})
	return err
}

// end has Accept take who waits and close the listener.
func (l *listener) end(ctx context.Context) {
	keepOut(l.Listener)
	if d, ok := l.Listener.(deadliner); !ok || d.SetDeadline(time.Now()) != nil {
		_ = l.Close()
	}
	select {
	case <-l.closed:
	case <-ctx.Done():
	}
}
