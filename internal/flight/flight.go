// Package flight lets equal calls that are in the air at the same time be one
// call. It knows nothing of what is called.
package flight

import (
	"context"
	"errors"
	"sync"

	"rollcall/internal/panics"
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
	landed  chan struct{} // closed once the rest is set
	value   V
	err     error
	late    bool // whether it failed as the time of the first one was up
}

// Do returns what call returns, having joined a call for the same key if there
// is one. The context that call gets carries the first one's values and
// deadline, but not their cancellation. The error is call's, a [*panics.Error], or the
// cause of ctx's end.
//
// Whoever comes first makes the call themselves, which saves a goroutine with
// its stack, and so stays until it has landed even if only others wait for it.
// Where the first one's time is up before a waiter's is, the waiter makes the
// call anew.
func (g *Group[K, V]) Do(ctx context.Context, key K, call func(context.Context) (V, error)) (value V, joined bool, err error) {
	for {
		fl, callContext, joined := g.board(ctx, key)
		if !joined {
			stop := context.AfterFunc(ctx, func() { g.leave(key, fl) })
			g.fly(callContext, key, fl, call)
			stop()
			if fl.err != nil && ctx.Err() != nil {
				return fl.value, false, context.Cause(ctx)
			}
			return fl.value, false, fl.err
		}
		select {
		case <-fl.landed:
			if fl.late && ctx.Err() == nil {
				continue
			}
			return fl.value, true, fl.err
		case <-ctx.Done():
			g.leave(key, fl)
			var none V
			return none, true, context.Cause(ctx)
		}
	}
}

// board joins the flight for a key, or makes one that is to fly with the
// context returned.
func (g *Group[K, V]) board(ctx context.Context, key K) (fl *flight[V], callContext context.Context, joined bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if fl, joined = g.flights[key]; joined {
		fl.waiters++
		return fl, nil, true
	}
	fl = &flight[V]{waiters: 1, landed: make(chan struct{})}
	callContext = context.WithoutCancel(ctx)
	if deadline, ok := ctx.Deadline(); ok {
		callContext, fl.cancel = context.WithDeadline(callContext, deadline)
	} else {
		callContext, fl.cancel = context.WithCancel(callContext)
	}
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
			fl.err = panics.New(p)
		}
	}()
	fl.value, fl.err = call(ctx)
	fl.late = fl.err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded)
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
