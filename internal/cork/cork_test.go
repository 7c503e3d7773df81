package cork_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"rollcall/internal/cork"
)

// counting counts the writes to its connections, and their largest.
type counting struct {
	net.Listener
	mu              sync.Mutex
	writes, largest int
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
	c.of.largest = max(c.of.largest, len(b))
	c.of.mu.Unlock()
	return c.Conn.Write(b)
}

func (l *counting) take() (writes, largest int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() { l.writes, l.largest = 0, 0 }()
	return l.writes, l.largest
}

// serve starts a server whose handler echoes the request in pieces of 30,000 bytes.
func serve(t *testing.T) (url string, l *counting) {
	t.Helper()
	server := httptest.NewUnstartedServer(cork.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		for piece := range slices.Chunk(body, 30_000) {
			_, _ = w.Write(piece)
		}
	})))
	l = &counting{Listener: server.Listener}
	server.Listener = cork.Listener(l)
	server.Config.ConnContext = cork.ConnContext
	server.Start()
	t.Cleanup(server.Close)
	return server.URL, l
}

func TestHandler(t *testing.T) {
	url, l := serve(t)
	for _, size := range []int{0, 1, 2000, 4000, 5000, 7500, 10_000, 60_000, 1 << 20, 10} {
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
		writes, largest := l.take()
		if small := size <= 60_000; small && writes != 1 || !small && largest > 64<<10 {
			t.Errorf("%d bytes: %d writes of up to %d bytes", size, writes, largest)
		}
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

func TestHandlerOfAnotherServer(t *testing.T) {
	w := httptest.NewRecorder()
	cork.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })).
		ServeHTTP(w, httptest.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil))
	if w.Body.String() != "ok" {
		t.Error(w.Body)
	}
}
