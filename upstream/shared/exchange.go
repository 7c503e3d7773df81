package shared

import (
	"context"
	_ "embed"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/rueidis"
)

//go:embed scripts/permits.lua
var permitsLua string

var permitsScript = rueidis.NewLuaScript(permitsLua)

// errReply reports a reply that the script does not return.
var errReply = errors.New("an unknown reply")

// renewAge is the age at which a lease is renewed with the next heartbeat. Most
// calls end before, and cost no renewal.
const renewAge = beatPeriod / 2

// demand returns how many waiting calls Redis should know of; l.mu is held.
func (l *Limiter) demand() int {
	switch {
	case l.mode == Away, l.paused():
		return 0
	case l.mode == Syncing:
		return min(l.queue.Len(), max(0, l.share()-l.inFlight))
	default:
		return l.queue.Len()
	}
}

// outdated reports whether there is something to send to Redis; l.mu is held.
func (l *Limiter) outdated() bool {
	return len(l.returned) > 0 || len(l.leases) < l.inFlight || l.demand() != l.wanted || l.sendPause || l.sendMax || l.renewing
}

// renew makes the next exchange renew what Redis would forget; l.mu is held.
func (l *Limiter) renew(now time.Time) {
	if l.mode == Away {
		return
	}
	old := func(at time.Time) bool { return now.Sub(at) >= renewAge }
	if l.wanted > 0 && old(l.contact) || slices.ContainsFunc(l.leases, func(e lease) bool { return old(e.at) }) {
		l.renewing = true
		l.advance()
	}
}

// sent is the content of an exchange.
type sent struct {
	args     []string
	deadline time.Time
	renewed  []lease
	at       time.Time
}

// exchange sends what is outdated until nothing is, in one incarnation.
func (l *Limiter) exchange(incarnation int) {
	for {
		l.mu.Lock()
		if l.incarnation != incarnation {
			l.mu.Unlock()
			return
		}
		if !l.outdated() {
			l.exchanging = false
			l.changed = time.Time{}
			l.mu.Unlock()
			return
		}
		x := l.compose()
		l.mu.Unlock()

		var r reply
		l.store.counters.exchanges.Add(1)
		err := l.store.do(incarnation, time.Until(x.deadline), func(ctx context.Context, client rueidis.Client) (err error) {
			r, err = parseReply(permitsScript.Exec(ctx, client, l.keys, x.args))
			return err
		})
		if err != nil {
			return // the store has switched to away
		}
		l.mu.Lock()
		if l.incarnation == incarnation {
			l.apply(x, r)
		}
		l.mu.Unlock()
	}
}

// compose returns what is outdated, and marks it as sent; l.mu is held.
func (l *Limiter) compose() sent {
	now := time.Now()
	x := sent{at: now, deadline: now.Add(patience)}
	if !l.changed.IsZero() { // it waited for the previous exchange
		x.deadline = l.changed.Add(patience)
	}
	l.changed = time.Time{}
	pause, maximum := time.Duration(0), -1
	if l.sendPause {
		pause = max(0, l.pause.Sub(now))
	}
	if l.sendMax {
		maximum = l.maximum
	}
	l.want(l.demand())
	x.args = []string{
		l.store.channels,
		l.store.process + "." + strconv.Itoa(l.incarnation),
		strconv.Itoa(l.configured),
		strconv.Itoa(l.wanted),
		strconv.Itoa(l.arrived),
		strconv.FormatInt((pause + time.Millisecond - 1).Milliseconds(), 10),
		strconv.Itoa(maximum),
		strconv.Itoa(max(0, l.inFlight-len(l.leases))),
		"-1",
	}
	if l.renewing {
		x.renewed = slices.Clone(l.leases)
		x.args[len(x.args)-1] = strconv.Itoa(len(x.renewed))
		for _, e := range x.renewed {
			x.args = append(x.args, e.id)
		}
	}
	x.args = append(x.args, l.returned...)
	l.returned, l.sendPause, l.sendMax, l.renewing = nil, false, false, false
	return x
}

// reply is the script's reply.
type reply struct {
	pause   time.Duration // the remaining time
	maximum int
	expired []string // leases that could not be renewed
	counted []string // new leases of calls that were in flight without one
	granted []string
}

func parseReply(result rueidis.RedisResult) (r reply, err error) {
	values, err := result.ToArray()
	if err != nil {
		return r, err
	}
	if len(values) != 5 {
		return r, errReply
	}
	pause, err := values[0].AsInt64()
	if err != nil {
		return r, err
	}
	maximum, err := values[1].AsInt64()
	if err != nil {
		return r, err
	}
	r.pause, r.maximum = time.Duration(pause)*time.Millisecond, int(maximum)
	for i, list := range []*[]string{&r.expired, &r.counted, &r.granted} {
		if *list, err = values[2+i].AsStrSlice(); err != nil {
			return r, err
		}
	}
	return r, nil
}

// apply handles a reply of the present incarnation; l.mu is held.
func (l *Limiter) apply(x sent, r reply) {
	now := time.Now()
	l.contact = x.at
	// Redis rounds a pause to milliseconds. The rounding does not extend the
	// limiter's own pause.
	if until := x.at.Add(r.pause); until.Sub(l.pause) > time.Millisecond && until.After(now) {
		l.pauseUntil(until)
	}
	switch {
	case l.sendMax: // a new maximum has still to be sent
	case r.maximum > 0:
		l.maximum = r.maximum
	default: // Redis no longer has it
		l.sendMax = l.maximum > 0
	}
	for _, id := range r.expired {
		// If the lease's call is still in flight, it is counted anew.
		l.leases = slices.DeleteFunc(l.leases, func(e lease) bool { return e.id == id })
	}
	for _, renewed := range x.renewed {
		for i := range l.leases {
			if l.leases[i].id == renewed.id {
				l.leases[i].at = x.at
			}
		}
	}
	for _, id := range r.counted {
		l.leases = append(l.leases, lease{id, x.at})
	}
	l.returnLeases()
	for _, id := range r.granted {
		l.granted(id)
	}
}

// isOwn reports whether a lease belongs to this process and its present
// incarnation.
func isOwn(id, process string, incarnation int) bool {
	return strings.HasPrefix(id, process+"."+strconv.Itoa(incarnation)+"/")
}
