package upstream

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"

	"go.opentelemetry.io/otel/trace"
)

// flights lets equal calls that are in the air at the same time be one call.
//
// A waiter may leave when its own context ends; the call goes on for the
// others and is cancelled when the last one has left. A call that was
// abandoned is not joined again. The zero value is ready to use.
type flights[K comparable, V any] struct {
	mu      sync.Mutex
	flights map[K]*flight[V]
}

type flight[V any] struct {
	waiters int // guarded by flights.mu
	cancel  context.CancelFunc
	leader  trace.SpanContext // of whoever started it
	landed  chan struct{}     // closed once value and err are set
	value   V
	err     error
}

// do returns what call returns, having joined a call for the same key if there
// is one; the span of who joins is linked to that of who started it. The
// context that call gets carries ctx's values, but not its cancellation.
func (f *flights[K, V]) do(ctx context.Context, key K, call func(context.Context) (V, error)) (value V, joined bool, err error) {
	f.mu.Lock()
	fl, joined := f.flights[key]
	if !joined {
		fl = f.start(ctx, key, call)
	}
	fl.waiters++
	f.mu.Unlock()
	if joined && fl.leader.IsValid() {
		trace.SpanFromContext(ctx).AddLink(trace.Link{SpanContext: fl.leader})
	}

	select {
	case <-fl.landed:
		return fl.value, joined, fl.err
	case <-ctx.Done():
		f.leave(key, fl)
		return value, joined, context.Cause(ctx)
	}
}

// start sends a call off; f.mu is held.
func (f *flights[K, V]) start(ctx context.Context, key K, call func(context.Context) (V, error)) *flight[V] {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	fl := &flight[V]{cancel: cancel, leader: trace.SpanContextFromContext(ctx), landed: make(chan struct{})}
	if f.flights == nil {
		f.flights = make(map[K]*flight[V])
	}
	f.flights[key] = fl

	go func() {
		defer cancel()
		defer close(fl.landed)
		defer f.forget(key, fl)
		defer func() {
			if p := recover(); p != nil {
				fl.err = fmt.Errorf("panic in a call: %s\n%s", describe(p), debug.Stack())
			}
		}()
		fl.value, fl.err = call(ctx)
	}()
	return fl
}

func (f *flights[K, V]) leave(key K, fl *flight[V]) {
	f.mu.Lock()
	fl.waiters--
	last := fl.waiters == 0
	if last {
		f.remove(key, fl)
	}
	f.mu.Unlock()
	if last {
		fl.cancel()
	}
}

func (f *flights[K, V]) forget(key K, fl *flight[V]) {
	f.mu.Lock()
	f.remove(key, fl)
	f.mu.Unlock()
}

// remove takes fl off the board unless another flight has its place already;
// f.mu is held.
func (f *flights[K, V]) remove(key K, fl *flight[V]) {
	if f.flights[key] == fl {
		delete(f.flights, key)
	}
}

// describe says what a panic was about, if that cannot be anybody's data.
func describe(p any) string {
	if e, ok := p.(runtime.Error); ok {
		return e.Error()
	}
	return fmt.Sprintf("%T", p)
}
