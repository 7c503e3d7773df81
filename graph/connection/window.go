// Package connection translates between Relay's connections and the upstream's
// pages: first and after become a place in the upstream's list, and the pages
// read from there become a slice with a cursor for every user in it.
//
// It is pure: no I/O, no clock, nothing of a GraphQL library.
package connection

import (
	"fmt"

	"rollcall/upstream"
)

// The sizes of a window, in users.
const (
	DefaultFirst = 30  // where first is absent or null, as upstream
	MaxFirst     = 500 // five of the upstream's largest pages
)

// Window is what a connection field asks for: up to First users of a list, from
// a place in it on.
type Window struct {
	Query upstream.Query
	First int

	place place
	after bool // whether there was a cursor
	list  *list
}

// ArgumentError says which argument cannot be used, and why. Its text is meant
// for the one who sent the argument and does not repeat its value.
type ArgumentError struct {
	Argument string // as in the schema: first, after, filter.userId
	Reason   string
}

func (e *ArgumentError) Error() string { return e.Argument + ": " + e.Reason }

// NewWindow reads a connection's arguments. A nil first stands for
// [DefaultFirst]; a nil or empty after for the start of the list. The error is
// an [*ArgumentError].
func NewWindow(q upstream.Query, first *int, after *string, sealer *Sealer) (Window, error) {
	w := Window{Query: q, First: DefaultFirst, list: sealer.list(q)}
	if first != nil {
		w.First = *first
	}
	if w.First < 0 || w.First > MaxFirst {
		return Window{}, &ArgumentError{"first", fmt.Sprintf("must be from 0 to %d", MaxFirst)}
	}
	if after != nil && *after != "" {
		at, err := w.list.open(*after)
		if err != nil {
			return Window{}, err
		}
		w.place, w.after = at, true
	}
	return w, nil
}

// Cursor is the upstream's cursor that the window's pages are read from; empty
// for the first page.
func (w Window) Cursor() string { return w.place.cursor }

// Extent is how many users have to be read from Cursor on, if nothing has
// moved. It is at least one more than those passed over, so that even an empty
// window can tell whether there is a next page.
func (w Window) Extent() int { return w.place.skip + max(w.First, 1) }

// Take cuts the window out of the pages that follow Cursor, in order. If they do
// not hold enough users, or do not show where the window begins, and there are
// more, it returns how many to read in addition instead.
func (w Window) Take(pages []upstream.Page) (s Slice, missing int) {
	var users []upstream.User // all of them, for finding the place
	if len(pages) == 1 {
		users = pages[0].Users
	} else {
		for _, p := range pages {
			users = append(users, p.Users...)
		}
	}
	more := len(pages) == 0 || pages[len(pages)-1].Next != ""
	start, sure := w.place.resume(users, w.Query, more)
	if !sure {
		return Slice{}, upstream.MaxPageSize
	}
	end := start + w.First
	if end > len(users) && more {
		return Slice{}, end - len(users)
	}
	s = w.Empty()
	s.HasNextPage = more || end < len(users)
	s.pages = pages
	s.rows = rows(pages, start, min(end, len(users)))
	return s, 0
}

// Empty is the slice of a window of which nothing needs to be read.
func (w Window) Empty() Slice { return Slice{HasPreviousPage: w.after, window: w} }

// Slice is a window cut out of the pages that were read for it.
type Slice struct {
	HasNextPage     bool // whether the upstream has users after these
	HasPreviousPage bool // whether the window came with a cursor

	window Window
	pages  []upstream.Page
	rows   []row
}

// row is where a user of a slice stands.
type row struct{ page, index int }

// rows are the places from start to end, counted through all pages.
func rows(pages []upstream.Page, start, end int) []row {
	list := make([]row, 0, max(0, end-start))
	first := 0 // the place of the page's first user
	for p, page := range pages {
		for i := max(0, start-first); i < min(end-first, len(page.Users)); i++ {
			list = append(list, row{p, i})
		}
		first += len(page.Users)
	}
	return list
}

// Len is the number of users in the slice.
func (s Slice) Len() int { return len(s.rows) }

// User is the i-th user. It belongs to a shared page: treat it as read-only.
func (s Slice) User(i int) *upstream.User {
	r := s.rows[i]
	return &s.pages[r.page].Users[r.index]
}

// Cursor is a cursor that resumes the list right after the i-th user. Equal
// pages give equal cursors.
func (s Slice) Cursor(i int) string { return string(s.AppendCursor(nil, i)) }

// AppendCursor appends what [Slice.Cursor] returns, which needs no escaping
// anywhere. A slice's cursors are made by one goroutine at a time.
func (s Slice) AppendCursor(b []byte, i int) []byte {
	r := s.rows[i]
	page := s.pages[r.page]
	if r.index == len(page.Users)-1 && page.Next != "" {
		return s.window.list.append(b, place{cursor: page.Next})
	}
	cursor := s.window.place.cursor
	if r.page > 0 {
		cursor = s.pages[r.page-1].Next
	}
	return s.window.list.append(b, placeAfter(cursor, page.Users[:r.index+1], s.window.Query))
}
