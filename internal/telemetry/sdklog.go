package telemetry

import (
	"log/slog"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
)

// redirectSDKLog sends the SDK's own messages to the service's log. By default it
// prints them to standard error, with the values that it could not use: headers
// with a token among them. So only the sentence is logged. The SDK has one logger
// and one error handler for the process.
func redirectSDKLog(log *slog.Logger) {
	otel.SetLogger(logr.New(sdkSink{log}))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { // of instruments and readers, not of settings
		log.Warn("OpenTelemetry's SDK reports a problem", "problem", err.Error())
	}))
}

// sdkSink is a [logr.LogSink] without the values.
type sdkSink struct{ log *slog.Logger }

// Warnings are level 1 to the SDK, and what happens in the normal course 4 or 8.
func (sdkSink) Enabled(level int) bool { return level <= 1 }

func (s sdkSink) Info(_ int, msg string, _ ...any) {
	s.log.Warn("OpenTelemetry's SDK reports a problem", "problem", msg)
}

func (s sdkSink) Error(_ error, msg string, _ ...any) { s.Info(0, msg) }

func (sdkSink) Init(logr.RuntimeInfo)            {}
func (s sdkSink) WithValues(...any) logr.LogSink { return s }
func (s sdkSink) WithName(string) logr.LogSink   { return s }
