// Package globalid encodes the IDs by which Relay refetches objects: URL-safe
// base64 without padding, of the type's name, a colon and the type's own ID. It
// also decides which own IDs are valid.
package globalid

import (
	"encoding/base64"
	"fmt"
	"strings"
)

var encoding = base64.RawURLEncoding.Strict()

// New returns the global ID of an object.
func New(typeName, id string) string { return string(Append(nil, typeName, id)) }

// Append appends the result of [New].
func Append(b []byte, typeName, id string) []byte {
	var space [64]byte // enough for most
	plain := append(append(append(space[:0], typeName...), ':'), id...)
	return encoding.AppendEncode(b, plain)
}

// maxID is the longest own ID, in bytes. Applications choose user IDs freely. In
// the upstream's query string a byte takes up to three, and many servers accept
// no more than 8 KiB of it.
const maxID = 1024

// Fault returns why a text cannot be the own ID of an object, or "" if it can.
// The rule is the same for IDs from callers and from the upstream, so that every
// object in a list can be requested by its ID: an object whose ID is not valid is
// null there. An empty ID would be no filter upstream, and select all users.
func Fault(id string) string {
	switch {
	case id == "":
		return "must not be empty"
	case len(id) > maxID:
		return fmt.Sprintf("must not be longer than %d bytes", maxID)
	}
	return ""
}

// Parse is the inverse of [New]. It returns false for an ID that New does not
// return for any object.
func Parse(global string) (typeName, id string, ok bool) {
	if strings.ContainsAny(global, "\r\n") { // the decoder would skip them
		return "", "", false
	}
	text, err := encoding.DecodeString(global)
	if err != nil {
		return "", "", false
	}
	typeName, id, ok = strings.Cut(string(text), ":")
	return typeName, id, ok && Fault(id) == ""
}
