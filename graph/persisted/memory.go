package persisted

import "github.com/maypok86/otter/v2"

const (
	// memoryBytes bounds the memory of all registered documents.
	memoryBytes = 8 << 20
	// entryBytes is approximately how much memory an entry takes in addition to
	// its text.
	entryBytes = 512
)

// Memory has the documents that callers registered, by owner and hash. If there
// are too many, it evicts some, and their callers register them again. It is safe
// for concurrent use.
type Memory[Owner comparable] struct {
	cache *otter.Cache[documentKey[Owner], string]
}

type documentKey[Owner comparable] struct {
	owner Owner
	hash  string
}

// NewMemory returns an empty memory.
func NewMemory[Owner comparable]() *Memory[Owner] {
	return &Memory[Owner]{otter.Must(&otter.Options[documentKey[Owner], string]{
		MaximumWeight: memoryBytes,
		Weigher:       func(_ documentKey[Owner], text string) uint32 { return uint32(entryBytes + len(text)) },
		Executor:      func(task func()) { task() },
	})}
}

// Get returns the text of a document.
func (m *Memory[Owner]) Get(owner Owner, hash string) (text string, found bool) {
	return m.cache.GetIfPresent(documentKey[Owner]{owner, hash})
}

// Put stores a document.
func (m *Memory[Owner]) Put(owner Owner, hash, text string) {
	m.cache.Set(documentKey[Owner]{owner, hash}, text)
}
