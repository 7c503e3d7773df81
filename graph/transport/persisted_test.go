package transport_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"rollcall/graph"
	"rollcall/graph/internal/graphtest"
	"rollcall/upstream"
)

// hashOf returns the hash that clients send of a text.
func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// withHash returns the body that Apollo's and urql's clients send: without the text
// at first, and with it after PersistedQueryNotFound.
func withHash(hash, text string) string {
	body := map[string]any{"extensions": map[string]any{"persistedQuery": map[string]any{"version": 1, "sha256Hash": hash, "miss": true}}}
	if text != "" {
		body["query"] = text
	}
	encoded, _ := json.Marshal(body)
	return string(encoded)
}

// automatic turns automatic persisted queries on.
func automatic(c *graph.Config) { c.PersistedQueries = true }

// wantError checks a response's only error. A message may be left out.
func wantError(t *testing.T, body []byte, code, message string) {
	t.Helper()
	var r graphtest.Reply
	if err := json.Unmarshal(body, &r); err != nil || len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != code || message != "" && r.Errors[0].Message != message {
		t.Errorf("got %s, want %s %s", body, code, message)
	}
}

const (
	typename     = "{ __typename }"
	typenameData = `{"data":{"__typename":"Query"}}`
)

func TestPersistedQuery(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{Graph: automatic})
	hash := hashOf(typename)
	w := s.Post(withHash(hash, ""))
	wantError(t, w.Body.Bytes(), "PERSISTED_QUERY_NOT_FOUND", "PersistedQueryNotFound")
	if w.Code != http.StatusOK {
		t.Errorf("the status is %d: a gateway reads no other", w.Code)
	}
	if got := s.Post(withHash(hash, typename)).Body.String(); got != typenameData {
		t.Errorf("got %s", got)
	}
	for name, send := range map[string]func() string{
		"the extension":                func() string { return s.Post(withHash(hash, "")).Body.String() },
		"the extension, in upper case": func() string { return s.Post(withHash(strings.ToUpper(hash), "")).Body.String() },
		"the extension, in a URL": func() string {
			return send(s, "GET", inURL("extensions", `{"persistedQuery":{"version":1,"sha256Hash":"`+hash+`"}}`)).Body.String()
		},
		"documentId":                    func() string { return s.Post(`{"documentId":"sha256:` + hash + `"}`).Body.String() },
		"documentId without its prefix": func() string { return s.Post(`{"documentId":"` + hash + `"}`).Body.String() },
		"documentId, in a URL":          func() string { return send(s, "GET", inURL("documentId", "sha256:"+hash)).Body.String() },
		"Relay's doc_id":                func() string { return s.Post(`{"doc_id":"` + hash + `","variables":{}}`).Body.String() },
		"all of them": func() string {
			return s.Post(`{"doc_id":"` + hash + `","documentId":"sha256:` + hash + `",` + withHash(hash, typename)[1:]).Body.String()
		},
		"an ID that is null, and the text": func() string { return s.Post(`{"documentId":null,"query":"{ __typename }"}`).Body.String() },
	} {
		if got := send(); got != typenameData {
			t.Errorf("%s: %s", name, got)
		}
	}
	if !strings.Contains(s.Log.String(), "refused=unknown_document") {
		t.Errorf("logged %s", s.Log)
	}
}

func TestPersistedQueryRefusals(t *testing.T) {
	hash := hashOf(typename)
	for name, c := range map[string]struct {
		body   string
		off    bool
		status int
		code   string
		part   string // of the response
	}{
		"an unknown hash":                {withHash(hash, ""), false, 200, "PERSISTED_QUERY_NOT_FOUND", `"PersistedQueryNotFound"`},
		"an unknown hash, while off":     {withHash(hash, ""), true, 200, "PERSISTED_QUERY_NOT_SUPPORTED", `"PersistedQueryNotSupported"`},
		"another kind of ID":             {`{"documentId":"first"}`, false, 200, "PERSISTED_QUERY_NOT_FOUND", ""},
		"another text's hash":            {withHash(hash, "{ __typename  }"), false, 400, "BAD_USER_INPUT", "not the SHA-256 hash"},
		"another text's hash, while off": {withHash(hash, "{ __typename  }"), true, 400, "BAD_USER_INPUT", "not the SHA-256 hash"},
		"two different IDs":              {`{"documentId":"first","doc_id":"second"}`, false, 400, "BAD_USER_INPUT", "two different IDs"},
		"version 2":                      {`{"extensions":{"persistedQuery":{"version":2,"sha256Hash":"` + hash + `"}}}`, false, 400, "BAD_USER_INPUT", "is 1"},
		"no version":                     {`{"extensions":{"persistedQuery":{"sha256Hash":"` + hash + `"}}}`, false, 400, "BAD_USER_INPUT", "is 1"},
		"no hash":                        {`{"extensions":{"persistedQuery":{"version":1}}}`, false, 400, "BAD_USER_INPUT", "sha256Hash"},
		"a hash of another type":         {`{"extensions":{"persistedQuery":{"version":1,"sha256Hash":7}}}`, false, 400, "BAD_USER_INPUT", "sha256Hash"},
		"an extension of another type":   {`{"extensions":{"persistedQuery":"` + hash + `"}}`, false, 400, "BAD_USER_INPUT", "sha256Hash"},
		"an ID of another type":          {`{"documentId":7}`, false, 400, "BAD_USER_INPUT", "wrong types"},
		"nothing":                        {`{}`, false, 400, "BAD_USER_INPUT", "no query"},
	} {
		t.Run(name, func(t *testing.T) {
			s := graphtest.New(t, graphtest.Options{Graph: func(config *graph.Config) { config.PersistedQueries = !c.off }})
			w := s.Post(c.body)
			if wantError(t, w.Body.Bytes(), c.code, ""); w.Code != c.status || !strings.Contains(w.Body.String(), c.part) {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			if strings.Contains(w.Body.String(), hash) {
				t.Errorf("the answer repeats the request: %s", w.Body)
			}
		})
	}
}

// TestPersistedQueryIsVerified registers documents that must not be kept.
func TestPersistedQueryIsVerified(t *testing.T) {
	s := graphtest.New(t, graphtest.Options{Graph: automatic})
	for _, text := range []string{"{ canary }", "{", "{" + strings.Repeat(" __typename", 1001) + "}"} {
		for range 2 {
			s.Post(withHash(hashOf(text), text))
			wantError(t, s.Post(withHash(hashOf(text), "")).Body.Bytes(), "PERSISTED_QUERY_NOT_FOUND", "")
		}
	}
	// The document of another hash is not kept by either.
	other := "{ a: __typename }"
	s.Post(withHash(hashOf(other), typename))
	for _, text := range []string{other, typename} {
		wantError(t, s.Post(withHash(hashOf(text), "")).Body.Bytes(), "PERSISTED_QUERY_NOT_FOUND", "")
	}
	// The document of a request that fails for its variables or its cost is kept.
	costly := "query($n: Int!) { users(first: $n) { nodes { id } } }"
	s.Post(withHash(hashOf(costly), costly))
	if got := s.Post(withHash(hashOf(costly), "")).Body.Bytes(); strings.Contains(string(got), "PERSISTED") {
		t.Errorf("got %s", got)
	}
}

// TestPersistedQueryOfStrangers has callers with keys of their own: the upstream
// accepts one of them.
func TestPersistedQueryOfStrangers(t *testing.T) {
	replicas := newReplicas()
	s := graphtest.New(t, graphtest.Options{Passthrough: true, CallersKeys: true, Graph: func(c *graph.Config) {
		automatic(c)
		c.SharedDocuments = replicas.of
	}, Upstream: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("xi-api-key") != "right-key" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprint(w, `{"users":[],"has_more":false}`)
	})})
	text := "{ users { nodes { id } } }"
	hash := hashOf(text)
	if w := s.Post(withHash(hash, text)); w.Code != http.StatusUnauthorized {
		t.Errorf("without a key: %d %s", w.Code, w.Body)
	}
	for _, document := range []string{text, typename} { // which needs no call
		for range 2 {
			s.Post(withHash(hashOf(document), document), "xi-api-key", "wrong-key")
			wantError(t, s.Post(withHash(hashOf(document), ""), "xi-api-key", "wrong-key").Body.Bytes(), "PERSISTED_QUERY_NOT_FOUND", "")
		}
	}
	if n := replicas.len(); n != 0 {
		t.Errorf("a key that was not accepted keeps %d documents for all replicas", n)
	}
	s.Post(withHash(hash, text), "xi-api-key", "right-key")
	if got := s.Post(withHash(hash, ""), "xi-api-key", "right-key").Body.String(); got != `{"data":{"users":{"nodes":[]}}}` {
		t.Errorf("got %s", got)
	}
	wantError(t, s.Post(withHash(hash, ""), "xi-api-key", "another-key").Body.Bytes(), "PERSISTED_QUERY_NOT_FOUND", "")
	if n := replicas.len(); n != 1 {
		t.Errorf("%d documents are kept for all replicas", n)
	}
	t.Run("made-up keys hardly read what replicas share", func(t *testing.T) {
		before := replicas.reads()
		for i := range 500 {
			s.Post(withHash(hash, ""), "xi-api-key", fmt.Sprint("made-up-", i))
		}
		if n := replicas.reads() - before; n > 200 { // 100 at once, and 50 a second
			t.Errorf("%d reads for 500 keys", n)
		}
	})
	t.Run("a document is put once", func(t *testing.T) {
		before := replicas.puts()
		for range 5 {
			s.Post(withHash(hash, text), "xi-api-key", "right-key")
		}
		if n := replicas.puts() - before; n != 0 {
			t.Errorf("a known document was put %d times", n)
		}
	})
}

// replicas keeps documents as Redis does.
type replicas struct {
	mu       sync.Mutex
	keys     map[upstream.APIKey]*replicasOf
	got, put int
}

func (r *replicas) reads() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got
}

func (r *replicas) puts() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.put
}

type replicasOf struct {
	replicas  *replicas
	documents map[string]string
}

func newReplicas() *replicas { return &replicas{keys: make(map[upstream.APIKey]*replicasOf)} }

func (r *replicas) of(key upstream.APIKey) graph.SharedDocuments {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keys[key] == nil {
		r.keys[key] = &replicasOf{r, make(map[string]string)}
	}
	return r.keys[key]
}

func (r *replicas) len() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.keys {
		n += len(k.documents)
	}
	return n
}

func (k *replicasOf) Get(hash string) (text string, found bool) {
	k.replicas.mu.Lock()
	defer k.replicas.mu.Unlock()
	k.replicas.got++
	text, found = k.documents[hash]
	return text, found
}

func (k *replicasOf) Put(hash, text string) {
	k.replicas.mu.Lock()
	defer k.replicas.mu.Unlock()
	k.replicas.put++
	k.documents[hash] = text
}

func TestPersistedQueryOfReplicas(t *testing.T) {
	shared := newReplicas()
	options := graphtest.Options{Graph: func(c *graph.Config) {
		automatic(c)
		c.SharedDocuments = shared.of
	}}
	one, other := graphtest.New(t, options), graphtest.New(t, options)
	one.Post(withHash(hashOf(typename), typename))
	for range 2 {
		if got := other.Post(withHash(hashOf(typename), "")).Body.String(); got != typenameData {
			t.Errorf("got %s", got)
		}
	}
	withoutKey := graphtest.New(t, graphtest.Options{Graph: func(c *graph.Config) {
		automatic(c)
		c.SharedDocuments = func(upstream.APIKey) graph.SharedDocuments { return nil }
	}})
	withoutKey.Post(withHash(hashOf(typename), typename))
	if got := withoutKey.Post(withHash(hashOf(typename), "")).Body.String(); got != typenameData {
		t.Errorf("without a key: %s", got)
	}
}
