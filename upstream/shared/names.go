package shared

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// What is in Redis names no key: a name is an HMAC whose secret is the API key,
// over what the name is for and the upstream. The braces of Redis Cluster's hash
// tags are around it, so that all that belongs to one key is on one node.

// prefix is that of all names in Redis. Its number is the version of what is
// stored: two versions of the service share nothing unless it is the same.
const prefix = "rollcall:1:"

// name returns the name of an API key for one purpose.
func (s *Store) name(purpose, apiKey string) string {
	mac := hmac.New(sha256.New, []byte(apiKey))
	mac.Write([]byte(prefix + purpose + "\x00" + s.upstream))
	return encode(mac.Sum(nil))
}

// hash returns a short name for what is not secret.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return encode(sum[:])
}

// randomName returns a name that no other process has. It has no dot: the scripts
// separate a process and its incarnation by one.
func randomName() string { return rand.Text()[:16] }

func encode(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum[:16]) }
