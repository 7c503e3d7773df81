package shared

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/redis/rueidis"
)

// documentLife is how long a document is stored. A client whose document is no
// longer stored sends it once more.
const documentLife = 24 * time.Hour

// Registering a document takes no upstream call, so no quota bounds how many a
// caller registers. What one process stores is bounded, so that no caller fills Redis: what it
// does not store is known to this process alone.
const (
	// maxDocument is the longest text that is stored, in bytes.
	maxDocument = 16 << 10
	// documentsBurst is how many documents a process stores at once, and
	// documentsEvery how long it takes until it may store one more.
	documentsBurst = 1000
	documentsEvery = 90 * time.Second
)

// Documents are the automatic persisted queries of one API key's callers, by the
// SHA-256 hash of their text. It is safe for concurrent use.
type Documents struct {
	store *Store
	key   string
	seal  seal
}

// Documents returns the documents of an API key. The error is [ErrNoKey].
func (s *Store) Documents(apiKey string) (*Documents, error) {
	if apiKey == "" {
		return nil, ErrNoKey
	}
	return &Documents{store: s, key: apiKey, seal: s.seal(s.name("documents", apiKey), apiKey)}, nil
}

// Get returns the document with a hash, if Redis has it. It ignores a value whose
// text has another hash.
func (d *Documents) Get(hash string) (text string, found bool) {
	mode, incarnation := d.store.now()
	if mode == Away {
		return "", false
	}
	name := d.name(hash)
	var sealed string
	if d.store.do(incarnation, patience, func(ctx context.Context, client rueidis.Client) (err error) {
		sealed, err = client.Do(ctx, client.B().Get().Key(name).Build()).ToString()
		if rueidis.IsRedisNil(err) {
			return nil
		}
		return err
	}) != nil {
		return "", false
	}
	value, err := d.seal.open(name, d.store.clock(time.Now()), sealed)
	if err != nil || hashOf(value) != hash {
		return "", false
	}
	return string(value), true
}

// Put stores a document for all replicas, unless it is long or this process has
// stored very many. It does nothing if the hash is not that of the text.
func (d *Documents) Put(hash, text string) {
	mode, incarnation := d.store.now()
	if mode == Away || len(text) > maxDocument || hashOf([]byte(text)) != hash || !d.store.documents.Allow() {
		return
	}
	name := d.name(hash)
	sealed := d.seal.close(name, d.store.clock(time.Now()).Add(documentLife), []byte(text))
	_ = d.store.do(incarnation, patience, func(ctx context.Context, client rueidis.Client) error {
		err := client.Do(ctx, client.B().Set().Key(name).Value(sealed).Px(documentLife).Build()).Error()
		if _, refused := rueidis.IsRedisErr(err); refused {
			return nil // for example for lack of memory; Redis is there
		}
		return err
	}) // if this fails, clients send it again
}

func (d *Documents) name(hash string) string {
	return prefix + "{" + d.store.name("document\x00"+hash, d.key) + "}"
}

func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
