package loader_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rollcall/graph/connection"
	"rollcall/graph/loader"
	"rollcall/upstream"
)

// process makes operations of one API key, one after the other.
type process struct {
	*source
	memory *loader.Memory
}

// load loads one window in an operation of its own, and returns the number of its
// calls.
func (p process) load(t *testing.T, args connection.Args) (*connection.Slice, int) {
	t.Helper()
	w, err := connection.NewWindow(upstream.Query{}, args, sealer)
	if err != nil {
		t.Fatal(err)
	}
	before := len(p.calls)
	slice, err := loader.New(p.source, p.memory, upstream.NewAPIKey("key"), 120).Load(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	return slice, len(p.calls) - before
}

// forwards walks a number of pages of n users, and returns the last one.
func (p process) forwards(t *testing.T, n, pages int) (s *connection.Slice) {
	args := connection.Args{First: &n}
	for range pages {
		var calls int
		if s, calls = p.load(t, args); calls != 1 {
			t.Fatalf("a page took %d calls", calls)
		}
		end := s.Cursor(s.Len() - 1)
		args.After = &end
	}
	return s
}

func firstCursor(s *connection.Slice) *string { c := s.Cursor(0); return &c }

// inFakeTime runs a subtest in a bubble of its own.
func inFakeTime(t *testing.T, name string, test func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

func TestCallsOfBackwardPages(t *testing.T) {
	start := func(t *testing.T) process { return process{&source{users: 2500}, newMemory(t, 0)} }
	// back pages back from a slice to the start of the list, or for a number of
	// pages.
	back := func(t *testing.T, p process, s *connection.Slice, n, pages int) (calls []int) {
		for ; s.HasPreviousPage && pages > 0; pages-- {
			var made int
			s, made = p.load(t, connection.Args{Last: &n, Before: firstCursor(s)})
			calls = append(calls, made)
		}
		return calls
	}
	most := func(calls []int) int { return slices.Max(calls) }

	inFakeTime(t, "from the end", func(t *testing.T) {
		p, n := start(t), 30
		s, calls := p.load(t, connection.Args{Last: &n})
		if s.User(29).ID != "user_2499" || calls != 1 {
			t.Errorf("the last is %s after %d calls", s.User(29).ID, calls)
		}
		if calls := back(t, p, s, n, 100); most(calls) != 1 || len(calls) != 83 {
			t.Errorf("%d pages took %v calls", len(calls), calls)
		}
	})
	inFakeTime(t, "from the end, and forwards again", func(t *testing.T) {
		p, n := start(t), 30
		s, _ := p.load(t, connection.Args{Last: &n})
		for range 10 {
			s, _ = p.load(t, connection.Args{Last: &n, Before: firstCursor(s)})
		}
		for range 10 {
			end := s.Cursor(s.Len() - 1)
			var calls int
			if s, calls = p.load(t, connection.Args{First: &n, After: &end}); calls != 1 {
				t.Errorf("%d calls", calls)
			}
		}
		if got := s.User(29).ID; got != "user_2499" || s.HasNextPage {
			t.Errorf("the last is %s, HasNextPage is %v", got, s.HasNextPage)
		}
	})
	inFakeTime(t, "forty pages of 30, just read", func(t *testing.T) {
		p := start(t)
		if calls := back(t, p, p.forwards(t, 30, 40), 30, 100); most(calls) != 1 || len(calls) != 39 {
			t.Errorf("%d pages took %v calls", len(calls), calls)
		}
	})
	inFakeTime(t, "pages of 100, just read", func(t *testing.T) {
		p := start(t)
		if calls := back(t, p, p.forwards(t, 100, 20), 100, 100); most(calls) > 2 || len(calls) != 19 {
			t.Errorf("%d pages took %v calls", len(calls), calls)
		}
	})
	inFakeTime(t, "on another replica", func(t *testing.T) {
		p := start(t)
		s := p.forwards(t, 30, 40)
		other := process{p.source, newMemory(t, 0)}
		calls := back(t, other, s, 30, 100)
		if calls[0] != 12 || most(calls[1:]) > 2 || len(calls) != 39 {
			t.Errorf("%d pages took %v calls", len(calls), calls)
		}
	})
	inFakeTime(t, "without any memory", func(t *testing.T) {
		p := start(t)
		s := p.forwards(t, 30, 13)
		total := 0
		for range 12 {
			other := process{p.source, newMemory(t, 0)}
			var calls int
			n := 30
			s, calls = other.load(t, connection.Args{Last: &n, Before: firstCursor(s)})
			total += calls
		}
		if s.HasPreviousPage || total > 30 {
			t.Errorf("12 pages took %d calls", total)
		}
		t.Logf("12 pages took %d calls", total)
	})
}

func TestWalkOfBothDirections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{users: 1000}
		p := process{s, newMemory(t, 0)}
		n := 40
		page, _ := p.load(t, connection.Args{First: &n})
		middle, twenty := page.Cursor(25), 20
		build := func(args connection.Args) *connection.Window {
			w, err := connection.NewWindow(upstream.Query{}, args, sealer)
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		l := newLoader(t, s, 100)
		windows := []*connection.Window{
			build(connection.Args{First: &n}), build(connection.Args{Last: &twenty, Before: &middle}), build(connection.Args{First: &twenty, After: &middle}),
		}
		s.calls = nil
		l.Expect(windows...)
		got, errs := together(t.Context(), l, windows...)
		if err := errors.Join(errs...); err != nil || !slices.Equal(s.sizes(), []int{46}) {
			t.Errorf("calls of the sizes %v, err %v", s.sizes(), err)
		}
		if got[1].User(19).ID != "user_24" || got[2].User(0).ID != "user_26" || l.Saved() != 2 {
			t.Errorf("%v and %v, %d calls saved", ids(got[1]), ids(got[2]), l.Saved())
		}
	})
}

func TestTooFar(t *testing.T) {
	cold := func(t *testing.T, _ process) *loader.Memory { return newMemory(t, 0) }
	timed := func(t *testing.T, p process) *loader.Memory { // a call takes 20 ms
		m := newMemory(t, 0)
		if _, err := loader.New(p.source, m, upstream.NewAPIKey("key"), 1).Load(t.Context(), window(t, upstream.Query{}, 1, "")); err != nil {
			t.Fatal(err)
		}
		return m
	}
	afterCache := func(t *testing.T, p process) *loader.Memory { // whose pages take no time
		m := timed(t, p)
		for range 100 {
			if _, err := loader.New(wrongSource{}, m, upstream.NewAPIKey("key"), 1).Load(t.Context(), window(t, upstream.Query{}, 1, "")); err != nil {
				t.Fatal(err)
			}
		}
		return m
	}
	longAgo := func(t *testing.T, p process) *loader.Memory {
		m := timed(t, p)
		<-time.After(11 * time.Second)
		return m
	}
	walked := func(_ *testing.T, p process) *loader.Memory { return p.memory }
	for name, c := range map[string]struct {
		memory func(*testing.T, process) *loader.Memory
		calls  int
		time   time.Duration
		want   error
		made   int
	}{
		"enough calls":                        {cold, 12, time.Second, nil, 12},
		"one call too few":                    {cold, 11, time.Second, loader.ErrTooFar, 0},
		"one call, and the page is known":     {walked, 1, time.Second, nil, 1},
		"enough time":                         {timed, 120, 250 * time.Millisecond, nil, 12},
		"too little time":                     {timed, 120, 235 * time.Millisecond, loader.ErrTooFar, 0},
		"too little time, after cached pages": {afterCache, 120, 235 * time.Millisecond, loader.ErrTooFar, 0},
		"the time of calls long ago":          {longAgo, 120, 235 * time.Millisecond, context.DeadlineExceeded, 12},
		"little time, and the page is known":  {walked, 120, 50 * time.Millisecond, nil, 1},
		"less time than the only call takes":  {walked, 120, 15 * time.Millisecond, context.DeadlineExceeded, 1},
	} {
		inFakeTime(t, name, func(t *testing.T) {
			p := process{&source{users: 2500}, newMemory(t, 0)}
			n, page := 30, p.forwards(t, 30, 40)
			w, err := connection.NewWindow(upstream.Query{}, connection.Args{Last: &n, Before: firstCursor(page)}, sealer)
			if err != nil {
				t.Fatal(err)
			}
			memory := c.memory(t, p)
			ctx, cancel := context.WithTimeout(t.Context(), c.time)
			defer cancel()
			before := len(p.calls)
			_, err = loader.New(p.source, memory, upstream.NewAPIKey("key"), c.calls).Load(ctx, w)
			if made := len(p.calls) - before; !errors.Is(err, c.want) || made != c.made {
				t.Errorf("%d calls, err is %v", made, err)
			}
		})
	}
}

func TestLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := process{&source{users: 500}, newMemory(t, 0)}
		page := p.forwards(t, 100, 4)
		n := 100
		w, err := connection.NewWindow(upstream.Query{}, connection.Args{Last: &n, Before: firstCursor(page)}, sealer)
		if err != nil {
			t.Fatal(err)
		}
		calls := func(key string) int {
			before := len(p.calls)
			if _, err := loader.New(p.source, p.memory, upstream.NewAPIKey(key), 120).Load(t.Context(), w); err != nil {
				t.Fatal(err)
			}
			return len(p.calls) - before
		}
		if got := calls("another"); got != 3 {
			t.Errorf("another key: %d calls", got)
		}
		if got := calls("key"); got != 1 {
			t.Errorf("the same key: %d calls", got)
		}
		time.Sleep(2 * time.Hour) //nolint:forbidigo // in fake time
		if got := calls("key"); got != 3 {
			t.Errorf("after two hours: %d calls", got)
		}
	})
}

func TestCounts(t *testing.T) {
	for name, c := range map[string]struct {
		users  int
		window connection.Args // loaded as well; none if it has no size
		limit  int
		want   int
		within bool
		calls  int
	}{
		"alone":                               {users: 700, limit: 1000, want: 700, within: true, calls: 7},
		"alone, beyond the limit":             {users: 2500, limit: 1000, calls: 10},
		"exactly the limit":                   {users: 1000, limit: 1000, want: 1000, within: true, calls: 10},
		"one more than the limit":             {users: 1001, limit: 1000, calls: 10},
		"a small limit":                       {users: 700, limit: 5, calls: 1},
		"no users":                            {users: 0, limit: 1000, want: 0, within: true, calls: 1},
		"with a page":                         {users: 700, window: connection.Args{First: new(30)}, limit: 1000, want: 700, within: true, calls: 7},
		"with a page that has all users":      {users: 25, window: connection.Args{First: new(30)}, limit: 1000, want: 25, within: true, calls: 1},
		"with a page from the end":            {users: 700, window: connection.Args{Last: new(30)}, limit: 1000, want: 700, within: true, calls: 7},
		"with several pages, a small limit":   {users: 700, window: connection.Args{First: new(500)}, limit: 100, calls: 5},
		"with a page and a limit of its size": {users: 30, window: connection.Args{First: new(30)}, limit: 30, want: 30, within: true, calls: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &source{users: c.users}
				l := newLoader(t, s, 120)
				w, err := connection.NewWindow(upstream.Query{}, c.window, sealer)
				if err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				if c.window != (connection.Args{}) {
					l.Expect(w)
				}
				l.ExpectCount(w, c.limit)
				if c.window != (connection.Args{}) {
					wg.Go(func() {
						if slice, err := l.Load(t.Context(), w); err != nil || slice.Len() != min(w.Size, c.users) {
							t.Errorf("%d users, err is %v", slice.Len(), err)
						}
					})
				}
				for range 2 { // two counts of one list cost no more than one
					wg.Go(func() {
						if got, within, err := l.Count(t.Context(), w, c.limit); got != c.want || within != c.within || err != nil {
							t.Errorf("%d, %v, %v", got, within, err)
						}
					})
				}
				wg.Wait()
				if len(s.calls) != c.calls {
					t.Errorf("calls of the sizes %v, want %d", s.sizes(), c.calls)
				}
			})
		})
	}
}

func TestCountMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m, key := &source{users: 700}, newMemory(t, time.Minute), upstream.NewAPIKey("key")
		count := func(q upstream.Query, limit int) (n int, within bool, calls int) {
			before := len(s.calls)
			n, within, err := loader.New(s, m, key, 120).Count(t.Context(), window(t, q, 30, ""), limit)
			if err != nil {
				t.Fatal(err)
			}
			return n, within, len(s.calls) - before
		}
		for _, c := range []struct {
			name   string
			query  upstream.Query
			limit  int
			n      int
			within bool
			calls  int
		}{
			{"the first", upstream.Query{}, 500, 0, false, 5},
			{"a smaller limit", upstream.Query{}, 100, 0, false, 0},
			{"a larger limit", upstream.Query{}, 1000, 700, true, 7},
			{"in another order", upstream.Query{Sort: upstream.SortConversationCount, Ascending: true}, 1000, 700, true, 0},
			{"a limit below the number", upstream.Query{}, 699, 0, false, 0},
			{"another filter", agent("a"), 1000, 700, true, 7},
			{"another filter again", agent("a"), 1000, 700, true, 0},
		} {
			if n, within, calls := count(c.query, c.limit); n != c.n || within != c.within || calls != c.calls {
				t.Errorf("%s: %d, %v after %d calls", c.name, n, within, calls)
			}
		}
		time.Sleep(2 * time.Minute) //nolint:forbidigo // in fake time
		if _, _, calls := count(upstream.Query{}, 1000); calls != 7 {
			t.Errorf("after their TTL: %d calls", calls)
		}
	})
}

func TestCountWithoutTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &source{users: 2500}
		l := newLoader(t, s, 120)
		w := window(t, upstream.Query{}, 300, "")
		l.Expect(w)
		l.ExpectCount(w, 5000)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond) // enough for two pages
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, _, err := l.Count(ctx, w, 5000); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the count: %v", err)
			}
		})
		wg.Go(func() {
			if slice, err := l.Load(t.Context(), w); err != nil || slice.Len() != 300 {
				t.Errorf("the page: %d users, %v", slice.Len(), err)
			}
		})
		wg.Wait()
	})
}

// TestFinishedWalkNeedsNoCalls reads a list that has become shorter than a position
// in it, after another window has read all of it with the last call.
func TestFinishedWalkNeedsNoCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := process{&source{users: 1000}, newMemory(t, 0)}
		n, page := 30, p.forwards(t, 30, 20)
		p.users = 40
		l := newLoader(t, p.source, 1)
		if all, err := l.Load(t.Context(), window(t, upstream.Query{}, 100, "")); err != nil || all.Len() != 40 {
			t.Fatal(err)
		}
		w, err := connection.NewWindow(upstream.Query{}, connection.Args{Last: &n, Before: firstCursor(page)}, sealer)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := l.Load(t.Context(), w); err != nil || got.Len() != 30 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}
