package upstream

import (
	"cmp"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// maxBackoff is the longest wait before a second attempt. The wait is random
// between 0 and maxBackoff (full jitter), so that calls which failed together are
// not repeated together.
const maxBackoff = 200 * time.Millisecond

// retryable reports whether a second attempt may succeed (after 408, 429, 5xx and
// broken connections), and how long to wait before it.
func retryable(err error) (wait time.Duration, ok bool) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return 0, false
	}
	switch {
	case e.Kind == RateLimited && e.Status == http.StatusTooManyRequests:
		return cmp.Or(e.RetryAfter, defaultPause), true
	case e.Cause != nil && errors.Is(e.Cause, errOpen):
		return 0, false
	case e.Kind == Unavailable,
		e.Kind == Timeout && e.Status == http.StatusRequestTimeout,
		e.Stage == Reading && errors.Is(e.Cause, io.ErrUnexpectedEOF):
		return max(e.RetryAfter, rand.N(maxBackoff)), true
	}
	return 0, false
}

// budget limits second attempts to a tenth of the first attempts over time, so
// that a failing server does not receive twice as many requests. It is safe for
// concurrent use.
type budget struct {
	mu     sync.Mutex
	tokens float64
}

const (
	earned     = 0.1 // tokens earned by each call
	maxTokens  = 10  // also the initial number, so that callers do not notice a single hiccup
	secondCost = 1
)

func newBudget() *budget { return &budget{tokens: maxTokens} }

// earn counts a first attempt.
func (b *budget) earn() {
	b.mu.Lock()
	b.tokens = min(b.tokens+earned, maxTokens)
	b.mu.Unlock()
}

// spend reports whether a second attempt may be made, and counts it.
func (b *budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tokens < secondCost {
		return false
	}
	b.tokens -= secondCost
	return true
}
