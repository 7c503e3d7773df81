package budget_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/budget"
)

// acquire acquires bytes on a goroutine of its own and reports whether it has them.
func acquire(ctx context.Context, b *budget.Budget[string], key string, n int) (has func() bool) {
	done := make(chan error, 1)
	go func() { done <- b.Acquire(ctx, key, n) }()
	return func() bool {
		synctest.Wait()
		select {
		case err := <-done:
			done <- err
			return err == nil
		default:
			return false
		}
	}
}

func TestAcquire(t *testing.T) {
	for name, test := range map[string]func(*testing.T, *budget.Budget[string]){
		"a key holds at most half, and does not stop others": func(t *testing.T, b *budget.Budget[string]) {
			if first := acquire(t.Context(), b, "a", 40); !first() {
				t.Fatal("40 of 50")
			}
			second := acquire(t.Context(), b, "a", 20)
			if second() {
				t.Fatal("60 of 50")
			}
			if other := acquire(t.Context(), b, "b", 50); !other() {
				t.Error("another key waits")
			}
			b.Release("a", 40)
			if !second() {
				t.Error("the key waits for its own bytes, which were released")
			}
		},
		"a large waiter is not overtaken by smaller ones": func(t *testing.T, b *budget.Budget[string]) {
			b.Force("a", 50)
			b.Force("b", 30)
			large := acquire(t.Context(), b, "c", 40)
			if large() {
				t.Fatal("120 of 100")
			}
			small := acquire(t.Context(), b, "d", 10)
			if small() {
				t.Error("a smaller waiter overtakes")
			}
			b.Release("b", 30)
			if !large() || !small() {
				t.Errorf("after the release: %v, %v", large(), small())
			}
		},
		"a waiter that gives up lets the next one pass": func(t *testing.T, b *budget.Budget[string]) {
			b.Force("a", 50)
			b.Force("b", 30)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- b.Acquire(ctx, "c", 40) }()
			synctest.Wait()
			small := acquire(t.Context(), b, "d", 10)
			if err := <-done; !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("err is %v", err)
			}
			if !small() || b.Used() != 90 {
				t.Errorf("%v, %d bytes are used", small(), b.Used())
			}
		},
		"a cancelled context gets nothing": func(t *testing.T, b *budget.Budget[string]) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := b.Acquire(ctx, "a", 1); !errors.Is(err, context.Canceled) || b.Used() != 0 {
				t.Errorf("err is %v, %d bytes are used", err, b.Used())
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, budget.New[string](100)) })
		})
	}
}
