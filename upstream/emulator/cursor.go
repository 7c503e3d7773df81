package emulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// A cursor is the place of a page's last user: the key that it was sorted by,
// and its ID. The next page is whoever comes after that place, wherever the user
// itself has gone since. So a page's size is free, and who moves takes nobody
// along.
//
// How upstream's cursors are built is unknown, and that they stand for a place
// rather than for a count is a guess. Known is that they are opaque and belong to
// the filters and the order that they came with: a seal over those and the API
// key holds that.
//
// Layout, before base64url: 12 bytes of seal, 8 of key, the ID.

// errCursor is what is wrong with every cursor that is not ours.
var errCursor = errors.New("not a cursor of this list")

const (
	sealSize = 12
	keySize  = 8
)

// encoding refuses a second spelling of the same bytes.
var encoding = base64.RawURLEncoding.Strict()

// cursors seals and opens the cursors of one world.
type cursors struct{ secret []byte }

// newCursors takes its secret from the seed, so that equal worlds give and take
// equal cursors. It keeps mistakes out, not attackers.
func newCursors(seed uint64) cursors {
	secret := sha256.Sum256(fmt.Appendf(nil, "cursors of world %d", seed))
	return cursors{secret[:]}
}

// seal returns the cursor that resumes q after p.
func (c cursors) seal(p place, q query, apiKey string) string {
	content := binary.BigEndian.AppendUint64(nil, math.Float64bits(p.key))
	content = append(content, p.userID...)
	return encoding.EncodeToString(append(c.mac(content, q, apiKey), content...))
}

// open returns the place where q resumes, or errCursor.
func (c cursors) open(cursor string, q query, apiKey string) (place, error) {
	raw, err := encoding.DecodeString(cursor)
	if err != nil || len(raw) < sealSize+keySize {
		return place{}, errCursor
	}
	content := raw[sealSize:]
	if !hmac.Equal(raw[:sealSize], c.mac(content, q, apiKey)) {
		return place{}, errCursor
	}
	return place{
		key:    math.Float64frombits(binary.BigEndian.Uint64(content)),
		userID: string(content[keySize:]),
	}, nil
}

// mac is the seal on content: all of q but its size and cursor, and the key.
func (c cursors) mac(content []byte, q query, apiKey string) []byte {
	h := hmac.New(sha256.New, c.secret)
	fmt.Fprintf(h, "%q %q %q %q %d %d %q %t ",
		apiKey, q.agentID, q.branchID, q.userID, q.after, q.before, q.sort, q.ascending)
	h.Write(content)
	return h.Sum(nil)[:sealSize]
}
