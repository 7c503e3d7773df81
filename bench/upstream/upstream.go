// Package upstream is an upstream that costs almost nothing: it writes prepared
// bytes, so that the benchmark measures the server in front of it. It implements
// only the HTTP of clients that send one GET after another.
package upstream

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Upstream is a list of pages, each reachable by its own cursor.
type Upstream struct {
	listener net.Listener
	answers  map[string][]byte // by cursor
	delay    atomic.Int64      // nanoseconds
	calls    atomic.Int64
	refused  atomic.Int64

	mu          sync.Mutex
	connections map[net.Conn]struct{}
}

// Listen starts an upstream with a number of pages on a free port of loopback.
// Page 0 is the first, and has no cursor.
func Listen(pages int, withSentiment bool) (*Upstream, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // returns at once
	if err != nil {
		return nil, err
	}
	u := &Upstream{listener: listener, answers: make(map[string][]byte, pages), connections: make(map[net.Conn]struct{})}
	for page := range pages {
		u.answers[Cursor(page)] = response("200 OK", encode(page, withSentiment))
	}
	go u.accept()
	return u, nil
}

func response(status string, body []byte) []byte {
	return fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
}

// Addr returns the host:port.
func (u *Upstream) Addr() string { return u.listener.Addr().String() }

// Target returns the path and query of a page.
func Target(cursor string) string {
	target := fmt.Sprintf("/v1/convai/users?page_size=%d", PageSize)
	if cursor != "" {
		target += "&cursor=" + cursor
	}
	return target
}

// Calls returns the number of requests so far.
func (u *Upstream) Calls() int64 { return u.calls.Load() }

// Refused returns how many requests were not for a page.
func (u *Upstream) Refused() int64 { return u.refused.Load() }

// SetDelay delays each response by d.
func (u *Upstream) SetDelay(d time.Duration) { u.delay.Store(int64(d)) }

// Close closes the listener and all connections.
func (u *Upstream) Close() {
	_ = u.listener.Close()
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.connections {
		_ = c.Close()
	}
}

func (u *Upstream) accept() {
	for {
		c, err := u.listener.Accept()
		if err != nil {
			return
		}
		u.mu.Lock()
		u.connections[c] = struct{}{}
		u.mu.Unlock()
		go func() {
			u.serve(c)
			_ = c.Close()
			u.mu.Lock()
			defer u.mu.Unlock()
			delete(u.connections, c)
		}()
	}
}

func (u *Upstream) serve(c net.Conn) {
	r := bufio.NewReaderSize(c, 8<<10)
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return // the client has closed the connection
		}
		answer, known := u.find(line)
		for len(bytes.TrimSpace(line)) > 0 {
			if line, err = r.ReadSlice('\n'); err != nil {
				return
			}
		}
		u.calls.Add(1)
		if !known {
			u.refused.Add(1)
			answer = response("422 Unprocessable Entity", []byte(`{"detail":"no such page"}`))
		}
		if delay := u.delay.Load(); delay > 0 {
			// The runtime's timers can be a millisecond late.
			left := unix.NsecToTimespec(delay)
			for errors.Is(unix.Nanosleep(&left, &left), unix.EINTR) {
			}
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

var (
	get      = []byte("GET /v1/convai/users?")
	pageSize = fmt.Appendf(nil, "page_size=%d", PageSize)
	cursorIs = []byte("cursor=")
)

// find returns the response to a request line. Cursors need no decoding, and an
// empty cursor means none.
func (u *Upstream) find(line []byte) (answer []byte, known bool) {
	query, ok := bytes.CutPrefix(line, get)
	if !ok {
		return nil, false
	}
	query, _, _ = bytes.Cut(query, []byte(" "))
	var cursor []byte
	sized := false
	for len(query) > 0 {
		var one []byte
		one, query, _ = bytes.Cut(query, []byte("&"))
		if value, ok := bytes.CutPrefix(one, cursorIs); ok {
			cursor = value
		}
		sized = sized || bytes.Equal(one, pageSize)
	}
	if !sized {
		return nil, false
	}
	answer, known = u.answers[string(cursor)]
	return answer, known
}
