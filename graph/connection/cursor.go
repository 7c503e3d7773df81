package connection

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"math"
	"strings"

	"github.com/dchest/siphash"

	"rollcall/upstream"
)

// A cursor is a place, sealed. Its bytes, in URL-safe base64 without padding:
//
//	version  1 byte
//	seal     12 bytes: SipHash-2-4-128 over the list and the rest, cut
//	skip     uvarint
//	value    8 bytes, IEEE 754   ┐
//	trail    1 byte, its length  ├ only where skip is not 0
//	         3 bytes each        ┘
//	cursor   the rest
//
// The seal's key is derived from the API key, so replicas agree on it. A cursor
// of another key or another list is refused like a made-up one.

const (
	version      = 2
	sealSize     = 12
	headSize     = 1 + sealSize
	markSize     = 3
	maxSkip      = 1 << 20 // far beyond any page
	maxCursorLen = 16 << 10
)

var encoding = base64.RawURLEncoding.Strict()

// Sealer makes and opens the cursors of one API key. It is safe for concurrent use.
type Sealer struct{ key [2]uint64 }

// NewSealer derives a sealer from a secret, which is the API key.
func NewSealer(secret string) *Sealer {
	key, err := hkdf.Key(sha256.New, []byte(secret), nil, "rollcall cursor\x00", 16)
	if err != nil {
		panic(err) // only for a length beyond what SHA-256 can give
	}
	return &Sealer{[2]uint64{binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[8:])}}
}

// list returns what seals and opens the cursors of one list.
func (s *Sealer) list(q upstream.Query) *list {
	spelled := appendQuery(nil, q)
	return &list{key: s.key, size: len(spelled), buffer: spelled}
}

// list seals and opens the cursors of one list. It is not safe for concurrent
// use: it reuses its memory, so that sealing a page of cursors needs none.
type list struct {
	key    [2]uint64
	size   int    // of the query
	buffer []byte // the query, as it is spelled, and a cursor
}

// append appends the cursor of a place.
func (l *list) append(b []byte, p place) []byte {
	raw := append(l.buffer[:l.size], version)
	raw = append(raw, make([]byte, sealSize)...)
	raw = binary.AppendUvarint(raw, uint64(p.skip))
	if p.skip > 0 {
		raw = binary.BigEndian.AppendUint64(raw, math.Float64bits(p.value))
		raw = append(raw, byte(p.trail.length))
		for _, m := range p.trail.slice() {
			raw = append(raw, byte(m>>16), byte(m>>8), byte(m))
		}
	}
	raw = append(raw, p.cursor...)
	seal := l.seal(raw)
	copy(raw[l.size+1:], seal[:])
	l.buffer = raw
	return encoding.AppendEncode(b, raw[l.size:])
}

// seal is the seal of a query with a cursor whose own seal is still blank.
func (l *list) seal(raw []byte) (seal [sealSize]byte) {
	var sum [16]byte
	low, high := siphash.Hash128(l.key[0], l.key[1], raw)
	binary.LittleEndian.PutUint64(sum[:], low)
	binary.LittleEndian.PutUint64(sum[8:], high)
	copy(seal[:], sum[:])
	return seal
}

var errCursor = &ArgumentError{"after", "is not a cursor of this list; use one that came with the same filter and sort"}

// open is the inverse of append.
func (l *list) open(cursor string) (place, error) {
	// The decoder would pass over line breaks.
	if len(cursor) > maxCursorLen || strings.ContainsAny(cursor, "\r\n") {
		return place{}, errCursor
	}
	raw, err := encoding.AppendDecode(l.buffer[:l.size], []byte(cursor))
	if err != nil || len(raw) <= l.size+headSize || raw[l.size] != version {
		return place{}, errCursor
	}
	l.buffer = raw
	claimed := [sealSize]byte(raw[l.size+1:])
	clear(raw[l.size+1 : l.size+headSize])
	if seal := l.seal(raw); subtle.ConstantTimeCompare(claimed[:], seal[:]) != 1 {
		return place{}, errCursor
	}
	p, ok := parse(raw[l.size+headSize:])
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
		if trail > maxTrail || len(b) < markSize*trail {
			return place{}, false
		}
		for range trail {
			p.trail.add(uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]))
			b = b[markSize:]
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
