// Package persisted has the documents that callers name by ID instead of sending
// their texts: those that callers register by hash (automatic persisted queries),
// and those of an operator's files (trusted documents). It must not depend on the
// schema, or on how documents are requested, read and executed.
package persisted

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// hashPrefix precedes a hash in IDs of the specification GraphQL over HTTP.
const hashPrefix = "sha256:"

// Canonical returns the form of an ID under which documents are stored: a SHA-256
// hash without its prefix and in lower case, and any other ID unchanged.
func Canonical(id string) string {
	hash := strings.ToLower(strings.TrimPrefix(id, hashPrefix))
	if IsHash(hash) {
		return hash
	}
	return id
}

// IsHash reports whether a canonical ID is a SHA-256 hash.
func IsHash(id string) bool {
	return len(id) == hex.EncodedLen(sha256.Size) && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'f')
	})
}

// Hash returns the SHA-256 hash of a text as a canonical ID.
func Hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
