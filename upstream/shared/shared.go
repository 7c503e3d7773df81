// Package shared makes one API key's limit, pause, pages and quotas common to all
// replicas of the service, through Redis. It knows nothing of the upstream,
// GraphQL or HTTP.
//
// Redis is never necessary. A [Store] is in one of three modes:
//
//   - away: Redis did not answer. Each replica has its share of the limit: the
//     limit divided by the number of replicas that it saw last, and at least 1.
//     Requests send nothing to Redis; only the heartbeat does.
//   - syncing, for a second after Redis answered: each call in flight gets a lease
//     in Redis, and new calls need a lease within the replica's share. Afterwards
//     Redis knows all calls of all replicas.
//   - shared: every call needs a lease, and the limit applies to all replicas
//     together.
//
// Any error, and any reply that takes longer than 50 ms, switches the whole store
// to away at once. Therefore only one wave of requests waits for a Redis that hangs,
// and no request waits longer than that.
package shared

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/redis/rueidis"
	"go.opentelemetry.io/otel/metric"
	"golang.org/x/time/rate"
)

const (
	// patience is how long a request waits for Redis.
	patience = 50 * time.Millisecond
	// beatPeriod is the time between two heartbeats of a process.
	beatPeriod = 500 * time.Millisecond
	// syncTime is how long a replica is syncing. By then, every other replica
	// that reaches Redis has sent a heartbeat.
	syncTime = time.Second
	// limiterLife is how long a limiter remains after its last use.
	limiterLife = time.Minute
)

// Config configures a store. URL is required.
type Config struct {
	// URL is the URL of Redis, as [rueidis.ParseURL] parses it. It may contain a
	// password, so it appears in no error and no log.
	URL string
	// Upstream is the base URL of the upstream. Services with different upstreams
	// share nothing.
	Upstream string
	// Log receives a line when the limit is no longer shared, and one when it is
	// shared again; nil for none.
	Log *slog.Logger
	// MeterProvider receives the store's metrics; nil for none.
	MeterProvider metric.MeterProvider
}

// Store is this process's access to what the replicas share. It is safe for
// concurrent use.
type Store struct {
	upstream string
	channels string // the prefix of the channels' names
	process  string // this process's name among the replicas
	log      *slog.Logger

	client  atomic.Pointer[rueidis.Client] // nil until Redis has answered for the first time
	stop    context.CancelFunc
	stopped sync.WaitGroup
	echoes  chan string // of heartbeats
	waits   atomic.Int64
	probing atomic.Bool
	heard   atomic.Int64 // Unix ms of the last reply
	offset  atomic.Int64 // of Redis' clock from this process's, in ns

	documents *rate.Limiter // of what this process stores
	counters  counters
	telemetry *telemetry

	// mu is locked before any limiter's.
	mu          sync.Mutex
	mode        Mode
	incarnation int // of this process; it changes when the mode becomes away
	syncing     time.Time
	replicas    int // seen last; 0 before the first time that the mode was shared
	limiters    map[string]*Limiter
	closed      bool

	seals *lru.Cache[string, seal]
}

// ErrURL reports that the URL of Redis is not valid. It does not repeat the URL.
var ErrURL = errors.New("is not a URL of Redis, such as redis://host:6379/0, rediss://user:password@host or redis://host?addr=other:26379&master_set=name")

// CheckURL reports whether a URL can be used for [Open].
func CheckURL(url string) error {
	_, err := parse(url)
	return err
}

// Open returns a store that is ready to use. It returns when Redis has answered,
// or has not answered for a second: a replica that starts while others share a
// limit then has no call that Redis does not know. Without Redis, the store
// continues to try in the background until Close. The error is [ErrURL].
func Open(ctx context.Context, c Config) (*Store, error) {
	option, err := parse(c.URL)
	if err != nil {
		return nil, err
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		upstream:    c.Upstream,
		channels:    prefix + hash(c.Upstream) + ":",
		process:     randomName(),
		log:         c.Log,
		echoes:      make(chan string, 16),
		incarnation: 1,
		limiters:    make(map[string]*Limiter),
		documents:   rate.NewLimiter(rate.Every(documentsEvery), documentsBurst),
	}
	s.seals, _ = lru.New[string, seal](maxSeals) // fails only if the size is not positive
	s.telemetry = newTelemetry(s, c.MeterProvider)
	ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	tried := make(chan struct{})
	s.stopped.Go(func() { s.run(ctx, option, sync.OnceFunc(func() { close(tried) })) })
	select {
	case <-tried:
	case <-time.After(connectTime):
	}
	return s, nil
}

// Close removes this process from the replicas and disconnects. Limiters can be
// used afterwards, with their share of the limit.
func (s *Store) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	s.stopped.Wait()
}

// Limiter returns the limiter of an API key with a configured limit of at least
// 1. There is one limiter for each key. It is removed some time after its last
// use.
func (s *Store) Limiter(apiKey string, limit int) *Limiter {
	name := s.name("permits", apiKey)
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, ok := s.limiters[name]; ok {
		return l
	}
	l := newLimiter(s, name, max(1, limit))
	s.add(l)
	return l
}

// add adds a limiter; s.mu is held.
func (s *Store) add(l *Limiter) {
	s.limiters[l.name] = l
	l.mu.Lock()
	l.added = true
	l.used = time.Now()
	l.enter(s.mode, s.incarnation, s.replicas)
	l.mu.Unlock()
}

// current returns the limiter that has l's name, which is l unless another one
// was added after l was removed.
func (s *Store) current(l *Limiter) *Limiter {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other, ok := s.limiters[l.name]; ok {
		return other
	}
	s.add(l)
	return l
}

// Mode determines what limits a key's calls; see the package comment.
type Mode uint8

// The modes.
const (
	Away Mode = iota
	Syncing
	Shared
)

func (m Mode) String() string {
	switch m {
	case Shared:
		return "shared"
	case Syncing:
		return "syncing"
	default:
		return "away"
	}
}

// counters are the totals of [Stats].
type counters struct{ exchanges, failures, switches atomic.Int64 }

// Stats describes a store at one moment.
type Stats struct {
	Mode     Mode
	Replicas int // seen last; 0 if Redis was never reached
	Permits  int // calls in flight
	Leases   int // that Redis knows
	Waiting  int // calls that wait for a permit
	// The totals since the store was opened.
	Exchanges int64 // scripts sent for permits
	Failures  int64 // of any command to Redis
	Switches  int64 // to the share
}

// Stats returns the sums over the store's limiters, and the totals.
func (s *Store) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := Stats{
		Mode: s.mode, Replicas: s.replicas,
		Exchanges: s.counters.exchanges.Load(), Failures: s.counters.failures.Load(), Switches: s.counters.switches.Load(),
	}
	for _, l := range s.limiters {
		l.mu.Lock()
		stats.Permits += l.inFlight
		stats.Leases += len(l.leases)
		stats.Waiting += l.queue.Len()
		l.mu.Unlock()
	}
	return stats
}

// fallBack switches to away, unless the incarnation in which reason occurred has
// already ended.
func (s *Store) fallBack(incarnation int, reason error) {
	s.counters.failures.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.incarnation != incarnation || s.mode == Away {
		return
	}
	was := s.mode
	s.switchTo(Away)
	s.counters.switches.Add(1)
	if !s.closed {
		s.log.Warn("Redis does not answer: each replica keeps to its share of a key's limit", "was", was.String(), "replicas", s.replicas, "error", reason)
	}
}

// switchTo changes the mode of all limiters; s.mu is held.
func (s *Store) switchTo(mode Mode) {
	if mode == Away {
		s.incarnation++
	}
	s.mode = mode
	for _, l := range s.limiters {
		l.mu.Lock()
		l.enter(mode, s.incarnation, s.replicas)
		l.mu.Unlock()
	}
}

// now returns the present mode and incarnation.
func (s *Store) now() (Mode, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mode, s.incarnation
}

// errSlow is the reason of a switch that no error of Redis caused.
var errSlow = fmt.Errorf("no reply within %v", patience)
