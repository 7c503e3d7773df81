package connection

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strings"

	"github.com/dchest/siphash"

	"rollcall/upstream"
)

// A cursor is a position, sealed. Its bytes, in URL-safe base64 without padding:
//
//	version  1 byte
//	seal     12 bytes: SipHash-2-4-128 over the list and the rest, cut
//	skip     uvarint, doubled, plus 1 if mirrored
//	ahead    uvarint, plus 1; 0 if unknown
//	value    8 bytes, IEEE 754
//	anchors  1 byte, their number, and 3 bytes each
//	cursor   the rest
//
// Version 2, which this version still opens, has only skip, value and anchors,
// and the latter two only if skip is not 0. Cursors of version 2 are no longer
// made.
//
// The seal's key is derived from the API key, so replicas agree on it. A cursor
// of another key or another list cannot be opened, like one that was made up.

const (
	version      = 3
	oldVersion   = 2
	sealSize     = 12
	headSize     = 1 + sealSize
	anchorSize   = 3
	maxSkip      = 1 << 20 // far beyond any page
	maxAhead     = 1 << 40
	maxCursorLen = 8 << 10 // of ours; the upstream's are at most 4 KiB
)

var encoding = base64.RawURLEncoding.Strict()

// Sealer seals and opens the cursors of one API key. It is safe for concurrent
// use.
type Sealer struct{ keys []sealKey } // the first one seals, all of them open

type sealKey [2]uint64

// NewSealer derives a sealer from a secret, which is the API key. Previous
// secrets open cursors and seal none.
func NewSealer(secret string, previous ...string) *Sealer {
	s := &Sealer{}
	for _, secret := range append([]string{secret}, previous...) {
		key, err := hkdf.Key(sha256.New, []byte(secret), nil, "rollcall cursor\x00", 16)
		if err != nil {
			panic(err) // only for a length beyond what SHA-256 can derive
		}
		s.keys = append(s.keys, sealKey{binary.LittleEndian.Uint64(key), binary.LittleEndian.Uint64(key[8:])})
	}
	return s
}

// codec returns the codec of one list's cursors.
func (s *Sealer) codec(q upstream.Query) *codec {
	spelled := appendQuery(nil, q)
	return &codec{keys: s.keys, size: len(spelled), buffer: spelled}
}

// codec seals and opens the cursors of one list. It is not safe for concurrent
// use: it reuses its memory, so that sealing a page of cursors needs none.
type codec struct {
	keys   []sealKey
	size   int    // of the query
	buffer []byte // the encoded query, and a cursor
}

// append appends the cursor of a position.
func (c *codec) append(b []byte, p position) []byte {
	raw := append(c.buffer[:c.size], version)
	raw = append(raw, make([]byte, sealSize)...)
	skip := uint64(p.skip) << 1
	if p.mirrored {
		skip++
	}
	raw = binary.AppendUvarint(raw, skip)
	raw = binary.AppendUvarint(raw, uint64(p.ahead+1))
	raw = binary.BigEndian.AppendUint64(raw, math.Float64bits(p.value))
	raw = append(raw, byte(p.anchors.length))
	for _, hash := range p.anchors.slice() {
		raw = append(raw, byte(hash>>16), byte(hash>>8), byte(hash))
	}
	raw = append(raw, p.cursor...)
	seal := c.keys[0].seal(raw)
	copy(raw[c.size+1:], seal[:])
	c.buffer = raw
	return encoding.AppendEncode(b, raw[c.size:])
}

// seal returns the seal of a query with a cursor whose own seal is still blank.
func (k sealKey) seal(raw []byte) (seal [sealSize]byte) {
	var sum [16]byte
	low, high := siphash.Hash128(k[0], k[1], raw)
	binary.LittleEndian.PutUint64(sum[:], low)
	binary.LittleEndian.PutUint64(sum[8:], high)
	copy(seal[:], sum[:])
	return seal
}

const notACursor = "is not a cursor of this list; use one that came with the same filter and sort"

// open is the inverse of append. The reason is empty unless the cursor cannot be
// used.
func (c *codec) open(cursor string) (p position, reason string) {
	// The decoder would skip line breaks.
	if len(cursor) > maxCursorLen || strings.ContainsAny(cursor, "\r\n") {
		return position{}, notACursor
	}
	raw, err := encoding.AppendDecode(c.buffer[:c.size], []byte(cursor))
	if err != nil || len(raw) <= c.size+headSize {
		return position{}, notACursor
	}
	c.buffer = raw
	claimed := [sealSize]byte(raw[c.size+1:])
	clear(raw[c.size+1 : c.size+headSize])
	if !slices.ContainsFunc(c.keys, func(k sealKey) bool {
		seal := k.seal(raw)
		return subtle.ConstantTimeCompare(claimed[:], seal[:]) == 1
	}) {
		return position{}, notACursor
	}
	p, ok := parse(raw[c.size], raw[c.size+headSize:])
	if !ok {
		return position{}, notACursor
	}
	return p, ""
}

func parse(format byte, b []byte) (p position, ok bool) {
	r := reader{rest: b}
	switch format {
	case version:
		skip := r.uvarint(maxSkip<<1 | 1)
		p.mirrored, p.skip = skip&1 == 1, skip>>1
		p.ahead = r.uvarint(maxAhead) - 1
		r.user(&p)
		r.failed = r.failed || p.anchors.length == 0
	case oldVersion:
		p.skip, p.ahead = r.uvarint(maxSkip), unknown
		if p.skip > 0 {
			r.user(&p)
		}
	default:
		return position{}, false
	}
	p.cursor = string(r.rest)
	return p, !r.failed
}

// reader reads the fields of a cursor. After a failure, it returns zeros.
type reader struct {
	rest   []byte
	failed bool
}

func (r *reader) uvarint(most uint64) int {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > most {
		r.failed = true
		return 0
	}
	r.rest = r.rest[n:]
	return int(v)
}

func (r *reader) bytes(n int) []byte {
	if len(r.rest) < n {
		r.failed = true
		return make([]byte, n)
	}
	read := r.rest[:n]
	r.rest = r.rest[n:]
	return read
}

// user reads a position's value and anchors.
func (r *reader) user(p *position) {
	p.value = math.Float64frombits(binary.BigEndian.Uint64(r.bytes(8)))
	n := int(r.bytes(1)[0])
	if n > maxAnchors {
		r.failed = true
		return
	}
	for range n {
		b := r.bytes(anchorSize)
		p.anchors.add(uint32(b[0])<<16 | uint32(b[1])<<8 | uint32(b[2]))
	}
}

// appendQuery encodes a query so that different queries have different encodings.
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
