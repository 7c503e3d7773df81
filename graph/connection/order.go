package connection

import (
	"math"

	"rollcall/upstream"
)

// unscored is the sort value of a user without a score.
var unscored = math.Inf(-1)

// sortValue returns the value that a list is sorted by.
func sortValue(u *upstream.User, q upstream.Query) float64 {
	switch q.Sort {
	case upstream.SortConversationCount:
		return float64(u.ConversationCount)
	case upstream.SortAverageSentimentScore:
		if u.Sentiment == nil || !u.Sentiment.Overall.AverageSentimentScore.Known {
			return unscored
		}
		return u.Sentiment.Overall.AverageSentimentScore.Value
	default:
		return float64(u.LastContact)
	}
}

// run is the part of a list whose users have one sort value: users[from:to]. If
// no user has the value, from and to are both the index at which such a user
// would be.
type run struct {
	from, to int
	// sorted is false if the list is not in the order of its values, or if its
	// users do not show on which side of them the value is. The run is then the
	// whole list.
	sorted bool
}

// findRun returns the run of a value among users, which are in the order of q.
//
// The upstream decides whether users without a score are first or last. The users
// show it if some have a score and some do not.
func findRun(users []upstream.User, q upstream.Query, value float64) run {
	all := run{0, len(users), false}
	last, mixed := unscoredLast(users, q)
	if !mixed && len(users) > 0 && (value == unscored) != (sortValue(&users[0], q) == unscored) {
		return all
	}
	before := func(a, b float64) bool {
		switch {
		case a == b:
			return false
		case a == unscored:
			return !last
		case b == unscored:
			return last
		}
		return (a < b) == q.Ascending
	}
	r := run{sorted: true}
	for i := range users {
		v := sortValue(&users[i], q)
		if i > 0 && before(v, sortValue(&users[i-1], q)) {
			return all
		}
		if before(v, value) {
			r.from = i + 1
		}
		if !before(value, v) {
			r.to = i + 1
		}
	}
	return r
}

// unscoredLast reports whether users without a score are last, and whether users
// show it.
func unscoredLast(users []upstream.User, q upstream.Query) (last, shown bool) {
	for i := 1; i < len(users); i++ {
		was, is := sortValue(&users[i-1], q) == unscored, sortValue(&users[i], q) == unscored
		if was != is {
			return is, true
		}
	}
	return false, false
}
