package loader

import (
	"context"
	"errors"
	"slices"

	"rollcall/upstream"
)

// walk reads a list page by page, from a cursor on, for every window that
// begins there. One page is read at a time, as each needs the cursor of the one
// before. A failure ends the walk: windows that need more than was read until
// then all get it.
type walk struct {
	loader   *Loader
	start    start
	expected int // users from the start on; guarded by loader.mu

	turn  chan struct{} // holds a token while somebody reads or looks
	pages []upstream.Page
	held  int // users on pages
	err   error
}

// read returns the pages from the start on, once they hold extent users or the
// list has ended, how many users they hold, and how many calls that took.
func (w *walk) read(ctx context.Context, extent int) (pages []upstream.Page, held, calls int, err error) {
	for ; ; calls++ {
		pages, held, done, err := w.step(ctx, extent)
		if done || err != nil {
			return pages, held, calls, err
		}
	}
}

// step reads one page if one is needed. Between steps it is others' turn, so
// that nobody waits for pages they do not need.
func (w *walk) step(ctx context.Context, extent int) (pages []upstream.Page, held int, done bool, err error) {
	select {
	case w.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, 0, false, context.Cause(ctx)
	}
	defer func() { <-w.turn }()

	if w.held >= extent || w.ended() {
		return w.pages, w.held, true, nil
	}
	if w.err == nil {
		w.err = w.next(ctx, extent)
	}
	return w.pages, w.held, false, w.err
}

func (w *walk) ended() bool {
	return len(w.pages) > 0 && w.pages[len(w.pages)-1].Next == ""
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
	if err := w.goesOn(page); err != nil {
		return err
	}
	w.pages = append(w.pages, page)
	w.held += len(page.Users)
	return nil
}

// maxEmpty is how many pages in a row may have no users, and still a next page.
const maxEmpty = 3

// goesOn refuses a page that leads back to where the walk has been, or nowhere:
// it would go on until the operation's calls are used up.
func (w *walk) goesOn(page upstream.Page) error {
	if page.Next == "" {
		return nil
	}
	if page.Next == w.start.cursor || slices.ContainsFunc(w.pages, func(p upstream.Page) bool { return p.Next == page.Next }) {
		return &upstream.Error{Kind: upstream.BadResponse, Stage: upstream.Decoding, Cause: errCycle}
	}
	isEmpty := func(p upstream.Page) bool { return len(p.Users) == 0 }
	if n := len(w.pages); isEmpty(page) && n >= maxEmpty && !slices.ContainsFunc(w.pages[n-maxEmpty:], func(p upstream.Page) bool { return !isEmpty(p) }) {
		return &upstream.Error{Kind: upstream.BadResponse, Stage: upstream.Decoding, Cause: errEmpty}
	}
	return nil
}

var (
	errCycle = errors.New("next_cursor is one that the list has had before")
	errEmpty = errors.New("one page after the other has no users, and a next page")
)
