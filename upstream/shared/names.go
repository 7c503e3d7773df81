package shared

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// Redis has no API key: a name is an HMAC whose secret is the API key, over the
// name's purpose and the upstream. It is in the braces of Redis Cluster's hash
// tags, so that one node has everything that belongs to one key.

// prefix is the prefix of all names in Redis. Its number is the version of the
// stored format: versions of the service with different numbers share nothing.
const prefix = "rollcall:1:"

// name returns the name of an API key for a purpose.
func (s *Store) name(purpose, apiKey string) string {
	mac := hmac.New(sha256.New, []byte(apiKey))
	mac.Write([]byte(prefix + purpose + "\x00" + s.upstream))
	return encode(mac.Sum(nil))
}

// hash returns a short name for a text that is not secret.
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return encode(sum[:])
}

// randomName returns a name that no other process has. It has no dot, because the
// scripts separate a process and its incarnation by a dot.
func randomName() string { return rand.Text()[:16] }

func encode(sum []byte) string { return base64.RawURLEncoding.EncodeToString(sum[:16]) }
