package upstream_test

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/upstream"
)

// reset breaks a request's connection before the response.
func reset(w http.ResponseWriter) {
	conn, _, _ := w.(http.Hijacker).Hijack()
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

// TestRetryBudgetWithResets resets connections. net/http repeats a GET if a
// reused connection breaks before the response, so the server sees more requests
// than the retry budget counts. On new connections it sees the same number.
func TestRetryBudgetWithResets(t *testing.T) {
	t.Run("a request on a new connection has two attempts", func(t *testing.T) {
		var calls atomic.Int32
		session := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			calls.Add(1)
			reset(w)
		})
		if _, err := session.ListUsers(t.Context(), page); kind(err) != "unavailable" {
			t.Errorf("err is %v", err)
		}
		if got := calls.Load(); got != 2 {
			t.Errorf("%d calls for an operation, want 2", got)
		}
	})
	t.Run("three in ten connections are reset, and second attempts are a tenth", func(t *testing.T) {
		var calls atomic.Int32
		var mu sync.Mutex
		dice := rand.New(rand.NewPCG(9, 10))
		session := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			calls.Add(1)
			mu.Lock()
			breaks := dice.IntN(10) < 3
			mu.Unlock()
			if breaks {
				reset(w)
				return
			}
			w.Header().Set("Connection", "close") // each request has a new connection
			fmt.Fprint(w, `{"users":[],"has_more":false}`)
		})
		const callers, each = 4, 500
		var succeeded atomic.Int32
		var wg sync.WaitGroup
		for c := range callers {
			wg.Go(func() {
				for i := range each {
					if _, err := session.ListUsers(t.Context(), distinct(c*each+i)); err == nil {
						succeeded.Add(1)
					}
				}
			})
		}
		wg.Wait()
		ratio := float64(calls.Load()) / (callers * each)
		t.Logf("%.3f calls for each of %d operations, %d of which succeeded", ratio, callers*each, succeeded.Load())
		if ratio > 1.15 || ratio < 1.05 {
			t.Errorf("%.3f calls for each operation", ratio)
		}
		if succeeded.Load() < callers*each*7/10 {
			t.Errorf("only %d operations succeeded", succeeded.Load())
		}
	})
}

// TestRequestHasNoBody records what is written to a reused connection.
func TestRequestHasNoBody(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	var sent strings.Builder
	done := make(chan struct{})
	go func() {
		defer close(done)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		lines := bufio.NewReader(io.TeeReader(conn, &sent))
		for range 3 {
			r, err := http.ReadRequest(lines)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 29\r\n\r\n"+`{"users":[],"has_more":false}`)
		}
	}()
	client := upstream.NewClient(upstream.Config{BaseURL: &url.URL{Scheme: "http", Host: listener.Addr().String()}, Timeout: 5 * time.Second})
	for i := range 3 {
		if _, err := client.As(alice).ListUsers(t.Context(), distinct(i)); err != nil {
			t.Fatal(err)
		}
	}
	<-done
	requests := strings.SplitAfter(sent.String(), "\r\n\r\n")
	for i := range 3 {
		if i >= len(requests) || strings.ReplaceAll(requests[i], fmt.Sprint("cursor=c", i), "cursor=c0") != requests[0] {
			t.Errorf("request %d differs:\n%q", i, requests)
		}
	}
	for _, header := range []string{"Content-Length", "Transfer-Encoding"} {
		if strings.Contains(sent.String(), header) {
			t.Errorf("there is a %s:\n%s", header, sent.String())
		}
	}
}
