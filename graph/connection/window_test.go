package connection_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"rollcall/graph/connection"
	"rollcall/upstream"
)

// list is a small upstream: users in keyset order.
type list struct {
	users []upstream.User
	query upstream.Query
	calls int
	// reversed reports that users are in the reverse of the order of query.
	reversed bool
	// unscoredLast puts users without a score last, in both directions.
	unscoredLast bool
}

// compare orders users as the upstream would, and ties by ID.
func (l *list) compare(a, b upstream.User) int {
	v, w := value(a, l.query), value(b, l.query)
	if l.unscoredLast && (v == -1e9) != (w == -1e9) {
		return cmp.Compare(w, v)
	}
	c := cmp.Compare(v, w)
	if !l.query.Ascending {
		c = -c
	}
	c = cmp.Or(c, cmp.Compare(a.ID, b.ID))
	if l.reversed {
		return -c
	}
	return c
}

func value(u upstream.User, q upstream.Query) float64 {
	switch q.Sort {
	case upstream.SortConversationCount:
		return float64(u.ConversationCount)
	case upstream.SortAverageSentimentScore:
		if u.Sentiment == nil {
			return -1e9
		}
		return u.Sentiment.Overall.AverageSentimentScore.Value
	}
	return float64(u.LastContact)
}

func (l *list) sort() { slices.SortFunc(l.users, l.compare) }

// page serves a keyset page. A cursor encodes the user that it follows.
func (l *list) page(cursor string, size int) upstream.Page {
	l.calls++
	from := 0
	if cursor != "" {
		last := parseKeyset(cursor, l.query)
		from = len(l.users)
		for i, u := range l.users {
			if l.compare(u, last) > 0 {
				from = i
				break
			}
		}
	}
	to := min(from+size, len(l.users))
	page := upstream.Page{Users: slices.Clone(l.users[from:to])}
	if to < len(l.users) {
		last := l.users[to-1]
		page.Next = strconv.FormatFloat(value(last, l.query), 'g', -1, 64) + "/" + last.ID
	}
	return page
}

func parseKeyset(cursor string, q upstream.Query) upstream.User {
	var v float64
	var id string
	if _, err := fmt.Sscanf(cursor, "%g/%s", &v, &id); err != nil {
		panic(err)
	}
	u := upstream.User{ID: id}
	switch {
	case q.Sort == upstream.SortConversationCount:
		u.ConversationCount = int(v)
	case q.Sort == upstream.SortLastContact:
		u.LastContact = int64(v)
	case v != -1e9:
		u.Sentiment = &upstream.Sentiment{Overall: upstream.SentimentSummary{AverageSentimentScore: upstream.Score{Value: v, Known: true}}}
	}
	return u
}

var sealer = connection.NewSealer("key")

// load reads the first users after a cursor as the loader does.
func (l *list) load(t *testing.T, first int, after *string) *connection.Slice {
	t.Helper()
	return l.window(t, connection.Args{First: &first, After: after}, nil)
}

// links have the cursor at which a page began, and the number of its users, by
// the cursor to which the page led.
type links map[string]struct {
	cursor string
	users  int
}

func (l links) previous(next string) (cursor string, users int, ok bool) {
	link, ok := l[next]
	return link.cursor, link.users, ok
}

// window reads a window as the loader does. If links is not nil, it records which
// cursors the pages led to.
func (l *list) window(t *testing.T, args connection.Args, links links) *connection.Slice {
	t.Helper()
	w, err := connection.NewWindow(l.query, args, sealer)
	if err != nil {
		t.Fatal(err)
	}
	read := *l // the list in the order in which the window is read
	read.reversed = w.List() != l.query
	read.users = slices.Clone(l.users)
	read.sort()
	defer func() { l.calls = read.calls }()
	page := func(cursor string, size int) upstream.Page {
		page := read.page(cursor, size)
		if links != nil && page.Next != "" {
			links[page.Next] = struct {
				cursor string
				users  int
			}{cursor, len(page.Users)}
		}
		return page
	}
	var next *upstream.Page
	for front := 0; ; {
		base := w.Base(front, links.previous)
		var pages []upstream.Page
		held, cursor, lack := 0, base.Cursor, connection.Lack{}
		var s *connection.Slice
		for extent := w.Extent(base); ; extent = held + lack.Users {
			for held < extent && (len(pages) == 0 || pages[len(pages)-1].Next != "") {
				page := page(cursor, min(extent-held, upstream.MaxPageSize))
				pages = append(pages, page)
				held += len(page.Users)
				cursor = page.Next
			}
			if s, lack = w.Take(base, pages, next); lack.Next {
				if next != nil {
					t.Fatal("the next page is requested twice")
				}
				page := page(w.Next())
				next = &page
				s, lack = w.Take(base, pages, next)
			}
			if lack.Users == 0 {
				break
			}
		}
		if lack == (connection.Lack{}) {
			return s
		}
		if lack.Front <= front || base.Cursor == "" {
			t.Fatalf("%d users in front of the position are not enough, of %d from %q", lack.Front, front, base.Cursor)
		}
		front = lack.Front
	}
}

func ids(s *connection.Slice) []string {
	out := make([]string, s.Len())
	for i := range out {
		out[i] = s.User(i).ID
	}
	return out
}

// world returns a list of n users. Values are drawn from a few, so that there are
// ties, unless distinct is set.
func world(r *rand.Rand, n int, q upstream.Query, distinct bool) *list {
	l := &list{query: q}
	for i := range n {
		few := r.IntN(max(1, n/5))
		if distinct {
			few = i
		}
		u := upstream.User{ID: fmt.Sprintf("user_%04d", r.IntN(1000)*1000+i), LastContact: int64(few), ConversationCount: few}
		if r.IntN(10) > 0 || distinct {
			score := float64(few) / 7
			u.Sentiment = &upstream.Sentiment{Overall: upstream.SentimentSummary{AverageSentimentScore: upstream.Score{Value: score, Known: true}}}
		}
		l.users = append(l.users, u)
	}
	l.sort()
	return l
}

func queries() []upstream.Query {
	var qs []upstream.Query
	for _, s := range []upstream.Sort{upstream.SortLastContact, upstream.SortConversationCount, upstream.SortAverageSentimentScore} {
		qs = append(qs, upstream.Query{Sort: s}, upstream.Query{Sort: s, Ascending: true})
	}
	return qs
}

func TestWindowsAfterAnyEdge(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	windows := 0
	for round := range 400 {
		q := queries()[round%6]
		l := world(r, r.IntN(700), q, false)
		all := make([]string, len(l.users))
		for i, u := range l.users {
			all[i] = u.ID
		}
		var after *string
		at := 0
		for range 25 {
			first := size(r)
			s := l.load(t, first, after)
			windows++
			want := all[at:min(at+first, len(all))]
			if got := ids(s); !slices.Equal(got, want) {
				t.Fatalf("round %d: %d users after %d of %d: got %v, want %v", round, first, at, len(all), got, want)
			}
			if s.HasNextPage != (at+first < len(all)) {
				t.Fatalf("round %d: HasNextPage is %v after %d of %d", round, s.HasNextPage, at+first, len(all))
			}
			if s.HasPreviousPage != (after != nil) {
				t.Fatalf("round %d: HasPreviousPage is %v", round, s.HasPreviousPage)
			}
			if s.Len() == 0 {
				break
			}
			edge := r.IntN(s.Len())
			cursor := s.Cursor(edge)
			after, at = &cursor, at+edge+1
		}
	}
	t.Logf("%d windows compared", windows)
}

// size returns a random window size: mostly small, sometimes several pages.
func size(r *rand.Rand) int {
	return []int{r.IntN(5), 1 + r.IntN(40), 1 + r.IntN(130), r.IntN(connection.MaxSize + 1)}[r.IntN(4)]
}

func TestCallsOfAWalk(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	l := world(r, 1000, upstream.Query{}, false)
	for name, c := range map[string]struct {
		first func(i int) (first, edge int)
		calls int
	}{
		"walking by the last edge": {func(int) (int, int) { return 50, 49 }, 20},
		// Every fourth window reaches beyond the hundred users of one page.
		"resuming in the middle":        {func(int) (int, int) { return 50, 24 }, 48},
		"a window of five pages":        {func(int) (int, int) { return 500, 499 }, 10},
		"a window of a page and a half": {func(int) (int, int) { return 150, 149 }, 13},
	} {
		t.Run(name, func(t *testing.T) {
			l.calls = 0
			var after *string
			for i := 0; ; i++ {
				first, edge := c.first(i)
				s := l.load(t, first, after)
				if !s.HasNextPage {
					break
				}
				cursor := s.Cursor(edge)
				after = &cursor
			}
			if l.calls != c.calls {
				t.Errorf("%d calls, want %d", l.calls, c.calls)
			}
		})
	}
}

// TestWalksUnderChurn walks lists in which users call again between the windows:
// each user who does not move is returned exactly once.
func TestWalksUnderChurn(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	windows, moves := 0, 0
	for round := range 400 {
		q := queries()[round%6]
		l := world(r, 20+r.IntN(300), q, round%2 == 0)
		unmoved := make(map[string]bool)
		for _, u := range l.users {
			unmoved[u.ID] = true
		}
		seen := make(map[string]int)
		var after *string
		for range 500 {
			s := l.load(t, 1+r.IntN(40), after)
			windows++
			if s.Len() == 0 {
				break
			}
			edge := s.Len() - 1
			if r.IntN(2) == 0 {
				edge = r.IntN(s.Len())
			}
			for i := range edge + 1 {
				seen[s.User(i).ID]++
			}
			cursor := s.Cursor(edge)
			after = &cursor
			for range r.IntN(4) {
				i := r.IntN(len(l.users))
				if r.IntN(2) == 0 { // a user who was just returned, often the own user
					recent := s.User(max(0, edge-r.IntN(3))).ID
					i = max(0, slices.IndexFunc(l.users, func(u upstream.User) bool { return u.ID == recent }))
				}
				delete(unmoved, l.users[i].ID)
				callAgain(&l.users[i], int64(1000+moves))
				moves++
				l.sort()
			}
		}
		for id := range unmoved {
			if seen[id] != 1 {
				t.Fatalf("round %d (%+v): %s did not move and was seen %d times", round, q, id, seen[id])
			}
		}
	}
	t.Logf("%d windows under %d moves", windows, moves)
}

// TestChurnAmongTies gives each user one of three values; fifteen of the last
// sixteen users who were returned call again before the list is resumed.
func TestChurnAmongTies(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	resumed, longest := 0, 0
	for round := range 150 {
		q := queries()[round%6]
		l := &list{query: q}
		for i := range 150 + r.IntN(200) {
			few := r.IntN(3)
			score := upstream.Score{Value: float64(few) / 7, Known: true}
			l.users = append(l.users, upstream.User{
				ID: fmt.Sprintf("user_%04d", r.IntN(1000)*1000+i), LastContact: int64(few), ConversationCount: few,
				Sentiment: &upstream.Sentiment{Overall: upstream.SentimentSummary{AverageSentimentScore: score}},
			})
		}
		l.sort()
		unmoved, seen := make(map[string]bool), make(map[string]int)
		for _, u := range l.users {
			unmoved[u.ID] = true
		}
		var after *string
		for moves := 0; ; {
			s := l.load(t, 20+r.IntN(60), after)
			if s.Len() == 0 {
				break
			}
			edge := r.IntN(s.Len())
			for i := range edge + 1 {
				seen[s.User(i).ID]++
			}
			cursor := s.Cursor(edge)
			after, longest, resumed = &cursor, max(longest, len(cursor)), resumed+1
			stays := edge - r.IntN(16)
			var leave []string
			for i := max(0, edge-15); i <= edge && moves < 400; i++ {
				if i != stays {
					leave = append(leave, s.User(i).ID)
				}
			}
			for _, id := range leave {
				delete(unmoved, id)
				moves++
				callAgain(&l.users[slices.IndexFunc(l.users, func(u upstream.User) bool { return u.ID == id })], int64(1000+moves))
			}
			l.sort()
		}
		for id := range unmoved {
			if seen[id] != 1 {
				t.Fatalf("round %d (%+v): %s did not move and was seen %d times", round, q, id, seen[id])
			}
		}
	}
	t.Logf("resumed %d times, cursors of at most %d characters", resumed, longest)
	if longest > 140 {
		t.Errorf("a cursor has %d characters", longest)
	}
}

// TestDistantAnchors covers lists in which users have joined a run of equal
// values, so that the users that are read again end before the anchors.
func TestDistantAnchors(t *testing.T) {
	equal := func(ids ...string) (users []upstream.User) {
		for _, id := range ids {
			users = append(users, upstream.User{ID: id, ConversationCount: 5})
		}
		return users
	}
	numbered := func(prefix string, n int) (ids []string) {
		for i := range n {
			ids = append(ids, fmt.Sprintf("%s%03d", prefix, i))
		}
		return ids
	}
	run := numbered("m", 40)
	for name, c := range map[string]struct {
		before, after []string
		at            string // the user whose cursor is resumed
		first         int
		want          []string
	}{
		"the user has left, and three have joined before the nearest anchor": {
			[]string{"a", "b", "c", "d", "e", "f"}, []string{"a", "b", "c", "c1", "c2", "c3", "d", "f"}, "e", 1, []string{"f"},
		},
		"the user is still there, and three have joined before it": {
			[]string{"a", "b", "c", "d", "e", "f"}, []string{"a", "b", "c", "d", "d1", "d2", "d3", "e", "f"}, "e", 1, []string{"f"},
		},
		"all that were passed over are behind more than a page of joined users": {
			[]string{"m", "n", "o"}, append(numbered("k", 130), "m", "n", "o"), "n", 1, []string{"o"},
		},
		"the anchors are full, and all of them are behind the joined users": {
			run, append(numbered("k", 60), run...), "m030", 2, []string{"m031", "m032"},
		},
		"all that were passed over have left": {
			[]string{"m", "n", "o"}, append(numbered("p", 120), "q"), "n", 1, []string{"p000"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := &list{query: upstream.Query{Sort: upstream.SortConversationCount}, users: equal(c.before...)}
			s := l.load(t, len(c.before), nil)
			cursor := s.Cursor(slices.Index(c.before, c.at))
			l.users = equal(c.after...)
			l.sort()
			if got := ids(l.load(t, c.first, &cursor)); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestSearchIsBounded(t *testing.T) {
	q := upstream.Query{Sort: upstream.SortConversationCount}
	l := &list{query: q}
	for i := range 5000 {
		l.users = append(l.users, upstream.User{ID: fmt.Sprintf("user_%04d", i), ConversationCount: 1})
	}
	cursor := l.load(t, 30, nil).Cursor(9)
	l.users = slices.Delete(l.users, 9, 10)
	l.calls = 0
	if got := ids(l.load(t, 1, &cursor)); !slices.Equal(got, []string{"user_0010"}) || l.calls > 7 {
		t.Errorf("got %v after %d calls", got, l.calls)
	}
}

// TestWalksAmongArrivals walks lists of few values, whose users change to another
// of these values between the windows: they leave and join runs everywhere.
func TestWalksAmongArrivals(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	resumed, moves := 0, 0
	for round := range 300 {
		q := queries()[round%6]
		l := world(r, 20+r.IntN(200), q, false)
		unmoved, seen := make(map[string]bool), make(map[string]int)
		for _, u := range l.users {
			unmoved[u.ID] = true
		}
		var after *string
		for range 400 {
			s := l.load(t, 1+r.IntN(20), after)
			if s.Len() == 0 {
				break
			}
			edge := r.IntN(s.Len())
			for i := range edge + 1 {
				seen[s.User(i).ID]++
			}
			cursor := s.Cursor(edge)
			after, resumed = &cursor, resumed+1
			for range r.IntN(9) {
				i := r.IntN(len(l.users))
				if r.IntN(3) == 0 {
					i = max(0, slices.IndexFunc(l.users, func(u upstream.User) bool { return u.ID == s.User(edge).ID }))
				}
				delete(unmoved, l.users[i].ID)
				moves++
				setValue(&l.users[i], r.IntN(max(1, len(l.users)/5)))
				l.sort()
			}
		}
		for id := range unmoved {
			if seen[id] != 1 {
				t.Fatalf("round %d (%+v): %s did not move and was seen %d times", round, q, id, seen[id])
			}
		}
	}
	t.Logf("resumed %d times under %d moves", resumed, moves)
}

func setValue(u *upstream.User, value int) {
	u.LastContact, u.ConversationCount = int64(value), value
	if u.Sentiment != nil {
		score := upstream.Score{Value: float64(value) / 7, Known: true}
		u.Sentiment = &upstream.Sentiment{Overall: upstream.SentimentSummary{AverageSentimentScore: score}}
	}
}

func callAgain(u *upstream.User, now int64) {
	u.LastContact = now
	u.ConversationCount++
	if u.Sentiment != nil {
		score := u.Sentiment.Overall.AverageSentimentScore.Value + 0.01
		u.Sentiment = &upstream.Sentiment{Overall: upstream.SentimentSummary{AverageSentimentScore: upstream.Score{Value: score, Known: true}}}
	}
}

func TestUnsortedList(t *testing.T) {
	page := upstream.Page{Users: []upstream.User{{ID: "a", LastContact: 5}, {ID: "b", LastContact: 9}, {ID: "c", LastContact: 1}, {ID: "d", LastContact: 7}}}
	two := 2
	w, _ := connection.NewWindow(upstream.Query{}, connection.Args{First: &two}, sealer)
	s, _ := w.Take(connection.Base{}, []upstream.Page{page}, nil)
	after := s.Cursor(1)
	resumed, err := connection.NewWindow(upstream.Query{}, connection.Args{First: &two, After: &after}, sealer)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ left, want []string }{
		"all are there":              {[]string{"a", "b", "c", "d"}, []string{"c", "d"}},
		"an earlier user has left":   {[]string{"b", "c", "d"}, []string{"c", "d"}},
		"the anchor itself has left": {[]string{"a", "c", "d"}, []string{"c", "d"}},
	} {
		t.Run(name, func(t *testing.T) {
			var users []upstream.User
			for _, u := range page.Users {
				if slices.Contains(c.left, u.ID) {
					users = append(users, u)
				}
			}
			s, missing := resumed.Take(connection.Base{}, []upstream.Page{{Users: users}}, nil)
			if got := ids(s); missing != (connection.Lack{}) || !slices.Equal(got, c.want) {
				t.Errorf("got %v (missing %+v), want %v", got, missing, c.want)
			}
		})
	}
}

func TestSizes(t *testing.T) {
	n := func(n int) *int { return &n }
	for name, c := range map[string]struct {
		size *int
		want int
		ok   bool
	}{
		"null is the default":  {nil, 30, true},
		"zero":                 {n(0), 0, true},
		"the largest":          {n(500), 500, true},
		"one too many":         {n(501), 0, false},
		"negative":             {n(-1), 0, false},
		"the smallest integer": {n(-1 << 63), 0, false},
	} {
		for direction, args := range map[string]connection.Args{"first": {First: c.size}, "last": {Last: c.size}} {
			t.Run(direction+": "+name, func(t *testing.T) {
				w, err := connection.NewWindow(upstream.Query{}, args, sealer)
				var argument *connection.ArgumentError
				if c.ok != (err == nil) || !c.ok && !errors.As(err, &argument) {
					t.Fatalf("err is %v", err)
				}
				if !c.ok && argument.Argument != direction {
					t.Errorf("the error names %s", argument.Argument)
				}
				if c.ok && w.Size != c.want {
					t.Errorf("Size is %d, want %d", w.Size, c.want)
				}
			})
		}
	}
}

func TestArgumentCombinations(t *testing.T) {
	l := world(rand.New(rand.NewPCG(1, 1)), 50, upstream.Query{}, true)
	cursor := l.load(t, 20, nil).Cursor(9)
	five, empty := 5, ""
	for name, c := range map[string]struct {
		args     connection.Args
		backward bool
		size     int
		argument string // the argument that the error names
	}{
		"nothing":                        {connection.Args{}, false, 30, ""},
		"first":                          {connection.Args{First: &five}, false, 5, ""},
		"last":                           {connection.Args{Last: &five}, true, 5, ""},
		"after alone":                    {connection.Args{After: &cursor}, false, 30, ""},
		"before alone":                   {connection.Args{Before: &cursor}, true, 30, ""},
		"last with before":               {connection.Args{Last: &five, Before: &cursor}, true, 5, ""},
		"first with an empty before":     {connection.Args{First: &five, Before: &empty}, false, 5, ""},
		"last with an empty after":       {connection.Args{Last: &five, After: &empty}, true, 5, ""},
		"an empty before alone":          {connection.Args{Before: &empty}, false, 30, ""},
		"first with last":                {connection.Args{First: &five, Last: &five}, false, 0, "last"},
		"after with last":                {connection.Args{After: &cursor, Last: &five}, false, 0, "after"},
		"before with first":              {connection.Args{Before: &cursor, First: &five}, false, 0, "before"},
		"after with before":              {connection.Args{After: &cursor, Before: &cursor}, false, 0, "before"},
		"before is not a cursor of ours": {connection.Args{Before: &invented}, false, 0, "before"},
	} {
		t.Run(name, func(t *testing.T) {
			w, err := connection.NewWindow(l.query, c.args, sealer)
			var wrong *connection.ArgumentError
			if errors.As(err, &wrong) {
				if wrong.Argument != c.argument {
					t.Errorf("%v, want one that names %q", err, c.argument)
				}
				return
			}
			if err != nil || c.argument != "" || w.Size != c.size || w.Backward() != c.backward {
				t.Errorf("%d users, backward is %v, err is %v", w.Size, w.Backward(), err)
			}
		})
	}
}

var invented = "invented"
