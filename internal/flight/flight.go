// Package flight lets equal calls that are in the air at the same time be one
// call. It knows nothing of what is called.
package flight

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
)

// Group is a set of calls, each with a key. Its zero value is ready to use, and
// safe for concurrent use.
//
// A waiter may leave when its own context ends; the call goes on for the
// others and is cancelled when the last one has left. A call that was
// abandoned is not joined again.
type Group[K comparable, V any] struct {
	mu      sync.Mutex
	flights map[K]*flight[V]
}

type flight[V any] struct {
	waiters int // guarded by Group.mu
	cancel  context.CancelFunc
	landed  chan struct{} // closed once value and err are set
	value   V
	err     error
}

// Do returns what call returns, having joined a call for the same key if there
// is one. The context that call gets carries ctx's values, but not its
// cancellation. The error is call's, a [Panic], or the cause of ctx's end.
func (g *Group[K, V]) Do(ctx context.Context, key K, call func(context.Context) (V, error)) (value V, joined bool, err error) {
	fl, callContext, joined := g.board(ctx, key)
	if !joined {
		go g.fly(callContext, key, fl, call)
	}
	return g.wait(ctx, key, fl, joined)
}

// DoHere is Do, but whoever comes first makes the call themselves, which saves a
// goroutine, and stays until it has landed, even if others are the last to wait.
func (g *Group[K, V]) DoHere(ctx context.Context, key K, call func(context.Context) (V, error)) (value V, joined bool, err error) {
	fl, callContext, joined := g.board(ctx, key)
	if joined {
		return g.wait(ctx, key, fl, joined)
	}
	stop := context.AfterFunc(ctx, func() { g.leave(key, fl) })
	defer stop()
	g.fly(callContext, key, fl, call)
	return fl.value, joined, fl.err
}

// Panic is the error of a call that panicked.
type Panic struct {
	What  string // says nothing of the value unless it is the runtime's
	Stack []byte
}

func (p *Panic) Error() string { return "panic in a call: " + p.What }

// board joins the flight for a key, or makes one that is to fly with the
// context returned.
func (g *Group[K, V]) board(ctx context.Context, key K) (fl *flight[V], callContext context.Context, joined bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if fl, joined = g.flights[key]; joined {
		fl.waiters++
		return fl, nil, true
	}
	callContext, cancel := context.WithCancel(context.WithoutCancel(ctx))
	fl = &flight[V]{waiters: 1, cancel: cancel, landed: make(chan struct{})}
	if g.flights == nil {
		g.flights = make(map[K]*flight[V])
	}
	g.flights[key] = fl
	return fl, callContext, false
}

// fly makes the call.
func (g *Group[K, V]) fly(ctx context.Context, key K, fl *flight[V], call func(context.Context) (V, error)) {
	defer fl.cancel()
	defer close(fl.landed)
	defer g.forget(key, fl)
	defer func() {
		if p := recover(); p != nil {
			fl.err = &Panic{What: describe(p), Stack: debug.Stack()}
		}
	}()
	fl.value, fl.err = call(ctx)
}

// wait returns what the call comes to, or leaves when ctx ends.
func (g *Group[K, V]) wait(ctx context.Context, key K, fl *flight[V], joined bool) (V, bool, error) {
	select {
	case <-fl.landed:
		return fl.value, joined, fl.err
	case <-ctx.Done():
		g.leave(key, fl)
		var none V
		return none, joined, context.Cause(ctx)
	}
}

func (g *Group[K, V]) leave(key K, fl *flight[V]) {
	g.mu.Lock()
	fl.waiters--
	last := fl.waiters == 0
	if last {
		g.remove(key, fl)
	}
	g.mu.Unlock()
	if last {
		fl.cancel()
	}
}

func (g *Group[K, V]) forget(key K, fl *flight[V]) {
	g.mu.Lock()
	g.remove(key, fl)
	g.mu.Unlock()
}

// remove takes fl off the board unless another flight has its place already;
// g.mu is held.
func (g *Group[K, V]) remove(key K, fl *flight[V]) {
	if g.flights[key] == fl {
		delete(g.flights, key)
	}
}

// describe says what a panic was about, if that cannot be anybody's data.
func describe(p any) string {
	if e, ok := p.(runtime.Error); ok {
		return e.Error()
	}
	return fmt.Sprintf("%T", p)
}
