package graph

import (
	"sync"

	"rollcall/internal/budget"
	"rollcall/upstream"
)

// hold counts the bytes of a large response against the budget as long as it is
// being sent to any of the requests that share it.
type hold struct {
	answers *budget.Budget[upstream.APIKey]
	key     upstream.APIKey
	bytes   int

	mu      sync.Mutex
	holders int
}

// newHold returns the hold of a response that has one holder and is counted
// already; nil for a response that does not count.
func newHold(answers *budget.Budget[upstream.APIKey], key upstream.APIKey, bytes int) *hold {
	if bytes == 0 {
		return nil
	}
	return &hold{answers: answers, key: key, bytes: bytes, holders: 1}
}

// Retain adds a holder of the result, which has to call Release. The one that
// executed the request is a holder already.
func (r *Result) Retain() {
	h := r.held
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.holders++; h.holders == 1 { // the others were faster, but the bytes are still there
		h.answers.Add(h.key, h.bytes)
	}
}

// Release ends the holding of the result, whose bytes must not be used afterwards.
func (r *Result) Release() {
	h := r.held
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.holders--; h.holders == 0 {
		h.answers.Release(h.key, h.bytes)
	}
}
