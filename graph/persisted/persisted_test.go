package persisted_test

import (
	"strconv"
	"strings"
	"testing"

	"rollcall/graph/persisted"
)

func TestCanonical(t *testing.T) {
	const hash = "8d7fd9ad65a4a8d2a4a4a9a4e0a1c9a0d7fd9ad65a4a8d2a4a4a9a4e0a1c9a0f"
	for id, want := range map[string]string{
		hash: hash, "sha256:" + hash: hash, strings.ToUpper(hash): hash, "sha256:" + strings.ToUpper(hash): hash,
		"": "", "sha256:": "sha256:", "sha256:" + hash[1:]: "sha256:" + hash[1:], "SHA256:" + hash: "SHA256:" + hash, "md5:" + hash: "md5:" + hash,
		"app~1~" + hash: "app~1~" + hash, "Users": "Users", hash[:63] + "g": hash[:63] + "g", "sha256:sha256:" + hash: "sha256:sha256:" + hash,
	} {
		if got := persisted.Canonical(id); got != want || persisted.IsHash(got) != (want == hash) {
			t.Errorf("%q became %q", id, got)
		}
	}
	if got := persisted.Hash("abc"); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" { // FIPS 180-2, B.1
		t.Errorf("got %s", got)
	}
}

func TestMemory(t *testing.T) {
	m := persisted.NewMemory[string]()
	m.Put("alice", "hash", "text")
	if text, found := m.Get("alice", "hash"); !found || text != "text" {
		t.Errorf("got %q, %v", text, found)
	}
	if _, found := m.Get("bob", "hash"); found {
		t.Error("another owner has it")
	}
	t.Run("is bounded by bytes", func(t *testing.T) {
		const documents, size = 1000, 100 << 10 // 100 MB
		for i := range documents {
			m.Put("alice", strconv.Itoa(i), strings.Repeat("x", size))
		}
		kept := 0
		for i := range documents {
			if text, found := m.Get("alice", strconv.Itoa(i)); found {
				kept += len(text)
			}
		}
		if kept == 0 || kept > 8<<20 {
			t.Errorf("it keeps %d bytes", kept)
		}
	})
	t.Run("is bounded by entries", func(t *testing.T) {
		const documents = 40_000 // of one byte
		for i := range documents {
			m.Put("bob", strconv.Itoa(i), "x")
		}
		kept := 0
		for i := range documents {
			if _, found := m.Get("bob", strconv.Itoa(i)); found {
				kept++
			}
		}
		if kept == 0 || kept > 8<<20/512 {
			t.Errorf("it keeps %d documents", kept)
		}
	})
}
