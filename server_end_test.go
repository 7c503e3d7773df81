package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"rollcall/upstream/emulator"
)

// TestStopUnderLoad has 50 clients that continue until the service reports that it
// is not ready. None of their requests may fail.
func TestStopUnderLoad(t *testing.T) {
	base := realUpstream(t, emulator.New(emulator.Options{Users: 300, Latency: 10 * time.Millisecond}).ServeHTTP)
	c := inFrontOf(base)
	c.ShutdownDelay = 500 * time.Millisecond
	var listeners [2]net.Listener
	for i := range listeners {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners[i] = l
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, c, listeners[0], listeners[1], slog.New(slog.DiscardHandler)) }()
	graphql, readyz := "http://"+listeners[0].Addr().String(), "http://"+listeners[1].Addr().String()+"/readyz"

	var unready atomic.Bool
	var answered, after atomic.Int32
	var clients sync.WaitGroup
	for i := range 50 {
		client := &http.Client{Transport: &http.Transport{}}
		clients.Go(func() {
			defer client.CloseIdleConnections()
			for n := 0; !unready.Load(); n++ {
				body := fmt.Sprintf(`{"query":"{ users(first: %d) { nodes { userId } } }"}`, 1+(i+n)%90)
				response, err := client.Post(graphql+"/graphql", "application/json", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				text, err := io.ReadAll(response.Body)
				_ = response.Body.Close()
				if err != nil || response.StatusCode != http.StatusOK || !bytes.Contains(text, []byte(`"data"`)) || bytes.Contains(text, []byte(`"errors"`)) {
					t.Errorf("%d %s %v", response.StatusCode, text, err)
				}
				answered.Add(1)
				if ctx.Err() != nil {
					after.Add(1)
				}
			}
		})
	}
	ready := func() int {
		response, err := http.Get(readyz)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode
	}
	for answered.Load() < 500 {
		time.Sleep(time.Millisecond) //nolint:forbidigo // real sockets
	}
	if status := ready(); status != http.StatusOK {
		t.Errorf("/readyz is %d before the end", status)
	}
	stop()
	for ready() == http.StatusOK {
		time.Sleep(time.Millisecond) //nolint:forbidigo // real sockets
	}
	time.Sleep(200 * time.Millisecond) //nolint:forbidigo // as long as a balancer needs to notice
	unready.Store(true)
	clients.Wait()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	t.Logf("%d requests completed, %d of them after the signal", answered.Load(), after.Load())
	if after.Load() == 0 {
		t.Error("no request completed after the signal")
	}
}

// TestStopCompletesRequests has 50 busy clients that continue until the listener
// refuses them. A request on a connection that has had a response must not fail,
// even if net/http's client would repeat it. A new connection may be refused or
// reset when the listener closes, and only once per client.
func TestStopCompletesRequests(t *testing.T) {
	for name, c := range map[string]struct {
		delay time.Duration
		keep  bool // keep connections open between requests
	}{
		"at once":                          {0, true},
		"after a moment":                   {50 * time.Millisecond, true},
		"with a connection each":           {0, false},
		"with a connection each, after it": {50 * time.Millisecond, false},
	} {
		t.Run(name, func(t *testing.T) {
			base := realUpstream(t, emulator.New(emulator.Options{Users: 300, Latency: 10 * time.Millisecond}).ServeHTTP)
			config := inFrontOf(base)
			config.ShutdownDelay, config.ListenAddr = c.delay, "127.0.0.1:0"
			listener, _, err := listen(t.Context(), config, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- serve(ctx, config, listener, nil, slog.New(slog.DiscardHandler)) }()

			var answered, failed, reset atomic.Int32
			var clients sync.WaitGroup
			for range 50 {
				clients.Go(func() {
					var conn net.Conn
					for {
						fresh := conn == nil
						if fresh {
							var err error
							if conn, err = net.Dial("tcp", listener.Addr().String()); errors.Is(err, syscall.ECONNREFUSED) || ctx.Err() != nil && errors.Is(err, syscall.ECONNRESET) {
								return
							} else if err != nil {
								t.Errorf("connecting: %v", err)
								failed.Add(1)
								return
							}
						}
						closes, err := exchange(conn)
						if fresh && ctx.Err() != nil && errors.Is(err, syscall.ECONNRESET) {
							reset.Add(1)
							_ = conn.Close()
							return
						}
						if err != nil {
							t.Errorf("after %d responses: %v", answered.Load(), err)
							failed.Add(1)
						}
						answered.Add(1)
						if closes || err != nil || !c.keep {
							_ = conn.Close()
							conn = nil
						}
					}
				})
			}
			for answered.Load() < 500 {
				time.Sleep(time.Millisecond) //nolint:forbidigo // real sockets
			}
			began := time.Now()
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			took := time.Since(began)
			clients.Wait()
			t.Logf("%d completed, %d failed, %d reset by the closing listener, ended in %v", answered.Load(), failed.Load(), reset.Load(), took)
		})
	}
}

// TestStopDeadline has a request whose body never arrives completely.
func TestStopDeadline(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "stderr")
	stderr, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	env := map[string]string{"LISTEN_ADDR": "127.0.0.1:0", "ADMIN_ADDR": "off", "UPSTREAM_TIMEOUT": "100ms"}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, nil, env, io.Discard, stderr) }()
	find := func(pattern string) string {
		log, _ := os.ReadFile(path)
		match := regexp.MustCompile(pattern).FindSubmatch(log)
		if match == nil {
			return ""
		}
		return string(match[1])
	}
	address := ""
	for address == "" && len(ended) == 0 {
		time.Sleep(time.Millisecond) //nolint:forbidigo // real sockets
		address = find(`"graphql":"http://([0-9.:]+)`)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	const interim = "HTTP/1.1 100 Continue\r\n\r\n" // the handler waits for the body
	if n, err := io.ReadFull(conn, make([]byte, len(interim))); err != nil {
		t.Fatal(n, err)
	}
	stop()
	began := time.Now()
	if code := <-ended; code != 0 {
		t.Errorf("the exit code is %d", code)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if n := find(`cut off.*"requests":(\d+)`); n != "1" {
		t.Errorf("%q requests are logged as cut off", n)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	if answer, err := io.ReadAll(conn); len(answer) != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("still connected: %q %v", answer, err)
	}
}

// exchange sends one request on a connection and reads the response. It reports
// whether the connection closes.
func exchange(conn net.Conn) (closes bool, err error) {
	const body = `{"query":"{ users(first: 3) { nodes { userId } } }"}`
	if _, err := fmt.Fprintf(conn, "POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		return false, err
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || bytes.Contains(text, []byte(`"errors"`))) {
		err = fmt.Errorf("%d %s", response.StatusCode, text)
	}
	return response.Close, err
}
