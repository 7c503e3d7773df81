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
	// maxCallers is how many callers' accounts this process remembers.
	maxCallers = 10_000
	// burstTime is for how long a caller that has spent nothing saves tokens.
	burstTime = 10
)

// Caller is whose tokens are counted.
type Caller struct{ APIKey, Subject string }

// Quota gives each caller the same rate, over all replicas. No request waits for
// Redis: what a caller spends is sent afterwards, and the reply, which includes
// what was spent elsewhere, counts for the caller's next request. It is safe for
// concurrent use.
type Quota struct {
	store    *Store
	interval time.Duration // of one token
	burst    float64
	accounts *lru.Cache[Caller, *account]
}

// account is what this process knows of a caller.
type account struct {
	mu      sync.Mutex
	paid    time.Time // when all that was spent is paid for
	unsent  int       // tokens that Redis does not know of
	sending bool
}

// Quota returns a quota of so many tokens a second for each caller. A caller that
// has spent nothing for a while may spend those of ten seconds at once.
func (s *Store) Quota(perSecond float64) *Quota {
	accounts, err := lru.New[Caller, *account](maxCallers)
	if err != nil {
		panic(err) // only for a size that is not positive
	}
	return &Quota{
		store: s, interval: time.Duration(float64(time.Second) / perSecond),
		burst: max(1, math.Ceil(burstTime*perSecond)), accounts: accounts,
	}
}

// Wait returns how long a caller has to wait until there is a token; 0 if there is
// one. It creates no account: otherwise requests that spend nothing, with made-up
// callers, would evict the accounts of others.
func (q *Quota) Wait(c Caller) time.Duration {
	a, ok := q.accounts.Get(c)
	if !ok {
		return 0
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	saved := time.Duration((q.burst - 1) * float64(q.interval))
	return max(0, time.Until(a.paid.Add(-saved)))
}

// Spend takes a token. A caller may get into debt, and then has to wait longer:
// what an operation costs is known only when it is over.
func (q *Quota) Spend(c Caller) {
	a := q.account(c)
	a.mu.Lock()
	defer a.mu.Unlock()
	if now := time.Now(); a.paid.Before(now) {
		a.paid = now
	}
	a.paid = a.paid.Add(q.interval)
	if c.APIKey == "" {
		return // see ErrNoKey
	}
	a.unsent++
	if !a.sending {
		a.sending = true
		go q.send(c, a)
	}
}

// send charges what is unsent until nothing is. What is spent while Redis is away
// is sent with the next token after that.
func (q *Quota) send(c Caller, a *account) {
	keys := []string{prefix + "{" + q.store.name("quota\x00"+c.Subject, c.APIKey) + "}"}
	for {
		mode, incarnation := q.store.now()
		a.mu.Lock()
		n := a.unsent
		if n == 0 || mode == Away {
			a.sending = false
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
		var paid int64
		err := q.store.do(incarnation, patience, func(ctx context.Context, client rueidis.Client) (err error) {
			paid, err = quotaScript.Exec(ctx, client, keys, []string{strconv.Itoa(n), strconv.FormatInt(q.interval.Microseconds(), 10)}).AsInt64()
			return err
		})
		if err != nil {
			continue // the mode is away now
		}
		a.mu.Lock()
		a.unsent -= n
		a.paid = q.store.local(time.UnixMicro(paid)).Add(time.Duration(a.unsent) * q.interval)
		a.mu.Unlock()
	}
}

func (q *Quota) account(c Caller) *account {
	if a, ok := q.accounts.Get(c); ok {
		return a
	}
	a := new(account)
	if other, ok, _ := q.accounts.PeekOrAdd(c, a); ok {
		return other
	}
	return a
}
