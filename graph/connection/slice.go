package connection

import (
	"slices"

	"rollcall/upstream"
)

// Slice is a window with its users.
type Slice struct {
	// With first, HasNextPage reports whether there are users after these, and
	// HasPreviousPage whether after was given. With last, HasPreviousPage reports
	// whether there are users before these, and HasNextPage whether before was
	// given.
	HasNextPage     bool
	HasPreviousPage bool

	window *Window
	base   Base
	pages  []upstream.Page
	rows   []row
}

// row is the index of a user of a slice in its pages.
type row struct{ page, index int }

// rows returns the rows from one index up to another. The indexes count the users
// of all pages.
func rows(pages []upstream.Page, from, to int, reversed bool) []row {
	list := make([]row, 0, max(0, to-from))
	first := 0 // the index of the page's first user
	for p, page := range pages {
		for i := max(0, from-first); i < min(to-first, len(page.Users)); i++ {
			list = append(list, row{p, i})
		}
		first += len(page.Users)
	}
	if reversed {
		slices.Reverse(list)
	}
	return list
}

// Len returns the number of users in the slice.
func (s *Slice) Len() int { return len(s.rows) }

// User returns the i-th user. It belongs to a shared page: treat it as read-only.
func (s *Slice) User(i int) *upstream.User {
	r := s.rows[i]
	return &s.pages[r.page].Users[r.index]
}

// Cursor returns the cursor of the i-th user, from which the list continues in
// both directions. In a window with its list, the same pages always give the same
// cursors; in a window against it, the cursors depend on the base.
func (s *Slice) Cursor(i int) string { return string(s.AppendCursor(nil, i)) }

// AppendCursor appends the result of [Slice.Cursor], which needs no escaping in
// any format. It is not safe for concurrent use with other cursors of the slice.
func (s *Slice) AppendCursor(b []byte, i int) []byte {
	r := s.rows[i]
	page := s.pages[r.page]
	cursor, ahead := s.base.Cursor, s.base.ahead
	for _, p := range s.pages[:r.page] {
		cursor, ahead = p.Next, add(ahead, len(p.Users))
	}
	q := s.window.List()
	var p position
	if r.index == len(page.Users)-1 && page.Next != "" {
		p = atEnd(page.Next, add(ahead, len(page.Users)), &page.Users[r.index], q)
	} else {
		p = at(cursor, ahead, page.Users[:r.index+1], q)
	}
	p.mirrored = s.window.position.mirrored
	return s.window.codec.append(b, p)
}

// add adds users to the number of users ahead, unless that is unknown.
func add(ahead, users int) int {
	if ahead == unknown {
		return unknown
	}
	return max(0, ahead+users)
}
