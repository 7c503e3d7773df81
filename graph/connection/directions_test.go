package connection_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"rollcall/graph/connection"
	"rollcall/upstream"
)

// forget removes some links, so that the process is like one that did not take
// part in the walk.
func (l links) forget(r *rand.Rand, share int) {
	for _, next := range slices.Sorted(maps.Keys(l)) {
		if r.IntN(100) < share {
			delete(l, next)
		}
	}
}

// step draws the arguments of a window next to the i-th user of a slice, or at
// one end of the list if i is -1. If the upstream's directions do not mirror each
// other, it is always the start.
func step(r *rand.Rand, l *list, s *connection.Slice, i int) (args connection.Args, backward bool) {
	n := size(r)
	backward = r.IntN(2) == 0 && (i >= 0 || !l.unscoredLast)
	if backward {
		args.Last = &n
	} else {
		args.First = &n
	}
	if i >= 0 {
		cursor := s.Cursor(i)
		if backward {
			args.Before = &cursor
		} else {
			args.After = &cursor
		}
	}
	return args, backward
}

func TestWindowsInBothDirections(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	windows := 0
	for round := range 300 {
		l := world(r, r.IntN(700), queries()[round%6], round%4 == 0)
		l.unscoredLast = round%5 == 1
		l.sort()
		all := make([]string, len(l.users))
		for i, u := range l.users {
			all[i] = u.ID
		}
		remembered := links{}
		var s *connection.Slice
		edge, at := -1, -1 // in the slice, and in the list
		for range 25 {
			remembered.forget(r, []int{0, 30, 100}[round%3])
			args, backward := step(r, l, s, edge)
			from, to := 0, len(all)
			if backward {
				if at >= 0 {
					to = at
				}
				from = max(0, to-*args.Last)
			} else {
				from = at + 1
				to = min(len(all), from+*args.First)
			}
			s = l.window(t, args, remembered)
			windows++
			if got, want := ids(s), all[from:to]; !slices.Equal(got, want) {
				t.Fatalf("round %d (%+v): %d to %d of %d, backward is %v: got %v, want %v", round, l.query, from, to, len(all), backward, got, want)
			}
			next, previous := to < len(all), at >= 0
			if backward {
				next, previous = at >= 0, from > 0
			}
			if s.HasNextPage != next || s.HasPreviousPage != previous {
				t.Fatalf("round %d: %d to %d of %d, backward is %v: HasNextPage is %v, HasPreviousPage is %v", round, from, to, len(all), backward, s.HasNextPage, s.HasPreviousPage)
			}
			edge, at = -1, -1
			if s.Len() > 0 && r.IntN(10) > 0 {
				edge = r.IntN(s.Len())
				at = from + edge
			}
		}
	}
	t.Logf("%d windows compared", windows)
}

// TestWindowsUnderChurn has users move between one window and the next, to a new
// value or into another run of equal values. Of the users that have not moved since the
// cursor was made, a window has the nearest ones on its side, without a gap.
func TestWindowsUnderChurn(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 24))
	windows, moves := 0, 0
	for round := range 500 {
		l := world(r, 20+r.IntN(400), queries()[round%6], round%3 == 0)
		l.unscoredLast = round%4 == 1
		l.sort()
		remembered := links{}
		var s *connection.Slice
		edge := -1
		for range 20 {
			remembered.forget(r, []int{0, 30, 100}[round%3])
			args, backward := step(r, l, s, edge)
			before := make([]string, len(l.users))
			for i, u := range l.users {
				before[i] = u.ID
			}
			at := -1
			if edge >= 0 {
				at = slices.Index(before, s.User(edge).ID)
			}
			moved := make(map[string]bool)
			for range r.IntN(7) {
				i := r.IntN(len(l.users))
				if at >= 0 && r.IntN(2) == 0 { // the own user, or one nearby
					near := before[min(max(at+r.IntN(5)-2, 0), len(before)-1)]
					i = slices.IndexFunc(l.users, func(u upstream.User) bool { return u.ID == near })
				}
				moved[l.users[i].ID] = true
				if r.IntN(2) == 0 {
					callAgain(&l.users[i], int64(1000+moves))
				} else {
					setValue(&l.users[i], r.IntN(max(1, len(l.users)/5)))
				}
				moves++
				l.sort()
			}
			s = l.window(t, args, remembered)
			windows++
			stayed := func(ids []string) []string {
				return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return moved[id] })
			}
			got, want := stayed(ids(s)), before
			switch {
			case at >= 0 && backward:
				want = before[:at]
			case at >= 0:
				want = before[at+1:]
			}
			want = stayed(want)
			whole := !s.HasNextPage
			if backward {
				whole = !s.HasPreviousPage
			}
			if n := len(got); n > len(want) || whole && n < len(want) ||
				backward && !slices.Equal(got, want[len(want)-n:]) || !backward && !slices.Equal(got, want[:n]) {
				lost := slices.DeleteFunc(slices.Clone(want), func(id string) bool { return slices.Contains(got, id) })
				extra := slices.DeleteFunc(slices.Clone(got), func(id string) bool { return slices.Contains(want, id) })
				t.Fatalf("round %d (%+v): %d users, backward is %v, at %d of %d, %d moved, all is %v: got %d of %d: without %v, with %v", round, l.query.Sort, s.Len(), backward, at, len(before), len(moved), whole, n, len(want), lost, extra)
			}
			edge = -1
			if s.Len() > 0 && r.IntN(10) > 0 {
				edge = r.IntN(s.Len())
			}
		}
	}
	t.Logf("%d windows under %d moves", windows, moves)
}

// TestBaseWithWrongHints has hints that never lead to enough users, or to the start
// of the list.
func TestBaseWithWrongHints(t *testing.T) {
	s := connection.NewSealer("key")
	_, end := cursors(t, upstream.Query{}, s)
	last := 30
	for name, previous := range map[string]connection.Previous{
		"empty pages in a circle": func(string) (string, int, bool) { return "again", 0, true },
		"no page":                 func(string) (string, int, bool) { return "", 0, false },
	} {
		t.Run(name, func(t *testing.T) {
			w, err := connection.NewWindow(upstream.Query{}, connection.Args{Last: &last, Before: &end}, s)
			if err != nil {
				t.Fatal(err)
			}
			calls := 0
			base := w.Base(0, func(next string) (string, int, bool) {
				if calls++; calls > 1000 {
					t.Fatal("the search has no end")
				}
				return previous(next)
			})
			if base.Cursor != "" {
				t.Errorf("the base is %q", base.Cursor)
			}
		})
	}
}
