package upstream_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/upstream"
)

// doors is an upstream that accepts only keys that begin with "good", in fake
// time.
type doors struct {
	takes  time.Duration
	status int // of the response to any other key

	mu                sync.Mutex
	calls             map[string]int // by key
	inFlight, highest map[bool]int   // by whether the key is accepted
}

func newDoors() *doors {
	return &doors{takes: 50 * time.Millisecond, status: http.StatusUnauthorized, calls: map[string]int{}, inFlight: map[bool]int{}, highest: map[bool]int{}}
}

func (d *doors) RoundTrip(r *http.Request) (*http.Response, error) {
	key := r.Header.Get("xi-api-key")
	good := strings.HasPrefix(key, "good")
	d.mu.Lock()
	d.calls[key]++
	d.inFlight[good]++
	d.highest[good] = max(d.highest[good], d.inFlight[good])
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.inFlight[good]--
		d.mu.Unlock()
	}()
	select {
	case <-time.After(d.takes):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	status, body := http.StatusOK, emptyPage
	if !good {
		status, body = d.status, ""
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func (d *doors) client(c upstream.Config) *upstream.Client {
	c.BaseURL, c.Transport, c.CallersKeys = &upstreamTest, d, true
	return upstream.NewClient(c)
}

func with(key string) upstream.Caller { return upstream.Caller{Key: upstream.NewAPIKey(key)} }

// tally makes calls at the same time, and counts them by the kinds of their errors.
type tally struct {
	sync.WaitGroup

	mu    sync.Mutex
	kinds map[string]int // to be read after Wait
}

func (c *tally) call(f func() error) {
	c.Go(func() {
		err := f()
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.kinds == nil {
			c.kinds = make(map[string]int)
		}
		c.kinds[kind(err)]++
	})
}

func TestStrangers(t *testing.T) {
	lookUps := func(t *testing.T, client *upstream.Client, key string, n int) (kinds map[string]int) {
		t.Helper()
		var calls tally
		for i := range n {
			calls.call(func() error {
				_, err := client.As(with(key)).ListUsers(t.Context(), lookUp(fmt.Sprint("user ", i)))
				return err
			})
		}
		calls.Wait()
		return calls.kinds
	}
	for name, c := range map[string]struct {
		status int
		key    string
		n      int
		calls  int
		kind   string
		atOnce int
	}{
		"120 look-ups with a made-up key are one call":  {401, "bad", 120, 1, "unauthenticated", 1},
		"a missing permission is not the key's refusal": {403, "bad", 20, 20, "forbidden", 1},
		"neither is missing credit":                     {402, "bad", 20, 20, "forbidden", 1},
		"an accepted key has all of its permits":        {401, "good", 120, 120, "<nil>", 8},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDoors()
				d.status = c.status
				kinds := lookUps(t, d.client(upstream.Config{}), c.key, c.n)
				if d.calls[c.key] != c.calls || kinds[c.kind] != c.n {
					t.Errorf("%d calls, %v", d.calls[c.key], kinds)
				}
				if n := d.highest[c.key == "good"]; n != c.atOnce {
					t.Errorf("%d calls at once", n)
				}
			})
		})
	}
	t.Run("a refused key is refused for five seconds without a call", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDoors()
			client := d.client(upstream.Config{})
			for range 100 { // each iteration takes 60 ms
				lookUps(t, client, "bad", 1)
				wait(60 * time.Millisecond)
			}
			if n := d.calls["bad"]; n != 2 {
				t.Errorf("%d calls within six seconds, want 2", n)
			}
		})
	})
	t.Run("a refused key does not wait for the calls of other made-up keys", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := newDoors()
			client := d.client(upstream.Config{Connections: 4, Concurrency: 1}) // one of them for strangers
			lookUps(t, client, "bad", 1)
			var wg sync.WaitGroup
			wg.Go(func() { lookUps(t, client, "worse", 1) })
			synctest.Wait()
			began := time.Now()
			if kinds := lookUps(t, client, "bad", 1); kinds["unauthenticated"] != 1 || time.Since(began) != 0 {
				t.Errorf("%v after %v", kinds, time.Since(began))
			}
			wg.Wait()
		})
	})
	t.Run("a new key is served even if there are few connections", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client := newDoors().client(upstream.Config{Connections: 2, Concurrency: 1})
			if kinds := lookUps(t, client, "good", 1); kinds["<nil>"] != 1 {
				t.Errorf("got %v", kinds)
			}
		})
	})
	t.Run("a 401 of the service's own key locks no caller out", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &script{answer: firstly(401, nil)}
			client := s.client(upstream.Config{})
			for i, want := range []string{"unauthenticated", "<nil>"} {
				if _, err := client.As(alice).ListUsers(t.Context(), distinct(i)); kind(err) != want {
					t.Errorf("call %d: %v", i, err)
				}
			}
		})
	})
	t.Run("a key that was refused is a stranger's again", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &script{takes: 50 * time.Millisecond, answer: func(n int, _ *http.Request) (int, http.Header) {
				if n == 0 {
					return http.StatusOK, nil
				}
				return http.StatusUnauthorized, nil
			}}
			client := s.client(upstream.Config{CallersKeys: true})
			lookUps(t, client, "good", 1)
			lookUps(t, client, "good", 1)
			wait(6 * time.Second) // the refusal is forgotten
			if lookUps(t, client, "good", 20); len(s.calls) != 3 || s.highest != 1 {
				t.Errorf("%d calls, %d at once", len(s.calls), s.highest)
			}
		})
	})
	t.Run("a key that is not used for ten minutes is one, too", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			client := newDoors().client(upstream.Config{})
			lookUps(t, client, "good", 1)
			wait(10*time.Minute - time.Second)
			if !client.Accepts(upstream.NewAPIKey("good")) {
				t.Error("the key is not accepted within ten minutes")
			}
			wait(time.Second)
			if client.Accepts(upstream.NewAPIKey("good")) {
				t.Error("the key is accepted after ten minutes")
			}
		})
	})
	t.Run("a page ends a refusal that preceded it", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &script{answer: func(n int, _ *http.Request) (int, http.Header) {
				switch n {
				case 1:
					wait(time.Second)
				case 2:
					return http.StatusUnauthorized, nil
				}
				return http.StatusOK, nil
			}}
			client := s.client(upstream.Config{CallersKeys: true})
			lookUps(t, client, "good", 1)
			var wg sync.WaitGroup
			for i := range 2 {
				wg.Go(func() { _, _ = client.As(with("good")).ListUsers(t.Context(), distinct(i)) })
				synctest.Wait()
			}
			wg.Wait()
			if kinds := lookUps(t, client, "good", 1); kinds["<nil>"] != 1 {
				t.Errorf("got %v", kinds)
			}
		})
	})
	t.Run("a key that is refused later has at most its permits in flight, and no call more", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			revoked := atomic.Bool{}
			s := &script{takes: 50 * time.Millisecond, answer: func(int, *http.Request) (int, http.Header) {
				if revoked.Load() {
					return http.StatusUnauthorized, nil
				}
				return http.StatusOK, nil
			}}
			client := s.client(upstream.Config{CallersKeys: true})
			lookUps(t, client, "good", 1)
			revoked.Store(true)
			kinds := lookUps(t, client, "good", 100)
			if n := len(s.calls) - 1; n != 8 || kinds["unauthenticated"] != 100 {
				t.Errorf("%d calls, %v", n, kinds)
			}
		})
	})
}

// TestStrangersDoNotDelayAcceptedKeys calls with many made-up keys at once, and
// with an accepted key.
func TestStrangersDoNotDelayAcceptedKeys(t *testing.T) {
	for _, strangers := range []int{0, 1500, 2000} {
		t.Run(fmt.Sprint(strangers, " made-up keys at once"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDoors()
				client := d.client(upstream.Config{})
				if _, err := client.As(with("good")).ListUsers(t.Context(), page); err != nil {
					t.Fatal(err)
				}
				var calls tally
				for i := range strangers {
					calls.call(func() error {
						_, err := client.As(with(fmt.Sprint("bad ", i))).ListUsers(t.Context(), page)
						return err
					})
				}
				synctest.Wait()
				began := time.Now()
				var accepted sync.WaitGroup
				for i := range 80 { // ten rounds of eight
					accepted.Go(func() {
						if _, err := client.As(with("good")).ListUsers(t.Context(), distinct(i)); err != nil {
							t.Error(err)
						}
					})
				}
				accepted.Wait()
				if took := time.Since(began); took != 500*time.Millisecond {
					t.Errorf("the accepted key's calls took %v, want 500ms", took)
				}
				calls.Wait()
				t.Logf("strangers: %v; %d in flight at once", calls.kinds, d.highest[false])
				if d.highest[false] > 64 {
					t.Errorf("%d strangers' calls in flight", d.highest[false])
				}
				if n := calls.kinds["overloaded"]; n < strangers-1024-64 || n > max(0, strangers-1024) {
					t.Errorf("%d of %d are overloaded", n, strangers)
				}
			})
		})
	}
}

// TestAcceptedKeysAreServedFirst has calls of accepted keys and of strangers wait
// for the process's slots.
func TestAcceptedKeysAreServedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoors()
		client := d.client(upstream.Config{Connections: 8, Concurrency: 8})
		for k := range 4 {
			if _, err := client.As(with(fmt.Sprint("good ", k))).ListUsers(t.Context(), page); err != nil {
				t.Fatal(err)
			}
		}
		var wg sync.WaitGroup
		began := time.Now()
		var last time.Duration
		var mu sync.Mutex
		for i := range 20 {
			wg.Go(func() { _, _ = client.As(with(fmt.Sprint("bad ", i))).ListUsers(t.Context(), page) })
		}
		synctest.Wait() // two of them are in flight
		for i := range 32 {
			wg.Go(func() {
				if _, err := client.As(with(fmt.Sprint("good ", i%4))).ListUsers(t.Context(), distinct(i)); err != nil {
					t.Error(err)
				}
				mu.Lock()
				last = max(last, time.Since(began))
				mu.Unlock()
			})
		}
		wg.Wait()
		if last > 250*time.Millisecond { // 6 in the first round, then 8
			t.Errorf("the last accepted call took %v", last)
		}
		if d.highest[false] > 2 || d.highest[true] > 8 {
			t.Errorf("in flight at once: %v", d.highest)
		}
	})
}

// TestAcceptedKeysAreBounded has calls of more accepted keys than may wait for a
// connection.
func TestAcceptedKeysAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: always(200), takes: time.Second}
		client := s.client(upstream.Config{Connections: 2, Concurrency: 1})
		for range 2 { // refused calls return their keys' permits
			var calls tally
			for i := range 20 {
				calls.call(func() error {
					_, err := client.As(with(fmt.Sprint("key ", i))).ListUsers(t.Context(), page)
					return err
				})
			}
			calls.Wait()
			if calls.kinds["<nil>"] != 10 || calls.kinds["overloaded"] != 10 { // two in flight, and eight wait
				t.Errorf("got %v", calls.kinds)
			}
		}
		for i := range 20 {
			if _, err := client.As(with(fmt.Sprint("key ", i))).ListUsers(t.Context(), page); err != nil {
				t.Errorf("key %d: %v", i, err)
			}
		}
	})
}

// TestQueueMargin has calls that would be served
// when no time is left.
func TestQueueMargin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoors()
		d.takes = time.Hour // each attempt times out after eight seconds
		client := d.client(upstream.Config{Connections: 4, Concurrency: 1})
		var calls tally
		for i := range 10 {
			calls.call(func() error {
				began := time.Now()
				_, err := client.As(with(fmt.Sprint("bad ", i))).ListUsers(t.Context(), page)
				if took := time.Since(began); kind(err) == "overloaded" && took != 9500*time.Millisecond {
					t.Errorf("refused after %v", took)
				}
				return err
			})
		}
		calls.Wait()
		if calls.kinds["overloaded"] != 8 || calls.kinds["timeout"] != 2 || d.highest[false] != 1 {
			t.Errorf("%v, %v at once", calls.kinds, d.highest)
		}
	})
}

// TestChargeOfStrangers checks which callers are charged for the calls.
func TestChargeOfStrangers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		charged := map[upstream.Caller]int{}
		client := newDoors().client(upstream.Config{OnCall: func(c upstream.Caller) { charged[c]++ }})
		for i := range 10 {
			_, _ = client.As(with(fmt.Sprint("bad ", i))).ListUsers(t.Context(), page)
			_, _ = client.As(with("good")).ListUsers(t.Context(), distinct(i))
		}
		if len(charged) != 1 || charged[with("good")] != 10 {
			t.Errorf("charged %d callers, the accepted one for %d calls", len(charged), charged[with("good")])
		}
	})
}

// TestChargeOfFailedCalls has an upstream that accepts a key, and then fails.
func TestChargeOfFailedCalls(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusServiceUnavailable, http.StatusTooManyRequests} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				charged := 0
				s := &script{answer: func(n int, _ *http.Request) (int, http.Header) {
					if n == 0 {
						return http.StatusOK, nil
					}
					return status, nil
				}}
				client := s.client(upstream.Config{CallersKeys: true, OnCall: func(upstream.Caller) { charged++ }})
				for i := range 5 {
					_, _ = client.As(alice).ListUsers(t.Context(), distinct(i))
				}
				if charged != 5 { // second attempts do not count
					t.Errorf("charged for %d of 5 calls, of %d requests", charged, len(s.calls))
				}
			})
		})
	}
}

// TestChargeOfSharedCalls has two callers of one key share a call.
func TestChargeOfSharedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		charged := map[upstream.Caller]int{}
		s := &script{answer: always(200), takes: time.Second}
		client := s.client(upstream.Config{OnCall: func(c upstream.Caller) { charged[c]++ }})
		var wg sync.WaitGroup
		for _, caller := range []upstream.Caller{alice, bob} {
			wg.Go(func() { _, _ = client.As(caller).ListUsers(t.Context(), page) })
			synctest.Wait()
		}
		wg.Wait()
		if len(s.calls) != 1 || charged[alice] != 1 || charged[bob] != 0 {
			t.Errorf("%d calls, alice is charged %d and bob %d", len(s.calls), charged[alice], charged[bob])
		}
	})
}

func TestReportedMaximum(t *testing.T) {
	for header, want := range map[string]int{"3": 3, "8": 8, "100": 8, "0": 8, "-1": 8, "many": 8, "": 8} {
		for keys, callers := range map[string]bool{"the service's key": false, "a caller's key": true} {
			t.Run(header+" for "+keys, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &script{takes: time.Second, answer: func(int, *http.Request) (int, http.Header) {
						return http.StatusOK, http.Header{"Maximum-Concurrent-Requests": {header}}
					}}
					client := s.client(upstream.Config{CallersKeys: callers})
					if _, err := client.As(alice).ListUsers(t.Context(), page); err != nil {
						t.Fatal(err)
					}
					var wg sync.WaitGroup
					for i := range 24 {
						wg.Go(func() {
							if _, err := client.As(alice).ListUsers(t.Context(), distinct(i)); err != nil {
								t.Error(err)
							}
						})
					}
					wg.Wait()
					if s.highest != want {
						t.Errorf("%d requests in flight, want %d", s.highest, want)
					}
				})
			})
		}
	}
}
