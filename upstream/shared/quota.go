package shared

import (
	"context"
	_ "embed"
	"math"
	"strconv"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/redis/rueidis"
)

//go:embed scripts/quota.lua
var quotaLua string

var quotaScript = rueidis.NewLuaScript(quotaLua)

const (
	// maxCallers is how many callers' buckets this process remembers.
	maxCallers = 10_000
	// burstTime is for how many seconds a caller that spends nothing saves
	// tokens.
	burstTime = 10
)

// Caller identifies a bucket.
type Caller struct{ APIKey, Subject string }

// Quota gives each caller the same rate over all replicas. No request waits for
// Redis: the tokens that a caller spends are sent afterwards. The reply includes
// the tokens that were spent elsewhere, and counts from the caller's next request
// on. It is safe for concurrent use.
type Quota struct {
	store    *Store
	interval time.Duration // of one token
	burst    float64
	buckets  *lru.Cache[Caller, *bucket]
}

// bucket is what this process knows of a caller's tokens.
type bucket struct {
	mu      sync.Mutex
	paid    time.Time // when all spent tokens are paid for
	unsent  int       // tokens that Redis does not know of
	sending bool
}

// Quota returns a quota of perSecond tokens a second for each caller. A caller
// that has spent nothing for a while may spend the tokens of ten seconds at once.
func (s *Store) Quota(perSecond float64) *Quota {
	buckets, err := lru.New[Caller, *bucket](maxCallers)
	if err != nil {
		panic(err) // only if the size is not positive
	}
	return &Quota{
		store: s, interval: time.Duration(float64(time.Second) / perSecond),
		burst: max(1, math.Ceil(burstTime*perSecond)), buckets: buckets,
	}
}

// Wait returns how long a caller has to wait until there is a token; 0 if there
// is one. It creates no bucket: otherwise requests of made-up callers that spend
// nothing would evict the buckets of others.
func (q *Quota) Wait(c Caller) time.Duration {
	b, ok := q.buckets.Get(c)
	if !ok {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	saved := time.Duration((q.burst - 1) * float64(q.interval))
	return max(0, time.Until(b.paid.Add(-saved)))
}

// Spend takes a token. A bucket may go into debt, and its caller then has to wait
// longer: the cost of an operation is known only when it has ended.
func (q *Quota) Spend(c Caller) {
	b := q.bucket(c)
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := time.Now(); b.paid.Before(now) {
		b.paid = now
	}
	b.paid = b.paid.Add(q.interval)
	if c.APIKey == "" {
		return // see ErrNoKey
	}
	b.unsent++
	if !b.sending {
		b.sending = true
		go q.send(c, b)
	}
}

// send sends unsent tokens until there are none. Tokens that are spent while
// Redis is away are sent with the next token after that.
func (q *Quota) send(c Caller, b *bucket) {
	keys := []string{prefix + "{" + q.store.name("quota\x00"+c.Subject, c.APIKey) + "}"}
	for {
		mode, incarnation := q.store.now()
		b.mu.Lock()
		n := b.unsent
		if n == 0 || mode == Away {
			b.sending = false
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		var paid int64
		err := q.store.do(incarnation, patience, func(ctx context.Context, client rueidis.Client) (err error) {
			paid, err = quotaScript.Exec(ctx, client, keys, []string{strconv.Itoa(n), strconv.FormatInt(q.interval.Microseconds(), 10)}).AsInt64()
			return err
		})
		if err != nil {
			continue // the mode is now away
		}
		b.mu.Lock()
		b.unsent -= n
		b.paid = q.store.local(time.UnixMicro(paid)).Add(time.Duration(b.unsent) * q.interval)
		b.mu.Unlock()
	}
}

func (q *Quota) bucket(c Caller) *bucket {
	if b, ok := q.buckets.Get(c); ok {
		return b
	}
	b := new(bucket)
	if other, ok, _ := q.buckets.PeekOrAdd(c, b); ok {
		return other
	}
	return b
}
