package transport

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/trace"

	"rollcall/graph"
	"rollcall/upstream"
)

// The log has one line for each request. It contains no variables, literals,
// keys, cursors or user IDs. Text that a caller can choose is bounded, and cannot
// be mistaken for more than one word.

// write logs a request that has ended.
func (t *telemetry) write(ctx context.Context, r *record, took time.Duration) {
	handler := t.log.Handler()
	if !handler.Enabled(ctx, slog.LevelInfo) {
		return
	}
	message := "operation"
	switch {
	case r.status == 0:
		message = "the caller has disconnected"
	case !r.result.Executed:
		message = "no operation"
	}
	work := r.result.Work
	line := slog.NewRecord(time.Now(), slog.LevelInfo, message, 0)
	list := make([]slog.Attr, 0, 16)
	list = append(list, slog.String("request_id", r.requestID))
	if traced := trace.SpanContextFromContext(ctx); traced.HasTraceID() {
		list = append(list, slog.String("trace_id", traced.TraceID().String()))
	}
	if r.caller != (upstream.Caller{}) {
		list = append(list, slog.String("caller", t.hashOf(r.caller)))
	}
	if work.Document != "" {
		list = append(list, slog.String("document", work.Document))
	}
	if work.Trusted != "" {
		list = append(list, slog.String("document_id", work.Trusted))
	}
	if work.Untrusted {
		list = append(list, slog.Bool("trusted", false))
	}
	if work.Operation != nil {
		list = append(list, slog.String("type", string(work.Operation.Operation)))
		if name := boundedName(work.Operation.Name); name != "" {
			list = append(list, slog.String("name", name))
		}
		list = append(list, slog.Int("cost", work.Cost))
	}
	list = append(list, slog.Int("status", r.status))
	if reason := r.refusal(); reason != "" {
		list = append(list, slog.String("refused", reason))
	}
	if r.reason != "" {
		list = append(list, slog.String("reason", r.reason))
	}
	if codes := graph.CodesOf(r.result.Errors); len(codes) > 0 {
		list = append(list, slog.Any("errors", codes))
	}
	if r.result.Executed {
		list = append(list, slog.Int("calls", work.Usage.Sent), slog.Int("batched", work.Batched), slog.Int("shared", work.Usage.Shared), slog.Int("cached", work.Usage.Cached),
			slog.Int64("waited_us", work.Usage.Waited.Microseconds()))
	}
	line.AddAttrs(append(list, slog.Int64("took_us", took.Microseconds()))...)
	_ = handler.Handle(ctx, line) // a log that cannot be written cannot report it
}

// hashOf distinguishes callers in the log without naming them. The hash is keyed
// by the API key that the caller's calls are made with, so that replicas agree on
// it, and readers of the log cannot find a caller by guessing.
func (t *telemetry) hashOf(caller upstream.Caller) string {
	key := caller.Key.Reveal()
	if key == "" {
		key = t.secret
	}
	text := make([]byte, 0, 256) // on the stack, unless the subject is long
	text = append(text, "rollcall log: caller\x00"...)
	text = strconv.AppendInt(text, int64(len(key)), 10)
	text = append(append(text, key...), caller.Subject...)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// maxLoggedName bounds an operation's name, in bytes. Names are ASCII letters,
// digits and underscores: the parser accepts no others.
const maxLoggedName = 64

func boundedName(name string) string { return name[:min(len(name), maxLoggedName)] }
