package graph

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"strconv"
	"time"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/lexer"
	"go.opentelemetry.io/otel/trace"

	"rollcall/upstream"
)

// The log has one line for each request. It has neither variables nor literals,
// no keys, cursors or user IDs; whatever in it a caller has chosen is bounded,
// and cannot be taken for more than one word.

// write puts down what a request came to.
func (o *observer) write(ctx context.Context, a *account, took time.Duration) {
	handler := o.log.Handler()
	if !handler.Enabled(ctx, slog.LevelInfo) {
		return
	}
	what := "operation"
	switch {
	case a.status == 0:
		what = "the caller has left"
	case !a.answer.executed:
		what = "no operation"
	}
	line := slog.NewRecord(time.Now(), slog.LevelInfo, what, 0)
	list := make([]slog.Attr, 0, 16)
	list = append(list, slog.String("request_id", a.requestID))
	if traced := trace.SpanContextFromContext(ctx); traced.HasTraceID() {
		list = append(list, slog.String("trace_id", traced.TraceID().String()))
	}
	if a.caller != (upstream.Caller{}) {
		list = append(list, slog.String("caller", o.hashOf(a.caller)))
	}
	if a.answer.work.document != "" {
		list = append(list, slog.String("document", a.answer.work.document))
	}
	if a.answer.work.operation != nil {
		list = append(list, slog.String("type", string(a.answer.work.operation.Operation)))
		if name := boundedName(a.answer.work.operation.Name); name != "" {
			list = append(list, slog.String("name", name))
		}
		list = append(list, slog.Int("cost", a.answer.work.cost))
	}
	list = append(list, slog.Int("status", a.status))
	if reason := a.refusedFor(); reason != "" {
		list = append(list, slog.String("refused", reason))
	}
	if len(a.answer.errors) > 0 {
		list = append(list, slog.Any("errors", codesOf(a.answer.errors)))
	}
	if a.answer.executed {
		list = append(list, slog.Int("calls", a.answer.work.usage.Sent), slog.Int("batched", a.answer.work.batched), slog.Int("shared", a.answer.work.usage.Shared), slog.Int("cached", a.answer.work.usage.Cached),
			slog.Int64("waited_us", a.answer.work.usage.Waited.Microseconds()))
	}
	line.AddAttrs(append(list, slog.Int64("took_us", took.Microseconds()))...)
	_ = handler.Handle(ctx, line) // there is nowhere to tell that the log is gone
}

// codesOf are the codes of errors, each once, the gravest first.
func codesOf(errs gqlerror.List) []string {
	var seen [len(errorCodes)]bool
	for _, err := range errs {
		seen[codeIndex(err)] = true
	}
	var list []string
	for i, code := range errorCodes {
		if seen[i] {
			list = append(list, code)
		}
	}
	return list
}

// hashOf tells callers apart in the log without naming them. It is keyed by the
// key that the caller goes upstream with, so that replicas agree on it and
// nobody who reads the log can try out whose it is.
func (o *observer) hashOf(caller upstream.Caller) string {
	key := caller.Key.Reveal()
	if key == "" {
		key = o.secret
	}
	text := make([]byte, 0, 256) // on the stack, unless somebody has a long name
	text = append(text, "rollcall log: caller\x00"...)
	text = strconv.AppendInt(text, int64(len(key)), 10)
	text = append(append(text, key...), caller.Subject...)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// maxLoggedName is how much of an operation's name is told, in bytes. Names
// are ASCII letters, digits and underscores: the parser takes no others.
const maxLoggedName = 64

func boundedName(name string) string { return name[:min(len(name), maxLoggedName)] }

// fingerprint tells documents apart. It is a hash of the document's tokens
// without the values of its literals: those may be anybody's data, and a hash
// of it could be tried out.
func fingerprint(document string) string {
	hash := sha256.New()
	text := lexer.New(&ast.Source{Input: document})
	for {
		token, err := text.ReadToken()
		if err != nil || token.Kind == lexer.EOF {
			break
		}
		hash.Write([]byte{byte(token.Kind)})
		switch token.Kind {
		case lexer.Name:
			hash.Write([]byte(token.Value))
		default: // punctuation is its kind, and a literal's value is nobody's business
		}
	}
	return hex.EncodeToString(hash.Sum(nil)[:8])
}
