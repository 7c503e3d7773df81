package upstream

import (
	"fmt"
	"log/slog"
)

// APIKey is a value for the upstream's xi-api-key header. It gives access to
// personal data, so it prints as [redacted] wherever it is formatted or logged.
type APIKey struct{ secret string }

// NewAPIKey returns a key. If secret is empty, no header is sent.
func NewAPIKey(secret string) APIKey { return APIKey{secret} }

// Reveal returns the key itself, for the header and for deriving other keys.
func (k APIKey) Reveal() string { return k.secret }

// Format implements [fmt.Formatter]. It hides the key from every verb.
func (APIKey) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte("[redacted]")) }

// LogValue implements [slog.LogValuer].
func (APIKey) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalText implements [encoding.TextMarshaler], for JSON and other encodings.
func (APIKey) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// Caller is the party for which a call is made. Callers with the same key share
// calls and pages, because the upstream's response depends on the key alone.
// Callers with different keys share nothing.
type Caller struct {
	// Key is sent upstream.
	Key APIKey
	// Subject distinguishes callers who share one key, for their quotas. It is
	// empty if there is only one caller.
	Subject string
}
