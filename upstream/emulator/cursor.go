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

// A cursor records the position of a page's last user: the sort key and the
// user's ID. The next page begins with the first user after that position, even
// if the user of the position has moved since. Therefore pages of a walk may have
// different sizes, and users who move do not shift the users who stay.
//
// It is not known how the upstream builds its cursors. It is a guess that they
// record a position, not a count. It is known that they are opaque, and that they
// belong to the filters and the order of their request: a seal over these and the
// API key enforces that.
//
// Layout, before base64url: 12 bytes of seal, 8 of sort key, the ID.

// errCursor is the error for every cursor that was not made for the query.
var errCursor = errors.New("not a cursor of this list")

const (
	sealSize = 12
	keySize  = 8
)

// encoding is strict: it accepts only one spelling of the same bytes.
var encoding = base64.RawURLEncoding.Strict()

// cursors seals and opens the cursors of one world.
type cursors struct{ secret []byte }

// newCursors derives the secret from the seed, so that equal worlds issue and
// accept equal cursors. It detects mistakes; it does not stop attackers.
func newCursors(seed uint64) cursors {
	secret := sha256.Sum256(fmt.Appendf(nil, "cursors of world %d", seed))
	return cursors{secret[:]}
}

// seal returns the cursor that resumes q after p.
func (c cursors) seal(p position, q query, apiKey string) string {
	content := binary.BigEndian.AppendUint64(nil, math.Float64bits(p.key))
	content = append(content, p.userID...)
	return encoding.EncodeToString(append(c.mac(content, q, apiKey), content...))
}

// open returns the position after which q resumes, or errCursor.
func (c cursors) open(cursor string, q query, apiKey string) (position, error) {
	raw, err := encoding.DecodeString(cursor)
	if err != nil || len(raw) < sealSize+keySize {
		return position{}, errCursor
	}
	content := raw[sealSize:]
	if !hmac.Equal(raw[:sealSize], c.mac(content, q, apiKey)) {
		return position{}, errCursor
	}
	return position{
		key:    math.Float64frombits(binary.BigEndian.Uint64(content)),
		userID: string(content[keySize:]),
	}, nil
}

// mac returns the seal of content: it covers all of q but its size and cursor,
// and the key.
func (c cursors) mac(content []byte, q query, apiKey string) []byte {
	h := hmac.New(sha256.New, c.secret)
	fmt.Fprintf(h, "%q %q %q %q %d %d %q %t ",
		apiKey, q.agentID, q.branchID, q.userID, q.after, q.before, q.sort, q.ascending)
	h.Write(content)
	return h.Sum(nil)[:sealSize]
}
