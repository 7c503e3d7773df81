// Package quota rations something among callers, each with a bucket of tokens.
package quota

import (
	"math"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// maxCallers is how many callers are remembered. One who was forgotten begins
// with a full bucket.
const maxCallers = 10_000

// Quota gives every caller the same rate. It is safe for concurrent use.
type Quota[Caller comparable] struct {
	perSecond float64
	burst     int
	buckets   *lru.Cache[Caller, *rate.Limiter]
}

// New returns a quota of so many tokens a second for each caller, of whom
// whoever has been quiet may spend a burst at once.
func New[Caller comparable](perSecond float64) *Quota[Caller] {
	buckets, err := lru.New[Caller, *rate.Limiter](maxCallers)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	return &Quota[Caller]{perSecond: perSecond, burst: max(1, int(math.Ceil(10*perSecond))), buckets: buckets}
}

// Wait is how long a caller has to wait until there is a token; 0 if there is one.
func (q *Quota[Caller]) Wait(who Caller) time.Duration {
	missing := 1 - q.bucket(who).Tokens()
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing / q.perSecond * float64(time.Second))
}

// Spend takes a token. A caller may get into debt, and then has to wait longer:
// what an operation costs is known only when it is over.
func (q *Quota[Caller]) Spend(who Caller) {
	q.bucket(who).Reserve()
}

func (q *Quota[Caller]) bucket(who Caller) *rate.Limiter {
	if b, ok := q.buckets.Get(who); ok {
		return b
	}
	b := rate.NewLimiter(rate.Limit(q.perSecond), q.burst)
	if other, ok, _ := q.buckets.PeekOrAdd(who, b); ok {
		return other
	}
	return b
}
