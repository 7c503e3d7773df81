package load_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/bench/load"
)

func serve(t *testing.T, handler http.HandlerFunc) (addr string) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func dial(t *testing.T, addr string) *load.Connection {
	t.Helper()
	c, err := load.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestConnectionReadsBodies(t *testing.T) {
	long := strings.Repeat("0123456789", 20_000)
	c := dial(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
		received, _ := io.ReadAll(r.Body)
		answer := r.Method + string(received) + long
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		}
		_, _ = io.WriteString(w, answer)
	}))
	for name, test := range map[string]struct {
		request []byte
		want    string
	}{
		"with a length, to a POST": {load.Post("/length", []byte("{}")), "POST{}" + long},
		"in chunks, to a GET":      {load.Get("/chunks"), "GET" + long},
	} {
		t.Run(name, func(t *testing.T) {
			for range 2 { // on one connection
				body, err := c.Do(test.request)
				if err != nil || string(body) != test.want {
					t.Errorf("got %.20q of %d bytes, want %d (err %v)", body, len(body), len(test.want), err)
				}
			}
		})
	}
}

func TestConnectionStatus(t *testing.T) {
	c := dial(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such thing", http.StatusNotFound) }))
	if _, err := c.Do(load.Get("/")); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("got %v", err)
	}
}

var errWrong = errors.New("wrong")

func check(body []byte) error {
	if string(body) != "right" && string(body) != "also right" {
		return errWrong
	}
	return nil
}

// TestRunChecksResponses has a server change its responses after the first.
func TestRunChecksResponses(t *testing.T) {
	for name, test := range map[string]struct {
		status int
		answer string
		fails  bool
	}{
		"the same response":                   {200, "right", false},
		"another right response":              {200, "also right", false},
		"a wrong response":                    {200, "nonsense", true},
		"a wrong response of the same length": {200, "wrong", true},
		"an empty response":                   {200, "", true},
		"another status":                      {503, "right", true},
	} {
		t.Run(name, func(t *testing.T) {
			var answered atomic.Int64
			addr := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if answered.Add(1) == 1 {
					_, _ = io.WriteString(w, "right")
					return
				}
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.answer)
			})
			request, err := dial(t, addr).Prepare(load.Get("/"), check)
			if err != nil {
				t.Fatal(err)
			}
			connections, err := load.DialAll(addr, 2)
			if err != nil {
				t.Fatal(err)
			}
			defer connections.Close()
			result, err := connections.Run(10*time.Millisecond, []*load.Request{request})
			if (err != nil) != test.fails {
				t.Errorf("got the error %v", err)
			}
			if !test.fails && (result.Requests == 0 || int64(result.Requests) != answered.Load()-1 || len(result.Latencies) != result.Requests) {
				t.Errorf("counted %d requests and %d latencies of %d", result.Requests, len(result.Latencies), answered.Load()-1)
			}
		})
	}
}

func TestPrepareChecksResponse(t *testing.T) {
	c := dial(t, serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "nonsense") }))
	if _, err := c.Prepare(load.Get("/"), check); !errors.Is(err, errWrong) {
		t.Errorf("got %v", err)
	}
}

// TestRequestsInFlightDiffer checks that connections have their own requests, for
// numbers that divide and numbers that do not.
func TestRequestsInFlightDiffer(t *testing.T) {
	for _, requests := range []int{4, 8, 11} {
		var mu sync.Mutex
		inFlight, twice, seen := make(map[string]bool), false, make(map[string]bool)
		addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			twice = twice || inFlight[r.URL.Path]
			inFlight[r.URL.Path], seen[r.URL.Path] = true, true
			mu.Unlock()
			defer func() {
				mu.Lock()
				delete(inFlight, r.URL.Path)
				mu.Unlock()
			}()
			_, _ = io.WriteString(w, "right")
		})
		c := dial(t, addr)
		var list []*load.Request
		for i := range requests {
			request, err := c.Prepare(load.Get("/"+strconv.Itoa(i)), check)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, request)
		}
		clear(seen)
		connections, err := load.DialAll(addr, 4)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := connections.Run(30*time.Millisecond, list); err != nil {
			t.Error(err)
		}
		connections.Close()
		if want := requests - requests%4; twice || len(seen) != want {
			t.Errorf("of %d requests %d were sent, want %d; two at once: %v", requests, len(seen), want, twice)
		}
	}
}
