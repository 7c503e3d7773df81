package graph

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/99designs/gqlgen/graphql"

	"rollcall/graph/render"
)

// A response of 30 users has 10 kB, and it is written once, into a buffer that
// grows. The largest ones have megabytes, and callers choose how many of those are
// in memory, and for how long: a caller that reads slowly keeps its response. So a
// large response is written twice. The first time its bytes are counted and
// dropped, until they exceed the limit of one response. Then the operation waits
// until the budget for all responses has as many, which is exact, and the second
// time it writes into a buffer of that size. Nothing waits with bytes in its hands.

// largeResponse is the size beyond which a response takes part in the budget.
const largeResponse = 64 << 10

var errTooLarge = errors.New("the response is too large")

// writer collects JSON. It has either a place for all of it, or keeps up to
// largeResponse bytes and counts the others.
type writer struct {
	buf   []byte // the JSON so far, or if bytes were flushed, those since then
	out   []byte // where bytes are flushed to; nil to drop them
	size  int    // of the flushed bytes
	limit int    // of all bytes
}

// Write implements io.Writer. It panics with [render.TooLarge] if the limit is
// exceeded.
func (w *writer) Write(p []byte) (int, error) {
	w.buf = w.flush(append(w.buf, p...))
	return len(p), nil
}

// flush takes the bytes of b, unless they are few, and returns what to append to.
func (w *writer) flush(b []byte) []byte {
	if w.size+len(b) > w.limit {
		panic(render.TooLarge{})
	}
	if w.out == nil && w.size == 0 && len(b) <= largeResponse {
		return b
	}
	if w.out != nil {
		w.out = append(w.out, b...)
	}
	w.size += len(b)
	return b[:0]
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

// output is the data of an operation's response while it is written.
type output struct {
	limit int // bytes of the data
	// reserve waits until so many bytes may be in memory.
	reserve func(size int) error
	err     error // why there is no data

	mu    sync.Mutex
	roots []*root   // of an operation that gqlgen executes
	once  sync.Once // measures the roots
}

// measure returns what f writes if that is small. Otherwise it returns only the
// number of bytes, and has reserved them.
func (o *output) measure(f func(*writer)) (small []byte, size int, err error) {
	w := &writer{limit: o.limit}
	if err := w.write(f); err != nil {
		return nil, 0, err
	}
	if w.size == 0 {
		return w.buf, len(w.buf), nil
	}
	return nil, w.size, o.reserve(w.size)
}

// write returns what f writes, or nil and sets err.
func (o *output) write(f func(*writer)) []byte {
	small, size, err := o.measure(f)
	if err != nil || small != nil {
		o.err = err
		return small
	}
	w := &writer{out: make([]byte, 0, size), limit: size}
	if o.err = w.write(f); o.err != nil {
		return nil
	}
	return w.out
}

// root is the value of a field at an operation's root. gqlgen writes it after the
// values of all roots are known.
type root struct {
	output *output
	value  graphql.Marshaler
	small  []byte // the value, if the whole output is small
}

// root implements gqlgen's RootFieldMiddleware.
func (o *output) root(ctx context.Context, next graphql.RootResolver) graphql.Marshaler {
	value := next(ctx)
	if value == nil || value == graphql.Null || value == graphql.RequiredNull {
		return value // gqlgen compares it with these
	}
	r := &root{output: o, value: value}
	o.mu.Lock()
	o.roots = append(o.roots, r)
	o.mu.Unlock()
	return r
}

// MarshalGQL implements gqlgen's Marshaler.
func (r *root) MarshalGQL(w io.Writer) {
	o := r.output
	o.once.Do(func() {
		ends := make([]int, len(o.roots))
		small, size, err := o.measure(func(w *writer) {
			for i, r := range o.roots {
				r.value.MarshalGQL(w)
				ends[i] = len(w.buf)
			}
		})
		o.err = err
		if b, ok := w.(*bytes.Buffer); ok && err == nil {
			b.Grow(size + overhead)
		}
		if small != nil {
			start := 0
			for i, r := range o.roots {
				r.small = small[start:ends[i]]
				start = ends[i]
			}
		}
	})
	switch {
	case o.err != nil: // nothing of it is sent
		graphql.Null.MarshalGQL(w)
	case r.small != nil:
		_, _ = w.Write(r.small)
	default:
		r.value.MarshalGQL(w)
	}
}

// overhead is about what gqlgen writes around the roots, in bytes: their names.
const overhead = 1 << 10

// MarshalGQL implements gqlgen's Marshaler.
func (r rendered) MarshalGQL(to io.Writer) {
	w, ok := to.(*writer)
	if !ok { // a buffer for all that has been measured
		rest := r.selection.Append(nil, r.slice, func(b []byte) []byte {
			_, _ = to.Write(b)
			return b[:0]
		})
		_, _ = to.Write(rest)
		return
	}
	if w.out == nil && w.size == 0 {
		w.buf = slices.Grow(w.buf, min(r.selection.Size(r.slice.Len()), largeResponse))
	}
	w.buf = w.flush(r.selection.Append(w.buf, r.slice, w.flush))
}
