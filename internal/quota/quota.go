// Package quota limits a rate per caller, with one token bucket for each. It
// depends on nothing else of the project.
package quota

import (
	"math"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// maxCallers is how many buckets are kept. A caller without a bucket has a full
// one.
const maxCallers = 10_000

// Quota has the same rate for every caller. It is safe for concurrent use.
type Quota[Caller comparable] struct {
	perSecond float64
	burst     int
	buckets   *lru.Cache[Caller, *rate.Limiter]
}

// New returns a quota of perSecond tokens a second for each caller. A full bucket
// has ten seconds' worth.
func New[Caller comparable](perSecond float64) *Quota[Caller] {
	buckets, err := lru.New[Caller, *rate.Limiter](maxCallers)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	return &Quota[Caller]{perSecond: perSecond, burst: max(1, int(math.Ceil(10*perSecond))), buckets: buckets}
}

// Wait returns how long a caller has to wait until there is a token; 0 if there
// is one. It creates no bucket: otherwise requests of made-up callers that spend
// nothing would evict the buckets of others.
func (q *Quota[Caller]) Wait(c Caller) time.Duration {
	bucket, ok := q.buckets.Get(c)
	if !ok {
		return 0
	}
	missing := 1 - bucket.Tokens()
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing / q.perSecond * float64(time.Second))
}

// Spend takes a token. A bucket may go into debt, and its caller then has to wait
// longer: the cost of an operation is known only when it has ended.
func (q *Quota[Caller]) Spend(c Caller) {
	bucket, ok := q.buckets.Get(c)
	if !ok {
		bucket = rate.NewLimiter(rate.Limit(q.perSecond), q.burst)
		if other, ok, _ := q.buckets.PeekOrAdd(c, bucket); ok {
			bucket = other
		}
	}
	bucket.Reserve()
}
