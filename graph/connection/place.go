package connection

import (
	"math"

	"rollcall/upstream"
)

// The upstream hands out one cursor a page, and clients resume after any user.
// So a place is a page's cursor and how many of the users that follow it are
// to be passed over.
//
// People go on calling while a list is walked: users leave their places, and
// those behind them move up. So a place also remembers the last user that was
// passed over, by a hash of the ID and by the value that the list is sorted by:
//
//   - where that user still stands, the list resumes behind them;
//   - where they have gone, everybody with a value before theirs has been
//     passed over, and everybody with a value after theirs has not;
//   - between users with the very same value the order is the upstream's
//     secret, so the last sixteen of such a run are remembered, and the list
//     resumes behind the latest of them that is left. Only where all sixteen
//     have gone, and there were more, is the place a guess.
//
// An earlier user of the run proves nothing while a later one may still follow
// the users that were read: others may have arrived between the two. If the
// last user is not found, the run is therefore read to its end, for up to
// maxSearch users.
//
// Having the value matters even where the user is still on the page: a user
// who has called again stands at the end of an ascending list, and resuming
// behind them would skip everybody else.

// maxTrail is how many users of a run with the same value are remembered. Each
// takes four characters of a cursor.
const maxTrail = 16

// maxSearch bounds how many users beyond the expected ones are read to find the
// last user passed over: a run of equal values may be the whole list. Beyond
// that the latest user of the trail that was found counts.
const maxSearch = 500

// place is a place in a list: behind the first skip users that follow cursor.
type place struct {
	cursor string
	skip   int
	// value is the sort value of the last user passed over, and trail that
	// user's mark and the marks of those right before with the same value, the
	// latest first. Both are empty where skip is 0.
	value float64
	trail trail
}

// trail is a short list of marks.
type trail struct {
	marks  [maxTrail]uint32
	length int
}

func (t *trail) add(m uint32) { t.marks[t.length] = m; t.length++ }

func (t *trail) full() bool { return t.length == maxTrail }

func (t *trail) slice() []uint32 { return t.marks[:t.length] }

// placeAfter is the place behind users, which follow cursor; there is at least one.
func placeAfter(cursor string, users []upstream.User, q upstream.Query) place {
	p := place{cursor: cursor, skip: len(users), value: sortValue(&users[len(users)-1], q)}
	for i := len(users) - 1; i >= 0 && !p.trail.full(); i-- {
		if sortValue(&users[i], q) != p.value {
			break
		}
		p.trail.add(mark(users[i].ID))
	}
	return p
}

// resume returns how many of users, which follow p.cursor now, are to be
// passed over. If more users follow these, it may report that it is not sure
// without reading them.
func (p place) resume(users []upstream.User, q upstream.Query, more bool) (n int, sure bool) {
	if p.skip == 0 {
		return 0, true
	}
	from, to, sorted := p.run(users, q)
	complete := !more || to < len(users) || len(users) >= p.skip+maxSearch
	for nearness, m := range p.trail.slice() {
		if nearness > 0 && !complete {
			return 0, false
		}
		for i := to - 1; i >= from; i-- {
			if mark(users[i].ID) == m {
				return i + 1, true
			}
		}
	}
	switch {
	case !complete:
		return 0, false
	case sorted && !p.trail.full():
		return from, true // the trail was the whole run, and all of it has gone
	}
	return min(max(p.skip-p.trail.length, from), to), true
}

// run is where users with p's sort value stand, or would. A list that is not
// sorted as it claims tells nothing, and the run may be anywhere in it.
func (p place) run(users []upstream.User, q upstream.Query) (from, to int, sorted bool) {
	before := func(a, b float64) bool { return a > b }
	if q.Ascending {
		before = func(a, b float64) bool { return a < b }
	}
	for i := range users {
		value := sortValue(&users[i], q)
		if i > 0 && before(value, sortValue(&users[i-1], q)) {
			return 0, len(users), false
		}
		if before(value, p.value) {
			from = i + 1
		}
		if !before(p.value, value) {
			to = i + 1
		}
	}
	return from, to, true
}

// sortValue is what the list is ordered by. A user without a score counts as
// the lowest, which is a guess; where the upstream has it otherwise, the list
// is not sorted by this value, and place falls back on counting.
func sortValue(u *upstream.User, q upstream.Query) float64 {
	switch q.Sort {
	case upstream.SortConversationCount:
		return float64(u.ConversationCount)
	case upstream.SortAverageSentimentScore:
		if u.Sentiment == nil || !u.Sentiment.Overall.AverageSentimentScore.Known {
			return math.Inf(-1)
		}
		return u.Sentiment.Overall.AverageSentimentScore.Value
	default:
		return float64(u.LastContact)
	}
}

// mark is a short hash of a user ID, of 24 bits (FNV-1a, folded). Two users of
// one page share a mark about once in three thousand pages, and it matters only
// where they also share their value and the one who was passed over has gone.
func mark(userID string) uint32 {
	h := uint32(2166136261)
	for i := range len(userID) {
		h = (h ^ uint32(userID[i])) * 16777619
	}
	return (h>>24 ^ h) & (1<<24 - 1)
}
