package connection

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"

	"rollcall/upstream"
)

// A cursor is a place, sealed. Its bytes, in URL-safe base64 without padding:
//
//	version  1 byte
//	seal     12 bytes: HMAC-SHA-256 over the version, the list and the place, cut
//	skip     uvarint
//	value    8 bytes, IEEE 754   ┐
//	trail    1 byte, its length  ├ only where skip is not 0
//	         4 bytes each        ┘
//	cursor   the rest
//
// The seal's key is derived from the API key and the caller, so replicas agree
// on it, and a cursor of another caller or another list opens no more than one
// that somebody made up.

const (
	version      = 1
	sealSize     = 12
	headSize     = 1 + sealSize
	maxSkip      = 1 << 20 // far beyond any page
	maxCursorLen = 16 << 10
)

var encoding = base64.RawURLEncoding.Strict()

// Sealer makes and opens the cursors of one caller. It is safe for concurrent use.
type Sealer struct{ key []byte }

// NewSealer derives a sealer from a secret, which is the caller's API key, and
// from the caller's subject, if several share that key.
func NewSealer(secret, subject string) *Sealer {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "rollcall cursor\x00"+subject, sha256.Size)
	if err != nil {
		panic(err) // only for a length beyond what SHA-256 can give
	}
	return &Sealer{key}
}

func (s *Sealer) seal(q upstream.Query, p place) string {
	b := make([]byte, headSize, headSize+binary.MaxVarintLen64+9+4*maxTrail+len(p.cursor))
	b[0] = version
	b = binary.AppendUvarint(b, uint64(p.skip))
	if p.skip > 0 {
		b = binary.BigEndian.AppendUint64(b, math.Float64bits(p.value))
		b = append(b, byte(len(p.trail)))
		for _, m := range p.trail {
			b = binary.BigEndian.AppendUint32(b, m)
		}
	}
	b = append(b, p.cursor...)
	copy(b[1:], s.mac(q, b[headSize:]))
	return encoding.EncodeToString(b)
}

var errCursor = &ArgumentError{"after", "is not a cursor of this list; use one that came with the same filter and sort"}

// open is the inverse of seal.
func (s *Sealer) open(q upstream.Query, cursor string) (place, error) {
	// The decoder would pass over line breaks.
	if len(cursor) > maxCursorLen || strings.ContainsAny(cursor, "\r\n") {
		return place{}, errCursor
	}
	b, err := encoding.DecodeString(cursor)
	if err != nil || len(b) <= headSize || b[0] != version {
		return place{}, errCursor
	}
	if !hmac.Equal(b[1:headSize], s.mac(q, b[headSize:])) {
		return place{}, errCursor
	}
	p, ok := parse(b[headSize:])
	if !ok {
		return place{}, errCursor
	}
	return p, nil
}

func parse(b []byte) (p place, ok bool) {
	skip, n := binary.Uvarint(b)
	if n <= 0 || skip > maxSkip {
		return place{}, false
	}
	b = b[n:]
	p.skip = int(skip)
	if p.skip > 0 {
		if len(b) < 9 {
			return place{}, false
		}
		p.value = math.Float64frombits(binary.BigEndian.Uint64(b))
		trail := int(b[8])
		b = b[9:]
		if trail > maxTrail || len(b) < 4*trail {
			return place{}, false
		}
		for range trail {
			p.trail = append(p.trail, binary.BigEndian.Uint32(b))
			b = b[4:]
		}
	}
	p.cursor = string(b)
	return p, true
}

// mac seals a place in a list.
func (s *Sealer) mac(q upstream.Query, place []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write(append(appendQuery([]byte{version}, q), place...))
	return h.Sum(nil)[:sealSize]
}

// appendQuery spells a query so that no two different ones are spelled alike.
func appendQuery(b []byte, q upstream.Query) []byte {
	for _, s := range []string{q.Filter.AgentID, q.Filter.BranchID, q.Filter.UserID} {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	for _, bound := range []upstream.Bound{q.Filter.StartedAfter, q.Filter.StartedBefore} {
		b = appendBool(b, bound.Set)
		b = binary.BigEndian.AppendUint64(b, uint64(bound.Unix))
	}
	b = append(b, byte(q.Sort))
	return appendBool(b, q.Ascending)
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}
