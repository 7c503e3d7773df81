package upstream

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// A lane holds one key to what the upstream gives it: so many requests in
// flight, and none while it said to wait. Whoever does not get in at once
// queues, in the order of arrival, unless it can be told that it would be in
// vain.

const (
	// maxQueue is how many calls may wait for one key.
	maxQueue = 1024
	// defaultWait is how long a key keeps still after a 429 that does not say.
	defaultWait = time.Second
	// maxLanes is how many lanes there may be before all are looked through for
	// idle ones.
	maxLanes = 1024
	// paceLife is for how long a pace counts after it was last observed.
	paceLife = 10 * time.Second
)

// errQueue is the cause of a refusal by a lane.
var errQueue = errors.New("the key's queue is too long")

// errGate is the cause of a refusal after a 429.
var errGate = errors.New("the upstream asked to wait for longer than that")

// lanes has a lane for each key in use. Its zero value needs a concurrency.
type lanes struct {
	concurrency int

	mu    sync.Mutex
	byKey map[APIKey]*lane
}

type lane struct {
	permits *semaphore.Weighted
	width   int

	users int // calls that hold the lane; guarded by lanes.mu

	mu      sync.Mutex
	waiting int
	still   time.Time // until when nothing goes out
	pace    pace
}

// of returns a key's lane, and keeps it until it is released.
func (l *lanes) of(key APIKey) *lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln, ok := l.byKey[key]
	if !ok {
		if l.byKey == nil {
			l.byKey = make(map[APIKey]*lane)
		}
		ln = &lane{permits: semaphore.NewWeighted(int64(l.concurrency)), width: l.concurrency}
		l.byKey[key] = ln
	}
	ln.users++
	return ln
}

// release drops the lane of a key that nobody uses and that has nothing to
// remember: that it has to keep still, or its pace. Pace is forgotten where
// there are many lanes, so that memory does not grow with the keys that were
// ever seen.
func (l *lanes) release(key APIKey, ln *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln.users--
	if ln.users == 0 && ln.restful() && !ln.paced() {
		delete(l.byKey, key)
	}
	if len(l.byKey) > maxLanes {
		for key, ln := range l.byKey {
			if ln.users == 0 && ln.restful() {
				delete(l.byKey, key)
			}
		}
	}
}

// count is how many lanes are in use, and how many calls wait in all of them.
func (l *lanes) count() (used, waiting int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ln := range l.byKey {
		if ln.users > 0 {
			used++
		}
		ln.mu.Lock()
		waiting += ln.waiting
		ln.mu.Unlock()
	}
	return used, waiting
}

// restful reports that the lane does not have to keep still.
func (l *lane) restful() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !time.Now().Before(l.still)
}

// paced reports that the lane's pace is known.
func (l *lane) paced() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pace.at(time.Now()) > 0
}

// enter waits for a permit, which leave gives back. Its error is a RateLimited
// [*Error] where ctx would end before, and else the cause of ctx's end.
func (l *lane) enter(ctx context.Context) error {
	if l.restful() && l.permits.TryAcquire(1) {
		return nil
	}
	if err := l.queue(ctx); err != nil {
		return err
	}
	defer l.unqueue()
	if err := l.permits.Acquire(ctx, 1); err != nil {
		return context.Cause(ctx)
	}
	// Others may have been told to wait meanwhile.
	if err := l.keepStill(ctx); err != nil {
		l.permits.Release(1)
		return err
	}
	return nil
}

// queue takes a place in the queue, if there is hope.
func (l *lane) queue(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	rounds := time.Duration(l.waiting/l.width + 1) // of requests, before it is this one's turn
	pace := l.pace.at(now)
	wait := max(0, l.still.Sub(now)) + rounds*pace
	if l.waiting >= maxQueue || !fits(ctx, wait+pace) {
		cause := errQueue
		if l.still.After(now) {
			cause = errGate
		}
		return &Error{Kind: RateLimited, Stage: Sending, RetryAfter: wait, Cause: cause}
	}
	l.waiting++
	return nil
}

func (l *lane) unqueue() {
	l.mu.Lock()
	l.waiting--
	l.mu.Unlock()
}

// keepStill waits until requests may go out.
func (l *lane) keepStill(ctx context.Context) error {
	for {
		l.mu.Lock()
		wait := time.Until(l.still)
		l.mu.Unlock()
		if wait <= 0 {
			return nil
		}
		if !fits(ctx, wait) {
			return &Error{Kind: RateLimited, Stage: Sending, RetryAfter: wait, Cause: errGate}
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// leave gives the permit back, with what the request took and came to.
func (l *lane) leave(took time.Duration, err error) {
	l.permits.Release(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil { // a hang says nothing about those who are served
		l.pace.observe(took, time.Now())
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Kind == RateLimited {
		if until := time.Now().Add(cmp.Or(e.RetryAfter, defaultWait)); until.After(l.still) {
			l.still = until
		}
	}
}

// pace is what a request takes lately: a moving average.
type pace struct {
	average  time.Duration
	observed time.Time // when it last was
}

// at is the pace as it is known at an instant; 0 where nobody has observed it
// for so long that it says nothing any more.
func (p *pace) at(now time.Time) time.Duration {
	if now.Sub(p.observed) > paceLife {
		return 0
	}
	return p.average
}

func (p *pace) observe(took time.Duration, now time.Time) {
	was := p.at(now)
	if was == 0 {
		was = took
	}
	p.average, p.observed = was+(took-was)/8, now
}

// fits reports whether a wait ends before ctx does.
func fits(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || time.Until(deadline) > wait
}

// endsWithin reports whether ctx ends by itself before some time is over.
func endsWithin(ctx context.Context, d time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Until(deadline) <= d
}

// sleep waits, and returns the cause of ctx's end if that comes first.
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
