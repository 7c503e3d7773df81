package connection

import "rollcall/upstream"

// Base is the cursor from which a window's pages are read. A window with its list
// is read from its position's cursor. A window against it is read from an earlier
// cursor: for any cursor B in front of C, {C, skip} is the same position as {B,
// distance + skip}.
type Base struct {
	Cursor string // of the upstream; empty for the start of the list

	distance int // users from Cursor to the position's cursor
	ahead    int // users in front of Cursor, or unknown
}

// front returns how many users are between the base and a position's own user if
// none of them has left, or unknown.
func (b Base) front(p position) int {
	if b.distance == unknown {
		return unknown
	}
	return b.distance + p.skip - 1
}

// Previous returns, for the cursor that a page led to, the cursor at which the
// page began and the number of its users. It returns false if it does not know
// the page. A wrong result costs calls and nothing else.
type Previous func(next string) (cursor string, users int, ok bool)

// maxSteps is how many pages back Base searches, so that pages without users, or
// a wrong hint, do not keep it searching.
const maxSteps = 64

// Base returns the cursor from which the window's pages are read, so that at
// least front users, and never fewer than the window's size, are in front of the
// position. If previous does not lead there, the base is the start of the list.
func (w *Window) Base(front int, previous Previous) Base {
	p := w.position
	b := Base{Cursor: p.cursor, ahead: p.ahead}
	if !w.Against() {
		return b
	}
	front = max(front, w.Size, 1)
	for steps := 0; b.Cursor != "" && b.front(p) < front; steps++ {
		cursor, users, ok := previous(b.Cursor)
		if !ok || steps == maxSteps {
			return Base{distance: p.ahead}
		}
		b = Base{Cursor: cursor, distance: b.distance + users, ahead: add(b.ahead, -users)}
	}
	if b.Cursor == "" {
		b.ahead = 0
	}
	return b
}

// Extent returns how many users have to be read from a base if none has moved. It
// is at least one more than the users that are passed over, so that even an empty
// window reports whether more users follow.
func (w *Window) Extent(b Base) int {
	p := w.position
	if !w.Against() {
		return p.skip + max(w.Size, 1)
	}
	n := max(b.distance, 0)
	if n == 0 || p.skip > 1 {
		n += p.skip // otherwise the own user is the last one, or the next
	}
	if b.Cursor == "" { // then users who have joined at the front cost no call of their own
		n = max(n, min(w.Size+1, upstream.MaxPageSize))
	}
	return n
}

// Next returns the position's own cursor.
func (w *Window) Next() (cursor string, size int) { return w.position.cursor, upstream.MaxPageSize }

// farAway is the expected index of a position whose distance from the base is
// unknown.
const farAway = 1 << 30

// inFront returns how many of the users are in front of the position's own user.
func (w *Window) inFront(b Base, pages []upstream.Page, users []upstream.User, more bool, next *upstream.Page) (int, Lack) {
	p, q := &w.position, w.List()
	expected := b.front(*p)
	if expected < 0 {
		expected = farAway
	}
	r := findRun(users, q, p.value)
	hashes := p.anchors.slice()
	if i := p.index(users, r, q, hashes[0], expected); i >= 0 {
		return i, Lack{}
	}
	if len(hashes) > 1 { // no other user who is still there can be between the two
		if i := p.index(users, r, q, hashes[1], expected-1); i >= 0 {
			return i + 1, Lack{}
		}
	}
	if start, ok := boundary(b, pages, p.cursor); ok {
		if p.skip <= 1 && p.cursor != "" {
			return start, Lack{}
		}
		behind, sure := p.behind(users[start:], q, more)
		if !sure {
			return 0, Lack{Users: upstream.MaxPageSize}
		}
		return start + behind, Lack{}
	}
	switch {
	case !p.complete(users, r, more, expected+1):
		return 0, Lack{Users: upstream.MaxPageSize}
	case r.sorted && r.from == r.to:
		return r.from, Lack{}
	}
	for i := 2; i < len(hashes); i++ {
		if at := p.index(users, r, q, hashes[i], expected-i); at >= 0 {
			return at + 1, Lack{}
		}
	}
	if next == nil {
		return 0, Lack{Next: true}
	}
	if at, ok := p.byFollowers(users, r, next, q); ok {
		return at, Lack{}
	}
	return min(max(expected, r.from), r.to), Lack{}
}

// boundary returns the index, among the users of pages, at which a cursor begins.
func boundary(b Base, pages []upstream.Page, cursor string) (index int, ok bool) {
	if b.Cursor == cursor {
		return 0, true
	}
	for _, page := range pages {
		index += len(page.Users)
		if page.Next == cursor && cursor != "" {
			return index, true
		}
	}
	return 0, false
}

// byFollowers finds the position among users with the page at the position's own
// cursor: the position is in front of the first user of the run who is behind it
// on that page. None of the position's anchors is among users; r is the run of
// its value.
func (p *position) byFollowers(users []upstream.User, r run, page *upstream.Page, q upstream.Query) (at int, ok bool) {
	find := func(u *upstream.User) int {
		for i := r.from; i < r.to; i++ {
			if users[i].ID == u.ID && sortValue(&users[i], q) == sortValue(u, q) {
				return i
			}
		}
		return -1
	}
	behind, _ := p.behind(page.Users, q, false)
	passed := page.Next == ""
	for i := behind; i < len(page.Users); i++ {
		follower := &page.Users[i]
		if r.sorted && sortValue(follower, q) != p.value {
			passed = true
			break
		}
		if at := find(follower); at >= 0 {
			return at, true
		}
	}
	if passed && r.sorted {
		return r.to, true // the run has no user behind the position
	}
	for i := behind - 1; i >= 0; i-- {
		if at := find(&page.Users[i]); at >= 0 {
			return at + 1, true
		}
	}
	return 0, false
}
