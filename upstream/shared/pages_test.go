package shared_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"rollcall/upstream/shared"
	"rollcall/upstream/shared/redistest"
)

const pageTTL = time.Minute

func pagesOf(t *testing.T, store *shared.Store, ttl time.Duration) *shared.Pages {
	t.Helper()
	pages, err := store.Pages(key, ttl)
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

// lastPage is the size of a page without a next one.
const lastPage = 1 << 20

// end is the function that ends a reading.
type end func(value []byte, size int, next string)

func (e end) put(value string, size int, next string) { e([]byte(value), size, next) }

// read returns a reading of a page that must not exist yet.
func read(t *testing.T, pages *shared.Pages, place string) end {
	t.Helper()
	value, version, e, err := pages.Get(t.Context(), place, 1, "")
	if err != nil || e == nil {
		t.Fatalf("%s: %q, version %q, err %v", place, value, version, err)
	}
	return e
}

// have fails the test unless a place has a value; an empty value means none.
func have(t *testing.T, pages *shared.Pages, place string, size int, want string) (version string) {
	t.Helper()
	got, version, e, err := pages.Get(t.Context(), place, size, "")
	if err != nil {
		t.Fatal(err)
	}
	if e != nil {
		e(nil, 0, "")
	}
	if string(got) != want {
		t.Errorf("%s of size %d is %q, want %q", place, size, got, want)
	}
	return version
}

func TestPagesOfReplicas(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	stores := openAll(t, redis.URL(), 2)
	one, other := pagesOf(t, stores[0], pageTTL), pagesOf(t, stores[1], pageTTL)

	t.Run("a page that one replica has read serves all, near as well", func(t *testing.T) {
		read(t, one, "a").put("canary page", 10, "")
		for range 3 {
			have(t, other, "a", 10, "canary page")
		}
		version := have(t, one, "a", 5, "canary page")
		if value, same, e, err := other.Get(t.Context(), "a", 10, version); value != nil || same != version || e != nil || err != nil {
			t.Errorf("a page that is known: %q, version %q, err %v", value, same, err)
		}
		before := stores[1].Stats().Failures
		commands := redis.Command("info", "commandstats")
		have(t, other, "a", 10, "canary page")
		if after := redis.Command("info", "commandstats"); strings.Count(after, "calls=") == 0 || calls(commands, "hmget") != calls(after, "hmget") {
			t.Error("a page that is near is read from Redis again")
		}
		if stores[1].Stats().Failures != before {
			t.Error("a command failed")
		}
	})
	t.Run("a smaller page does not serve, unless it is the last one", func(t *testing.T) {
		have(t, other, "a", 20, "")
		read(t, one, "last").put("last", lastPage, "")
		have(t, other, "last", 100, "last")
	})
	t.Run("two replicas that miss a page make one call", func(t *testing.T) {
		var calls atomic.Int32
		var wg sync.WaitGroup
		for i := range 20 {
			pages := []*shared.Pages{one, other}[i%2]
			wg.Go(func() {
				value, _, e, err := pages.Get(t.Context(), "b", 10, "")
				switch {
				case err != nil:
					t.Error(err)
				case e != nil:
					calls.Add(1)
					pause(40 * time.Millisecond)
					e([]byte("b"), 10, "")
				case string(value) != "b":
					t.Errorf("%q", value)
				}
			})
		}
		wg.Wait()
		if calls.Load() != 1 {
			t.Errorf("%d calls, want 1", calls.Load())
		}
	})
	t.Run("a reading that ends without a page lets another replica read", func(t *testing.T) {
		reading := read(t, one, "c")
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _, e, err := other.Get(t.Context(), "c", 1, "")
			if e == nil || err != nil {
				t.Errorf("err %v", err)
				return
			}
			e([]byte("c"), 10, "")
		}()
		pause(30 * time.Millisecond)
		reading(nil, 0, "")
		<-done
		have(t, one, "c", 1, "c")
	})
	t.Run("a page ends what was read before it from its next cursor on", func(t *testing.T) {
		read(t, one, "2").put("second, old", 10, "3")
		have(t, other, "2", 10, "second, old")
		pause(5 * time.Millisecond)
		read(t, other, "1").put("first", 10, "2")
		eventually(t, 100*time.Millisecond, "the page has left the near cache", func() bool {
			_, _, e, _ := one.Get(t.Context(), "2", 10, "")
			if e != nil {
				e(nil, 0, "")
			}
			return e != nil
		})
		have(t, other, "2", 10, "")
	})
	t.Run("a page whose reading began before its predecessor's is not stored", func(t *testing.T) {
		late := read(t, one, "y")
		pause(5 * time.Millisecond)
		read(t, other, "x").put("x", 10, "y")
		late.put("too late", 10, "z")
		have(t, other, "y", 10, "")
	})
	t.Run("a page is not replaced by an earlier reading", func(t *testing.T) {
		early := read(t, one, "w")
		redis.Command("del", theKey(t, redis, ":lock")) // as if two seconds had passed
		pause(5 * time.Millisecond)
		read(t, other, "w").put("new", 10, "")
		early.put("old", 10, "")
		have(t, one, "w", 10, "new")
	})
	t.Run("another key shares nothing", func(t *testing.T) {
		pages, err := stores[0].Pages("another", pageTTL)
		if err != nil {
			t.Fatal(err)
		}
		have(t, pages, "a", 10, "")
	})
	t.Run("without a key there are no pages and no documents", func(t *testing.T) {
		if _, err := stores[0].Pages("", pageTTL); !errors.Is(err, shared.ErrNoKey) {
			t.Errorf("err is %v", err)
		}
		if _, err := stores[0].Documents(""); !errors.Is(err, shared.ErrNoKey) {
			t.Errorf("err is %v", err)
		}
	})
	t.Run("Redis shows neither keys nor pages, and all expires", func(t *testing.T) {
		for name := range strings.FieldsSeq(redis.Command("keys", "*")) {
			if strings.Contains(name, key) {
				t.Errorf("a name is %s", name)
			}
			if redis.Command("type", name) == "hash" && strings.Contains(redis.Command("hgetall", name), "canary") {
				t.Errorf("%s has a readable value", name)
			}
			if ttl := redis.Command("pttl", name); ttl == "-1" {
				t.Errorf("%s does not expire", name)
			}
		}
	})
}

func TestPagesExpire(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	store := openAll(t, redis.URL(), 1)[0]
	pages := pagesOf(t, store, 1500*time.Millisecond)
	reading := read(t, pages, "a")
	pause(500 * time.Millisecond)
	reading.put("a", 10, "")
	have(t, pages, "a", 1, "a")
	name := theKey(t, redis, "hash")
	redis.Command("copy", name, "backup")
	redis.Command("persist", "backup")
	pause(1010 * time.Millisecond) // from the beginning of the reading, 1,510 ms
	have(t, pages, "a", 1, "")
	redis.Command("copy", "backup", name, "replace")
	if value, _, e, err := pages.Get(t.Context(), "a", 1, ""); value != nil || e != nil || err != nil {
		t.Errorf("a value opens that has expired: %q, %v", value, err)
	}
}

func TestSealedPages(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	stores := openAll(t, redis.URL(), 2)
	pages := pagesOf(t, stores[0], pageTTL)
	read(t, pages, "a").put("a", 10, "")
	name := theKey(t, redis, "hash")
	fail := func(t *testing.T) {
		t.Helper()
		value, version, e, err := pagesOf(t, stores[1], pageTTL).Get(t.Context(), "a", 1, "")
		if value != nil || version != "" || e != nil || err != nil {
			t.Errorf("a value that the service did not put there: %q, version %q, err %v", value, version, err)
		}
	}
	t.Run("a page of another place", func(t *testing.T) {
		read(t, pages, "b").put("b", 10, "")
		var other string
		for n := range strings.FieldsSeq(redis.Command("keys", "*:*")) {
			if n != name && redis.Command("hexists", n, "value") == "1" {
				other = n
			}
		}
		redis.Command("eval", "redis.call('hset', KEYS[1], 'value', redis.call('hget', KEYS[2], 'value')) return 1", "2", name, other)
		fail(t)
	})
	for _, value := range []string{"", "short", strings.Repeat("x", 100)} {
		t.Run(fmt.Sprintf("%d bytes of rubbish", len(value)), func(t *testing.T) {
			redis.Command("hset", name, "value", value)
			fail(t)
		})
	}
}

func TestPagesWithoutRedis(t *testing.T) {
	t.Parallel()
	redis := redistest.Start(t)
	store := openAll(t, redis.URL(), 1)[0]
	pages := pagesOf(t, store, pageTTL)
	read(t, pages, "a").put("a", 10, "")
	have(t, pages, "a", 1, "a")
	redis.Hang()
	defer redis.Resume()
	awaitMode(t, shared.Away, time.Second, store)
	began := time.Now()
	value, version, e, err := pages.Get(t.Context(), "a", 1, "")
	if value != nil || version != "" || e != nil || err != nil {
		t.Errorf("without Redis: %q, version %q, err %v", value, version, err)
	}
	if took := time.Since(began); took > slack {
		t.Errorf("took %v", took)
	}
}

// theKey returns the name of the only key in Redis whose name, or type, ends in
// suffix.
func theKey(t *testing.T, redis *redistest.Server, end string) string {
	t.Helper()
	for name := range strings.FieldsSeq(redis.Command("keys", "*")) {
		if strings.HasSuffix(name, end) || redis.Command("type", name) == end && redis.Command("hexists", name, "value") == "1" {
			return name
		}
	}
	t.Fatalf("no key %s", end)
	return ""
}

// calls returns how often Redis has run a command.
func calls(stats, command string) string {
	_, after, _ := strings.Cut(stats, "cmdstat_"+command+":calls=")
	number, _, _ := strings.Cut(after, ",")
	return number
}
