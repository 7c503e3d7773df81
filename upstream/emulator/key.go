package emulator

// keyring is the set of API keys that are accepted. An empty one accepts every
// well-formed key.
type keyring map[string]bool

func newKeyring(keys []string) keyring {
	k := make(keyring, len(keys))
	for _, key := range keys {
		k[key] = true
	}
	return k
}

// check returns why a key is refused, or nil. The reference page lists xi-api-key
// as optional because FastAPI would otherwise report its absence as a 422: it is a
// 401.
func (k keyring) check(key string) *refusal {
	switch {
	case key == "":
		return needsAuthorization()
	case !wellFormed(key):
		return malformedKey()
	case len(k) > 0 && !k[key]:
		return invalidKey()
	}
	return nil
}

// wellFormed reports whether a key could be one: up to 256 bytes of visible
// ASCII. Which keys the upstream considers malformed is a guess.
func wellFormed(key string) bool {
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return false
		}
	}
	return len(key) <= 256
}
