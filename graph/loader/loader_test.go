package loader_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/graph/connection"
	"rollcall/graph/loader"
	"rollcall/upstream"
)

// source is an upstream with a number of users, whose cursors are offsets.
type source struct {
	users int
	fail  func(upstream.PageQuery) error

	mu    sync.Mutex
	calls []upstream.PageQuery
	times []time.Time
}

func (s *source) ListUsers(ctx context.Context, q upstream.PageQuery) (upstream.Page, error) {
	s.mu.Lock()
	s.calls = append(s.calls, q)
	s.times = append(s.times, time.Now())
	s.mu.Unlock()
	select {
	case <-time.After(20 * time.Millisecond):
	case <-ctx.Done():
		return upstream.Page{}, context.Cause(ctx)
	}
	if s.fail != nil {
		if err := s.fail(q); err != nil {
			return upstream.Page{}, err
		}
	}
	if id := q.Filter.UserID; id != "" {
		if id == "stranger" {
			return upstream.Page{}, nil
		}
		return upstream.Page{Users: []upstream.User{{ID: id}}}, nil
	}
	from := 0
	if q.Cursor != "" {
		if _, err := fmt.Sscan(q.Cursor, &from); err != nil {
			panic(err)
		}
	}
	var page upstream.Page
	to := min(from+q.Size, s.users)
	for i := from; i < to; i++ {
		at := i
		if q.Ascending {
			at = s.users - 1 - i
		}
		page.Users = append(page.Users, upstream.User{ID: fmt.Sprintf("user_%d", at), LastContact: int64(-at)})
	}
	if to < s.users {
		page.Next = strconv.Itoa(to)
	}
	return page, nil
}

func (s *source) sizes() []int {
	sizes := make([]int, len(s.calls))
	for i, q := range s.calls {
		sizes[i] = q.Size
	}
	slices.Sort(sizes)
	return sizes
}

var sealer = connection.NewSealer("key")

func window(t testing.TB, q upstream.Query, first int, after string) *connection.Window {
	t.Helper()
	w, err := connection.NewWindow(q, connection.Args{First: &first, After: &after}, sealer)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func ids(s *connection.Slice) []string {
	out := make([]string, s.Len())
	for i := range out {
		out[i] = s.User(i).ID
	}
	return out
}

// newLoader returns a loader with a memory of its own.
func newLoader(t testing.TB, source loader.Source, maxCalls int) *loader.Loader {
	return loader.New(source, newMemory(t, 0), upstream.NewAPIKey("key"), maxCalls)
}

func newMemory(t testing.TB, countTTL time.Duration) *loader.Memory {
	m := loader.NewMemory(countTTL)
	t.Cleanup(m.Close)
	return m
}

// together loads windows as the fields of one operation do.
func together(ctx context.Context, l *loader.Loader, windows ...*connection.Window) ([]*connection.Slice, []error) {
	slices, errs := make([]*connection.Slice, len(windows)), make([]error, len(windows))
	var wg sync.WaitGroup
	for i, w := range windows {
		wg.Go(func() { slices[i], errs[i] = l.Load(ctx, w) })
	}
	wg.Wait()
	return slices, errs
}

func agent(id string) upstream.Query { return upstream.Query{Filter: upstream.Filter{AgentID: id}} }

func TestFewestCalls(t *testing.T) {
	probe := newLoader(t, &source{users: 1000}, 100)
	page, err := probe.Load(t.Context(), window(t, upstream.Query{}, 40, ""))
	if err != nil {
		t.Fatal(err)
	}
	middle, end := page.Cursor(9), page.Cursor(39)
	first := func(n int) *connection.Window { return window(t, upstream.Query{}, n, "") }
	var sizes, twelve []*connection.Window
	for n := 1; n <= 12; n++ {
		sizes, twelve = append(sizes, first(8*n)), append(twelve, first(30))
	}

	for name, c := range map[string]struct {
		windows []*connection.Window
		sizes   []int // of the calls
	}{
		"a lone window":                       {[]*connection.Window{first(30)}, []int{30}},
		"twelve equal windows":                {twelve, []int{30}},
		"twelve sizes of one page":            {sizes, []int{96}},
		"windows that begin on the same page": {[]*connection.Window{first(20), window(t, upstream.Query{}, 50, middle)}, []int{60}},
		"windows that begin on other pages":   {[]*connection.Window{first(20), window(t, upstream.Query{}, 50, end)}, []int{20, 50}},
		"a window of several pages":           {[]*connection.Window{first(250)}, []int{50, 100, 100}},
		"windows of several pages":            {[]*connection.Window{first(130), first(150), first(180), first(5)}, []int{80, 100}},
		"other filters":                       {[]*connection.Window{window(t, agent("a"), 3, ""), window(t, agent("b"), 3, ""), window(t, agent("a"), 3, "")}, []int{3, 3}},
		"other sorts":                         {[]*connection.Window{first(3), window(t, upstream.Query{Ascending: true}, 3, "")}, []int{3, 3}},
		"an empty window":                     {[]*connection.Window{first(0)}, []int{1}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &source{users: 1000}
				l := newLoader(t, s, 100)
				l.Expect(c.windows...)
				began := time.Now()
				got, errs := together(t.Context(), l, c.windows...)
				if err := errors.Join(errs...); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(s.sizes(), c.sizes) {
					t.Errorf("calls of the sizes %v, want %v", s.sizes(), c.sizes)
				}
				for i, w := range c.windows {
					if got[i].Len() != w.Size {
						t.Errorf("window %d has %d users, want %d", i, got[i].Len(), w.Size)
					}
				}
				if waited := s.times[0].Sub(began); waited != 0 {
					t.Errorf("the first call waited for %v", waited)
				}
			})
		})
	}
}

func TestUnexpectedWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{users: 1000}
		l := newLoader(t, s, 100)
		for _, first := range []int{10, 5, 10, 30} {
			got, err := l.Load(t.Context(), window(t, upstream.Query{}, first, ""))
			if err != nil || got.Len() != first {
				t.Fatalf("%d users, err %v", got.Len(), err)
			}
		}
		// The first ten users, and then the twenty that follow them.
		if want := []int{10, 20}; !slices.Equal(s.sizes(), want) {
			t.Errorf("calls of the sizes %v, want %v", s.sizes(), want)
		}
	})
}

func TestListsAreReadConcurrently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{users: 1000}
		var windows []*connection.Window
		for i := range 12 {
			windows = append(windows, window(t, agent(strconv.Itoa(i)), 3, ""))
		}
		began := time.Now()
		if _, errs := together(t.Context(), newLoader(t, s, 100), windows...); errors.Join(errs...) != nil {
			t.Fatal(errs)
		}
		if took := time.Since(began); len(s.calls) != 12 || took != 20*time.Millisecond {
			t.Errorf("%d calls took %v, want 12 in the time of one", len(s.calls), took)
		}
	})
}

func TestSmallWindowsDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLoader(t, &source{users: 1000}, 100)
		small, large := window(t, upstream.Query{}, 5, ""), window(t, upstream.Query{}, 500, "")
		l.Expect(small, large)
		began := time.Now()
		var wg sync.WaitGroup
		var after [2]time.Duration
		for i, w := range []*connection.Window{large, small} {
			wg.Go(func() {
				if _, err := l.Load(t.Context(), w); err != nil {
					t.Error(err)
				}
				after[i] = time.Since(began)
			})
		}
		wg.Wait()
		if after[0] != 100*time.Millisecond || after[1] > 40*time.Millisecond {
			t.Errorf("the large window took %v, the small one %v", after[0], after[1])
		}
	})
}

func TestLookUps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{users: 1000}
		l := newLoader(t, s, 100)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if u, err := l.LookUp(t.Context(), "alice"); err != nil || u.ID != "alice" {
					t.Errorf("got %v, %v", u, err)
				}
			})
			wg.Go(func() {
				if _, err := l.LookUp(t.Context(), "stranger"); !errors.Is(err, loader.ErrNoUser) {
					t.Errorf("err is %v", err)
				}
			})
		}
		wg.Wait()
		if want := []int{1, 1}; !slices.Equal(s.sizes(), want) {
			t.Errorf("calls of the sizes %v, want %v", s.sizes(), want)
		}
	})
}

type wrongSource struct{}

func (wrongSource) ListUsers(context.Context, upstream.PageQuery) (upstream.Page, error) {
	return upstream.Page{Users: []upstream.User{{ID: "Alice"}}}, nil
}

func TestLookUpChecksTheID(t *testing.T) {
	if u, err := newLoader(t, wrongSource{}, 1).LookUp(t.Context(), "alice"); !errors.Is(err, loader.ErrNoUser) {
		t.Errorf("got %v, %v", u, err)
	}
}

func TestFailedCallsAreNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("down")
		s := &source{users: 1000, fail: func(q upstream.PageQuery) error {
			if q.Cursor == "100" || q.Filter.AgentID == "b" {
				return down
			}
			return nil
		}}
		l := newLoader(t, s, 100)
		windows := []*connection.Window{
			window(t, upstream.Query{}, 500, ""), window(t, upstream.Query{}, 300, ""), window(t, upstream.Query{}, 7, ""),
			window(t, agent("a"), 7, ""), window(t, agent("b"), 7, ""), window(t, agent("b"), 7, ""),
		}
		l.Expect(windows...)
		_, errs := together(t.Context(), l, windows...)
		for i, want := range []error{down, down, nil, nil, down, down} {
			if !errors.Is(errs[i], want) {
				t.Errorf("window %d: err is %v, want %v", i, errs[i], want)
			}
		}
		if len(s.calls) != 4 {
			t.Errorf("%d calls, want 4", len(s.calls))
		}
	})
}

// chain is an upstream whose cursors lead to each other, with a number of users
// on each page.
type chain struct {
	next  map[string]string // "*" leads from any other cursor to a new one
	users int
	calls int
}

func (c *chain) ListUsers(_ context.Context, q upstream.PageQuery) (upstream.Page, error) {
	c.calls++
	page := upstream.Page{Next: c.next[q.Cursor]}
	if _, endless := c.next["*"]; endless && page.Next == "" {
		page.Next = strconv.Itoa(c.calls)
	}
	for i := range c.users {
		page.Users = append(page.Users, upstream.User{ID: fmt.Sprint(c.calls, "/", i)})
	}
	return page, nil
}

func TestCursorCycles(t *testing.T) {
	for name, c := range map[string]struct {
		source  *chain
		calls   int
		refused bool
	}{
		"back and forth":           {&chain{next: map[string]string{"": "a", "a": "b", "b": "a"}, users: 1}, 3, true},
		"five empty pages, an end": {&chain{next: map[string]string{"": "a", "a": "b", "b": "c", "c": "d", "d": "e"}}, 6, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newLoader(t, c.source, 100).Load(t.Context(), window(t, upstream.Query{}, 50, ""))
			e, bad := errors.AsType[*upstream.Error](err)
			if bad != c.refused || bad && e.Kind != upstream.BadResponse || !bad && err != nil || c.source.calls != c.calls {
				t.Errorf("%v after %d calls", err, c.source.calls)
			}
		})
	}
}

// TestCursorOfItself has a page that leads to the cursor at which it began.
func TestCursorOfItself(t *testing.T) {
	source := &chain{next: map[string]string{"": "a", "a": "a"}, users: 1}
	page, err := newLoader(t, source, 1).Load(t.Context(), window(t, upstream.Query{}, 1, ""))
	if err != nil {
		t.Fatal(err)
	}
	_, err = newLoader(t, source, 100).Load(t.Context(), window(t, upstream.Query{}, 50, page.Cursor(0)))
	if e, bad := errors.AsType[*upstream.Error](err); !bad || e.Kind != upstream.BadResponse || source.calls != 2 {
		t.Errorf("%v after %d calls", err, source.calls-1)
	}
}

func TestEmptyPagesUseCalls(t *testing.T) {
	source := &chain{next: map[string]string{"*": ""}}
	_, err := newLoader(t, source, 50).Load(t.Context(), window(t, upstream.Query{}, 50, ""))
	if !errors.Is(err, loader.ErrTooManyCalls) || source.calls != 50 {
		t.Errorf("%v after %d calls", err, source.calls)
	}
}

func TestCallLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{users: 1000}
		l := newLoader(t, s, 3)
		if _, err := l.Load(t.Context(), window(t, upstream.Query{}, 400, "")); !errors.Is(err, loader.ErrTooManyCalls) {
			t.Errorf("err is %v", err)
		}
		if len(s.calls) != 3 {
			t.Errorf("%d calls, want 3", len(s.calls))
		}
	})
}

func TestCancelledLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		defer cancel()
		_, errs := together(ctx, newLoader(t, &source{users: 1000}, 100), window(t, upstream.Query{}, 5, ""), window(t, upstream.Query{}, 500, ""))
		for _, err := range errs {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("err is %v", err)
			}
		}
	})
}

// TestCancelledLoadOfSharedWalk cancels one of two windows that need the same page.
func TestCancelledLoadOfSharedWalk(t *testing.T) {
	for name, c := range map[string]struct {
		cancelledFirst bool          // whether the cancelled window begins the call
		took           time.Duration // until the other window has its page
	}{
		"the one that waits":        {false, 20 * time.Millisecond},
		"the one that it waits for": {true, 25 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLoader(t, &source{users: 1000}, 100)
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
				defer cancel()
				var wg sync.WaitGroup
				cancelled := func() {
					if _, err := l.Load(ctx, window(t, upstream.Query{}, 5, "")); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 5*time.Millisecond {
						t.Errorf("the cancelled window has %v after %v", err, time.Since(began))
					}
				}
				if c.cancelledFirst {
					wg.Go(cancelled)
					synctest.Wait()
				}
				wg.Go(func() {
					if _, err := l.Load(t.Context(), window(t, upstream.Query{}, 5, "")); err != nil || time.Since(began) != c.took {
						t.Errorf("the other window has %v after %v", err, time.Since(began))
					}
				})
				synctest.Wait()
				if !c.cancelledFirst {
					wg.Go(cancelled)
				}
				wg.Wait()
			})
		})
	}
}

func TestMixedWindows(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		synctest.Test(t, func(t *testing.T) {
			s := &source{users: r.IntN(600)}
			var windows []*connection.Window
			after := ""
			for range 1 + r.IntN(8) {
				w := window(t, upstream.Query{}, r.IntN(300), after)
				windows = append(windows, w)
				if got, _ := newLoader(t, s, 100).Load(t.Context(), w); got.Len() > 0 && r.IntN(2) == 0 {
					after = got.Cursor(r.IntN(got.Len()))
				}
			}
			l := newLoader(t, s, 100)
			if r.IntN(2) == 0 {
				l.Expect(windows...)
			}
			begun := len(s.calls)
			got, errs := together(t.Context(), l, windows...)
			done := len(s.calls)
			for i, w := range windows {
				alone, err := newLoader(t, s, 100).Load(t.Context(), w)
				if err != nil || errs[i] != nil {
					t.Fatal(err, errs[i])
				}
				if !slices.Equal(ids(got[i]), ids(alone)) || got[i].HasNextPage != alone.HasNextPage {
					t.Fatalf("window %d: %v together, %v alone", i, ids(got[i]), ids(alone))
				}
			}
			if made, alone := done-begun, len(s.calls)-done; l.Saved() != alone-made {
				t.Fatalf("%d calls together, %d alone, %d reported as saved", made, alone, l.Saved())
			}
		})
	}
}

// longCursors is an endless list of one user a page, with long cursors. Each cursor
// is a part of a longer text, as the strings of a decoded page are.
type longCursors struct{ calls int }

func (c *longCursors) ListUsers(context.Context, upstream.PageQuery) (upstream.Page, error) {
	c.calls++
	id := strconv.Itoa(c.calls)
	text := id + strings.Repeat("x", 64<<10)
	return upstream.Page{Users: []upstream.User{{ID: id}}, Next: text[:4<<10]}, nil
}

// TestMemoryOfLinks compares what the links of 10,000 pages take with their bound.
func TestMemoryOfLinks(t *testing.T) {
	memory := newMemory(t, 0)
	before := heap()
	for i := range 20 {
		if _, err := loader.New(&longCursors{}, memory, upstream.NewAPIKey(fmt.Sprint("key-", i)), 1000).Load(t.Context(), window(t, upstream.Query{}, 500, "")); err != nil {
			t.Fatal(err)
		}
	}
	if taken := heap() - before; taken > 32<<20 {
		t.Errorf("the links take %d MiB", taken>>20)
	}
	runtime.KeepAlive(memory)
}

// heap returns the bytes of what is in use.
func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
