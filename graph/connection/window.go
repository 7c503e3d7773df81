// Package connection translates between Relay's connections and the upstream's
// pages: first, after, last and before become a window, which is a size and a
// position in the upstream's list. The pages read for a window become a slice
// with a cursor for each of its users.
//
// The package is pure: it does no I/O, reads no clock, and imports no GraphQL library.
package connection

import (
	"fmt"

	"rollcall/upstream"
)

// The sizes of a window, in users.
const (
	DefaultSize = 30  // if neither first nor last is given; also the upstream's default
	MaxSize     = 500 // five of the upstream's largest pages
)

// The upstream pages forward only. A window reads either the list that it is a
// part of, or the mirrored list, which is the same query in the opposite
// sort_direction:
//
//   - last alone reads the first users of the mirrored list, and reverses them;
//   - a cursor is continued in the list that it was made in.
//
// In the list that is read, a window goes either with the list, to the users
// after a position, or against it, to the users before a position. Against the
// list, the pages have to begin at an earlier cursor: see [Window.Base].

// Window is what a connection field requests: up to Size users of a list, next
// to a position in it. It is never modified.
type Window struct {
	Query upstream.Query // of the list that the window is a part of
	Size  int

	backward  bool // whether the users are those before the position
	continued bool // whether there was a cursor
	position  position
	codec     *codec
}

// Args are a connection's arguments. An empty cursor means the same as none:
// clients start to page with it.
type Args struct {
	First  *int
	After  *string
	Last   *int
	Before *string
}

// ArgumentError reports which argument cannot be used, and why. Its text is meant
// for the caller that sent the argument, and does not repeat the value.
type ArgumentError struct {
	Argument string // as in the schema: first, after, filter.userId
	Reason   string
}

func (e *ArgumentError) Error() string { return e.Argument + ": " + e.Reason }

// NewWindow reads a connection's arguments. The error is an [*ArgumentError].
func NewWindow(q upstream.Query, args Args, sealer *Sealer) (*Window, error) {
	after, before := isCursor(args.After), isCursor(args.Before)
	switch {
	case args.First != nil && args.Last != nil:
		return nil, &ArgumentError{"last", "cannot be used with first"}
	case args.Last != nil && after:
		return nil, &ArgumentError{"after", "cannot be used with last; use before"}
	case args.First != nil && before:
		return nil, &ArgumentError{"before", "cannot be used with first; use after"}
	case after && before:
		return nil, &ArgumentError{"before", "cannot be used with after"}
	}
	w := &Window{Query: q, Size: DefaultSize, backward: args.Last != nil || before, codec: sealer.codec(q)}
	argument, size := "first", args.First
	if w.backward {
		argument, size = "last", args.Last
	}
	if size != nil {
		w.Size = *size
	}
	if w.Size < 0 || w.Size > MaxSize {
		return nil, &ArgumentError{argument, fmt.Sprintf("must be from 0 to %d", MaxSize)}
	}
	w.position.mirrored = w.backward
	if after || before {
		argument, cursor := "after", args.After
		if before {
			argument, cursor = "before", args.Before
		}
		p, reason := w.codec.open(*cursor)
		if reason == "" && before && p.anchors.length == 0 {
			reason = "is a cursor of an earlier version of this service, which works as after only"
		}
		if reason != "" {
			return nil, &ArgumentError{argument, reason}
		}
		w.position, w.continued = p, true
	}
	return w, nil
}

func isCursor(cursor *string) bool { return cursor != nil && *cursor != "" }

// NewFirst returns the window of the first users of a list, without cursors.
func NewFirst(q upstream.Query, size int) *Window { return &Window{Query: q, Size: size} }

// List returns the query of the list that the window's pages are read from.
func (w *Window) List() upstream.Query {
	q := w.Query
	q.Ascending = q.Ascending != w.position.mirrored
	return q
}

// Against reports whether the window's users are in front of its position in the
// list that is read.
func (w *Window) Against() bool { return w.backward != w.position.mirrored }

// Backward reports whether the window was requested with last or before.
func (w *Window) Backward() bool { return w.backward }

// Lack is what [Window.Take] needs in addition. The zero value means nothing.
type Lack struct {
	// Users is how many more users have to be read.
	Users int
	// Front is how many users have to be between the base and the position, so
	// that there are enough although some have left: pages have to be read from
	// an earlier base.
	Front int
	// Next reports that the page at [Window.Next] is needed.
	Next bool
}

// Take cuts the window out of the pages that follow a base, in order. next is the
// page at [Window.Next] if an earlier call of Take required it, or nil. If the
// pages do not suffice, Take returns what else it needs.
func (w *Window) Take(b Base, pages []upstream.Page, next *upstream.Page) (*Slice, Lack) {
	var users []upstream.User
	if len(pages) == 1 {
		users = pages[0].Users
	} else {
		for _, p := range pages {
			users = append(users, p.Users...)
		}
	}
	more := len(pages) == 0 || pages[len(pages)-1].Next != ""
	var from, to int
	var further bool // whether the list has users beyond the window
	if w.Against() {
		front, lack := w.inFront(b, pages, users, more, next)
		if lack != (Lack{}) {
			return nil, lack
		}
		if front < w.Size && b.Cursor != "" {
			return nil, Lack{Front: w.Size + max(b.front(w.position)-front, 0)}
		}
		from, to = max(0, front-w.Size), front
		further = from > 0 || b.Cursor != "" && b.ahead != 0
	} else {
		behind, sure := w.position.behind(users, w.List(), more)
		if !sure {
			return nil, Lack{Users: upstream.MaxPageSize}
		}
		from, to = behind, behind+w.Size
		if to > len(users) && more {
			return nil, Lack{Users: to - len(users)}
		}
		further = more || to < len(users)
		to = min(to, len(users))
	}
	s := w.Empty()
	if w.backward {
		s.HasPreviousPage = further
	} else {
		s.HasNextPage = further
	}
	s.base, s.pages, s.rows = b, pages, rows(pages, from, to, w.position.mirrored)
	return s, Lack{}
}

// Empty returns the slice of a window for which no page needs to be read.
func (w *Window) Empty() *Slice {
	return &Slice{HasNextPage: w.backward && w.continued, HasPreviousPage: !w.backward && w.continued, window: w}
}
