package upstream_test

import (
	"compress/gzip"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/upstream"
)

const emptyPage = `{"users":[],"has_more":false}`

// counting is a server that counts its connections.
type counting struct {
	*httptest.Server

	open, total atomic.Int32

	mu      sync.Mutex
	highest int32
}

func newCounting(t *testing.T, handler http.HandlerFunc) *counting {
	t.Helper()
	s := &counting{Server: httptest.NewUnstartedServer(handler)}
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			s.total.Add(1)
			s.mu.Lock()
			s.highest = max(s.highest, s.open.Add(1))
			s.mu.Unlock()
		case http.StateClosed, http.StateHijacked:
			s.open.Add(-1)
		case http.StateActive, http.StateIdle:
		}
	}
	s.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context {
		return context.WithValue(ctx, requestsKey{}, new(atomic.Int32))
	}
	s.Start()
	t.Cleanup(s.Close)
	return s
}

// requestsKey is the context key of the number of requests that a connection has
// carried.
type requestsKey struct{}

func (s *counting) client(t *testing.T, c upstream.Config) *upstream.Client {
	t.Helper()
	base, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c.BaseURL = base
	client := upstream.NewClient(c)
	t.Cleanup(client.Close)
	return client
}

func keyed(n int) upstream.Caller {
	return upstream.Caller{Key: upstream.NewAPIKey(fmt.Sprint("key ", n))}
}

// TestConnectionsOfOneKey counts the connections of consecutive requests.
func TestConnectionsOfOneKey(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   int32
	}{
		"are used again":                        {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, emptyPage) }, 1},
		"are used again after chunks":           {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, emptyPage); w.(http.Flusher).Flush() }, 1},
		"are used again after GZIP in capitals": {capitals, 1},
		"are not used if the server closes them": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close")
			fmt.Fprint(w, emptyPage)
		}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			s := newCounting(t, c.answer)
			client := s.client(t, upstream.Config{})
			for i := range 10 {
				if _, err := client.As(alice).ListUsers(t.Context(), distinct(i)); err != nil {
					t.Fatal(err)
				}
			}
			if n := s.total.Load(); n != c.want {
				t.Errorf("%d connections, want %d", n, c.want)
			}
		})
	}
}

func capitals(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Encoding", "GZIP")
	z := gzip.NewWriter(w)
	fmt.Fprint(z, emptyPage)
	_ = z.Close()
}

// TestBrokenIdleConnections has an upstream that closes connections without
// notice, under load.
func TestBrokenIdleConnections(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"closed 1 ms after each response": func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(emptyPage), emptyPage)
			time.AfterFunc(time.Millisecond, func() { _ = conn.Close() })
		},
		"closed instead of the fifth response": func(w http.ResponseWriter, r *http.Request) {
			if r.Context().Value(requestsKey{}).(*atomic.Int32).Add(1) == 5 {
				conn, _, _ := w.(http.Hijacker).Hijack()
				_ = conn.Close()
				return
			}
			fmt.Fprint(w, emptyPage)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newCounting(t, answer)
			client := s.client(t, upstream.Config{})
			var failed, total atomic.Int32
			var wg sync.WaitGroup
			for c := range 8 {
				wg.Go(func() {
					for i := range 250 {
						total.Add(1)
						if _, err := client.As(alice).ListUsers(t.Context(), distinct(c*1000+i)); err != nil {
							failed.Add(1)
							t.Log(err)
						}
					}
				})
			}
			wg.Wait()
			t.Logf("%d of %d calls failed, over %d connections", failed.Load(), total.Load(), s.total.Load())
			if failed.Load() > 0 {
				t.Errorf("%d of %d calls failed", failed.Load(), total.Load())
			}
			for deadline := time.Now().Add(5 * time.Second); s.closeWait() > 0 && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond) //nolint:forbidigo // real sockets
			}
			if n := s.closeWait(); n > 0 {
				t.Errorf("%d sockets are in CLOSE_WAIT", n)
			}
		})
	}
}

// closeWait returns how many sockets of this process are in CLOSE_WAIT, which
// means that the server has closed them and the client has not. It returns 0
// without /proc.
func (s *counting) closeWait() (n int) {
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	number, _ := strconv.Atoi(port)
	remote := fmt.Sprintf(":%04X", number)
	tcp, _ := os.ReadFile("/proc/self/net/tcp")
	for line := range strings.Lines(string(tcp)) {
		if f := strings.Fields(line); len(f) > 3 && strings.HasSuffix(f[2], remote) && f[3] == "08" {
			n++
		}
	}
	return n
}

// TestConnectionBound uses more keys than connections are allowed.
func TestConnectionBound(t *testing.T) {
	for name, c := range map[string]struct {
		keys, atOnce, limit int
	}{
		"keys one after the other": {keys: 100, atOnce: 1, limit: 10},
		"many keys at once":        {keys: 100, atOnce: 45, limit: 10},
		"keys in groups":           {keys: 100, atOnce: 7, limit: 10},
	} {
		t.Run(name, func(t *testing.T) {
			s := newCounting(t, func(w http.ResponseWriter, _ *http.Request) {
				time.Sleep(time.Millisecond) //nolint:forbidigo // of a server
				fmt.Fprint(w, emptyPage)
			})
			client := s.client(t, upstream.Config{Connections: c.limit})
			turns := make(chan struct{}, c.atOnce)
			var wg sync.WaitGroup
			for round := range 3 {
				for k := range c.keys {
					turns <- struct{}{}
					wg.Go(func() {
						defer func() { <-turns }()
						if _, err := client.As(keyed(k)).ListUsers(t.Context(), distinct(round)); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
			}
			// The server may see a new connection before the end of a closed one.
			t.Logf("%d connections at once, %d in all", s.highest, s.total.Load())
			if n := int(s.highest); n > c.limit+c.atOnce {
				t.Errorf("%d connections at once", n)
			}
			for deadline := time.Now().Add(5 * time.Second); int(s.open.Load()) > c.limit && time.Now().Before(deadline); {
				time.Sleep(time.Millisecond) //nolint:forbidigo // until the server has seen the ends
			}
			if n := int(s.open.Load()); n > c.limit {
				t.Errorf("%d connections are open, want at most %d", n, c.limit)
			}
		})
	}
	t.Run("the least recently used key's connection is closed", func(t *testing.T) {
		s := newCounting(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, emptyPage) })
		client := s.client(t, upstream.Config{Connections: 3, Concurrency: 1})
		for n, k := range []int{0, 1, 2, 0, 3, 0, 2, 1} { // 3 replaces 1, which replaces 3
			if _, err := client.As(keyed(k)).ListUsers(t.Context(), distinct(n)); err != nil {
				t.Fatal(err)
			}
		}
		if n := s.total.Load(); n != 5 {
			t.Errorf("%d connections, want 5", n)
		}
	})
}

// TestFailedDials has fewer connections than dials that fail.
func TestFailedDials(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dials atomic.Int32
		client := upstream.NewClient(upstream.Config{
			BaseURL: &url.URL{Scheme: "http", Host: "upstream.test"}, Connections: 2, Concurrency: 2,
			Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
				dials.Add(1)
				return nil, syscall.ECONNREFUSED
			}},
		})
		defer client.Close()
		for i := range 5 {
			if _, err := client.As(alice).ListUsers(t.Context(), distinct(i)); kind(err) != "unavailable" {
				t.Errorf("call %d: %v", i, err)
			}
		}
		if n := dials.Load(); n != 10 { // each call has a second attempt
			t.Errorf("%d dials, want 10", n)
		}
	})
}

// pipes is a listener for connections in memory, for a server in fake time.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	p <- server
	return client, nil
}

func (p pipes) Close() error { close(p); return nil }

func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// TestLimiterLife counts the connections of a key that is no longer used.
func TestLimiterLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Int32
		network := make(pipes)
		server := &http.Server{
			ConnState: func(_ net.Conn, state http.ConnState) {
				switch state {
				case http.StateNew:
					open.Add(1)
				case http.StateClosed:
					open.Add(-1)
				}
			},
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("xi-api-key") == "bad" {
					w.WriteHeader(http.StatusUnauthorized)
				}
				fmt.Fprint(w, emptyPage)
			}),
		}
		go func() { _ = server.Serve(network) }()
		defer server.Close()
		client := upstream.NewClient(upstream.Config{
			BaseURL: &url.URL{Scheme: "http", Host: "upstream.test"}, CallersKeys: true,
			Transport: &http.Transport{DialContext: network.dial},
		})
		defer client.Close()
		want := func(when string, n int32) {
			t.Helper()
			synctest.Wait()
			if got := open.Load(); got != n {
				t.Errorf("%d connections %s, want %d", got, when, n)
			}
		}
		for i := range 3 {
			if _, err := client.As(with("good")).ListUsers(t.Context(), distinct(i)); err != nil {
				t.Fatal(err)
			}
			want("in use", 1)
			wait(14 * time.Second)
			want("within 15 seconds", 1)
		}
		wait(2 * time.Second)
		want("after 15 seconds", 0)
		_, _ = client.As(with("bad")).ListUsers(t.Context(), page)
		want("of a refused key", 0)
	})
}

// TestPageMemory reads pages whose bodies are mostly data that is never read.
func TestPageMemory(t *testing.T) {
	body := `{"users":[` + reader("u", 1) + `],"has_more":false,"new":"` + strings.Repeat("x", 500<<10) + `"}`
	session := serve(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) })
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	pages := make([]upstream.Page, 100)
	for i := range pages {
		page, err := session.ListUsers(t.Context(), distinct(i))
		if err != nil {
			t.Fatal(err)
		}
		pages[i] = page
	}
	runtime.GC()
	runtime.GC() // which also empties pools
	runtime.ReadMemStats(&after)
	grown := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) >> 20
	t.Logf("%d MiB for %d pages of %d KiB", grown, len(pages), len(body)>>10)
	if grown > 10 {
		t.Errorf("%d MiB are in memory", grown)
	}
	runtime.KeepAlive(pages)
}
