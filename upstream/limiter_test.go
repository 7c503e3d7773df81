package upstream_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/upstream"
)

func TestPauseAfter429(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: firstly(429, http.Header{"Retry-After": {"60"}})}
		client := s.client(upstream.Config{})
		list := func(caller upstream.Caller, n int) error {
			_, err := client.As(caller).ListUsers(t.Context(), distinct(n))
			return err
		}
		if err := list(alice, 0); kind(err) != "rate limited" {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second) //nolint:forbidigo // in fake time
		err := list(alice, 1)
		if e, ok := errors.AsType[*upstream.Error](err); !ok || e.Kind != upstream.RateLimited || e.RetryAfter != 50*time.Second {
			t.Errorf("err is %+v", err)
		}
		if err := list(bob, 2); kind(err) != "rate limited" { // another subject with the same key
			t.Errorf("err is %v", err)
		}
		if len(s.calls) != 1 {
			t.Errorf("%d calls, want 1", len(s.calls))
		}
		if err := list(other, 3); err != nil {
			t.Errorf("another key was paused: %v", err)
		}
		time.Sleep(45 * time.Second) //nolint:forbidigo // in fake time
		began := time.Now()
		if err := list(alice, 4); err != nil || time.Since(began) != 5*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestPauseIsBounded has upstreams whose Retry-After is decades ahead.
func TestPauseIsBounded(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"300": 5 * time.Minute, "301": 5 * time.Minute, "2147483647": 5 * time.Minute, "99999999999999999999": 5 * time.Minute,
		"Tue, 01 Jan 2999 00:00:00 GMT": 5 * time.Minute, "Sat, 01 Jan 2000 00:01:00 GMT": time.Minute,
		"-5": time.Second, "soon": time.Second, "Fri, 31 Dec 1999 00:00:00 GMT": time.Second, // an unusable value counts as the default
	} {
		t.Run(header, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // synctest starts at 2000-01-01
				s := &script{answer: firstly(429, http.Header{"Retry-After": {header}})}
				client := s.client(upstream.Config{Timeout: 500 * time.Millisecond})
				_, err := client.As(alice).ListUsers(t.Context(), distinct(0))
				if e, ok := errors.AsType[*upstream.Error](err); !ok || want > time.Second && e.RetryAfter != want {
					t.Errorf("err is %+v", err)
				}
				time.Sleep(want - time.Millisecond - 500*time.Millisecond) //nolint:forbidigo // in fake time
				if _, err := client.As(alice).ListUsers(t.Context(), distinct(1)); kind(err) != "rate limited" && want > time.Second {
					t.Errorf("err is %v", err)
				}
				time.Sleep(time.Second) //nolint:forbidigo // in fake time
				if _, err := client.As(alice).ListUsers(t.Context(), distinct(2)); err != nil {
					t.Errorf("still paused: %v", err)
				}
			})
		})
	}
}

func TestLimitPerKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: always(200), takes: time.Second}
		client := s.client(upstream.Config{Concurrency: 3})
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				if _, err := client.As(alice).ListUsers(t.Context(), distinct(i)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); s.highest != 3 || took != 4*time.Second {
			t.Errorf("%d at once, all in %v; want 3, 4s", s.highest, took)
		}
		for i := range 6 { // two keys have a limit each
			caller := []upstream.Caller{alice, other}[i%2]
			wg.Go(func() { _, _ = client.As(caller).ListUsers(t.Context(), distinct(i)) })
		}
		wg.Wait()
		if s.highest != 6 {
			t.Errorf("%d at once, want 6", s.highest)
		}
	})
}

func TestQueueRefusesLateCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: always(200), takes: time.Second}
		client := s.client(upstream.Config{Concurrency: 2})
		_, _ = client.As(alice).ListUsers(t.Context(), distinct(-1)) // makes the pace known
		var wg sync.WaitGroup
		var refused atomic.Int32
		hold, unhold := context.WithCancel(t.Context())
		defer unhold()
		wg.Go(func() { _, _ = client.As(alice).ListUsers(hold, distinct(-2)) })
		synctest.Wait()
		time.Sleep(time.Millisecond) //nolint:forbidigo // in fake time
		for i := range 60 {
			wg.Go(func() {
				began := time.Now()
				_, err := client.As(alice).ListUsers(t.Context(), distinct(i))
				if kind(err) == "rate limited" {
					refused.Add(1)
					if took := time.Since(began); took != 0 {
						t.Errorf("refused after %v", took)
					}
				} else if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := refused.Load(); n < 30 || n > 50 {
			t.Errorf("%d of 60 were refused; two permits serve about twenty in ten seconds", n)
		}
	})
}

// TestPauseOfWaitingCalls has calls wait for a permit when a 429 arrives.
func TestPauseOfWaitingCalls(t *testing.T) {
	for header, c := range map[string]struct {
		kind  string
		after time.Duration
		calls int
	}{
		"2":  {"<nil>", 5 * time.Second, 3}, // the second call, or the second attempt of the first, waits for the other one
		"60": {"rate limited", time.Second, 1},
	} {
		t.Run(header, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{takes: time.Second, answer: firstly(429, http.Header{"Retry-After": {header}})}
				client := s.client(upstream.Config{Concurrency: 1})
				began := time.Now()
				var wg sync.WaitGroup
				for i := range 2 {
					wg.Go(func() {
						if _, err := client.As(alice).ListUsers(t.Context(), distinct(i)); kind(err) != c.kind {
							t.Errorf("err is %v", err)
						}
					})
					synctest.Wait()
				}
				wg.Wait()
				if took := time.Since(began); took != c.after || len(s.calls) != c.calls {
					t.Errorf("%d calls in %v, want %d in %v", len(s.calls), took, c.calls, c.after)
				}
			})
		})
	}
}

// TestQueueLength has more calls at once than may wait for one key, twice.
func TestQueueLength(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: always(200), takes: time.Minute}
		client := s.client(upstream.Config{Concurrency: 2})
		for range 2 {
			ctx, leave := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			var refused atomic.Int32
			for i := range 1100 {
				wg.Go(func() {
					if _, err := client.As(alice).ListUsers(ctx, distinct(i)); kind(err) == "rate limited" {
						refused.Add(1)
					}
				})
			}
			synctest.Wait()
			if n := refused.Load(); n != 1100-2-1024 {
				t.Errorf("%d of 1,100 calls were refused, want 74", n)
			}
			leave()
			wg.Wait()
		}
	})
}

// TestPacePerKey serves one key slowly, so that its calls are refused, and then
// serves all keys fast.
func TestPacePerKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answer: always(200), takes: 4 * time.Second}
		client := s.client(upstream.Config{Concurrency: 2})
		burst := func(caller upstream.Caller) (refused int32) {
			var wg sync.WaitGroup
			var n atomic.Int32
			for i := range 20 {
				wg.Go(func() {
					if _, err := client.As(caller).ListUsers(t.Context(), distinct(i)); err != nil {
						n.Add(1)
					}
				})
			}
			wg.Wait()
			return n.Load()
		}
		_, _ = client.As(alice).ListUsers(t.Context(), distinct(-1))
		s.takes = 10 * time.Millisecond
		if n := burst(other); n != 0 {
			t.Errorf("%d of 20 were refused for another key's pace", n)
		}
		if n := burst(alice); n < 10 {
			t.Errorf("%d of 20 were refused for the key's own pace", n)
		}
		s.takes = 4 * time.Second
		_, _ = client.As(alice).ListUsers(t.Context(), distinct(-1))
		s.takes = 10 * time.Millisecond
		time.Sleep(11 * time.Second) //nolint:forbidigo // in fake time
		if n := burst(alice); n != 0 {
			t.Errorf("%d of 20 were refused for a pace that is no longer recent", n)
		}
	})
}

func TestPaceIgnoresHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{takes: 20 * time.Millisecond, answer: firstly(-1, nil)}
		client := s.client(upstream.Config{})
		if _, err := client.As(alice).ListUsers(t.Context(), page); kind(err) != "timeout" {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				if _, err := client.As(alice).ListUsers(t.Context(), distinct(i)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

func TestPermitsAfterPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		panics := true
		s := &script{answer: func(int, *http.Request) (int, http.Header) {
			if panics {
				panic("canary")
			}
			return 200, nil
		}}
		client := s.client(upstream.Config{Concurrency: 1})
		var wg sync.WaitGroup
		for i := range 10 { // one after the other, because there is one permit
			wg.Go(func() {
				_, err := client.As(alice).ListUsers(t.Context(), distinct(i))
				if err == nil || !strings.Contains(err.Error(), "panic: string") || strings.Contains(err.Error(), "canary") {
					t.Errorf("err is %v", err)
				}
			})
		}
		wg.Wait()
		panics = false
		if _, err := client.As(alice).ListUsers(t.Context(), page); err != nil {
			t.Error(err)
		}
	})
}

// TestKeysShareNoCalls requests the same pages with two keys at the same time.
func TestKeysShareNoCalls(t *testing.T) {
	s := &script{answer: always(200)}
	client := s.client(upstream.Config{})
	const rounds = 1000
	for i := range rounds {
		var wg sync.WaitGroup
		for _, caller := range []upstream.Caller{alice, other} {
			wg.Go(func() {
				if _, err := client.As(caller).ListUsers(t.Context(), distinct(i)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	}
	count := map[string]int{}
	for _, key := range s.keys {
		count[key]++
	}
	if len(s.calls) != 2*rounds || count["key"] != rounds || count["other"] != rounds {
		t.Errorf("%d calls, by key %v", len(s.calls), count)
	}
}
