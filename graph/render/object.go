package render

import (
	"strconv"
	"time"

	"rollcall/upstream"
)

// writer appends a value of T as JSON.
type writer[T any] func(b []byte, v T) []byte

// object writes a value of T as a JSON object.
type object[T any] []member[T]

type member[T any] struct {
	name  string // as JSON, with its colon
	value writer[T]
}

func (o object[T]) write(b []byte, v T) []byte {
	b = append(b, '{')
	for i := range o {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, o[i].name...)
		b = o[i].value(b, v)
		if len(b) > maxRow {
			panic(TooLarge{})
		}
	}
	return append(b, '}')
}

// writeList writes n elements as a JSON array.
func writeList(b []byte, n int, element func(b []byte, i int) []byte) []byte {
	b = append(b, '[')
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		b = element(b, i)
	}
	return append(b, ']')
}

// text writes a constant string that needs no escaping.
func text[T any](s string) writer[T] {
	quoted := `"` + s + `"`
	return func(b []byte, _ T) []byte { return append(b, quoted...) }
}

func null(b []byte) []byte { return append(b, "null"...) }

const hex = "0123456789ABCDEF"

// str writes a string with the escapes that gqlgen uses.
func str(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := plain(s); i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\t':
			b = append(b, `\t`...)
		case '\r':
			b = append(b, `\r`...)
		case '\n':
			b = append(b, `\n`...)
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xf])
		}
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// plain returns how many bytes at the start of s surely need no escaping. Nearly
// all strings are IDs, so it checks eight bytes at once: in each, a control
// character, a quote or a backslash sets the highest bit of flagged.
func plain(s string) (n int) {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for ; n+8 <= len(s); n += 8 {
		b := s[n : n+8]
		word := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
			uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		quote, backslash := word^'"'*each, word^'\\'*each
		flagged := (word-' '*each)&^word | (quote-each)&^quote | (backslash-each)&^backslash
		if flagged&high != 0 {
			break
		}
	}
	return n
}

// strOrNull writes a string, or null if the upstream left it out.
func strOrNull(b []byte, s string) []byte {
	if s == "" {
		return null(b)
	}
	return str(b, s)
}

func integer(b []byte, n int) []byte { return strconv.AppendInt(b, int64(n), 10) }

func score(b []byte, s upstream.Score) []byte {
	if !s.Known {
		return null(b)
	}
	return strconv.AppendFloat(b, s.Value, 'g', -1, 64)
}

// instant writes Unix seconds as the scalar DateTime.
func instant(b []byte, unix int64) []byte {
	b = append(b, '"')
	b = time.Unix(unix, 0).UTC().AppendFormat(b, time.RFC3339)
	return append(b, '"')
}
