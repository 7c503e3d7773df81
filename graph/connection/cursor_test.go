package connection_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"rollcall/graph/connection"
	"rollcall/upstream"
)

// cursors are one from the middle of a page and one from its end.
func cursors(t testing.TB, q upstream.Query, s *connection.Sealer) (middle, end string) {
	t.Helper()
	w, err := connection.NewWindow(q, nil, nil, s)
	if err != nil {
		t.Fatal(err)
	}
	slice, missing := w.Take([]upstream.Page{{
		Users: []upstream.User{{ID: "王小明", LastContact: 1790000000}, {ID: "b", LastContact: 1780000000}},
		Next:  "next/page+cursor==",
	}, {
		Users: make([]upstream.User, 30),
	}})
	if missing != 0 {
		t.Fatalf("missing %d", missing)
	}
	return slice.Cursor(0), slice.Cursor(1)
}

func opens(q upstream.Query, s *connection.Sealer, cursor string) bool {
	_, err := connection.NewWindow(q, nil, &cursor, s)
	return err == nil
}

func TestACursorOpensOnlyWhereItBelongs(t *testing.T) {
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

func TestCursorsAreDeterministicAndURLSafe(t *testing.T) {
	middle, end := cursors(t, upstream.Query{}, connection.NewSealer("key"))
	again, endAgain := cursors(t, upstream.Query{}, connection.NewSealer("key"))
	if middle != again || end != endAgain {
		t.Error("the same place gave another cursor")
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

func TestEveryChangedCharacterBreaksACursor(t *testing.T) {
	s := connection.NewSealer("key")
	middle, end := cursors(t, upstream.Query{}, s)
	tried := 0
	for _, cursor := range []string{middle, end} {
		for i := range cursor {
			for _, c := range "AZaz09-_=\n." {
				forged := cursor[:i] + string(c) + cursor[i+1:]
				if forged != cursor && opens(upstream.Query{}, s, forged) {
					t.Fatalf("%q opens in place of %q", forged, cursor)
				}
				tried++
			}
		}
		for _, forged := range []string{cursor[1:], cursor[:len(cursor)-1], cursor + "A", cursor + "\n", cursor + "=", " " + cursor, cursor + cursor} {
			if opens(upstream.Query{}, s, forged) {
				t.Fatalf("%q opens in place of %q", forged, cursor)
			}
		}
	}
	if tried < 500 {
		t.Fatalf("only %d forgeries were tried", tried)
	}
}

func TestACursorThatDoesNotOpenBlamesAfterAndIsNotRepeated(t *testing.T) {
	for _, cursor := range []string{"x", "eyJpZCI6MX0", "<script>", strings.Repeat("A", 1<<20)} {
		_, err := connection.NewWindow(upstream.Query{}, nil, &cursor, connection.NewSealer("key"))
		var argument *connection.ArgumentError
		if !errors.As(err, &argument) || argument.Argument != "after" {
			t.Fatalf("err is %v", err)
		}
		if len(cursor) > 1 && strings.Contains(err.Error(), cursor) {
			t.Errorf("the error repeats the cursor")
		}
	}
}

func TestAnEmptyCursorIsTheStart(t *testing.T) {
	empty := ""
	w, err := connection.NewWindow(upstream.Query{}, nil, &empty, connection.NewSealer("key"))
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
			t.Fatalf("%q opens, and nobody sealed it", cursor)
		}
	})
}
