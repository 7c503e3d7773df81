package upstream

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/otel/trace"
)

// logInterval is the least time between two log lines about failures of one kind.
const logInterval = time.Second

// failureLog logs why calls fail: each attempt that fails and each call that is
// not sent, but at most one line in each interval for each kind, because an
// upstream that is down would fill the log. It is safe for concurrent use.
type failureLog struct {
	log         *slog.Logger
	callersKeys bool

	mu    sync.Mutex
	kinds map[Kind]logged
}

// logged has the time of a kind's last line and what was suppressed since.
type logged struct {
	last       time.Time
	suppressed int // failures since then
}

func newFailureLog(log *slog.Logger, callersKeys bool) *failureLog {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &failureLog{log: log, callersKeys: callersKeys, kinds: make(map[Kind]logged)}
}

// failed logs a failure. The line contains nothing that the upstream wrote but
// its trace ID. A cancelled call is not a failure.
func (l *failureLog) failed(ctx context.Context, err error) {
	e, ok := errors.AsType[*Error](err)
	switch {
	case ok:
	case errors.Is(err, context.DeadlineExceeded):
		e = &Error{Kind: Timeout, Stage: Sending, Cause: context.DeadlineExceeded}
	default:
		return
	}
	suppressed, ok := l.admit(e.Kind, time.Now())
	if !ok {
		return
	}
	message := "upstream call failed"
	if refused := e.Kind == Unauthenticated || e.Kind == Forbidden; refused && !l.callersKeys {
		message = "the upstream refused the service's API key"
	}
	list := []slog.Attr{slog.String("kind", e.Kind.String()), slog.String("stage", e.Stage.String())}
	if e.Status != 0 {
		list = append(list, slog.Int("status", e.Status))
	}
	if e.TraceID != "" {
		list = append(list, slog.String("upstream_trace_id", e.TraceID))
	}
	if span := trace.SpanContextFromContext(ctx); span.HasTraceID() {
		list = append(list, slog.String("trace_id", span.TraceID().String()))
	}
	if reason := e.Reason(); reason != "" {
		list = append(list, slog.String("cause", reason))
	}
	l.log.LogAttrs(ctx, slog.LevelWarn, message, append(list, slog.Int("suppressed", suppressed))...)
}

// admit reports whether a line may be written now, and how many were suppressed
// before it.
func (l *failureLog) admit(kind Kind, now time.Time) (suppressed int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.kinds[kind]
	if !k.last.IsZero() && now.Sub(k.last) < logInterval {
		k.suppressed++
		l.kinds[kind] = k
		return 0, false
	}
	l.kinds[kind] = logged{last: now}
	return k.suppressed, true
}

// breakerChanged logs that the breaker opened or closed.
func (l *failureLog) breakerChanged(to gobreaker.State) {
	switch to {
	case gobreaker.StateOpen:
		l.log.Warn("the breaker opened: calls fail without being sent", "pause", breakerPause.String())
	case gobreaker.StateClosed:
		l.log.Warn("the breaker closed: calls are sent again")
	case gobreaker.StateHalfOpen: // one call decides
	}
}
