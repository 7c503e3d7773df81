// Package loader turns what the fields of one operation request into the fewest
// upstream calls. It knows windows and pages, and nothing of GraphQL and HTTP.
//
// The upstream cannot return several objects by their IDs, so there is nothing to
// batch for one request, and no reason to wait. Calls can be saved for users that
// another field of the operation reads anyway: all windows that begin at the same
// cursor of the same list share one walk through it, in either direction. A walk
// reads a page only when a window needs it, and then with the size that the
// largest expected window needs. Callers should therefore announce with Expect
// what they are going to load.
//
// A window against its list begins at an earlier cursor. The memory often knows
// one; if it does not, the window is read from the start of the list.
package loader

import (
	"context"
	"errors"
	"sync"
	"time"

	"rollcall/graph/connection"
	"rollcall/upstream"
)

// Source returns pages. Pages are shared and must not be written to.
type Source interface {
	ListUsers(context.Context, upstream.PageQuery) (upstream.Page, error)
}

// ErrTooManyCalls is returned if an operation has used up its calls.
var ErrTooManyCalls = errors.New("the operation needs too many upstream calls")

// ErrTooFar is returned for a window that cannot be read within the calls or the
// time that the operation has left, because its position is far from the start of
// the list.
var ErrTooFar = errors.New("the position is too many upstream calls from the start of the list")

// ErrNoUser is returned if no conversation has the user that was looked up.
var ErrNoUser = errors.New("no such user")

// Loader serves one operation. It is safe for concurrent use.
type Loader struct {
	source Source
	memory *Memory
	key    upstream.APIKey

	mu    sync.Mutex
	walks []*walk // one for each start; few operations have more than one
	calls int     // calls that are left
	saved int     // calls that windows would have made, each by itself
}

// start is where a walk begins.
type start struct {
	query  upstream.Query
	cursor string
}

// New returns a loader that makes at most maxCalls calls, all of them with one
// API key.
func New(source Source, memory *Memory, key upstream.APIKey, maxCalls int) *Loader {
	return &Loader{source: source, memory: memory, key: key, calls: maxCalls}
}

// Expect announces windows that are likely to be loaded, so that the first of
// them reads enough for all. It makes no call itself.
func (l *Loader) Expect(windows ...*connection.Window) {
	for _, w := range windows {
		base := l.base(w, 0)
		l.walk(start{w.List(), base.Cursor}, w.Extent(base))
	}
}

// Load returns a window's slice. The error is the source's, ctx's,
// [ErrTooManyCalls] or [ErrTooFar].
func (l *Loader) Load(ctx context.Context, w *connection.Window) (*connection.Slice, error) {
	r := reading{loader: l, window: w}
	for front := 0; ; {
		slice, lack, err := r.take(ctx, l.base(w, front))
		if err != nil {
			return nil, err
		}
		if lack.Front == 0 {
			l.save(r.alone - r.made)
			return slice, nil
		}
		front = lack.Front
	}
}

// reading is what has been read for one window.
type reading struct {
	loader *Loader
	window *connection.Window
	next   *upstream.Page // at the window's position, if it was needed
	made   int            // calls that were made for the window
	alone  int            // calls that the window would have needed alone
}

// take reads pages from a base until the window can be cut out of them, or they
// turn out to begin too late.
func (r *reading) take(ctx context.Context, base connection.Base) (*connection.Slice, connection.Lack, error) {
	w := r.window
	extent := w.Extent(base)
	wk := r.loader.walk(start{w.List(), base.Cursor}, extent)
	if w.Against() {
		if err := r.loader.reaches(ctx, wk, extent); err != nil {
			return nil, connection.Lack{}, err
		}
	}
	for {
		pages, held, err := r.read(ctx, wk, extent)
		if err != nil {
			return nil, connection.Lack{}, err
		}
		slice, lack := w.Take(base, pages, r.next)
		switch {
		case lack.Next:
			cursor, size := w.Next()
			pages, _, err := r.read(ctx, r.loader.walk(start{w.List(), cursor}, size), 1)
			if err != nil {
				return nil, connection.Lack{}, err
			}
			r.alone++
			r.next = &pages[0]
		case lack.Users > 0:
			extent = held + lack.Users
		default:
			r.alone += callsFor(min(extent, held))
			return slice, lack, nil
		}
	}
}

// read returns the pages of a walk.
func (r *reading) read(ctx context.Context, wk *walk, extent int) (pages []upstream.Page, held int, err error) {
	pages, held, calls, err := wk.read(ctx, extent)
	r.made += calls
	return pages, held, err
}

// base returns the cursor from which a window is read.
func (l *Loader) base(w *connection.Window, front int) connection.Base {
	if !w.Against() {
		return w.Base(0, nil)
	}
	return w.Base(front, l.memory.previous(l.key, w.List()))
}

// reaches returns [ErrTooFar] if the operation does not have enough calls or time
// left to extend a walk to an extent.
func (l *Loader) reaches(ctx context.Context, wk *walk, extent int) error {
	l.mu.Lock()
	left := l.calls
	l.mu.Unlock()
	calls := wk.callsTo(extent)
	if calls > left {
		return ErrTooFar
	}
	if deadline, ok := ctx.Deadline(); ok && calls > 1 && time.Duration(calls)*l.memory.pace(l.key) > time.Until(deadline) {
		return ErrTooFar
	}
	return nil
}

// callsFor returns how many calls it takes to read a number of users. A list
// without users takes one call as well.
func callsFor(users int) int { return max(1, (users+upstream.MaxPageSize-1)/upstream.MaxPageSize) }

func (l *Loader) save(calls int) {
	if calls > 0 {
		l.mu.Lock()
		l.saved += calls
		l.mu.Unlock()
	}
}

// Saved returns how many more calls the windows so far would have needed if each
// had been loaded by itself.
func (l *Loader) Saved() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.saved
}

// LookUp returns the user with an ID, or [ErrNoUser].
func (l *Loader) LookUp(ctx context.Context, userID string) (*upstream.User, error) {
	slice, err := l.Load(ctx, connection.NewFirst(upstream.Query{Filter: upstream.Filter{UserID: userID}}, 1))
	if err != nil {
		return nil, err
	}
	// According to the upstream, search matches exactly. If it ever matches in
	// another way, a user with another ID must not be returned.
	if slice.Len() == 0 || slice.User(0).ID != userID {
		return nil, ErrNoUser
	}
	return slice.User(0), nil
}

// walk returns the walk that begins at a start, and makes it expect an extent.
func (l *Loader) walk(at start, extent int) *walk {
	l.mu.Lock()
	defer l.mu.Unlock()
	wk := l.begin(at)
	wk.expected = max(wk.expected, extent)
	return wk
}

// begin returns the walk that begins at a start. l.mu is held.
func (l *Loader) begin(at start) *walk {
	for _, wk := range l.walks {
		if wk.start == at {
			return wk
		}
	}
	wk := &walk{loader: l, start: at, turn: make(chan struct{}, 1)}
	l.walks = append(l.walks, wk)
	return wk
}

// list makes a call, if one is left.
func (l *Loader) list(ctx context.Context, q upstream.PageQuery) (upstream.Page, error) {
	l.mu.Lock()
	l.calls--
	spent := l.calls < 0
	l.mu.Unlock()
	if spent {
		return upstream.Page{}, ErrTooManyCalls
	}
	began := time.Now()
	page, err := l.source.ListUsers(ctx, q)
	if err != nil {
		return upstream.Page{}, err
	}
	l.memory.observe(l.key, time.Since(began))
	if page.Next != "" {
		l.memory.link(l.key, q.Query, link{q.Cursor, len(page.Users)}, page.Next)
	}
	return page, nil
}
