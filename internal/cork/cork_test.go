package cork_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"rollcall/internal/cork"
)

// counting counts the writes to each of its connections.
type counting struct {
	net.Listener
	mu     sync.Mutex
	writes int
}

type countingConn struct {
	net.Conn
	of *counting
}

func (l *counting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countingConn{c, l}, err
}

func (c countingConn) Write(b []byte) (int, error) {
	c.of.mu.Lock()
	c.of.writes++
	c.of.mu.Unlock()
	return c.Conn.Write(b)
}

func (l *counting) take() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.writes
	l.writes = 0
	return n
}

// serve starts a server whose handler responds with the number of bytes that the
// request states.
func serve(t *testing.T) (url string, l *counting) {
	t.Helper()
	server := httptest.NewUnstartedServer(cork.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body)
	})))
	l = &counting{Listener: server.Listener}
	server.Listener = cork.Listener(l)
	server.Config.ConnContext = cork.ConnContext
	server.Start()
	t.Cleanup(server.Close)
	return server.URL, l
}

func TestOneWrite(t *testing.T) {
	url, l := serve(t)
	for _, size := range []int{0, 1, 2000, 4000, 5000, 7500, 10_000, 60_000, 10} {
		want := bytes.Repeat([]byte("x"), size)
		resp, err := http.Post(url, "text/plain", bytes.NewReader(want))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %v, %d bytes", size, err, len(got))
		}
		if n := l.take(); n != 1 {
			t.Errorf("%d bytes: %d writes", size, n)
		}
	}
}

// TestLargeResponses checks that a connection buffers no more than maxHeld.
func TestLargeResponses(t *testing.T) {
	url, l := serve(t)
	for _, size := range []int{64 << 10, 100_000, 1 << 20} {
		want := bytes.Repeat([]byte("x"), size)
		resp, err := http.Post(url, "text/plain", bytes.NewReader(want))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %v, %d bytes", size, err, len(got))
		}
		if n := l.take(); n < 2 {
			t.Errorf("%d bytes: %d writes", size, n)
		}
	}
}

// TestUnreadResponse has a client that reads nothing until the server has closed
// the connection.
func TestUnreadResponse(t *testing.T) {
	written := make(chan int, 1)
	server := httptest.NewUnstartedServer(cork.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		n, piece := 0, make([]byte, 64<<10)
		for n < 16<<20 {
			m, err := w.Write(piece)
			if n += m; err != nil {
				break
			}
		}
		written <- n
	})))
	server.Listener = cork.Listener(server.Listener)
	server.Config.ConnContext = cork.ConnContext
	server.Start()
	defer server.Close()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if n := <-written; n > 1<<20 {
		t.Errorf("%d bytes are in the kernel's buffers", n)
	}
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if n, err := io.Copy(io.Discard, conn); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection was not reset: after %d bytes, %v", n, err)
	}
}

func TestExpectContinue(t *testing.T) {
	url, _ := serve(t)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\n")
	var head [25]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil || string(head[:]) != "HTTP/1.1 100 Continue\r\n\r\n" {
		t.Fatalf("%v: %q", err, head)
	}
	_, _ = io.WriteString(conn, "ok")
	rest, err := io.ReadAll(conn)
	if err != nil || !strings.HasSuffix(string(rest), "\r\n\r\nok") {
		t.Errorf("%v: %q", err, rest)
	}
}

func TestOtherServers(t *testing.T) {
	w := httptest.NewRecorder()
	cork.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })).
		ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil))
	if w.Body.String() != "ok" {
		t.Error(w.Body)
	}
}
