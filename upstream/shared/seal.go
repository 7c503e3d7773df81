package shared

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
)

// Values are sealed with a key that is derived from the API key, so that Redis,
// its backups and its other users can neither read nor change them. A seal binds
// the value's name and expiry: a value that was copied to another name, or
// restored from a backup, cannot be opened.

// errSeal reports a value that was not sealed for its name, or has expired.
var errSeal = errors.New("a value in Redis does not open")

type seal struct{ aead cipher.AEAD }

// maxSeals is how many API keys' seals this process remembers. Deriving one takes
// longer than everything else that a page costs this process.
const maxSeals = 1024

// seal returns the seal of an API key. It is remembered by a name of the key, so
// that no keys of former callers are in memory.
func (s *Store) seal(name, apiKey string) seal {
	if known, ok := s.seals.Get(name); ok {
		return known
	}
	derived := s.derive(apiKey)
	s.seals.Add(name, derived)
	return derived
}

func (s *Store) derive(apiKey string) seal {
	key, err := hkdf.Key(sha256.New, []byte(apiKey), nil, prefix+"seal\x00"+s.upstream, 32)
	if err != nil {
		panic(err) // only for a length that SHA-256 cannot provide
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only for a key of another length
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // only for a block of another size
	}
	return seal{aead}
}

// close returns a sealed value. The expiry precedes it.
func (s seal) close(name string, expiry time.Time, value []byte) string {
	var nonce [0]byte
	out := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(value)+s.aead.Overhead()), uint64(expiry.UnixMilli()))
	return string(s.aead.Seal(out, nonce[:], value, s.bound(name, out)))
}

// open returns a value that has not expired.
func (s seal) open(name string, now time.Time, sealed string) ([]byte, error) {
	if len(sealed) < 8 {
		return nil, errSeal
	}
	head := []byte(sealed[:8])
	if now.UnixMilli() >= int64(binary.BigEndian.Uint64(head)) {
		return nil, errSeal
	}
	value, err := s.aead.Open(nil, nil, []byte(sealed[8:]), s.bound(name, head))
	if err != nil {
		return nil, errSeal
	}
	return value, nil
}

func (s seal) bound(name string, expiry []byte) []byte {
	return append(append([]byte(name), 0), expiry[:8]...)
}
