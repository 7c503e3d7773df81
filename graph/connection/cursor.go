package connection

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"math"
	"strings"

	"rollcall/upstream"
)

// A cursor is a place, sealed. Its bytes, in URL-safe base64 without padding:
//
//	version  1 byte
//	seal     12 bytes: HMAC-SHA-256 over the rest, cut
//	skip     uvarint
//	value    8 bytes, IEEE 754   ┐
//	trail    1 byte, its length  ├ only where skip is not 0
//	         4 bytes each        ┘
//	cursor   the rest
//
// The seal's key is derived from the API key, the caller, the version and the
// list, so replicas agree on it, and a cursor of another caller or another list
// opens no more than one that somebody made up.

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

// list derives what seals and opens the cursors of one list.
func (s *Sealer) list(q upstream.Query) *list {
	h := hmac.New(sha256.New, s.key)
	h.Write(appendQuery([]byte{version}, q))
	return &list{mac: hmac.New(sha256.New, h.Sum(nil))}
}

// list seals and opens the cursors of one list. It is not safe for concurrent
// use: it reuses its memory, so that sealing a page of cursors needs none.
type list struct {
	mac   hash.Hash
	bytes []byte // of the cursor being sealed
	sum   []byte // what it is sealed with
}

// append appends the cursor of a place.
func (l *list) append(b []byte, p place) []byte {
	raw := append(l.bytes[:0], version)
	raw = append(raw, make([]byte, sealSize)...)
	raw = binary.AppendUvarint(raw, uint64(p.skip))
	if p.skip > 0 {
		raw = binary.BigEndian.AppendUint64(raw, math.Float64bits(p.value))
		raw = append(raw, byte(p.trail.length))
		for _, m := range p.trail.slice() {
			raw = binary.BigEndian.AppendUint32(raw, m)
		}
	}
	raw = append(raw, p.cursor...)
	copy(raw[1:headSize], l.seal(raw[headSize:]))
	l.bytes = raw
	return encoding.AppendEncode(b, raw)
}

// seal returns the seal of a place, until the next one is asked for.
func (l *list) seal(place []byte) []byte {
	l.mac.Reset()
	l.mac.Write(place)
	l.sum = l.mac.Sum(l.sum[:0])
	return l.sum[:sealSize]
}

var errCursor = &ArgumentError{"after", "is not a cursor of this list; use one that came with the same filter and sort"}

// open is the inverse of append.
func (l *list) open(cursor string) (place, error) {
	// The decoder would pass over line breaks.
	if len(cursor) > maxCursorLen || strings.ContainsAny(cursor, "\r\n") {
		return place{}, errCursor
	}
	b, err := encoding.DecodeString(cursor)
	if err != nil || len(b) <= headSize || b[0] != version {
		return place{}, errCursor
	}
	if !hmac.Equal(b[1:headSize], l.seal(b[headSize:])) {
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
			p.trail.add(binary.BigEndian.Uint32(b))
			b = b[4:]
		}
	}
	p.cursor = string(b)
	return p, true
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
