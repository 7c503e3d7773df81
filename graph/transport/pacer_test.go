package transport_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/graph/internal/graphtest"
	"rollcall/upstream/emulator"
)

// pipes is a listener of in-memory connections, which buffer nothing.
type pipes struct {
	accept chan net.Conn
	closed chan struct{}
}

func (p pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accept:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p pipes) Close() error {
	close(p.closed)
	return nil
}

func (pipes) Addr() net.Addr { return &net.TCPAddr{} }

// TestSlowReaders reads a response of about 500 kB at different rates.
func TestSlowReaders(t *testing.T) {
	for name, c := range map[string]struct {
		rate   int // bytes per second, once each tenth of a second
		pause  time.Duration
		whole  bool
		at     time.Duration // when the connection is closed, counted from the first byte
		within time.Duration
	}{
		"one that reads nothing":                {rate: 0, at: 10 * time.Second, within: time.Second},
		"one that reads too slowly":             {rate: 20_000, at: 14 * time.Second, within: 3 * time.Second},
		"one that reads steadily":               {rate: 80_000, whole: true},
		"one that pauses, and reads fast again": {rate: 1 << 20, pause: 9 * time.Second, whole: true},
		"one that pauses for too long":          {rate: 1 << 20, pause: 12 * time.Second, at: 10 * time.Second, within: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := graphtest.New(t, graphtest.Options{RoundTripper: &inProcess{Handler: emulator.New(emulator.Options{Users: 500})}, Timeout: 20 * time.Second})
				listener := pipes{make(chan net.Conn), make(chan struct{})}
				states := make(chan time.Time, 1) // when the connection was closed
				server := &http.Server{Handler: s.Handler, WriteTimeout: time.Hour, ConnState: func(_ net.Conn, state http.ConnState) {
					if state == http.StateClosed {
						states <- time.Now()
					}
				}}
				go func() { _ = server.Serve(listener) }()
				defer server.Close()
				near, far := net.Pipe()
				listener.accept <- far
				body := post(large)
				go fmt.Fprintf(near, "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
				response, err := http.ReadResponse(bufio.NewReaderSize(near, 16), nil)
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				time.Sleep(c.pause) //nolint:forbidigo // in fake time
				read := 0
				for c.rate > 0 {
					n, err := io.CopyN(io.Discard, response.Body, int64(c.rate/10))
					read += int(n)
					if err != nil {
						break
					}
					time.Sleep(100 * time.Millisecond) //nolint:forbidigo // in fake time
				}
				closed := (<-states).Sub(began)
				whole := int64(read) == response.ContentLength
				if whole != c.whole || !whole && (closed < c.at-c.within || closed > c.at+c.within) {
					t.Errorf("read %d of %d bytes; closed after %v", read, response.ContentLength, closed)
				}
				_ = near.Close()
			})
		})
	}
}
