package shared_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"rollcall/upstream/shared"
	"rollcall/upstream/shared/redistest"
)

func TestQuotaOfReplicas(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	stores := openAll(t, redis.URL(), 2)
	one, other := stores[0].Quota(1), stores[1].Quota(1) // ten at once
	alice, bob := shared.Caller{APIKey: key, Subject: "alice"}, shared.Caller{APIKey: key, Subject: "bob"}
	for i := range 10 {
		quota := []*shared.Quota{one, other}[i%2]
		if wait := quota.Wait(alice); wait != 0 {
			t.Fatalf("alice waits for %v after %d tokens", wait, i)
		}
		quota.Spend(alice)
		pause(20 * time.Millisecond) // the replies arrive
	}
	// The replica that did not spend the last token learns of it with its next
	// token.
	one.Spend(alice)
	eventually(t, time.Second, "both know what both have spent", func() bool {
		return one.Wait(alice) > 1500*time.Millisecond && other.Wait(alice) > 500*time.Millisecond
	})
	if wait := one.Wait(alice); wait > 2*time.Second {
		t.Errorf("alice waits for %v", wait)
	}
	if wait := other.Wait(bob); wait != 0 {
		t.Errorf("bob waits for %v", wait)
	}

	t.Run("Redis is away", func(t *testing.T) {
		redis.Kill()
		awaitMode(t, shared.Away, time.Second, stores...)
		for range 12 {
			one.Spend(bob)
		}
		if wait := one.Wait(bob); wait < 2*time.Second || wait > 3*time.Second {
			t.Errorf("bob waits for %v, want 3s", wait)
		}
		redis.Restart()
		awaitMode(t, shared.Shared, 4*time.Second, stores...)
		one.Spend(bob) // with the tokens that were spent in the meantime
		eventually(t, time.Second, "bob's debt is in Redis", func() bool { return redis.Command("dbsize") != "1" })
		other.Spend(bob)
		eventually(t, time.Second, "the other replica knows of it", func() bool { return other.Wait(bob) > time.Second })
	})
}

func TestDocumentsOfReplicas(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	stores := openAll(t, redis.URL(), 2)
	one, err := stores[0].Documents(key)
	if err != nil {
		t.Fatal(err)
	}
	other, err := stores[1].Documents(key)
	if err != nil {
		t.Fatal(err)
	}
	const text = "{ users { totalCount } }"
	hash := hashOf(text)
	if _, found := other.Get(hash); found {
		t.Error("a document that was not put is found")
	}
	one.Put(hash, text)
	eventually(t, time.Second, "the other replica has the document", func() bool {
		got, found := other.Get(hash)
		return found && got == text
	})
	one.Put(hashOf("another"), text)
	if _, found := one.Get(hashOf("another")); found {
		t.Error("a document with another hash is found")
	}
	for _, k := range []string{"another key", "xi-key2"} {
		d, err := stores[0].Documents(k)
		if err != nil {
			t.Fatal(err)
		}
		if _, found := d.Get(hash); found {
			t.Error("a document of another key is found")
		}
	}
	redis.Kill()
	awaitMode(t, shared.Away, time.Second, stores...)
	if _, found := one.Get(hash); found {
		t.Error("a document is found without Redis")
	}
	one.Put(hash, text)
}

// TestDocumentsAreBounded has one caller register documents without end: it must not
// fill Redis, and it must not end what replicas share.
func TestDocumentsAreBounded(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	store := openAll(t, redis.URL(), 1)[0]
	documents, err := store.Documents(key)
	if err != nil {
		t.Fatal(err)
	}
	long := "{ users { totalCount } } #" + strings.Repeat("x", 16<<10)
	documents.Put(hashOf(long), long)
	if _, found := documents.Get(hashOf(long)); found {
		t.Error("a document of more than 16 KiB is stored")
	}
	redis.Command("acl", "setuser", "default", "-set") // Redis refuses, and answers
	documents.Put(hashOf("{a}"), "{a}")
	redis.Command("acl", "setuser", "default", "+set")
	if mode := store.Stats().Mode; mode != shared.Shared {
		t.Errorf("after a refusal, the store is %v", mode)
	}
	for i := range 1100 {
		text := fmt.Sprintf("{ a%d: __typename }", i)
		documents.Put(hashOf(text), text)
	}
	if n := len(strings.Fields(redis.Command("keys", "*"))); n < 900 || n > 1020 {
		t.Errorf("there are %d names in Redis", n)
	}
}

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
