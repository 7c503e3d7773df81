package emulator

import (
	"cmp"
	"math"
	"slices"
	"sync"
)

// position is a user's position in an order.
type position struct {
	key    float64 // seconds, a count or a score; all of them are exact
	userID string
}

// compare orders positions by key, and by user ID if the keys are equal: no two
// users have the same position. How the upstream breaks ties is a guess.
func (p position) compare(other position) int {
	return cmp.Or(cmp.Compare(p.key, other.key), cmp.Compare(p.userID, other.userID))
}

// ranking has users in ascending order. A descending list is a ranking read
// backwards, and so its exact reverse.
type ranking []ranked

type ranked struct {
	position
	user *user
}

// newRanking ranks the users that have a conversation under q's filter.
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
		r = append(r, ranked{position{sortKey(selected, q.sort), u.id}, u})
	}
	slices.SortFunc(r, func(a, b ranked) int { return a.compare(b.position) })
	return r
}

// sortKey returns the sort key of a user with these conversations. A user without
// a score sorts below every score: last in descending order, which is a guess.
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

// take returns up to n users after a position, or from the start if from is nil,
// and whether more follow.
func (r ranking) take(from *position, ascending bool, n int) (taken []ranked, more bool) {
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

// search returns how many users precede p, and whether a user is at p.
func (r ranking) search(p position) (before int, found bool) {
	return slices.BinarySearchFunc(r, p, func(x ranked, p position) int { return x.compare(p) })
}

// maxRankings bounds memory: a ranking of 10,000 users takes 320 kB.
const maxRankings = 64

// rankings caches rankings, so that a walk over a list sorts it once. The zero
// value is empty. It is safe for concurrent use.
type rankings struct {
	mu    sync.Mutex
	byKey map[rankingKey]ranking
}

type rankingKey struct {
	filter filter
	sort   string
}

func (r *rankings) get(key rankingKey) (ranking, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	cached, ok := r.byKey[key]
	return cached, ok
}

// put caches a ranking. If there are too many, it drops all of them: sorting
// again costs milliseconds, and choosing one to drop would cost code.
func (r *rankings) put(key rankingKey, made ranking) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byKey == nil || len(r.byKey) >= maxRankings {
		r.byKey = make(map[rankingKey]ranking)
	}
	r.byKey[key] = made
}

func (r *rankings) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.byKey = nil
}
