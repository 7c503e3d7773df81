package loader

import (
	"context"
	"errors"
	"slices"

	"rollcall/upstream"
)

// walk reads a list page by page, from a cursor on, for every window that begins
// there, and for counts. It reads one page at a time, because each request needs
// the cursor of the page before. A failure ends the walk: all windows that need
// more than was read until then return it.
type walk struct {
	loader   *Loader
	start    start
	expected int // users from the start on; guarded by loader.mu

	turn  chan struct{} // holds a token while a goroutine reads or looks
	pages []upstream.Page
	err   error
	// held is the number of users on pages, and finished whether there are no more
	// pages. They are written with the token and loader.mu, and read with either.
	held     int
	finished bool
}

// read returns the pages from the start until they have extent users or the list
// ends, the number of their users, and the number of calls.
func (w *walk) read(ctx context.Context, extent int) (pages []upstream.Page, held, calls int, err error) {
	for ; ; calls++ {
		pages, held, done, err := w.step(ctx, extent)
		if done || err != nil {
			return pages, held, calls, err
		}
	}
}

// step reads one page if one is needed. Between steps other goroutines take their
// turn, so that none waits for pages that it does not need.
func (w *walk) step(ctx context.Context, extent int) (pages []upstream.Page, held int, done bool, err error) {
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, 0, false, context.Cause(ctx)
	}
	defer func() { <-w.turn }()

	if w.held >= extent || w.finished {
		return w.pages, w.held, true, nil
	}
	if w.err != nil {
		return nil, 0, false, w.err
	}
	err = w.next(ctx, extent)
	if ctx.Err() == nil { // otherwise a window with more time may continue
		w.err = err
	}
	return w.pages, w.held, false, err
}

// next reads the next page.
func (w *walk) next(ctx context.Context, extent int) error {
	w.loader.mu.Lock()
	wanted := max(extent, w.expected) - w.held
	w.loader.mu.Unlock()

	q := upstream.PageQuery{Query: w.start.query, Cursor: w.start.cursor, Size: min(wanted, upstream.MaxPageSize)}
	if n := len(w.pages); n > 0 {
		q.Cursor = w.pages[n-1].Next
	}
	page, err := w.loader.list(ctx, q)
	if err != nil {
		return err
	}
	if err := w.checkProgress(page); err != nil {
		return err
	}
	w.pages = append(w.pages, page)
	w.loader.mu.Lock()
	w.held += len(page.Users)
	w.finished = page.Next == ""
	w.loader.mu.Unlock()
	return nil
}

// checkProgress returns an error if a page leads back to a cursor of the walk:
// the walk would use up the operation's calls. Pages without users are allowed as
// long as each leads to a new cursor.
func (w *walk) checkProgress(page upstream.Page) error {
	if page.Next == "" {
		return nil
	}
	if page.Next == w.start.cursor || slices.ContainsFunc(w.pages, func(p upstream.Page) bool { return p.Next == page.Next }) {
		return &upstream.Error{Kind: upstream.BadResponse, Stage: upstream.Decoding, Cause: errCycle}
	}
	return nil
}

var errCycle = errors.New("next_cursor is one that the list had before")

// callsTo returns how many more calls the walk needs to read a number of users.
func (w *walk) callsTo(extent int) int {
	w.loader.mu.Lock()
	missing, finished := extent-w.held, w.finished
	w.loader.mu.Unlock()
	if missing <= 0 || finished {
		return 0
	}
	return callsFor(missing)
}
