// Package loader turns what the fields of one operation ask for into the fewest
// calls of the upstream. It knows windows and pages; of GraphQL and of HTTP it
// knows nothing.
//
// The upstream has no multi-get, so there is nothing to collect for a common
// request, and no reason to wait. What can be saved are calls for users that
// another field of the operation reads anyway: all windows that begin at the
// same cursor of the same list share one walk through it. A walk reads no page
// before somebody needs it, and then as much of it as anybody is known to need,
// which is why it pays to say with Expect what is going to be loaded.
package loader

import (
	"context"
	"errors"
	"sync"

	"rollcall/graph/connection"
	"rollcall/upstream"
)

// Source hands out pages. Its pages are shared: nobody writes to them.
type Source interface {
	ListUsers(context.Context, upstream.PageQuery) (upstream.Page, error)
}

// ErrTooManyCalls is returned where an operation has used up its calls.
var ErrTooManyCalls = errors.New("the operation needs too many upstream calls")

// ErrNoUser is returned where no conversation has the user that was looked up.
var ErrNoUser = errors.New("no such user")

// Loader serves one operation. It is safe for concurrent use.
type Loader struct {
	source Source

	mu    sync.Mutex
	walks map[start]*walk
	calls int // that are left
	saved int // calls that windows would have made, each by itself
}

// start is where a walk begins.
type start struct {
	query  upstream.Query
	cursor string
}

// New returns a loader that makes at most maxCalls calls.
func New(source Source, maxCalls int) *Loader {
	return &Loader{source: source, walks: make(map[start]*walk), calls: maxCalls}
}

// Expect says that windows are likely to be loaded, so that whichever comes
// first reads enough for all of them. It makes no call itself.
func (l *Loader) Expect(windows ...connection.Window) {
	for _, w := range windows {
		l.walk(w)
	}
}

// Load returns a window's slice. The error is the source's, ctx's or
// [ErrTooManyCalls].
func (l *Loader) Load(ctx context.Context, w connection.Window) (connection.Slice, error) {
	wk := l.walk(w)
	made := 0
	for extent := w.Extent(); ; {
		pages, held, calls, err := wk.read(ctx, extent)
		if err != nil {
			return connection.Slice{}, err
		}
		made += calls
		slice, missing := w.Take(pages)
		if missing == 0 {
			l.save(callsFor(min(extent, held)) - made)
			return slice, nil
		}
		extent = held + missing
	}
}

// callsFor is how many calls it takes to read so many users; that there are
// none takes one as well.
func callsFor(users int) int { return max(1, (users+upstream.MaxPageSize-1)/upstream.MaxPageSize) }

func (l *Loader) save(calls int) {
	if calls > 0 {
		l.mu.Lock()
		l.saved += calls
		l.mu.Unlock()
	}
}

// Saved is how many more calls the windows so far would have made, had each
// been loaded by itself.
func (l *Loader) Saved() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.saved
}

// LookUp returns the user with an ID, or [ErrNoUser].
func (l *Loader) LookUp(ctx context.Context, userID string) (*upstream.User, error) {
	slice, err := l.Load(ctx, connection.Window{
		Query: upstream.Query{Filter: upstream.Filter{UserID: userID}},
		First: 1,
	})
	if err != nil {
		return nil, err
	}
	// The upstream says that search matches exactly. Should it ever match
	// otherwise, nobody gets to see somebody else.
	if slice.Len() == 0 || slice.User(0).ID != userID {
		return nil, ErrNoUser
	}
	return slice.User(0), nil
}

// walk returns the walk that serves a window, and has it expect the window.
func (l *Loader) walk(w connection.Window) *walk {
	at := start{w.Query, w.Cursor()}
	l.mu.Lock()
	defer l.mu.Unlock()
	wk, ok := l.walks[at]
	if !ok {
		wk = &walk{loader: l, start: at, turn: make(chan struct{}, 1)}
		l.walks[at] = wk
	}
	wk.expected = max(wk.expected, w.Extent())
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
	return l.source.ListUsers(ctx, q)
}
