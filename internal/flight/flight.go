// Package flight merges equal calls that are in flight at the same time into one.
// It does not know what is called.
package flight

import (
	"context"
	"errors"
	"sync"
	"time"

	"rollcall/internal/panics"
)

// Group is a set of calls, each with a key. Its zero value is ready to use, and
// safe for concurrent use. Its fields must not be changed after the first call.
//
// A waiter leaves when its own context is cancelled. The call continues for the
// others, and is cancelled when the last waiter has left. A call that all waiters
// have left is not joined again.
type Group[K comparable, V any] struct {
	// Timeout bounds each call, in addition to the first caller's deadline; 0 for
	// no other bound.
	Timeout time.Duration

	mu      sync.Mutex
	flights map[K]*flight[V]
}

type flight[V any] struct {
	waiters int // guarded by Group.mu
	cancel  context.CancelFunc
	done    chan struct{} // closed once the rest is set
	value   V
	err     error
	late    bool // whether it failed because its deadline expired
}

// Do returns the result of call, or of a call for the same key that is in flight;
// joined reports which. The context that call receives has the first caller's
// values and deadline, but not its cancellation. The error is call's, a
// [*panics.Error], or the cause of ctx's cancellation.
//
// The first caller runs call on its own goroutine, which saves a goroutine and its
// stack, so it returns only when call does, even if ctx is cancelled. If the call
// fails because its deadline expired, and a waiter has time left, the waiter makes
// the call anew.
func (g *Group[K, V]) Do(ctx context.Context, key K, call func(context.Context) (V, error)) (value V, joined bool, err error) {
	for {
		fl, callContext, joined := g.join(ctx, key)
		if !joined {
			stop := context.AfterFunc(ctx, func() { g.leave(key, fl) })
			g.run(callContext, key, fl, call)
			stop()
			if fl.err != nil && ctx.Err() != nil {
				return fl.value, false, context.Cause(ctx)
			}
			return fl.value, false, fl.err
		}
		select {
		case <-fl.done:
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

// join joins the flight for a key, or starts one, whose call has to be run with
// the returned context.
func (g *Group[K, V]) join(ctx context.Context, key K) (fl *flight[V], callContext context.Context, joined bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if fl, joined = g.flights[key]; joined {
		fl.waiters++
		return fl, nil, true
	}
	fl = &flight[V]{waiters: 1, done: make(chan struct{})}
	callContext = context.WithoutCancel(ctx)
	deadline, bounded := ctx.Deadline()
	if g.Timeout > 0 {
		if own := time.Now().Add(g.Timeout); !bounded || own.Before(deadline) {
			deadline, bounded = own, true
		}
	}
	if bounded {
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

// run makes the call.
func (g *Group[K, V]) run(ctx context.Context, key K, fl *flight[V], call func(context.Context) (V, error)) {
	defer fl.cancel()
	defer close(fl.done)
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

// remove removes fl, unless another flight already has its key; g.mu is held.
func (g *Group[K, V]) remove(key K, fl *flight[V]) {
	if g.flights[key] == fl {
		delete(g.flights, key)
	}
}
