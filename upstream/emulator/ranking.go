package emulator

import (
	"cmp"
	"math"
	"slices"
	"sync"
)

// place is where a user stands in an order.
type place struct {
	key    float64 // seconds, a count or a score; all of them are exact
	userID string
}

// compare orders places by key, and those of one key by user ID: no two users
// have the same place. How upstream breaks ties is a guess.
func (p place) compare(other place) int {
	return cmp.Or(cmp.Compare(p.key, other.key), cmp.Compare(p.userID, other.userID))
}

// ranking is users in ascending order. A descending list is one read backwards,
// and so its exact reverse.
type ranking []ranked

type ranked struct {
	place
	user *user
}

// newRanking ranks those of users that have a conversation under q's filter.
func newRanking(users []*user, q query) ranking {
	r := make(ranking, 0, len(users))
	var buffer []Conversation
	for _, u := range users {
		selected := u.matching(q.filter, buffer)
		if len(selected) == 0 {
			continue
		}
		if q.agentID != "" || q.branchID != "" {
			buffer = selected
		}
		r = append(r, ranked{place{sortKey(selected, q.sort), u.id}, u})
	}
	slices.SortFunc(r, func(a, b ranked) int { return a.compare(b.place) })
	return r
}

// sortKey is what a user with these conversations is sorted by. Without a score
// that is below every score: last in descending order, which is a guess.
func sortKey(selected []Conversation, sort string) float64 {
	switch sort {
	case byCount:
		return float64(len(selected))
	case bySentiment:
		if t := newTally(selected); t.scored > 0 {
			return t.averageScore()
		}
		return math.Inf(-1)
	default:
		return float64(selected[len(selected)-1].StartedAt.Unix())
	}
}

// take returns up to n users after from, or from the start where that is nil,
// and whether there are more after them.
func (r ranking) take(from *place, ascending bool, n int) (taken []ranked, more bool) {
	if ascending {
		if from != nil {
			at, found := r.search(*from)
			if found {
				at++
			}
			r = r[at:]
		}
		n = min(n, len(r))
		return r[:n], n < len(r)
	}
	if from != nil {
		at, _ := r.search(*from)
		r = r[:at]
	}
	n = min(n, len(r))
	taken = slices.Clone(r[len(r)-n:])
	slices.Reverse(taken)
	return taken, n < len(r)
}

// search returns how many users stand before p, and whether one stands there.
func (r ranking) search(p place) (before int, found bool) {
	return slices.BinarySearchFunc(r, p, func(x ranked, p place) int { return x.compare(p) })
}

// maxRankings bounds memory: a ranking of 10,000 users takes 320 kB.
const maxRankings = 64

// rankings keeps the rankings that were asked for, so that paging through one
// sorts once. Its zero value is empty. It is safe for concurrent use.
type rankings struct {
	mu   sync.Mutex
	kept map[rankingKey]ranking
}

type rankingKey struct {
	filter filter
	sort   string
}

func (r *rankings) get(key rankingKey) (ranking, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept, ok := r.kept[key]
	return kept, ok
}

// put keeps a ranking. When there are too many it starts anew: to sort again
// costs milliseconds, to find out which one to drop would cost code.
func (r *rankings) put(key rankingKey, made ranking) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil || len(r.kept) >= maxRankings {
		r.kept = make(map[rankingKey]ranking)
	}
	r.kept[key] = made
}

func (r *rankings) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = nil
}
