package shared_test

import (
	"io"
	"net"
	"sync"
	"testing"
)

// relay is a network between a replica and Redis that can drop everything: it
// then neither forwards nor closes anything, and accepts no new connection.
type relay struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	pass  *sync.Cond
	drops bool
	ended bool
	conns []net.Conn
}

func startRelay(t testing.TB, target string) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: listener, target: target}
	r.pass = sync.NewCond(&r.mu)
	go r.accept()
	t.Cleanup(r.end)
	return r
}

func (r *relay) url() string { return "redis://" + r.listener.Addr().String() }

func (r *relay) drop(drops bool) {
	r.mu.Lock()
	r.drops = drops
	r.pass.Broadcast()
	r.mu.Unlock()
}

func (r *relay) end() {
	r.listener.Close()
	r.mu.Lock()
	r.ended = true
	r.pass.Broadcast()
	for _, c := range r.conns {
		c.Close()
	}
	r.mu.Unlock()
}

func (r *relay) accept() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return
		}
		go func() {
			if !r.passes() {
				near.Close()
				return
			}
			far, err := net.Dial("tcp", r.target)
			if err != nil {
				near.Close()
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
func (r *relay) passes() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.drops && !r.ended {
		r.pass.Wait()
	}
	return !r.ended
}

func (r *relay) forward(to io.WriteCloser, from io.ReadCloser) {
	defer to.Close()
	defer from.Close()
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
