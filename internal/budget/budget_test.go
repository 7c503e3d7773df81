package budget_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/internal/budget"
)

func TestBudget(t *testing.T) {
	t.Run("an owner gets half, and does not delay the others", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New[string](100)
			var mu sync.Mutex
			var order []string // guarded by mu
			acquire := func(owner string, bytes int) {
				go func() {
					if err := b.Acquire(t.Context(), owner, bytes); err == nil {
						mu.Lock()
						order = append(order, owner)
						mu.Unlock()
					}
				}()
				synctest.Wait()
			}
			acquire("a", 50)
			acquire("a", 1)
			acquire("b", 30)
			acquire("c", 20)
			if got := len(order); got != 3 || b.Used() != 100 {
				t.Fatalf("%d bytes are in use, granted to %v", b.Used(), order)
			}
			acquire("d", 1)
			b.Release("a", 10)
			synctest.Wait()
			if got := order[len(order)-2:]; got[0]+got[1] != "ad" && got[0]+got[1] != "da" || b.Used() != 92 {
				t.Errorf("%d bytes are in use, granted to %v", b.Used(), order)
			}
		})
	})
	t.Run("a wait ends with its context, and gives nothing away", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New[string](100)
			b.Add("a", 150)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := b.Acquire(ctx, "b", 1); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			b.Release("a", 150)
			if err := b.Acquire(t.Context(), "b", 50); err != nil || b.Used() != 50 {
				t.Errorf("got %v, %d bytes are in use", err, b.Used())
			}
		})
	})
	t.Run("a stream of small ones does not delay a large one for ever", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New[string](100)
			b.Add("a", 40)
			b.Add("b", 40)
			granted := make(chan string, 2)
			acquire := func(owner string, bytes int) {
				go func() {
					if b.Acquire(t.Context(), owner, bytes) == nil {
						granted <- owner
					}
				}()
				synctest.Wait()
			}
			acquire("large", 50)
			acquire("small", 10)
			if len(granted) != 0 {
				t.Fatalf("%s was granted first", <-granted)
			}
			b.Release("a", 40)
			synctest.Wait()
			if len(granted) != 2 {
				t.Errorf("%d were granted", len(granted))
			}
		})
	})
	t.Run("a wait that ends lets those behind it through", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New[string](100)
			b.Add("a", 80)
			ctx, leave := context.WithCancel(t.Context())
			go func() { _ = b.Acquire(ctx, "large", 50) }()
			synctest.Wait()
			granted := make(chan error, 1)
			go func() { granted <- b.Acquire(t.Context(), "small", 10) }()
			synctest.Wait()
			leave()
			synctest.Wait()
			if len(granted) != 1 || b.Used() != 90 {
				t.Fatalf("%d bytes are in use", b.Used())
			}
		})
	})
	t.Run("a wait that ends when its bytes are granted uses none", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New[string](100)
			for range 100 {
				b.Add("a", 100)
				ctx, leave := context.WithCancel(t.Context())
				got := make(chan error, 1)
				go func() { got <- b.Acquire(ctx, "b", 50) }()
				synctest.Wait()
				leave()
				b.Release("a", 100)
				if <-got == nil {
					b.Release("b", 50)
				}
				if b.Used() != 0 {
					t.Fatalf("%d bytes are in use", b.Used())
				}
			}
		})
	})
	t.Run("TryAcquire does not wait, and does not overtake", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := budget.New[string](100)
			if !b.TryAcquire("a", 50) || b.TryAcquire("a", 1) || b.Used() != 50 {
				t.Errorf("%d bytes are in use", b.Used())
			}
			b.Add("c", 40)
			go func() { _ = b.Acquire(t.Context(), "b", 20) }()
			synctest.Wait()
			if b.TryAcquire("d", 5) {
				t.Error("it took the bytes that another owner waits for")
			}
			b.Release("a", 50)
			synctest.Wait()
			if !b.TryAcquire("d", 5) || b.Used() != 65 {
				t.Errorf("%d bytes are in use", b.Used())
			}
		})
	})
}
