// Package limitertest has the tests that every implementation of
// [upstream.Limiter] passes.
package limitertest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"rollcall/upstream"
)

// Constructor returns a limiter for a key of its own.
type Constructor func(t *testing.T, limit int) upstream.Limiter

// Tests are the tests, by name. Settle waits until all goroutines that can proceed
// have done so: synctest.Wait, or a short sleep for a limiter that uses a network.
var Tests = map[string]func(t *testing.T, newLimiter Constructor, settle func()){
	"limit":   testLimit,
	"order":   testOrder,
	"cancel":  testCancel,
	"race":    testRace,
	"maximum": testMaximum,
	"pauses":  testPauses,
	"load":    testLoad,
}

func acquire(t *testing.T, l upstream.Limiter) (release func()) {
	t.Helper()
	release, err := l.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return release
}

// waiter acquires a permit in a goroutine, and sends the release.
func waiter(ctx context.Context, l upstream.Limiter) <-chan func() {
	got := make(chan func(), 1)
	go func() {
		if release, err := l.Acquire(ctx); err == nil {
			got <- release
		}
		close(got)
	}()
	return got
}

// has reports whether a waiter has its permit.
func has(got <-chan func()) bool { return len(got) == 1 }

// testLimit: there are as many permits as the limit, and each is available again
// after its release.
func testLimit(t *testing.T, newLimiter Constructor, settle func()) {
	l := newLimiter(t, 3)
	if l.Limit() != 3 {
		t.Errorf("the limit is %d", l.Limit())
	}
	releases := []func(){acquire(t, l), acquire(t, l), acquire(t, l)}
	next := waiter(t.Context(), l)
	settle()
	if has(next) {
		t.Error("there is a fourth permit")
	}
	releases[1]()
	settle()
	if !has(next) {
		t.Fatal("the released permit is not granted")
	}
	(<-next)()
	releases[0]()
	releases[2]()
	for range 10 {
		acquire(t, l)()
	}
}

// testOrder: waiting calls are served in the order of their arrival.
func testOrder(t *testing.T, newLimiter Constructor, settle func()) {
	l := newLimiter(t, 1)
	release := acquire(t, l)
	var order []int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			release, err := l.Acquire(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			order = append(order, i)
			mu.Unlock()
			release()
		})
		settle()
	}
	release()
	wg.Wait()
	if !slices.IsSorted(order) {
		t.Errorf("served in the order %v", order)
	}
}

// testCancel: a cancelled call returns the cause, and costs no permit.
func testCancel(t *testing.T, newLimiter Constructor, settle func()) {
	l := newLimiter(t, 1)
	release := acquire(t, l)
	left := errors.New("left")
	ctx, cancel := context.WithCancelCause(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := l.Acquire(ctx)
		failed <- err
	}()
	settle()
	next := waiter(t.Context(), l)
	settle()
	cancel(left)
	if err := <-failed; !errors.Is(err, left) {
		t.Errorf("err is %v", err)
	}
	release()
	settle()
	if !has(next) {
		t.Fatal("the call behind the cancelled one is not served")
	}
	(<-next)()
}

// testRace: a call that is cancelled when its permit is granted costs none.
func testRace(t *testing.T, newLimiter Constructor, settle func()) {
	l := newLimiter(t, 1)
	for range 20 {
		held := waiter(t.Context(), l)
		settle()
		if !has(held) {
			t.Fatal("a permit is lost")
		}
		ctx, cancel := context.WithCancel(t.Context())
		got := waiter(ctx, l)
		settle()
		cancel()
		(<-held)()
		if release, ok := <-got; ok {
			release()
		}
		settle()
	}
}

// testMaximum: the reported maximum lowers the limit, and never raises it.
func testMaximum(t *testing.T, newLimiter Constructor, settle func()) {
	l := newLimiter(t, 3)
	l.SetMaximum(1)
	release := acquire(t, l)
	next := waiter(t.Context(), l)
	settle()
	if l.Limit() != 1 || has(next) {
		t.Errorf("the limit is %d", l.Limit())
	}
	l.SetMaximum(100)
	settle()
	if l.Limit() != 3 || !has(next) {
		t.Fatalf("the limit is %d", l.Limit())
	}
	(<-next)()
	release()
	if l.SetMaximum(0); l.Limit() != 1 {
		t.Errorf("the limit is %d", l.Limit())
	}
}

// testPauses: the latest pause counts.
func testPauses(t *testing.T, newLimiter Constructor, settle func()) {
	l := newLimiter(t, 1)
	if l.PausedUntil().After(time.Now()) {
		t.Error("a new limiter pauses")
	}
	late := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	l.PauseUntil(late)
	l.PauseUntil(late.Add(-time.Minute))
	settle()
	if got := l.PausedUntil(); got.Sub(late).Abs() > time.Millisecond {
		t.Errorf("paused until %v, want %v", got, late)
	}
}

// testLoad: many goroutines never hold more permits than there are.
func testLoad(t *testing.T, newLimiter Constructor, _ func()) {
	const limit = 4
	l := newLimiter(t, limit)
	var mu sync.Mutex
	held, highest := 0, 0
	count := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		held += n
		highest = max(highest, held)
	}
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			for range 20 {
				release, err := l.Acquire(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				count(1)
				count(-1)
				release()
			}
		})
	}
	wg.Wait()
	if highest > limit {
		t.Errorf("%d permits at once", highest)
	}
}
