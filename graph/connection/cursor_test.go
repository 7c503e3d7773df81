package connection_test

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"rollcall/graph/connection"
	"rollcall/upstream"
)

// cursors returns a cursor from the middle of a page and one from its end.
func cursors(t testing.TB, q upstream.Query, s *connection.Sealer) (middle, end string) {
	t.Helper()
	w, err := connection.NewWindow(q, connection.Args{}, s)
	if err != nil {
		t.Fatal(err)
	}
	slice, missing := w.Take(connection.Base{}, []upstream.Page{{
		Users: []upstream.User{{ID: "王小明", LastContact: 1790000000}, {ID: "b", LastContact: 1780000000}},
		Next:  "next/page+cursor==",
	}, {
		Users: make([]upstream.User, 30),
	}}, nil)
	if missing != (connection.Lack{}) {
		t.Fatalf("missing %+v", missing)
	}
	return slice.Cursor(0), slice.Cursor(1)
}

func opens(q upstream.Query, s *connection.Sealer, cursor string) bool {
	_, err := connection.NewWindow(q, connection.Args{After: &cursor}, s)
	return err == nil
}

func TestCursorScope(t *testing.T) {
	bound := upstream.At(7)
	q := upstream.Query{Filter: upstream.Filter{AgentID: "agent_1", StartedAfter: bound}}
	s := connection.NewSealer("key")
	middle, end := cursors(t, q, s)
	other := func(change func(*upstream.Query)) upstream.Query {
		changed := q
		change(&changed)
		return changed
	}
	for name, c := range map[string]struct {
		query  upstream.Query
		sealer *connection.Sealer
		want   bool
	}{
		"the same list":               {q, s, true},
		"another replica":             {q, connection.NewSealer("key"), true},
		"another key":                 {q, connection.NewSealer("kez"), false},
		"a previous key":              {q, connection.NewSealer("new", "key"), true},
		"another previous key":        {q, connection.NewSealer("new", "kez", "kex"), false},
		"another agent":               {other(func(q *upstream.Query) { q.Filter.AgentID = "agent_2" }), s, false},
		"no agent":                    {other(func(q *upstream.Query) { q.Filter.AgentID = "" }), s, false},
		"the agent as branch":         {other(func(q *upstream.Query) { q.Filter.AgentID, q.Filter.BranchID = "", "agent_1" }), s, false},
		"another user":                {other(func(q *upstream.Query) { q.Filter.UserID = "u" }), s, false},
		"another bound":               {other(func(q *upstream.Query) { q.Filter.StartedAfter = upstream.At(8) }), s, false},
		"no bound":                    {other(func(q *upstream.Query) { q.Filter.StartedAfter = upstream.Bound{} }), s, false},
		"the same bound on the other": {other(func(q *upstream.Query) { q.Filter.StartedAfter, q.Filter.StartedBefore = upstream.Bound{}, bound }), s, false},
		"another sort":                {other(func(q *upstream.Query) { q.Sort = upstream.SortConversationCount }), s, false},
		"another direction":           {other(func(q *upstream.Query) { q.Ascending = true }), s, false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, cursor := range []string{middle, end} {
				if got := opens(c.query, c.sealer, cursor); got != c.want {
					t.Errorf("opens: %v, want %v", got, c.want)
				}
			}
		})
	}
}

func TestCursorEncoding(t *testing.T) {
	middle, end := cursors(t, upstream.Query{}, connection.NewSealer("key"))
	again, endAgain := cursors(t, upstream.Query{}, connection.NewSealer("key"))
	if middle != again || end != endAgain {
		t.Error("the same position has another cursor")
	}
	for _, c := range []string{middle, end} {
		if !regexp.MustCompile(`^[A-Za-z0-9_-]+$`).MatchString(c) {
			t.Errorf("%q is not URL-safe", c)
		}
		if len(c) > 64 {
			t.Errorf("%q is %d characters long for an upstream cursor of 18", c, len(c))
		}
	}
}

// TestCursorVersion2 opens cursors that were made before cursors recorded their own
// user at the start of a page: the second user and the last one of a page of two,
// for the key "key".
func TestCursorVersion2(t *testing.T) {
	q, s := upstream.Query{}, connection.NewSealer("new", "key")
	middle, end := "Aj4FqpoCsokEFOheQAFB2qxO4AAAAAFM_sg", "AiBF13zWNtnfeNhKmwBuZXh0L3BhZ2UrY3Vyc29yPT0"
	for name, c := range map[string]struct {
		cursor, base string
		want         []string
	}{
		"in a page":  {middle, "", []string{"b"}},
		"at its end": {end, "next/page+cursor==", []string{"王小明"}},
	} {
		t.Run(name, func(t *testing.T) {
			one := 1
			w, err := connection.NewWindow(q, connection.Args{First: &one, After: &c.cursor}, s)
			if err != nil {
				t.Fatal(err)
			}
			base := w.Base(0, nil)
			slice, lack := w.Take(base, []upstream.Page{{Users: []upstream.User{{ID: "王小明", LastContact: 1790000000}, {ID: "b", LastContact: 1780000000}}}}, nil)
			if got := ids(slice); base.Cursor != c.base || lack != (connection.Lack{}) || !slices.Equal(got, c.want) {
				t.Errorf("from %q: %v, %+v, want %v", base.Cursor, got, lack, c.want)
			}
			if cursor := slice.Cursor(0); !opens(q, connection.NewSealer("new"), cursor) {
				t.Errorf("the next cursor is not sealed with the new key")
			}
		})
	}
	var wrong *connection.ArgumentError
	if _, err := connection.NewWindow(q, connection.Args{Before: &end}, s); !errors.As(err, &wrong) || wrong.Argument != "before" {
		t.Errorf("with the old key: err is %v", err)
	}
}

func TestLongestCursor(t *testing.T) {
	users := make([]upstream.User, 100)
	for i := range users {
		users[i].ID = strconv.Itoa(i)
	}
	s, n := connection.NewSealer("key"), 300
	w, err := connection.NewWindow(upstream.Query{}, connection.Args{First: &n}, s)
	if err != nil {
		t.Fatal(err)
	}
	slice, _ := w.Take(connection.Base{}, []upstream.Page{{Users: users, Next: "n"}, {Users: users, Next: strings.Repeat("c", 4<<10)}, {Users: users}}, nil)
	for i := range slice.Len() {
		if cursor := slice.Cursor(i); !opens(upstream.Query{}, s, cursor) {
			t.Fatalf("the cursor of user %d, of %d characters, does not open", i, len(cursor))
		}
	}
}

func TestForgedCursors(t *testing.T) {
	s := connection.NewSealer("key")
	middle, end := cursors(t, upstream.Query{}, s)
	tried := 0
	for _, cursor := range []string{middle, end} {
		for i := range cursor {
			for _, c := range "AZaz09-_=\n." {
				forged := cursor[:i] + string(c) + cursor[i+1:]
				if forged != cursor && opens(upstream.Query{}, s, forged) {
					t.Fatalf("%q opens instead of %q", forged, cursor)
				}
				tried++
			}
		}
		for _, forged := range []string{cursor[1:], cursor[:len(cursor)-1], cursor + "A", cursor + "\n", cursor + "=", " " + cursor, cursor + cursor} {
			if opens(upstream.Query{}, s, forged) {
				t.Fatalf("%q opens instead of %q", forged, cursor)
			}
		}
	}
	if tried < 500 {
		t.Fatalf("only %d forgeries were tried", tried)
	}
}

func TestInvalidCursorError(t *testing.T) {
	for _, cursor := range []string{"x", "eyJpZCI6MX0", "<script>", strings.Repeat("A", 1<<20)} {
		_, err := connection.NewWindow(upstream.Query{}, connection.Args{After: &cursor}, connection.NewSealer("key"))
		var argument *connection.ArgumentError
		if !errors.As(err, &argument) || argument.Argument != "after" {
			t.Fatalf("err is %v", err)
		}
		if len(cursor) > 1 && strings.Contains(err.Error(), cursor) {
			t.Errorf("the error repeats the cursor")
		}
	}
}

func TestEmptyCursor(t *testing.T) {
	empty := ""
	w, err := connection.NewWindow(upstream.Query{}, connection.Args{After: &empty}, connection.NewSealer("key"))
	if err != nil || w.Empty().HasPreviousPage {
		t.Errorf("err %v, HasPreviousPage %v", err, w.Empty().HasPreviousPage)
	}
}

func FuzzNewWindow(f *testing.F) {
	s := connection.NewSealer("key")
	middle, end := cursors(f, upstream.Query{}, s)
	for _, seed := range []string{"", "x", middle, end, middle[:20], end + "AAAA", "AQ", "AQAAAAAAAAAAAAAAAAA"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		if cursor != "" && cursor != middle && cursor != end && opens(upstream.Query{}, s, cursor) {
			t.Fatalf("%q opens, although it was never sealed", cursor)
		}
	})
}
