package upstream

import (
	"cmp"
	"context"
	"errors"
	"math"
	"sync"
	"time"

	"rollcall/internal/pace"
)

// A limiter bounds one API key: at most N requests in flight, and none until a
// 429's Retry-After has passed. Calls beyond that wait in a queue, first come,
// first served, unless they would be served too late.

// Permits bounds how many requests of one API key are in flight. It is safe for
// concurrent use.
type Permits interface {
	// Acquire waits for a permit, first come, first served within this process.
	// The caller must call release once. The error is the cause of ctx's
	// cancellation. If ctx is not cancelled, an error means that a pause began
	// which outlasts ctx's deadline.
	Acquire(ctx context.Context) (release func(), err error)
	// Limit returns the present number of permits, at least 1. Waiting times are
	// estimated from it.
	Limit() int
	// SetMaximum lowers the limit to what the upstream reports as the key's
	// maximum. A maximum above the configured limit restores that limit.
	SetMaximum(n int)
}

// Pauses holds back the requests of one API key. It is safe for concurrent use.
type Pauses interface {
	// PauseUntil starts a pause, or extends it. A pause is never shortened.
	PauseUntil(t time.Time)
	// PausedUntil returns when the latest pause ends, or has ended.
	PausedUntil() time.Time
}

// Limiter bounds one API key.
type Limiter interface {
	Permits
	Pauses
}

// NewLimiter returns a limiter for the calls of this process alone, with limit
// permits.
func NewLimiter(limit int) Limiter {
	return &localLimiter{permits: newSemaphore(limit, 0), configured: limit}
}

type localLimiter struct {
	permits    *semaphore
	configured int

	mu          sync.Mutex
	pausedUntil time.Time
}

func (l *localLimiter) Acquire(ctx context.Context) (release func(), err error) {
	if err := l.permits.acquire(ctx, preferred, math.MaxInt); err != nil {
		return nil, err
	}
	return func() { l.permits.release(preferred) }, nil
}

func (l *localLimiter) Limit() int { return l.permits.limit() }

func (l *localLimiter) SetMaximum(n int) { l.permits.setLimit(max(1, min(n, l.configured))) }

func (l *localLimiter) PauseUntil(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.After(l.pausedUntil) {
		l.pausedUntil = t
	}
}

func (l *localLimiter) PausedUntil() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pausedUntil
}

const (
	// maxQueue is how many calls may wait for one key.
	maxQueue = 1024
	// defaultPause is how long a key pauses after a 429 without Retry-After.
	defaultPause = time.Second
)

var (
	// errQueue is the cause of a refusal because of the queue's length.
	errQueue = errors.New("the key's queue is too long")
	// errPaused is the cause of a refusal after a 429.
	errPaused = errors.New("the upstream requested a longer pause than the call can wait")
	// errNoTime is the cause of a refusal because the wait used up the call's time.
	errNoTime = errors.New("the call waited so long that no time was left to send it")
)

// queue has the calls that wait for a [Limiter].
type queue struct {
	Limiter

	margin time.Duration // how long before its deadline a waiting call is refused

	pace pace.Average // of successful requests

	mu    sync.Mutex
	calls int // calls that hold a permit or wait for one
}

// acquire waits until a request may be sent. Its error is an [*Error] if ctx's
// deadline would expire before, and otherwise the cause of ctx's cancellation.
func (q *queue) acquire(ctx context.Context) (release func(), err error) {
	waits, err := q.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			q.exit()
		}
	}()
	if waits {
		patient, cancel := withMargin(ctx, q.margin)
		defer cancel()
		ctx = patient
	}
	// No permit is held during a pause, so that a shared limiter can use it.
	for {
		if err := q.awaitPause(ctx); err != nil {
			return nil, err
		}
		permit, err := q.Acquire(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			continue // awaitPause refuses the call
		case err != nil:
			return nil, timedOut(err)
		}
		if !q.paused() {
			return func() { permit(); q.exit() }, nil
		}
		permit() // a 429 arrived in the meantime
	}
}

// enter counts a call, unless it would be served too late. It reports whether
// the call has to wait.
func (q *queue) enter(ctx context.Context) (waits bool, err error) {
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	limit, pause := q.Limit(), time.Until(q.PausedUntil())
	q.mu.Lock()
	defer q.mu.Unlock()
	waiting := q.calls - limit
	if waiting < 0 && pause <= 0 {
		q.calls++
		return false, nil
	}
	rounds := time.Duration(max(0, waiting)/limit + 1) // of requests, before it is this one's turn
	pace := q.pace.Recent()
	wait := max(0, pause) + rounds*pace
	if waiting >= maxQueue || !fits(ctx, wait+max(pace, q.margin)) {
		cause := errQueue
		if pause > 0 {
			cause = errPaused
		}
		return true, &Error{Kind: RateLimited, Stage: Sending, RetryAfter: wait, Cause: cause}
	}
	q.calls++
	return true, nil
}

func (q *queue) exit() {
	q.mu.Lock()
	q.calls--
	q.mu.Unlock()
}

// waiting returns how many calls wait.
func (q *queue) waiting() int {
	limit := q.Limit()
	q.mu.Lock()
	defer q.mu.Unlock()
	return max(0, q.calls-limit)
}

func (q *queue) paused() bool { return time.Now().Before(q.PausedUntil()) }

// awaitPause waits until the key's pause is over.
func (q *queue) awaitPause(ctx context.Context) error {
	for {
		wait := time.Until(q.PausedUntil())
		if wait <= 0 {
			return nil
		}
		if !fits(ctx, wait) {
			return &Error{Kind: RateLimited, Stage: Sending, RetryAfter: wait, Cause: errPaused}
		}
		if err := sleep(ctx, wait); err != nil {
			return timedOut(err)
		}
	}
}

// observe records what a request took and its outcome. It precedes the release
// of the request's permit: no other request may be sent between the two.
func (q *queue) observe(took time.Duration, err error) {
	if err == nil { // the duration of a failed request says nothing about other requests
		q.pace.Observe(took)
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == RateLimited {
		q.PauseUntil(time.Now().Add(cmp.Or(e.RetryAfter, defaultPause)))
	}
}

// withMargin returns a context for waiting: its deadline is earlier than ctx's by
// a margin, with [errNoTime] as the cause. A request that is sent with hardly any
// time left costs the upstream a call and returns nothing.
func withMargin(ctx context.Context, margin time.Duration) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return ctx, func() {}
	}
	return context.WithDeadlineCause(ctx, deadline.Add(-margin), errNoTime)
}

// timedOut returns the error of a wait that ended with err.
func timedOut(err error) error {
	if errors.Is(err, errNoTime) {
		return &Error{Kind: Timeout, Stage: Sending, Cause: errNoTime}
	}
	return err
}

// fits reports whether a wait ends before ctx's deadline.
func fits(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > wait
}

// expiresWithin reports whether ctx has a deadline that expires within d.
func expiresWithin(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) <= d
}

// sleep waits. It returns the cause if ctx is cancelled first.
func sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
