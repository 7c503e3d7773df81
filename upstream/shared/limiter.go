package shared

import (
	"container/list"
	"context"
	"errors"
	"sync"
	"time"
)

// Limiter bounds the calls of one API key over all replicas. Within this process
// they are served first come, first served. It is safe for concurrent use.
//
// A limiter records what Redis should know, and an exchange with Redis brings
// Redis up to date; there is one exchange at a time. Permits are not bound to
// calls: a grant goes to the call that has waited longest, and the end of any
// call returns a lease.
type Limiter struct {
	store      *Store
	name       string
	keys       []string // in Redis
	configured int

	mu       sync.Mutex
	added    bool // to the store's limiters
	used     time.Time
	inFlight int
	queue    list.List // of *waiter
	pause    time.Time // when the latest pause ends
	resume   *time.Timer
	maximum  int // reported by the upstream; 0 if it reported none

	// The mode of the store.
	mode        Mode
	incarnation int
	replicas    int

	// What Redis knows, in the present incarnation.
	leases     []lease  // of calls in flight
	returned   []string // leases to return
	wanted     int      // waiting calls, as Redis knows them
	arrived    int      // grants
	contact    time.Time
	sendPause  bool
	sendMax    bool
	renewing   bool
	exchanging bool
	changed    time.Time // since when the limiter has something to send; zero if it has not
}

type waiter struct {
	deadline time.Time // zero for none
	ready    chan struct{}
	err      error // valid when ready is closed
}

type lease struct {
	id string
	at time.Time // when it was granted or renewed
}

// ErrPaused reports that the key's pause outlasts the call's deadline.
var ErrPaused = errors.New("the key pauses for longer than the call can wait")

func newLimiter(s *Store, name string, configured int) *Limiter {
	base := prefix + "{" + name + "}:"
	return &Limiter{
		store: s, name: name, configured: configured,
		keys: []string{base + "leases", base + "waiting", base + "state"},
	}
}

// Acquire waits for a permit, first come, first served within this process, until
// pauses have ended and fewer calls are in flight than the limit allows. The
// caller must call release once. The error is [ErrPaused], or the cause of ctx's
// cancellation.
func (l *Limiter) Acquire(ctx context.Context) (release func(), err error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	w := &waiter{ready: make(chan struct{})}
	w.deadline, _ = ctx.Deadline()
	l.mu.Lock()
	for !l.added {
		l.mu.Unlock()
		l = l.store.current(l)
		l.mu.Lock()
	}
	l.used = time.Now()
	if w.tooLate(l.pause) {
		l.mu.Unlock()
		return nil, ErrPaused
	}
	began := time.Now()
	place := l.queue.PushBack(w)
	l.advance()
	l.mu.Unlock()

	select {
	case <-w.ready:
		if w.err != nil {
			return nil, w.err
		}
		l.store.telemetry.wait.Record(ctx, time.Since(began).Seconds())
		return l.release, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-w.ready: // in the meantime
		if w.err == nil {
			l.end()
		}
	default:
		l.queue.Remove(place)
	}
	l.advance()
	return nil, context.Cause(ctx)
}

func (w *waiter) tooLate(pause time.Time) bool {
	return !w.deadline.IsZero() && w.deadline.Before(pause) && time.Now().Before(pause)
}

func (l *Limiter) release() {
	l.mu.Lock()
	l.end()
	l.advance()
	l.mu.Unlock()
}

// end counts a call as ended, and marks a lease to be returned.
func (l *Limiter) end() {
	l.inFlight--
	l.used = time.Now()
	l.returnLeases()
}

// returnLeases marks the leases that have no call.
func (l *Limiter) returnLeases() {
	for len(l.leases) > l.inFlight {
		last := len(l.leases) - 1
		l.returned = append(l.returned, l.leases[last].id)
		l.leases = l.leases[:last]
	}
}

// Limit returns the number of permits of all replicas together or, while the
// limit is not shared, of this one.
func (l *Limiter) Limit() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mode == Shared {
		return l.limit()
	}
	return l.share()
}

// limit returns the limit of all replicas together.
func (l *Limiter) limit() int {
	if l.maximum > 0 {
		return min(l.configured, l.maximum)
	}
	return l.configured
}

// share returns the limit of this replica while the limit is not shared.
func (l *Limiter) share() int {
	if l.replicas == 0 {
		return 1 // it does not know of any other replica
	}
	return max(1, l.limit()/l.replicas)
}

// SetMaximum lowers the limit of all replicas to what the upstream reports as the
// key's maximum. A maximum above the configured limit restores that limit.
func (l *Limiter) SetMaximum(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n = max(1, n); n != l.maximum {
		l.maximum, l.sendMax = n, true
		l.advance()
	}
}

// PauseUntil starts a pause for all replicas, or extends it. A pause is never
// shortened. It reaches Redis before any permit that is released later.
func (l *Limiter) PauseUntil(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pauseUntil(t) {
		l.sendPause = true
		l.advance()
	}
}

// PausedUntil returns when the latest pause ends, or has ended.
func (l *Limiter) PausedUntil() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pause
}

// pauseUntil reports whether there is a new pause. It refuses the calls that
// cannot wait for its end.
func (l *Limiter) pauseUntil(t time.Time) bool {
	if !t.After(l.pause) {
		return false
	}
	l.pause = t
	if l.resume != nil {
		l.resume.Stop()
	}
	l.resume = time.AfterFunc(time.Until(t), func() {
		l.mu.Lock()
		l.advance()
		l.mu.Unlock()
	})
	for next := l.queue.Front(); next != nil; {
		place := next
		next = next.Next()
		if w := place.Value.(*waiter); w.tooLate(t) {
			w.err = ErrPaused
			close(w.ready)
			l.queue.Remove(place)
		}
	}
	return true
}

func (l *Limiter) paused() bool { return time.Now().Before(l.pause) }

// advance does what is possible without Redis, and starts an exchange if there is
// something to send; l.mu is held.
func (l *Limiter) advance() {
	if l.mode == Away {
		for l.queue.Len() > 0 && l.inFlight < l.share() && !l.paused() {
			l.serve()
		}
		return
	}
	if !l.outdated() {
		return
	}
	if l.changed.IsZero() {
		l.changed = time.Now()
	}
	if !l.exchanging {
		l.exchanging = true
		go l.exchange(l.incarnation)
	}
}

// serve grants a permit to the call that has waited longest.
func (l *Limiter) serve() {
	w := l.queue.Remove(l.queue.Front()).(*waiter)
	l.inFlight++
	close(w.ready)
}

// granted handles a lease. The lease is returned if no call can use it, during a
// pause, or if it was requested in an earlier incarnation.
func (l *Limiter) granted(id string) {
	if l.mode == Away {
		return // the first exchange after that removes it
	}
	if !isOwn(id, l.store.process, l.incarnation) {
		l.returned = append(l.returned, id)
		return
	}
	l.arrived++
	l.want(l.wanted - 1)
	l.leases = append(l.leases, lease{id, time.Now()})
	if l.queue.Len() > 0 && !l.paused() {
		l.serve()
	}
	l.returnLeases()
}

// enter follows the store into another mode; l.mu is held.
func (l *Limiter) enter(mode Mode, incarnation, replicas int) {
	l.mode, l.replicas = mode, replicas
	if incarnation != l.incarnation {
		l.incarnation = incarnation
		// A renewal removes what Redis knows of the earlier incarnation. A Redis
		// that hung may have executed what was sent to it in the meantime.
		l.renewing = l.renewing || l.exchanging || l.wanted > 0 || len(l.leases)+len(l.returned) > 0
		l.want(0)
		l.leases, l.returned, l.arrived = nil, nil, 0
		l.exchanging, l.changed = false, time.Time{}
		l.sendPause, l.sendMax = l.paused(), l.maximum > 0
	}
	l.advance()
}

// want records how many waiting calls Redis knows of.
func (l *Limiter) want(n int) {
	if n != l.wanted {
		l.store.waiting(n - l.wanted)
		l.wanted = n
	}
}

// idle reports whether the limiter has nothing to remember.
func (l *Limiter) idle(now time.Time) bool {
	return l.inFlight == 0 && l.queue.Len() == 0 && len(l.leases)+len(l.returned) == 0 && !l.exchanging &&
		!now.Before(l.pause) && now.Sub(l.used) > limiterLife
}
