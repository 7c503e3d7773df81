package flight_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/flight"
	"rollcall/internal/panics"
)

// second is a call that takes a second, and counts how often it is made.
type second struct {
	mu               sync.Mutex
	calls, cancelled int
	result           string
}

func (s *second) call(ctx context.Context) (string, error) {
	s.mu.Lock()
	s.calls++
	s.mu.Unlock()
	select {
	case <-time.After(time.Second):
		return s.result, nil
	case <-ctx.Done():
		s.mu.Lock()
		s.cancelled++
		s.mu.Unlock()
		return "", context.Cause(ctx)
	}
}

func TestEqualCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, string]
		s := second{result: "ok"}
		var wg sync.WaitGroup
		var joins int
		for range 10 {
			wg.Go(func() {
				v, joined, err := g.Do(t.Context(), "key", s.call)
				if v != "ok" || err != nil {
					t.Error(v, err)
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				if joined {
					joins++
				}
			})
			wg.Go(func() { _, _, _ = g.Do(t.Context(), "other", s.call) })
		}
		wg.Wait()
		if s.calls != 2 || joins != 9 {
			t.Errorf("%d calls, %d joined", s.calls, joins)
		}
		if _, joined, _ := g.Do(t.Context(), "key", s.call); joined {
			t.Error("joined a flight that has landed")
		}
	})
}

func TestCancellationOfTheFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, string]
		s := second{result: "ok"}
		first, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _, _, _ = g.Do(first, "key", s.call) })
		synctest.Wait()
		wg.Go(func() {
			if v, joined, err := g.Do(t.Context(), "key", s.call); v != "ok" || !joined || err != nil {
				t.Error(v, joined, err)
			}
		})
		synctest.Wait()
		cancel()
		wg.Wait()
		if s.calls != 1 || s.cancelled != 0 {
			t.Errorf("%+v", &s)
		}
	})
}

func TestCancellationOfAllCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, string]
		var s second
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if _, _, err := g.Do(ctx, "key", s.call); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		cancel()
		began := time.Now()
		wg.Wait()
		if s.calls != 1 || s.cancelled != 1 || time.Since(began) != 0 {
			t.Errorf("%+v after %v", &s, time.Since(began))
		}
	})
}

func TestDeadlineOfTheFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, string]
		s := second{result: "ok"}
		first, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, _, err := g.Do(first, "key", s.call); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
		synctest.Wait()
		for range 3 {
			wg.Go(func() {
				if v, _, err := g.Do(t.Context(), "key", s.call); v != "ok" || err != nil {
					t.Error(v, err)
				}
			})
		}
		wg.Wait()
		if s.calls != 2 {
			t.Errorf("%d calls, want the first one's and one for all others", s.calls)
		}
	})
}

func TestPanic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, string]
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				_, _, err := g.Do(t.Context(), "key", func(context.Context) (string, error) {
					time.Sleep(time.Second) //nolint:forbidigo // in fake time
					panic("canary")
				})
				if p, ok := errors.AsType[*panics.Error](err); !ok || p.Error() != "panic: string" || len(p.Stack) == 0 {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

// TestTimeout bounds calls whose callers have no deadline, or a later one.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := flight.Group[string, string]{Timeout: 500 * time.Millisecond}
		s := second{result: "ok"}
		for _, timeout := range []time.Duration{time.Hour, 100 * time.Millisecond} {
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			began := time.Now()
			_, _, err := g.Do(ctx, "key", s.call)
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != min(timeout, g.Timeout) {
				t.Errorf("with %v: %v after %v", timeout, err, took)
			}
			cancel()
		}
	})
}

// TestAbandonedCall has a call that continues for a while after its only caller
// has left.
func TestAbandonedCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g flight.Group[string, int32]
		var calls atomic.Int32
		call := func(ctx context.Context) (int32, error) {
			n := calls.Add(1)
			time.Sleep(2 * time.Second) //nolint:forbidigo // in fake time
			return n, ctx.Err()
		}
		ctx, leave := context.WithCancel(t.Context())
		go func() { _, _, _ = g.Do(ctx, "key", call) }()
		time.Sleep(time.Second) //nolint:forbidigo // in fake time
		leave()
		synctest.Wait()
		for range 2 { // the second one arrives when the first call has ended
			go func() {
				if n, _, err := g.Do(t.Context(), "key", call); n != 2 || err != nil {
					t.Errorf("call %d, err %v, want call 2", n, err)
				}
			}()
			time.Sleep(1500 * time.Millisecond) //nolint:forbidigo // in fake time
		}
		time.Sleep(2 * time.Second) //nolint:forbidigo // in fake time
	})
}
