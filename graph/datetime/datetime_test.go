package datetime_test

import (
	"bytes"
	"testing"

	"rollcall/graph/datetime"
)

func TestInstants(t *testing.T) {
	for in, want := range map[string]struct {
		unix int64
		text string
	}{
		"2026-01-31T12:00:00Z":           {1769860800, "2026-01-31T12:00:00Z"},
		"2026-01-31T12:00:00.999999999Z": {1769860800, "2026-01-31T12:00:00Z"},
		"2026-01-31T13:30:00+01:30":      {1769860800, "2026-01-31T12:00:00Z"},
		"1969-12-31T23:59:59.5Z":         {-1, "1969-12-31T23:59:59Z"},
		"0000-01-01T00:00:00Z":           {-62167219200, "0000-01-01T00:00:00Z"},
		"9999-12-31T23:59:59Z":           {253402300799, "9999-12-31T23:59:59Z"},
	} {
		d, err := datetime.Parse(in)
		if err != nil || int64(d) != want.unix {
			t.Errorf("%s is %d, %v; want %d", in, d, err, want.unix)
		}
		var b bytes.Buffer
		d.MarshalGQL(&b)
		if b.String() != `"`+want.text+`"` {
			t.Errorf("%s is written as %s", in, b.String())
		}
	}
}

func TestWhatIsNoInstant(t *testing.T) {
	for _, in := range []any{
		"", "now", "2026-01-31", "2026-01-31T12:00:00", "2026-01-31 12:00:00Z", "2026-02-30T12:00:00Z", "2026-01-31T25:00:00Z",
		"2026-01-31T12:00:00,5Z", "2026-01-31T12:00:60Z", "10000-01-01T00:00:00Z", "9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00", "-001-01-01T00:00:00Z",
		7, 7.5, true, nil, map[string]any{},
	} {
		var d datetime.DateTime
		if err := d.UnmarshalGQL(in); err == nil {
			t.Errorf("%v is %s", in, d)
		}
	}
}
