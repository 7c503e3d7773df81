package shared

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/rueidis"
)

// One connection to each Redis node carries the commands, their replies and the
// messages of the subscription. Therefore a reply proves that messages arrive,
// too.

const (
	// reconnect is how long the process waits before it tries to connect again.
	reconnect = 200 * time.Millisecond
	// connectTime bounds one attempt to connect.
	connectTime = time.Second
	// watchSteps is the number of steps in which the time that Redis takes is
	// measured.
	watchSteps = 5
	// probePeriod is how often Redis is probed while a call waits for a permit
	// and nothing else proves that Redis answers.
	probePeriod = 10 * time.Millisecond
	// nearBytes is how much memory the near cache of pages may take.
	nearBytes = 32 << 20
	// bufferBytes is the size of a connection's buffers; it has two.
	bufferBytes = 64 << 10
)

//go:embed scripts/replicas.lua
var replicasLua string

var replicasScript = rueidis.NewLuaScript(replicasLua)

func parse(url string) (rueidis.ClientOption, error) {
	option, err := rueidis.ParseURL(url)
	if err != nil {
		return option, ErrURL // err may repeat a password
	}
	option.Dialer.Timeout = cmp.Or(option.Dialer.Timeout, connectTime)
	// A connection whose probe is not answered within a second is replaced: after
	// an outage, TCP may wait for many seconds before it sends again.
	option.ConnWriteTimeout = cmp.Or(option.ConnWriteTimeout, connectTime)
	option.AlwaysPipelining = true // otherwise an expired deadline closes the connection
	option.PipelineMultiplex = -1  // one connection
	option.DisableRetry = true
	option.CacheSizeEachConn = nearBytes
	option.ReadBufferEachConn, option.WriteBufferEachConn = bufferBytes, bufferBytes
	option.Sentinel.TopologyRefreshInterval = 5 * time.Second
	option.Sentinel.Dialer = option.Dialer
	return option, nil
}

// run connects, and then sends heartbeats until ctx is cancelled. It calls tried
// after the first attempt.
func (s *Store) run(ctx context.Context, option rueidis.ClientOption, tried func()) {
	client := s.connect(ctx, option, tried)
	if client == nil {
		return
	}
	s.client.Store(&client)
	subscribed := make(chan struct{})
	s.stopped.Go(func() { s.subscribe(ctx, client, sync.OnceFunc(func() { close(subscribed) })) })
	select {
	case <-subscribed:
	case <-time.After(connectTime):
	case <-ctx.Done():
	}
	for ctx.Err() == nil {
		next := time.Now().Add(beatPeriod)
		s.beat(ctx, client)
		tried()
		if mode, _ := s.now(); mode == Away {
			next = time.Now().Add(reconnect)
		}
		select {
		case <-time.After(time.Until(next)):
		case <-ctx.Done():
		}
	}
	s.leave(context.WithoutCancel(ctx), client)
	closed := make(chan struct{})
	go func() {
		client.Close() // waits for outstanding replies
		close(closed)
	}()
	select {
	case <-closed:
	case <-time.After(patience):
	}
}

// connect returns a client, or nil when ctx is cancelled. It calls failed after
// an attempt without success.
func (s *Store) connect(ctx context.Context, option rueidis.ClientOption, failed func()) rueidis.Client {
	var logged bool
	for {
		client, err := rueidis.NewClient(option)
		if err == nil {
			return client
		}
		s.counters.failures.Add(1)
		failed()
		if !logged {
			s.log.Warn("Redis is not available: each replica keeps to one call of a key at a time until it is", "error", err)
			logged = true
		}
		select {
		case <-time.After(reconnect):
		case <-ctx.Done():
			return nil
		}
	}
}

// subscribe receives this process's grants, and the messages for all replicas. It
// calls subscribed when the subscription is active.
func (s *Store) subscribe(ctx context.Context, client rueidis.Client, subscribed func()) {
	ctx = rueidis.WithOnSubscriptionHook(ctx, func(rueidis.PubSubSubscription) { subscribed() })
	for ctx.Err() == nil {
		channels := client.B().Subscribe().Channel(s.channels+s.process, s.channels+"all").Build()
		err := client.Receive(ctx, channels, func(m rueidis.PubSubMessage) { s.receive(m.Message) })
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = rueidis.ErrClosing // an unsubscription that the process did not send
		}
		_, incarnation := s.now()
		s.fallBack(incarnation, err)
		select {
		case <-time.After(reconnect / 4):
		case <-ctx.Done():
		}
	}
}

// receive handles one message. It does not block, because it would delay the
// replies.
func (s *Store) receive(message string) {
	s.heard.Store(time.Now().UnixMilli())
	words := strings.Fields(message)
	if len(words) == 2 && words[0] == "beat" {
		select {
		case s.echoes <- words[1]:
		default: // the heartbeat no longer waits for it
		}
		return
	}
	if len(words) < 3 || slices.Contains(words[3:], s.process) {
		return // a pause that began in this process
	}
	s.mu.Lock()
	l, ok := s.limiters[words[1]]
	s.mu.Unlock()
	if !ok {
		return
	}
	number, _ := strconv.ParseInt(words[2], 10, 64)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch words[0] {
	case "grant":
		l.granted(words[2])
	case "pause":
		l.pauseUntil(time.Now().Add(time.Duration(number) * time.Millisecond))
	case "maximum":
		l.maximum = int(number)
	}
	l.advance()
}

// beat sends a heartbeat, and switches the mode according to its outcome.
func (s *Store) beat(ctx context.Context, client rueidis.Client) {
	mode, incarnation := s.now()
	if mode == Away {
		// A new connection may be necessary, which may take longer than a request
		// would wait.
		connecting, cancel := context.WithTimeout(ctx, connectTime)
		err := client.Do(connecting, client.B().Ping().Build()).Error()
		cancel()
		if err != nil {
			s.counters.failures.Add(1)
			return
		}
	}
	ctx, stop := watch(ctx, patience, func() { s.fallBack(incarnation, errSlow) })
	defer stop()
	echo := randomName()
	sent := time.Now()
	values, err := replicasScript.Exec(ctx, client, []string{s.replicasKey()}, []string{s.channels + s.process, s.process, "beat " + echo}).AsIntSlice()
	if err == nil && len(values) != 2 {
		err = errReply
	}
	for err == nil {
		select {
		case received := <-s.echoes:
			if received == echo {
				s.heard.Store(time.Now().UnixMilli())
				s.offset.Store(int64(time.UnixMilli(values[1]).Sub(sent)))
				s.answered(incarnation, int(values[0]))
				return
			}
		case <-ctx.Done():
			err = errSlow
		}
	}
	if ctx.Err() != nil {
		err = errSlow
	}
	s.fallBack(incarnation, err)
}

// answered handles a heartbeat that Redis answered in time.
func (s *Store) answered(incarnation, replicas int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.incarnation != incarnation {
		return
	}
	now := time.Now()
	switch s.mode {
	case Away:
		// The number is not final before every replica is back. The share must
		// not grow because this replica is early.
		s.replicas = grown(s.replicas, replicas)
		s.syncing = now
		s.switchTo(Syncing)
	case Syncing:
		s.replicas = grown(s.replicas, replicas)
		if now.Sub(s.syncing) >= syncTime {
			s.replicas = replicas
			s.switchTo(Shared)
			s.log.Info("a key's limit is shared by all replicas", "replicas", replicas)
		}
	case Shared:
		s.replicas = replicas
	}
	for name, l := range s.limiters {
		l.mu.Lock()
		l.replicas = s.replicas
		if l.idle(now) {
			l.added = false
			delete(s.limiters, name)
		} else {
			l.renew(now)
		}
		l.mu.Unlock()
	}
}

// grown returns the larger of two numbers of replicas. A process that has not yet
// shared a limit has no last number.
func grown(last, replicas int) int {
	if last == 0 {
		return 0
	}
	return max(last, replicas)
}

// leave removes this process from the replicas.
func (s *Store) leave(ctx context.Context, client rueidis.Client) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, incarnation := s.now()
	_ = replicasScript.Exec(ctx, client, []string{s.replicasKey()}, []string{"", s.process, ""}).Error() // otherwise it would be removed two seconds later
	s.fallBack(incarnation, rueidis.ErrClosing)
}

// clock returns the time of Redis' clock at an instant of this process's clock.
// With it, replicas whose clocks differ agree on what has expired.
func (s *Store) clock(t time.Time) time.Time { return t.Add(time.Duration(s.offset.Load())) }

// local returns the time of this process's clock at an instant of Redis' clock.
func (s *Store) local(t time.Time) time.Time { return t.Add(-time.Duration(s.offset.Load())) }

func (s *Store) replicasKey() string { return s.channels + "replicas" }

// waiting counts calls that wait for a grant. While there are any, Redis is
// probed: otherwise nothing might be sent that detects that it hangs.
func (s *Store) waiting(n int) {
	if s.waits.Add(int64(n)) > 0 && s.probing.CompareAndSwap(false, true) {
		go s.probe()
	}
}

func (s *Store) probe() {
	ticker := time.NewTicker(probePeriod)
	defer ticker.Stop()
	for range ticker.C {
		if s.waits.Load() <= 0 {
			s.probing.Store(false)
			if s.waits.Load() <= 0 || !s.probing.CompareAndSwap(false, true) {
				return
			}
		}
		if time.Now().UnixMilli()-s.heard.Load() < probePeriod.Milliseconds() {
			continue
		}
		mode, incarnation := s.now()
		if mode == Away {
			continue
		}
		_ = s.do(incarnation, patience-probePeriod, func(ctx context.Context, client rueidis.Client) error {
			return client.Do(ctx, client.B().Ping().Build()).Error()
		})
	}
}

// do runs a command that Redis must answer within d. An error, or the end of that
// time, switches to away, even if the command itself does not return.
func (s *Store) do(incarnation int, d time.Duration, command func(context.Context, rueidis.Client) error) error {
	began := time.Now()
	ctx, stop := watch(context.Background(), d, func() { s.fallBack(incarnation, errSlow) })
	defer stop()
	err := command(ctx, *s.client.Load())
	if err != nil && ctx.Err() != nil {
		err = errSlow
	}
	s.telemetry.took(began, err)
	switch {
	case err == nil:
		s.heard.Store(time.Now().UnixMilli())
		return nil
	case errors.Is(err, rueidis.ErrDoCacheAborted): // nothing was read, but Redis did answer
		return err
	}
	s.fallBack(incarnation, err)
	return err
}

// watch calls expired, and cancels the context that it returns, after d, unless
// stop is called before. Time in which the process itself does not run does not
// count, for example under a container's CPU quota: the reply may have arrived
// long ago.
func watch(ctx context.Context, d time.Duration, expired func()) (_ context.Context, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	step := max(0, d/watchSteps)
	var mu sync.Mutex
	steps := 0
	mu.Lock()
	defer mu.Unlock()
	var timer *time.Timer
	timer = time.AfterFunc(step, func() {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() != nil {
			return
		}
		if steps++; steps < watchSteps {
			timer.Reset(step)
			return
		}
		cancel()
		expired()
	})
	return ctx, func() { timer.Stop(); cancel() }
}
