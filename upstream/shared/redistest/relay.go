package redistest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Relay is a network between a replica and Redis that can drop everything: it
// then neither forwards nor closes anything, and accepts no new connection.
type Relay struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	pass  *sync.Cond
	drops bool
	ended bool
	conns []net.Conn
}

// StartRelay starts a relay in front of a server, which ends with the test.
func StartRelay(t testing.TB, target *Server) *Relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{listener: listener, target: target.addr}
	r.pass = sync.NewCond(&r.mu)
	go r.accept()
	t.Cleanup(r.end)
	return r
}

// URL is the URL of Redis through the relay.
func (r *Relay) URL() string { return "redis://" + r.listener.Addr().String() }

// Drop begins or ends to drop everything.
func (r *Relay) Drop(drops bool) {
	r.mu.Lock()
	r.drops = drops
	r.pass.Broadcast()
	r.mu.Unlock()
}

func (r *Relay) end() {
	_ = r.listener.Close()
	r.mu.Lock()
	r.ended = true
	r.pass.Broadcast()
	for _, c := range r.conns {
		_ = c.Close()
	}
	r.mu.Unlock()
}

func (r *Relay) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			if !r.passes() {
				_ = near.Close()
				return
			}
			far, err := net.Dial("tcp", r.target) //nolint:noctx // a test
			if err != nil {
				_ = near.Close()
				return
			}
			r.mu.Lock()
			r.conns = append(r.conns, near, far)
			r.mu.Unlock()
			go r.forward(near, far)
			r.forward(far, near)
		}()
	}
}

// passes waits as long as the relay drops everything. It reports whether the
// relay still runs.
func (r *Relay) passes() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.drops && !r.ended {
		r.pass.Wait()
	}
	return !r.ended
}

func (r *Relay) forward(to io.WriteCloser, from io.ReadCloser) {
	defer func() { _ = to.Close() }()
	defer func() { _ = from.Close() }()
	buffer := make([]byte, 16<<10)
	for {
		n, err := from.Read(buffer)
		if !r.passes() {
			return
		}
		if _, werr := to.Write(buffer[:n]); err != nil || werr != nil {
			return
		}
	}
}
