package graph

import (
	"sync"

	"rollcall/internal/budget"
	"rollcall/upstream"
)

// hold counts the bytes of a large response against the budget until the last
// request that shares the response has sent it.
type hold struct {
	answers *budget.Budget[upstream.APIKey]
	key     upstream.APIKey
	bytes   int

	mu      sync.Mutex
	holders int
}

// newHold returns the hold of a response that has one holder and is already
// counted. It returns nil for a response that does not count.
func newHold(answers *budget.Budget[upstream.APIKey], key upstream.APIKey, bytes int) *hold {
	if bytes == 0 {
		return nil
	}
	return &hold{answers: answers, key: key, bytes: bytes, holders: 1}
}

// Retain adds a holder of the result, which must call Release. The request that
// was executed is the first holder.
func (r *Result) Retain() {
	h := r.held
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.holders++; h.holders == 1 { // the others have released it already, but the bytes are still there
		h.answers.Add(h.key, h.bytes)
	}
}

// Release removes a holder, which must not use the result's bytes afterwards.
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
