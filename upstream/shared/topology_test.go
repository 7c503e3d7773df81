package shared_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"rollcall/upstream/shared"
	"rollcall/upstream/shared/redistest"
)

func soak(t *testing.T) {
	t.Helper()
	if os.Getenv("SOAK") == "" { //nolint:forbidigo // a test's own setting
		t.Skip("takes long: make soak")
	}
}

// TestSoakCluster shares through three nodes. A script whose names had different
// hash tags would be refused.
func TestSoakCluster(t *testing.T) {
	soak(t)
	const limit, keys = 3, 30
	nodes := redistest.StartCluster(t, 3)
	stores := openAll(t, nodes[0].URL(), 3)
	fakes := make([]*fake, keys)
	for i := range fakes {
		fakes[i] = &fake{takes: 20 * time.Millisecond}
		for _, store := range stores {
			startReplicaOf(t, store, fmt.Sprint("key ", i), fakes[i], limit, 3)
		}
	}
	pause(time.Second)
	for i, f := range fakes {
		if highest, served := f.reset(); highest > limit || served < 20 {
			t.Errorf("key %d: %d calls in flight and %d served, want at most %d and about 150", i, highest, served, limit)
		}
	}
	quota := stores[0].Quota(1)
	for i := range keys {
		one, other := pagesOfKey(t, stores[0], i), pagesOfKey(t, stores[1], i)
		read(t, one, "first").put("first page", 10, "second")
		read(t, other, "second").put("second page", 10, "")
		have(t, other, "first", 10, "first page")
		have(t, one, "second", 10, "second page")
		quota.Spend(shared.Caller{APIKey: fmt.Sprint("key ", i)})
	}
	for _, store := range stores {
		if stats := store.Stats(); stats.Failures != stats.Switches {
			t.Errorf("%d commands failed", stats.Failures)
		}
	}
	for i, node := range nodes {
		if names := redisNames(node); len(names) < keys {
			t.Errorf("node %d has the names %v", i, names)
		}
	}

	t.Run("a node dies and comes back", func(t *testing.T) {
		nodes[1].Kill()
		awaitMode(t, shared.Away, 5*time.Second, stores...)
		pause(200 * time.Millisecond)
		for _, f := range fakes {
			f.reset()
		}
		pause(500 * time.Millisecond)
		for i, f := range fakes {
			if highest, served := f.reset(); highest > limit || served < 10 {
				t.Errorf("key %d: %d calls in flight and %d served", i, highest, served)
			}
		}
		nodes[1].Restart()
		awaitMode(t, shared.Shared, 30*time.Second, stores...)
	})
}

// TestSoakSentinel has a replica of Redis promoted.
func TestSoakSentinel(t *testing.T) {
	soak(t)
	const limit = 6
	main := redistest.Start(t)
	host, port, _ := strings.Cut(main.Addr(), ":")
	redistest.Start(t, "--replicaof", host, port)
	stores := openAll(t, redistest.StartSentinel(t, main), 3)
	f := &fake{takes: 20 * time.Millisecond}
	for _, store := range stores {
		startReplica(t, store, f, limit, 6)
	}
	pause(500 * time.Millisecond)
	if highest, _ := f.reset(); highest > limit {
		t.Errorf("%d calls in flight, want at most %d", highest, limit)
	}
	main.Kill()
	killed := time.Now()
	awaitMode(t, shared.Away, time.Second, stores...)
	awaitMode(t, shared.Shared, 30*time.Second, stores...)
	t.Logf("the limit is shared %v after Redis died", time.Since(killed))
	pause(500 * time.Millisecond)
	f.reset()
	pause(500 * time.Millisecond)
	if highest, served := f.reset(); highest > limit || served < 50 {
		t.Errorf("%d calls in flight and %d served, want at most %d and about 150", highest, served, limit)
	}
}

func pagesOfKey(t *testing.T, store *shared.Store, i int) *shared.Pages {
	t.Helper()
	pages, err := store.Pages(fmt.Sprint("key ", i), pageTTL)
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

func redisNames(node *redistest.Server) []string { return strings.Fields(node.Command("keys", "*")) }
