package graph

import (
	"sync/atomic"

	"github.com/vektah/gqlparser/v2/gqlerror"
	"golang.org/x/time/rate"

	"rollcall/graph/persisted"
	"rollcall/upstream"
)

// A request names its document by its text, by an ID, or by both.

// Request has the parameters of a GraphQL request.
type Request struct {
	Query         string // the document's text; empty if an ID stands for it
	DocumentID    string // canonical, see [persisted.Canonical]; empty if there is none
	OperationName string
	Variables     map[string]any
}

// SharedDocuments has the documents that the callers of one API key registered with
// any replica. It is safe for concurrent use.
type SharedDocuments interface {
	// Get returns the document with a SHA-256 hash, if there is one.
	Get(hash string) (text string, found bool)
	// Put keeps a document for all replicas.
	Put(hash, text string)
}

// Messages on which clients act, so they are part of the protocol: after the first,
// they send the text with its hash; after the second, only texts.
const (
	persistedQueryNotFound     = "PersistedQueryNotFound"
	persistedQueryNotSupported = "PersistedQueryNotSupported"
)

// lookup finds the documents of requests.
type lookup struct {
	trusted atomic.Pointer[trusted]
	// automatic lets callers register documents.
	automatic  bool
	registered *persisted.Memory[upstream.APIKey]
	shared     func(upstream.APIKey) SharedDocuments // nil if replicas share none
	// accepts reports whether the upstream has accepted a key recently. A key that a
	// caller made up keeps nothing.
	accepts func(upstream.APIKey) bool
	// strangers bounds how often the replicas' documents are read for keys that the
	// upstream has not accepted, because callers can make up any number of keys.
	strangers *rate.Limiter
}

const (
	// strangersRate and strangersBurst are how many documents of unknown keys are read
	// per second, and at once.
	strangersRate  = 50
	strangersBurst = 100
)

// source is where a request's document comes from.
type source struct {
	text string
	// trusted is the ID of a trusted document; empty for others.
	trusted string
	// untrusted reports that there are trusted documents, and this is another one.
	untrusted bool
	// register is the text to keep with its hash, the request's ID; empty for none.
	register string
}

// find returns the document that a request names, or the errors of a request that
// names none.
func (l *lookup) find(key upstream.APIKey, r *Request) (source, gqlerror.List) {
	list := l.trusted.Load()
	if known := list.named(r.DocumentID); known != nil {
		if r.Query != "" && r.Query != known.text && keyOf(r.Query) != known.key {
			return source{}, Refusal(CodeBadUserInput, "The document with this ID has another text.")
		}
		return source{text: known.text, trusted: known.id}, nil
	}
	isHash := persisted.IsHash(r.DocumentID)
	switch {
	case isHash && r.Query != "" && persisted.Hash(r.Query) != r.DocumentID:
		return source{}, Refusal(CodeBadUserInput, "The ID of the document is not the SHA-256 hash of its text.")
	case list.is(TrustOnly) && r.DocumentID == "":
		return source{}, Refusal(CodePersistedQueryIDRequired, "The service executes only documents that it knows, by their IDs.")
	case list.is(TrustOnly):
		return source{}, notInList()
	case r.Query != "":
		return l.findText(list, r, isHash)
	case r.DocumentID == "":
		return source{}, Refusal(CodeBadUserInput, "The request has no query.")
	case list.is(TrustSafelist):
		return source{}, notInList()
	case !l.automatic:
		return source{}, Refusal(CodePersistedQueryNotSupported, persistedQueryNotSupported)
	}
	text, found := l.get(key, r.DocumentID)
	if !found {
		return source{}, Refusal(CodePersistedQueryNotFound, persistedQueryNotFound)
	}
	return list.sourceOf(text), nil
}

// findText returns the document of a request that has a text, and no ID of a trusted
// document.
func (l *lookup) findText(list *trusted, r *Request, isHash bool) (source, gqlerror.List) {
	found := list.sourceOf(r.Query)
	if found.untrusted && list.is(TrustSafelist) {
		return source{}, Refusal(CodeQueryNotInSafelist, "The service executes only documents that it knows.")
	}
	if l.automatic && isHash {
		found.register = r.Query
	}
	return found, nil
}

// sourceOf returns the document with a text: a trusted one if there is one with the
// same tokens.
func (t *trusted) sourceOf(text string) source {
	if known := t.written(text); known != nil {
		return source{text: known.text, trusted: known.id}
	}
	return source{text: text, untrusted: t != nil}
}

// notInList returns the errors of an ID that is missing from a closed list. Clients
// must not take it for PersistedQueryNotFound, and send the text.
func notInList() gqlerror.List {
	return Refusal(CodePersistedQueryNotInList, "The service does not know a document with this ID.")
}

// get returns a document that a caller of the key registered.
func (l *lookup) get(key upstream.APIKey, hash string) (text string, found bool) {
	if !persisted.IsHash(hash) {
		return "", false
	}
	if text, found = l.registered.Get(key, hash); found {
		return text, true
	}
	if !l.accepts(key) && !l.strangers.Allow() {
		return "", false
	}
	if shared := l.sharedOf(key); shared != nil {
		if text, found = shared.Get(hash); found {
			l.registered.Put(key, hash, text)
		}
	}
	return text, found
}

// put keeps a valid document for the callers of the key.
func (l *lookup) put(key upstream.APIKey, hash, text string) {
	if !l.accepts(key) {
		return
	}
	if _, found := l.registered.Get(key, hash); found {
		return // and so it has been shared
	}
	l.registered.Put(key, hash, text)
	if shared := l.sharedOf(key); shared != nil {
		shared.Put(hash, text)
	}
}

func (l *lookup) sharedOf(key upstream.APIKey) SharedDocuments {
	if l.shared == nil {
		return nil
	}
	return l.shared(key)
}
