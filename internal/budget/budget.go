// Package budget shares a number of bytes among keys. It knows nothing of what
// the bytes are.
package budget

import (
	"context"
	"slices"
	"sync"
)

// Budget is a number of bytes, at most half of which one key may hold. It is safe
// for concurrent use.
type Budget[K comparable] struct {
	total int

	mu      sync.Mutex
	used    int
	byKey   map[K]int
	waiters []*waiter[K] // first come, first served, as far as their keys' halves allow
}

type waiter[K comparable] struct {
	key     K
	n       int
	granted chan struct{}
}

// New returns a budget of total bytes.
func New[K comparable](total int) *Budget[K] {
	return &Budget[K]{total: total, byKey: make(map[K]int)}
}

// Share returns the most that one key may hold.
func (b *Budget[K]) Share() int { return b.total / 2 }

// Acquire waits until key may hold n more bytes, which may be as many as Share.
// It returns the cause of ctx's cancellation if that comes first, even if the
// bytes are available.
func (b *Budget[K]) Acquire(ctx context.Context, key K, n int) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	b.mu.Lock()
	w := &waiter[K]{key, n, make(chan struct{})}
	b.waiters = append(b.waiters, w)
	b.grant()
	b.mu.Unlock()
	select {
	case <-w.granted:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.waiters, w); i >= 0 {
		b.waiters = slices.Delete(b.waiters, i, i+1)
		b.grant() // it may have been the one that the others waited behind
		return context.Cause(ctx)
	}
	return nil // granted at the same time
}

// Force takes n bytes for key even if the budget is exceeded: they are in memory
// already.
func (b *Budget[K]) Force(key K, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.take(key, n)
}

// Release returns n bytes that key holds.
func (b *Budget[K]) Release(key K, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.take(key, -n)
	if b.byKey[key] == 0 {
		delete(b.byKey, key)
	}
	b.grant()
}

// Used returns the number of bytes that are held.
func (b *Budget[K]) Used() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

func (b *Budget[K]) take(key K, n int) {
	b.used += n
	b.byKey[key] += n
}

// grant gives waiters their bytes, in order. A waiter whose key holds its half is
// passed over; a waiter that only the total stops is not, because smaller ones
// behind it would keep it waiting forever. b.mu is held.
func (b *Budget[K]) grant() {
	left := b.waiters[:0]
	for i, w := range b.waiters {
		switch {
		case b.byKey[w.key]+w.n > b.Share():
			left = append(left, w)
		case b.used+w.n > b.total:
			b.waiters = append(left, b.waiters[i:]...)
			return
		default:
			b.take(w.key, w.n)
			close(w.granted)
		}
	}
	clear(b.waiters[len(left):])
	b.waiters = left
}
