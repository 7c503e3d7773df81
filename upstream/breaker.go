package upstream

import (
	"errors"
	"net/http"
	"time"

	"github.com/sony/gobreaker/v2"
)

// The breaker spares a server that is down, and those who would wait for it. It
// opens where half of at least twenty requests have failed lately, lets one
// through after five seconds, and closes again when that one succeeds. Lately is
// as long as four calls may take: those that hang are few in any shorter time.
const (
	breakerCalls    = 4
	breakerRequests = 20
	breakerPause    = 5 * time.Second
)

// errOpen is the cause of a call that the breaker kept from the server.
var errOpen = errors.New("the server has failed too often; it is left alone for a while")

func newBreaker(timeout time.Duration, changed func(name string, from, to gobreaker.State)) *gobreaker.CircuitBreaker[Page] {
	window := max(10*time.Second, breakerCalls*timeout)
	return gobreaker.NewCircuitBreaker[Page](gobreaker.Settings{
		Interval:     window,
		BucketPeriod: window / 10,
		Timeout:      breakerPause,
		MaxRequests:  1,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			// Requests has those in flight and those of callers who left as well.
			ended := c.TotalSuccesses + c.TotalFailures
			return ended >= breakerRequests && 2*c.TotalFailures >= ended
		},
		IsSuccessful:  serverIsWell,
		IsExcluded:    saysNothing,
		OnStateChange: changed,
	})
}

// saysNothing reports whether a call's outcome says nothing about the server: its
// caller left.
func saysNothing(err error) bool {
	_, classified := errors.AsType[*Error](err)
	return err != nil && !classified
}

// serverIsWell tells failures of the server (5xx, no answer in time, answers
// that cannot be read) from those of a caller (4xx) and of both (429).
func serverIsWell(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err == nil
	}
	return e.Status >= http.StatusBadRequest && e.Status < http.StatusInternalServerError && e.Status != http.StatusRequestTimeout
}

// brokenOpen words the breaker's own errors as the client's.
func brokenOpen(err error) error {
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		return &Error{Kind: Unavailable, Stage: Sending, Cause: errOpen}
	}
	return err
}
