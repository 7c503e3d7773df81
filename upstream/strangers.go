package upstream

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"math"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// If callers send their own keys, they can make up any number of them. A key that
// the upstream has not accepted recently is a stranger's key: it makes one call
// at a time, and its other calls wait for the outcome. All strangers together may
// use a part of the connections, and a bounded number of their calls may wait. If
// the upstream refused a key, the client refuses it without a call for some
// seconds.
//
// If all calls are made with the service's own key, there are no strangers, and
// no refusal is remembered: a single mistaken 401 must not lock out every caller.

const (
	// acceptedFor is how long a key counts as accepted after its last page.
	acceptedFor = 10 * time.Minute
	// refusedFor is how long a refused key is refused without a call.
	refusedFor = 5 * time.Second
	// maxRemembered is how many accepted keys are remembered, and how many
	// refused ones. Accepted keys can be evicted only by other accepted keys.
	maxRemembered = 10_000
	// strangersPart is the divisor of the strangers' part of the connections: a quarter.
	strangersPart = 4
	// maxWaiting is how many calls may wait for each connection that there may be.
	maxWaiting = 4
	// overloadedRetry is when an overloaded service may be called again.
	overloadedRetry = time.Second
)

var (
	// errOverloaded is the cause of a refusal because too many calls wait for the
	// process's connections, or because none became free in time.
	errOverloaded = errors.New("too many calls wait for a connection")
	// errRefusedKey is the cause of a refusal of a key that the upstream refused.
	errRefusedKey = errors.New("the upstream has just refused this key")
)

// strangers knows which keys are accepted and which were refused. A nil
// *strangers accepts every key. It is safe for concurrent use.
type strangers struct {
	secret     [32]byte // of the hash, so that no keys of former callers are in memory
	accepted   *lru.Cache[keyHash, time.Time]
	refused    *lru.Cache[keyHash, time.Time]
	waiting    atomic.Int64 // calls of strangers that are not sent yet
	maxWaiting int64
}

type keyHash [sha256.Size]byte

func newStrangers(connections int) *strangers {
	s := &strangers{maxWaiting: int64(maxWaiting * connections)}
	_, _ = rand.Read(s.secret[:]) // never fails
	s.accepted, _ = lru.New[keyHash, time.Time](maxRemembered)
	s.refused, _ = lru.New[keyHash, time.Time](maxRemembered)
	return s
}

// hash returns the keyed hash of a key.
func (s *strangers) hash(key APIKey) (h keyHash) {
	if s == nil {
		return h
	}
	mac := hmac.New(sha256.New, s.secret[:])
	_, _ = mac.Write([]byte(key.Reveal()))
	mac.Sum(h[:0])
	return h
}

// accepts reports whether the upstream has accepted a key recently.
func (s *strangers) accepts(h keyHash) bool {
	if s == nil {
		return true
	}
	at, ok := s.accepted.Get(h)
	return ok && time.Since(at) < acceptedFor
}

// Accepts reports whether the upstream has accepted a key within the last minutes;
// always, unless callers bring their own keys.
func (c *Client) Accepts(key APIKey) bool { return c.strangers.accepts(c.strangers.hash(key)) }

// refuses reports whether the upstream has refused a key within the last seconds.
func (s *strangers) refuses(h keyHash) bool {
	if s == nil {
		return false
	}
	at, ok := s.refused.Peek(h)
	return ok && time.Since(at) < refusedFor
}

// observe records the outcome of a request. A failure that is not about the key
// itself, such as a missing permission, changes nothing.
func (s *strangers) observe(h keyHash, err error) {
	if s == nil {
		return
	}
	e, failed := errors.AsType[*Error](err)
	switch {
	case err == nil:
		s.accepted.Add(h, time.Now())
		s.refused.Remove(h)
	case failed && e.Kind == Unauthenticated:
		s.refused.Add(h, time.Now())
		s.accepted.Remove(h)
	}
}

// enter counts a stranger's call that waits. It returns false if too many wait.
func (s *strangers) enter() bool {
	if s.waiting.Add(1) > s.maxWaiting {
		s.waiting.Add(-1)
		return false
	}
	return true
}

func (s *strangers) exit() { s.waiting.Add(-1) }

func refusedKey() error {
	return &Error{Kind: Unauthenticated, Stage: Sending, Cause: errRefusedKey}
}

func overloaded() error {
	return &Error{Kind: Overloaded, Stage: Sending, RetryAfter: overloadedRetry, Cause: errOverloaded}
}

// admission is the right to send one request: the key's permit and a slot of the
// process.
type admission struct {
	queue  *queue
	class  class
	permit func() // returns the permit
}

// admit waits until a request with l's key may be sent. If the upstream has not
// accepted the key recently, it waits for the outcome of the key's other calls.
// Then it waits for the key's permit, and last for a slot of the process, so that
// no slot is held during the other waits.
func (c *Client) admit(ctx context.Context, l *limiter) (a admission, err error) {
	began := time.Now()
	stranger := !c.strangers.accepts(l.hash)
	if stranger {
		if !c.strangers.enter() {
			return a, overloaded()
		}
		defer c.strangers.exit()
	}
	if a, err = c.permit(ctx, l, stranger); err != nil {
		return a, err
	}
	if err := c.slot(ctx, a.class); err != nil {
		a.permit()
		return a, err
	}
	// During the wait the key may have been refused, and the deadline may have
	// come near.
	switch {
	case c.strangers.refuses(l.hash):
		err = refusedKey()
	case time.Since(began) > time.Millisecond && expiresWithin(ctx, c.margin):
		err = timedOut(errNoTime)
	}
	if err != nil {
		c.release(a)
	}
	return a, err
}

// release returns the permit and the slot.
func (c *Client) release(a admission) {
	c.slots.release(a.class)
	a.permit()
}

// permit waits for the key's permit. A stranger's key has one, in its trial
// queue. If the upstream accepts the key while a call waits for that permit, the
// call needs a permit of the accepted key instead.
func (c *Client) permit(ctx context.Context, l *limiter, stranger bool) (a admission, err error) {
	if stranger {
		a = admission{queue: l.trial, class: restricted}
		if a.permit, err = a.queue.acquire(ctx); err != nil {
			return a, err
		}
		if !c.strangers.accepts(l.hash) {
			return a, nil
		}
		a.permit()
	}
	a = admission{queue: c.limiters.queue(l), class: preferred}
	a.permit, err = a.queue.acquire(ctx)
	return a, err
}

// slot waits for one of the process's slots. There are as many slots as
// connections.
func (c *Client) slot(ctx context.Context, as class) error {
	if c.slots.tryAcquire(as) {
		return nil
	}
	most := math.MaxInt // strangers are counted already
	if as == preferred {
		most = c.maxWaiting
	}
	patient, cancel := withMargin(ctx, c.margin)
	defer cancel()
	err := c.slots.acquire(patient, as, most)
	if errors.Is(err, errFull) || errors.Is(err, errNoTime) {
		return overloaded()
	}
	return err
}
