package graph

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"rollcall/graph/render"
	"rollcall/internal/budget"
	"rollcall/upstream"
)

// A response of 30 users has 10 kB, and is written into a buffer that grows. The
// largest responses have megabytes. Callers choose how many of those are in
// memory, and a caller that reads slowly keeps its response in memory. Therefore
// a large response takes its buffer from the budget for all responses. If the
// budget does not have enough bytes at once, the operation returns the bytes that
// it holds, and the rest of the response is counted and dropped. The operation
// then waits until the budget has exactly the counted number of bytes, and writes
// the response again. A response that waits is not in memory.
//
// If gqlgen executes an operation, the values of all fields are in memory before
// anything is written. An operation of many fields takes its share of the budget
// for them, and keeps as much of it as its response needs.

const (
	// smallResponse is the largest response that takes nothing from the budget,
	// in bytes.
	smallResponse = 64 << 10
	// freeFields is how many fields gqlgen may resolve before the operation takes
	// a share of the budget. gqlgen holds about half a kilobyte for each of them.
	freeFields = 4096
)

var (
	errTooLarge   = errors.New("the response is larger than the limit")
	errOverloaded = errors.New("there is no memory for another large response")
)

// output bounds and writes the data of one operation. It is safe for concurrent use.
type output struct {
	limit   int // of the data, in bytes
	answers *budget.Budget[upstream.APIKey]
	key     upstream.APIKey

	mu     sync.Mutex
	held   int // bytes of the budget
	fields int // that gqlgen has resolved
	bytes  int // that they take in the response, at least
	err    error
	roots  []*root // of an operation that gqlgen executes

	measured sync.Once // the roots
}

// failure returns why there is no data, or nil.
func (o *output) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// fail sets the failure, unless there is one.
func (o *output) fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil {
		o.err = err
	}
}

// count counts a field that gqlgen has resolved, and its bytes in the response.
// An error ends the operation.
func (o *output) count(ctx context.Context, bytes int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fields++
	o.bytes += bytes
	if o.err == nil && o.bytes > o.limit {
		o.err = errTooLarge
	}
	if o.err == nil && o.held == 0 && (o.fields > freeFields || o.bytes > smallResponse) {
		o.acquire(ctx, o.limit)
	}
	return o.err
}

// reserve makes the operation hold size bytes of the budget. It returns surplus
// bytes to the budget, or waits for missing ones as long as ctx allows.
func (o *output) reserve(ctx context.Context, size int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case o.err != nil:
	case o.held > 0:
		o.answers.Release(o.key, o.held-size)
		o.held = size
	default:
		o.acquire(ctx, size)
	}
	return o.err
}

func (o *output) acquire(ctx context.Context, size int) {
	if o.answers.Acquire(ctx, o.key, size) != nil {
		o.err = errOverloaded
		return
	}
	o.held = size
}

// finish ends the operation's use of the budget, except for the bytes held that a
// response of size bytes still needs. The error is the operation's failure; the
// response is then not sent.
func (o *output) finish(size int) (held int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil && size > o.limit {
		o.err = errTooLarge
	}
	if o.err == nil && size > smallResponse {
		held = o.held
	}
	o.answers.Release(o.key, o.held-held)
	o.held = 0
	return held, o.err
}

// close returns the held bytes to the budget if the operation ended without
// finish.
func (o *output) close() { _, _ = o.finish(0) }

// tryReserve makes the operation hold size bytes of the budget, if the budget has
// them at once. If it has not, the operation holds nothing afterwards.
func (o *output) tryReserve(size int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil && o.answers.TryAcquire(o.key, size-o.held) {
		o.held = size
		return true
	}
	o.answers.Release(o.key, o.held)
	o.held = 0
	return false
}

// write returns the bytes that f writes, or nil. estimate is their approximate
// number.
func (o *output) write(ctx context.Context, estimate int, f func(*writer)) []byte {
	w := &writer{limit: o.limit, estimate: estimate, reserve: o.tryReserve}
	if !o.collect(ctx, w, f) {
		return nil
	}
	if w.dropping {
		w = &writer{limit: w.size, out: make([]byte, 0, w.size)}
		if err := w.write(f); err != nil {
			o.fail(err)
			return nil
		}
	}
	if w.out == nil {
		return w.buf
	}
	return w.out
}

// collect calls f with a writer. If the writer drops the bytes, the operation
// holds a reservation for them afterwards. It returns false if there is a
// failure.
func (o *output) collect(ctx context.Context, w *writer, f func(*writer)) bool {
	if err := w.write(f); err != nil {
		o.fail(err)
		return false
	}
	return !w.dropping || o.reserve(ctx, w.size) == nil
}

// writer collects JSON. A response that may be small stays in buf. The rest is
// flushed to out if reserve allows that; otherwise it is counted and dropped.
type writer struct {
	limit    int            // of all bytes
	estimate int            // of all bytes
	reserve  func(int) bool // reports whether out may have a capacity; nil if it may not grow

	buf      []byte // what has been written since the last flush
	out      []byte // what has been flushed
	size     int    // of what has been flushed
	dropping bool
}

// Write implements io.Writer. It panics with [render.TooLarge] if the limit is
// exceeded.
func (w *writer) Write(p []byte) (int, error) {
	w.buf = w.flush(append(w.buf, p...))
	return len(p), nil
}

// flush moves the bytes of b to out, unless they may be a small response. It
// returns the slice to append to.
func (w *writer) flush(b []byte) []byte {
	if w.size+len(b) > w.limit {
		panic(render.TooLarge{})
	}
	if w.out == nil && w.size == 0 && len(b) <= smallResponse {
		return b
	}
	if !w.dropping && w.size+len(b) > cap(w.out) {
		w.grow(w.size + len(b))
	}
	if !w.dropping {
		w.out = append(w.out, b...)
	}
	w.size += len(b)
	return b[:0]
}

// grow makes the capacity of out at least size bytes, or has the writer drop what
// follows.
func (w *writer) grow(size int) {
	capacity := min(max(w.estimate, size)/8*9, w.limit)
	if w.reserve == nil || !w.reserve(capacity) {
		w.out, w.dropping = nil, true
		return
	}
	w.out = append(make([]byte, 0, capacity), w.out...)
}

// write calls f with the writer.
func (w *writer) write(f func(*writer)) (err error) {
	defer func() {
		switch p := recover(); p.(type) {
		case nil:
		case render.TooLarge:
			err = errTooLarge
		default:
			panic(p)
		}
	}()
	f(w)
	return nil
}

// root is the value of a field at an operation's root. gqlgen writes it when the
// values of all roots are known.
type root struct {
	value   graphql.Marshaler
	measure func() // once for all roots
	failure func() error
	small   []byte // the value, if all roots together are small
	size    int    // of all roots
}

// root implements gqlgen's RootFieldMiddleware.
func (o *output) root(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	value := next(ctx)
	if value == nil || value == graphql.Null || value == graphql.RequiredNull {
		return value // gqlgen compares it with these
	}
	r := &root{value: value, measure: func() { o.measureRoots(ctx) }, failure: o.failure}
	o.mu.Lock()
	o.roots = append(o.roots, r)
	o.mu.Unlock()
	return r
}

func (o *output) measureRoots(ctx context.Context) {
	o.measured.Do(func() {
		w := &writer{limit: o.limit}
		if !o.collect(ctx, w, func(w *writer) {
			for _, r := range o.roots {
				before := len(w.buf)
				r.value.MarshalGQL(w)
				r.size = len(w.buf) - before
			}
		}) {
			return
		}
		small, size := w.buf, w.size+len(w.buf)
		for _, r := range o.roots {
			if !w.dropping {
				r.small, small = small[:r.size], small[r.size:]
			}
			r.size = size
		}
	})
}

// MarshalGQL implements gqlgen's Marshaler.
func (r *root) MarshalGQL(w io.Writer) {
	r.measure()
	if b, ok := w.(*bytes.Buffer); ok && b.Cap() < r.size {
		b.Grow(r.size + 1<<10) // and what gqlgen writes around the roots
	}
	switch {
	case r.failure() != nil: // nothing of it is sent
		graphql.Null.MarshalGQL(w)
	case r.small != nil:
		_, _ = w.Write(r.small)
	default:
		r.value.MarshalGQL(w)
	}
}

// MarshalGQL implements gqlgen's Marshaler.
func (r rendered) MarshalGQL(to io.Writer) {
	w, ok := to.(*writer)
	if !ok { // gqlgen's buffer, for what has been measured
		rest := r.selection.Append(nil, r.list, func(b []byte) []byte {
			_, _ = to.Write(b)
			return b[:0]
		})
		_, _ = to.Write(rest)
		return
	}
	if w.out == nil && w.size == 0 {
		w.buf = slices.Grow(w.buf, min(r.size(), smallResponse))
	}
	w.buf = w.flush(r.selection.Append(w.buf, r.list, w.flush))
}

// withoutData returns the errors of a response that may have at most limit bytes,
// and whose data was dropped because of err.
func withoutData(err error, limit int) gqlerror.List {
	if errors.Is(err, errOverloaded) {
		errs := Refusal(CodeOverloaded, "The service has no memory for another large response right now.")
		errs[0].Extensions["retryAfter"] = overloadedRetry
		return errs
	}
	return tooComplex(fmt.Sprintf("The response would have more than %d bytes; request fewer users or fields at once.", limit))
}

// overloadedRetry is the number of seconds after which a large response may be
// requested again.
const overloadedRetry = 1

// sizeOf returns the least number of bytes that a field's value takes in the
// response.
func sizeOf(field graphql.CollectedField, value any) int {
	n := len(field.Alias) + len(`"":,`)
	switch v := value.(type) {
	case string:
		n += len(v)
	case *string:
		if v != nil {
			n += len(*v)
		}
	}
	return n
}
