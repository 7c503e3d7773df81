package upstream

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// class is the priority of an acquisition of a [semaphore].
type class uint8

const (
	// preferred acquisitions are served first.
	preferred class = iota
	// restricted acquisitions have a part of the permits, and are served when no
	// preferred one waits.
	restricted
	classes
)

// semaphore grants permits first come, first served within each class. In
// contrast to x/sync's, it has two classes and its limit may change. It is safe
// for concurrent use.
type semaphore struct {
	mu      sync.Mutex
	limits  [classes]int // of preferred, both classes together
	used    [classes]int
	waiters [classes]list.List // of chan struct{}, closed by the grant
}

// newSemaphore returns a semaphore with limit permits, of which restricted
// acquisitions may hold part.
func newSemaphore(limit, part int) *semaphore {
	return &semaphore{limits: [classes]int{preferred: limit, restricted: part}}
}

// errFull reports that too many acquisitions wait.
var errFull = errors.New("too many acquisitions wait")

// acquire waits for a permit, unless most acquisitions of the class wait already.
// The error is errFull, or the cause of ctx's cancellation.
func (s *semaphore) acquire(ctx context.Context, c class, most int) error {
	s.mu.Lock()
	if s.take(c) {
		s.mu.Unlock()
		return nil
	}
	if s.waiters[c].Len() >= most {
		s.mu.Unlock()
		return errFull
	}
	granted := make(chan struct{})
	place := s.waiters[c].PushBack(granted)
	s.mu.Unlock()
	select {
	case <-granted:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-granted: // in the meantime
		s.used[c]--
		s.grant()
	default:
		s.waiters[c].Remove(place)
	}
	return context.Cause(ctx)
}

// tryAcquire acquires a permit if that needs no wait.
func (s *semaphore) tryAcquire(c class) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.take(c)
}

func (s *semaphore) release(c class) {
	s.mu.Lock()
	s.used[c]--
	s.grant()
	s.mu.Unlock()
}

// setLimit changes the number of permits. Permits beyond it are not revoked.
func (s *semaphore) setLimit(limit int) {
	s.mu.Lock()
	s.limits[preferred] = limit
	s.grant()
	s.mu.Unlock()
}

// limit returns the number of permits.
func (s *semaphore) limit() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.limits[preferred]
}

// waiting returns how many acquisitions of a class wait.
func (s *semaphore) waiting(c class) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.waiters[c].Len()
}

// take takes a permit if one is free. No acquisition can be waiting for it:
// grant has served those. s.mu is held.
func (s *semaphore) take(c class) bool {
	if s.used[preferred]+s.used[restricted] >= s.limits[preferred] {
		return false
	}
	if c == restricted && s.used[restricted] >= s.limits[restricted] {
		return false
	}
	s.used[c]++
	return true
}

// grant serves the waiting acquisitions as far as there are permits; s.mu is held.
func (s *semaphore) grant() {
	for c := range classes {
		for next := s.waiters[c].Front(); next != nil && s.take(c); next = s.waiters[c].Front() {
			close(s.waiters[c].Remove(next).(chan struct{}))
		}
	}
}
