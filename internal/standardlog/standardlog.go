// Package standardlog replaces the output of the standard library's logger. What
// libraries write there may quote users' data: net/http's transport quotes up to
// a buffer of a response that no request caused. The package depends on nothing
// of the project but the instruments.
package standardlog

import (
	"bytes"
	"context"
	"io"
	"log"
	"log/slog"
	"regexp"

	"go.opentelemetry.io/otel/metric"

	"rollcall/internal/instrument"
)

// Flags are the flags of package log that [New]'s writer needs: each line begins
// with the position in the source that wrote it, which quotes nothing.
const Flags = log.Lshortfile

// unsolicited is how the messages of net/http's transport about a response that
// no request caused begin.
var unsolicited = []byte("Unsolicited response received on idle HTTP channel")

// place is a file's name and a line, in the format of log.Lshortfile.
var place = regexp.MustCompile(`^([\w-]+\.(?:go|s):\d+): `)

type writer struct {
	log     *slog.Logger
	counter metric.Int64Counter
}

// New returns an output for package log. For each line it logs a fixed sentence
// with the position in the source, and drops the text. It counts the responses
// that no request caused; meters may be nil.
func New(logger *slog.Logger, meters metric.MeterProvider) io.Writer {
	counter := instrument.Must(instrument.Meter(meters, "rollcall/standardlog").Int64Counter("rollcall.upstream.unsolicited_responses",
		metric.WithDescription("Responses of the upstream that no request caused.")))
	counter.Add(context.Background(), 0) // so that a rate sees the first one
	return &writer{log: logger, counter: counter}
}

// Replace makes package log write to [New]'s writer. Only the program itself may
// call it, because a process has one standard logger.
func Replace(logger *slog.Logger, meters metric.MeterProvider) {
	log.SetFlags(Flags)
	log.SetOutput(New(logger, meters))
}

// Write implements [io.Writer] for one line.
func (w *writer) Write(line []byte) (int, error) {
	source, text := "unknown", line
	if m := place.FindSubmatch(line); m != nil {
		source, text = string(m[1]), line[len(m[0]):]
	}
	if bytes.HasPrefix(text, unsolicited) {
		w.counter.Add(context.Background(), 1)
		w.log.Warn("the upstream sent a response that no request caused; its connection is closed", "source", source)
	} else {
		w.log.Warn("a library wrote to the standard logger; the text may quote data and is dropped", "source", source)
	}
	return len(line), nil
}
