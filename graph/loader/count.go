package loader

import (
	"context"

	"rollcall/graph/connection"
	"rollcall/upstream"
)

// The upstream reports no counts, so a list is counted by reading it. The number
// of users depends on the list's filter alone, so a count continues the walk of
// that filter that has read the most from a start, in any order.

// ExpectCount announces that the users of a window's list are likely to be
// counted up to a limit. It is called after Expect, so that a count does not
// begin a walk of its own if it can use a window's walk. It makes no call itself.
func (l *Loader) ExpectCount(w *connection.Window, limit int) {
	if _, _, known := l.known(w, limit); !known {
		wk := l.countingWalk(w)
		l.walk(wk.start, limit)
	}
}

// Count returns the number of users in a window's list, or false if it exceeds a
// limit. The errors are those of Load.
func (l *Loader) Count(ctx context.Context, w *connection.Window, limit int) (n int, within bool, err error) {
	if n, exceeded, known := l.known(w, limit); known {
		return n, !exceeded, nil
	}
	wk := l.countingWalk(w)
	l.walk(wk.start, limit)
	pages, held, _, err := wk.read(ctx, limit)
	if err != nil {
		return 0, false, err
	}
	counted := countOf(pages, held)
	l.memory.keepCount(l.key, w.Query.Filter, counted)
	n, exceeded, _ := counted.within(limit)
	return n, !exceeded, nil
}

// known returns what an earlier operation found out about a count.
func (l *Loader) known(w *connection.Window, limit int) (n int, exceeded, known bool) {
	return l.memory.count(l.key, w.Query.Filter).within(limit)
}

// countingWalk returns the walk on which the users of a window's list are
// counted.
func (l *Loader) countingWalk(w *connection.Window) *walk {
	l.mu.Lock()
	defer l.mu.Unlock()
	var best *walk
	for _, wk := range l.walks {
		if wk.start.cursor != "" || wk.start.query.Filter != w.Query.Filter {
			continue
		}
		if best == nil || wk.before(best) {
			best = wk
		}
	}
	if best == nil {
		best = l.begin(start{query: w.List()})
	}
	return best
}

// before reports whether a count prefers w to another walk. loader.mu is held.
func (w *walk) before(other *walk) bool {
	if w.finished != other.finished {
		return w.finished
	}
	if w.held != other.held {
		return w.held > other.held
	}
	if w.expected != other.expected {
		return w.expected > other.expected
	}
	// The choice must not depend on the order in which the walks began.
	if a, b := w.start.query, other.start.query; a.Sort != b.Sort {
		return a.Sort < b.Sort
	}
	return !w.start.query.Ascending
}

// countOf counts the users on a walk's pages. A user who moves while the list is
// read may be on two of them, and counts once.
func countOf(pages []upstream.Page, held int) count {
	all := len(pages) > 0 && pages[len(pages)-1].Next == ""
	if len(pages) == 1 {
		return count{held, all}
	}
	seen := make(map[string]struct{}, held)
	for _, page := range pages {
		for i := range page.Users {
			seen[page.Users[i].ID] = struct{}{}
		}
	}
	if !all { // how many of them were read matters only if it exceeds a limit
		return count{held, false}
	}
	return count{len(seen), true}
}
