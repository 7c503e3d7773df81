// Package budget bounds how many bytes are in use at the same time: in total, and
// half of that for each owner. It depends on nothing else of the project.
package budget

import (
	"context"
	"slices"
	"sync"
)

// Budget is a number of bytes that owners share. It is safe for concurrent use.
type Budget[Owner comparable] struct {
	total int

	mu      sync.Mutex
	used    int
	byOwner map[Owner]int
	waiting []*waiter[Owner] // in the order of arrival
}

type waiter[Owner comparable] struct {
	owner   Owner
	bytes   int
	granted chan struct{}
}

// New returns a budget of total bytes.
func New[Owner comparable](total int) *Budget[Owner] {
	return &Budget[Owner]{total: total, byOwner: make(map[Owner]int)}
}

// Acquire waits until the owner may use a number of bytes. Release returns them.
// The error is the cause of ctx's cancellation. More than half of the total is
// never granted. Owners are served in the order of arrival, except that an owner
// which has to wait for its own half does not delay the others.
func (b *Budget[Owner]) Acquire(ctx context.Context, owner Owner, bytes int) error {
	b.mu.Lock()
	if b.fits(owner, bytes) && len(b.waiting) == 0 {
		b.add(owner, bytes)
		b.mu.Unlock()
		return nil
	}
	w := &waiter[Owner]{owner, bytes, make(chan struct{})}
	b.waiting = append(b.waiting, w)
	b.grant()
	b.mu.Unlock()
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.Index(b.waiting, w)
	if i < 0 { // granted in the meantime
		b.add(owner, -bytes)
	} else {
		b.waiting = slices.Delete(b.waiting, i, i+1)
	}
	b.grant()
	return context.Cause(ctx)
}

// TryAcquire is like Acquire, but returns false if Acquire would wait.
func (b *Budget[Owner]) TryAcquire(owner Owner, bytes int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.fits(owner, bytes) || len(b.waiting) > 0 {
		return false
	}
	b.add(owner, bytes)
	return true
}

// Add counts bytes that are already in use, even if they exceed the bounds.
func (b *Budget[Owner]) Add(owner Owner, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(owner, bytes)
}

// Release returns bytes to the budget.
func (b *Budget[Owner]) Release(owner Owner, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.add(owner, -bytes)
	b.grant()
}

// Used returns how many bytes are in use.
func (b *Budget[Owner]) Used() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

func (b *Budget[Owner]) fits(owner Owner, bytes int) bool {
	return b.used+bytes <= b.total && b.fitsHalf(owner, bytes)
}

func (b *Budget[Owner]) fitsHalf(owner Owner, bytes int) bool {
	return b.byOwner[owner]+bytes <= b.total/2
}

func (b *Budget[Owner]) add(owner Owner, bytes int) {
	b.used += bytes
	b.byOwner[owner] += bytes
	if b.byOwner[owner] == 0 {
		delete(b.byOwner, owner)
	}
}

// grant serves waiting owners as long as their bytes fit.
func (b *Budget[Owner]) grant() {
	full := false // for all that follow
	b.waiting = slices.DeleteFunc(b.waiting, func(w *waiter[Owner]) bool {
		if full || !b.fitsHalf(w.owner, w.bytes) {
			return false
		}
		if full = b.used+w.bytes > b.total; full {
			return false
		}
		b.add(w.owner, w.bytes)
		close(w.granted)
		return true
	})
}
