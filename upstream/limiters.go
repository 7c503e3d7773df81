package upstream

import (
	"container/list"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// limiterLife is how long a limiter, with its idle connections, remains after
	// its last use.
	limiterLife = 15 * time.Second
	// maxLimiters is how many limiters remain, not counting those in use or
	// pausing.
	maxLimiters = 1024
)

// limiters has a limiter for each key in use. It is safe for concurrent use.
type limiters struct {
	limit       int
	margin      time.Duration
	newLimiter  func(key APIKey, limit int) Limiter
	strangers   *strangers
	connections *connections
	template    *http.Transport
	transport   http.RoundTripper // sends the requests of all keys, instead of the template; for tests

	mu    sync.Mutex
	byKey map[APIKey]*limiter
	byUse list.List // of *limiter, the least recently used first
}

// limiter has one API key's queue and connections.
type limiter struct {
	key       APIKey
	hash      keyHash
	header    http.Header // of the key's requests; never modified
	transport http.RoundTripper
	idle      func() // closes the idle connections
	open      atomic.Int64

	trial *queue // for the calls of a stranger's key; nil if there are no strangers

	// guarded by limiters.mu
	users  int           // calls that hold the limiter
	used   time.Time     // when the last one released it
	place  *list.Element // in limiters.byUse
	expiry *time.Timer   // calls limiters.expire; nil before the first release

	mu      sync.Mutex
	full    *queue // for the calls of an accepted key; nil before the first
	maximum int    // what the upstream reported last; 0 if it reported none
}

// of returns a key's limiter, which remains at least until it is released.
func (l *limiters) of(key APIKey) *limiter {
	l.mu.Lock()
	defer l.mu.Unlock()
	lim, ok := l.byKey[key]
	if !ok {
		lim = l.add(key)
	}
	lim.users++
	l.byUse.MoveToBack(lim.place)
	return lim
}

// add adds a limiter for a key; l.mu is held.
func (l *limiters) add(key APIKey) *limiter {
	lim := &limiter{key: key, hash: l.strangers.hash(key), header: headerOf(key), transport: l.transport, idle: func() {}}
	if l.strangers != nil {
		lim.trial = &queue{Limiter: NewLimiter(1), margin: l.margin}
	}
	if lim.transport == nil {
		t := l.connections.transport(l.template, lim, l.limit)
		lim.transport, lim.idle = t, t.CloseIdleConnections
	}
	if l.byKey == nil {
		l.byKey = make(map[APIKey]*limiter)
	}
	l.byKey[key] = lim
	lim.place = l.byUse.PushBack(lim)
	return lim
}

// queue returns the queue for the calls of an accepted key. Before a key is
// accepted, it has nothing outside of this process.
func (l *limiters) queue(lim *limiter) *queue {
	lim.mu.Lock()
	defer lim.mu.Unlock()
	if lim.full == nil {
		lim.full = &queue{Limiter: l.newLimiter(lim.key, l.limit), margin: l.margin}
		if lim.maximum > 0 {
			lim.full.SetMaximum(lim.maximum)
		}
	}
	return lim.full
}

// setMaximum records the maximum that the upstream reports for the key.
func (l *limiter) setMaximum(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n == l.maximum {
		return
	}
	l.maximum = n
	if l.full != nil {
		l.full.SetMaximum(n)
	}
}

// release ends a call's use of a limiter. The limiter is removed some seconds
// later, or at once if the upstream refused its key, because made-up keys should
// cost as little as possible.
func (l *limiters) release(lim *limiter) {
	l.mu.Lock()
	lim.users--
	lim.used = time.Now()
	var removed []*limiter
	switch {
	case lim.users > 0:
	case l.strangers.refuses(lim.hash):
		removed = append(removed, l.remove(lim))
	case lim.expiry == nil:
		lim.expiry = time.AfterFunc(limiterLife, func() { l.expire(lim) })
	}
	for next := l.byUse.Front(); next != nil && len(l.byKey) > maxLimiters; {
		oldest := next.Value.(*limiter)
		next = next.Next()
		if oldest.users == 0 && !oldest.pausing() {
			removed = append(removed, l.remove(oldest))
		}
	}
	l.mu.Unlock()
	for _, lim := range removed {
		lim.idle()
	}
}

// expire removes a limiter that was not used for limiterLife, and otherwise checks
// it again when that may be so. If its key pauses, it closes only the connections:
// a pause is remembered until it ends.
func (l *limiters) expire(lim *limiter) {
	l.mu.Lock()
	if l.byKey[lim.key] != lim { // removed in the meantime
		l.mu.Unlock()
		return
	}
	left := limiterLife
	if lim.users == 0 {
		left -= time.Since(lim.used)
	}
	unused := left <= 0
	if unused {
		left = time.Until(lim.pausedUntil())
	}
	if left > 0 {
		lim.expiry.Reset(left)
	} else {
		l.remove(lim)
	}
	l.mu.Unlock()
	if unused {
		lim.idle()
	}
}

// remove removes a limiter; l.mu is held. The caller closes its connections.
func (l *limiters) remove(lim *limiter) *limiter {
	if lim.expiry != nil {
		lim.expiry.Stop()
	}
	l.byUse.Remove(lim.place)
	delete(l.byKey, lim.key)
	return lim
}

// evictIdle closes the idle connections of the least recently used limiter that
// has any, except one key's own, and repeats that until one more connection may
// be opened.
func (l *limiters) evictIdle(forKey *limiter) {
	l.mu.Lock()
	var others []*limiter
	for place := l.byUse.Front(); place != nil; place = place.Next() {
		if other := place.Value.(*limiter); other != forKey && other.open.Load() > 0 {
			others = append(others, other)
		}
	}
	l.mu.Unlock()
	for _, other := range others {
		if !l.connections.full() {
			return
		}
		other.idle()
	}
}

// close removes the limiters that are not in use, and closes all idle
// connections. Further calls are possible.
func (l *limiters) close() {
	l.mu.Lock()
	var all []*limiter
	for _, lim := range l.byKey {
		all = append(all, lim)
		if lim.users == 0 {
			l.remove(lim)
		}
	}
	l.mu.Unlock()
	for _, lim := range all {
		lim.idle()
	}
}

// pausing reports whether an accepted key pauses. A stranger's pause is forgotten
// if there are many limiters, because made-up keys are easily replaced.
func (l *limiter) pausing() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.full != nil && l.full.paused()
}

// pausedUntil returns when the key's latest pause ends.
func (l *limiter) pausedUntil() (until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, q := range []*queue{l.trial, l.full} {
		if q != nil && q.PausedUntil().After(until) {
			until = q.PausedUntil()
		}
	}
	return until
}

// state summarizes the limiters at one moment.
type state struct {
	used    int // limiters in use
	waiting int // calls that wait in their queues
	limit   int // the lowest limit of a key
	maximum int // the lowest maximum that the upstream reported; 0 if none
}

func (l *limiters) state() state {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := state{limit: l.limit}
	for _, lim := range l.byKey {
		if lim.users > 0 {
			s.used++
		}
		lim.mu.Lock()
		for _, q := range []*queue{lim.trial, lim.full} {
			if q != nil {
				s.waiting += q.waiting()
			}
		}
		if lim.full != nil {
			s.limit = min(s.limit, lim.full.Limit())
		}
		if lim.maximum > 0 && (s.maximum == 0 || lim.maximum < s.maximum) {
			s.maximum = lim.maximum
		}
		lim.mu.Unlock()
	}
	return s
}
