package connection

import (
	"rollcall/upstream"
)

// The upstream returns one cursor for each page, and clients continue from any
// user, in either direction. A position is therefore a page's cursor, and the
// number of users after that cursor up to and including the position's own user.
//
// While a list is paged through, users call again: they leave their positions,
// and the users after them move up. A position therefore also records its own
// user, by a hash of the ID and by the value that the list is sorted by:
//
//   - If that user is still there with that value, the position is at that user.
//   - If not, every user with a value before it is in front of the position, and
//     every user with a value after it is behind.
//   - Only the upstream knows the order of users with an equal value. Up to
//     sixteen users of such a run are therefore recorded, the nearest first. The
//     position is behind the nearest of them that is left. It is a guess only if
//     all sixteen have left and the run had more.
//
// An anchor without its value proves nothing: a user who has called again is at
// the end of an ascending list, and all users in between would be skipped.
//
// A distant anchor proves nothing either while a nearer one may follow the users
// that were read, because other users may have joined the run between the two. The
// run is then read to its end, for up to maxSearch users.

// maxAnchors is how many users of a run with an equal value are recorded. Each
// takes four characters of a cursor.
const maxAnchors = 16

// maxSearch bounds how many users beyond the expected ones are read to find a
// position: a run of equal values may be the whole list. Beyond that, the nearest
// anchor that was found is used.
const maxSearch = 500

// unknown is the number of users ahead of a position if its cursor does not
// record the number.
const unknown = -1

// position is a user's position in a list. The zero value is the start of the
// list.
type position struct {
	// mirrored reports that the position is in the list of the other direction.
	mirrored bool
	cursor   string // of the upstream
	// skip is the number of users from cursor up to and including the own user. It
	// is 0 if the own user is the last one in front of the cursor.
	skip int
	// ahead is the number of users in front of cursor, or unknown.
	ahead int
	// value is the own user's sort value. anchors are the own user and the users
	// directly in front with an equal value, nearest first. They are empty at the
	// start of the list, and in an old cursor with a skip of 0.
	value   float64
	anchors anchors
}

// anchors is a short list of anchors.
type anchors struct {
	hashes [maxAnchors]uint32
	length int
}

func (a *anchors) add(hash uint32) { a.hashes[a.length] = hash; a.length++ }

func (a *anchors) full() bool { return a.length == maxAnchors }

func (a *anchors) slice() []uint32 { return a.hashes[:a.length] }

// at returns the position of the last of users, which has at least one. The users
// follow a cursor that has ahead users in front of it.
func at(cursor string, ahead int, users []upstream.User, q upstream.Query) position {
	p := position{cursor: cursor, skip: len(users), ahead: ahead, value: sortValue(&users[len(users)-1], q)}
	for i := len(users) - 1; i >= 0 && !p.anchors.full(); i-- {
		if sortValue(&users[i], q) != p.value {
			break
		}
		p.anchors.add(anchor(users[i].ID))
	}
	return p
}

// atEnd returns the position of a page's last user, with the cursor of the next
// page, which has ahead users in front of it.
func atEnd(next string, ahead int, last *upstream.User, q upstream.Query) position {
	p := position{cursor: next, ahead: ahead, value: sortValue(last, q)}
	p.anchors.add(anchor(last.ID))
	return p
}

// behind returns how many of users, which follow p.cursor, are in front of the
// position or are its own user. If it is not sure, it needs the users that follow
// these.
func (p *position) behind(users []upstream.User, q upstream.Query, more bool) (n int, sure bool) {
	if p.skip == 0 {
		return 0, true
	}
	r := findRun(users, q, p.value)
	complete := p.complete(users, r, more, p.skip)
	for nearness, hash := range p.anchors.slice() {
		if nearness > 0 && !complete {
			break
		}
		if i := p.index(users, r, q, hash, p.skip-1-nearness); i >= 0 {
			return i + 1, true
		}
	}
	switch {
	case !complete:
		return 0, false
	case r.sorted && !p.anchors.full():
		return r.from, true // the anchors were the whole run, and all of them have left
	}
	return min(max(p.skip-p.anchors.length, r.from), r.to), true
}

// complete reports whether no user of a run can follow users, or whether so many
// have been read beyond the expected ones that the search ends.
func (p *position) complete(users []upstream.User, r run, more bool, expected int) bool {
	return !more || r.to < len(users) || len(users) >= expected+maxSearch
}

// index returns the index of the user of a run that has a hash and the position's
// value, or -1. Among thousands of users with an equal value, several may share a
// hash: the one nearest to the expected index is returned.
func (p *position) index(users []upstream.User, r run, q upstream.Query, hash uint32, expected int) int {
	found := -1
	for i := r.from; i < r.to; i++ {
		if anchor(users[i].ID) == hash && sortValue(&users[i], q) == p.value && (found < 0 || distance(i, expected) < distance(found, expected)) {
			found = i
		}
	}
	return found
}

func distance(a, b int) int { return max(a-b, b-a) }

// anchor returns a short hash of a user ID, of 24 bits (FNV-1a, folded). Two
// users of one page share a hash about once in three thousand pages. It matters
// only if they also share their value and the recorded one has left.
func anchor(userID string) uint32 {
	h := uint32(2166136261)
	for i := range len(userID) {
		h = (h ^ uint32(userID[i])) * 16777619
	}
	return (h>>24 ^ h) & (1<<24 - 1)
}
