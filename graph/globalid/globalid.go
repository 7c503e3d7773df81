// Package globalid spells the IDs by which Relay refetches objects: URL-safe
// base64 without padding, of the type's name, a colon and the type's own ID.
package globalid

import (
	"encoding/base64"
	"strings"
)

var encoding = base64.RawURLEncoding.Strict()

// New is the global ID of an object.
func New(typeName, id string) string { return string(Append(nil, typeName, id)) }

// Append appends what [New] returns.
func Append(b []byte, typeName, id string) []byte {
	var space [64]byte // enough for most
	plain := append(append(append(space[:0], typeName...), ':'), id...)
	return encoding.AppendEncode(b, plain)
}

// Parse is the inverse of [New]. It reports false for what New never returns.
func Parse(global string) (typeName, id string, ok bool) {
	if strings.ContainsAny(global, "\r\n") { // the decoder would pass over them
		return "", "", false
	}
	text, err := encoding.DecodeString(global)
	if err != nil {
		return "", "", false
	}
	return strings.Cut(string(text), ":")
}
