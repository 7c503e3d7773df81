package upstream_test

import (
	"bufio"
	"context"
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
	"testing/synctest"
	"time"

	"rollcall/internal/http1"
	"rollcall/upstream"
)

// reset breaks a request's connection without an answer.
func reset(w http.ResponseWriter) {
	conn, _, _ := w.(http.Hijacker).Hijack()
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
}

func TestAResetIsOneAttempt(t *testing.T) {
	var calls atomic.Int32
	session := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n := calls.Add(1); n > 1 { // the first request's connection is kept
			reset(w)
			return
		}
		fmt.Fprint(w, `{"users":[],"has_more":false}`)
	})
	if _, err := session.ListUsers(t.Context(), distinct(0)); err != nil {
		t.Fatal(err)
	}
	if _, err := session.ListUsers(t.Context(), distinct(1)); kind(err) != "unavailable" {
		t.Errorf("err is %v", err)
	}
	if got := calls.Load() - 1; got != 2 {
		t.Errorf("%d calls for an operation, want 2", got)
	}
}

// TestResetsStayWithinTheBudget has three in ten requests end with their
// connections.
func TestResetsStayWithinTheBudget(t *testing.T) {
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
		fmt.Fprint(w, `{"users":[],"has_more":false}`)
	})
	const callers, each = 4, 500
	var failed, wellDone atomic.Int32
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				if _, err := session.ListUsers(t.Context(), distinct(c*each+i)); err != nil {
					failed.Add(1)
				} else {
					wellDone.Add(1)
				}
			}
		})
	}
	wg.Wait()
	ratio := float64(calls.Load()) / (callers * each)
	t.Logf("%.3f calls for each of %d operations, %d of which failed", ratio, callers*each, failed.Load())
	if ratio > 1.15 || ratio < 1.05 {
		t.Errorf("%.3f calls for each operation", ratio)
	}
	if wellDone.Load() < callers*each*7/10 {
		t.Errorf("only %d operations went well", wellDone.Load())
	}
}

// pipes are connections in memory, for a server in fake time.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) {
	conn, ok := <-p
	if !ok {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	p <- server
	return client, nil
}

func (p pipes) Close() error   { close(p); return nil }
func (p pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// TestConnectionsThatWereClosedMeanwhileAreNobodysFault has an upstream that
// answers one request on each connection and breaks it at the next one, as if it
// had been closed in between.
func TestConnectionsThatWereClosedMeanwhileAreNobodysFault(t *testing.T) {
	const atOnce = 40
	synctest.Test(t, func(t *testing.T) {
		type carried struct{}
		emulator := &http.Server{
			ConnContext: func(ctx context.Context, _ net.Conn) context.Context {
				return context.WithValue(ctx, carried{}, new(atomic.Int32))
			},
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(time.Second) //nolint:forbidigo // in fake time: so that each has a connection of its own
				if r.Context().Value(carried{}).(*atomic.Int32).Add(1) > 1 {
					panic(http.ErrAbortHandler)
				}
				fmt.Fprint(w, `{"users":[],"has_more":false}`)
			}),
		}
		network := make(pipes)
		go func() { _ = emulator.Serve(network) }()
		defer emulator.Close()
		server := &url.URL{Scheme: "http", Host: "upstream.test"}
		transport := http1.NewTransport(server, http1.Options{Dial: network.Dial})
		client := upstream.NewClient(upstream.Config{BaseURL: server, Transport: transport, Concurrency: atOnce})
		defer client.Close()
		burst := func() int {
			var failed atomic.Int32
			var wg sync.WaitGroup
			for i := range atOnce {
				wg.Go(func() {
					if _, err := client.As(alice).ListUsers(t.Context(), distinct(i)); err != nil {
						failed.Add(1)
					}
				})
			}
			wg.Wait()
			return int(failed.Load())
		}
		if n := burst(); n != 0 {
			t.Fatalf("%d failed on new connections", n)
		}
		time.Sleep(30 * time.Second)      //nolint:forbidigo // in fake time: the breaker has forgotten them
		if n := burst(); n != atOnce-10 { // the budget begins with ten
			t.Errorf("%d of %d failed", n, atOnce)
		}
		transport.CloseIdleConnections()
		if n := burst(); n != 0 {
			t.Errorf("%d failed for a breaker that is open", n)
		}
	})
}

// TestARequestHasNoBody reads what is written to a connection that is kept.
func TestARequestHasNoBody(t *testing.T) {
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
