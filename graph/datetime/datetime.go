// Package datetime is the schema's scalar DateTime: an instant in RFC 3339.
package datetime

import (
	"errors"
	"io"
	"regexp"
	"strconv"
	"time"
)

// DateTime is an instant in whole Unix seconds, like the upstream's, within the
// years 0 to 9999.
type DateTime int64

// ErrFormat reports that a value is not an instant. Its text does not repeat the
// value.
var ErrFormat = errors.New("must be an instant in RFC 3339, such as 2026-01-31T12:00:00Z")

// form is RFC 3339's format. time.Parse also accepts hours of one digit,
// fractions after a comma, and offsets of a day and more.
var form = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// Parse reads an RFC 3339 instant with any offset. It truncates fractions of a
// second. The error is [ErrFormat].
func Parse(s string) (DateTime, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || !form.MatchString(s) {
		return 0, ErrFormat
	}
	if year := t.UTC().Year(); year < 0 || year > 9999 {
		return 0, ErrFormat
	}
	return DateTime(t.Unix()), nil
}

// String returns the instant in UTC with a trailing Z.
func (d DateTime) String() string { return time.Unix(int64(d), 0).UTC().Format(time.RFC3339) }

// UnmarshalGQL reads a GraphQL string.
func (d *DateTime) UnmarshalGQL(v any) (err error) {
	s, ok := v.(string)
	if !ok {
		return ErrFormat
	}
	*d, err = Parse(s)
	return err
}

// MarshalGQL writes a GraphQL string.
func (d DateTime) MarshalGQL(w io.Writer) { _, _ = io.WriteString(w, strconv.Quote(d.String())) }
