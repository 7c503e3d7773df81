package upstream

import (
	"net/url"
	"strconv"
)

// MaxPageSize is the largest page that the upstream returns (the vendor's
// OpenAPI).
const MaxPageSize = 100

// Bound is an optional instant in whole Unix seconds. The zero value is no bound.
type Bound struct {
	Unix int64
	Set  bool
}

// At returns the bound at an instant in Unix seconds.
func At(unix int64) Bound { return Bound{Unix: unix, Set: true} }

// Filter selects conversations. Users, counts and instants are computed over the
// selected ones. Empty strings and zero bounds select all.
type Filter struct {
	AgentID       string // agent_… or seng_…
	BranchID      string
	UserID        string // the upstream's parameter search: a whole user ID, matched exactly
	StartedAfter  Bound
	StartedBefore Bound
}

// Sort is the key that users are ordered by.
type Sort uint8

// The upstream's sort keys. The vendor's reference page lists the first two, its
// OpenAPI all three.
const (
	SortLastContact Sort = iota
	SortConversationCount
	SortAverageSentimentScore
)

// Query identifies a list of users, without the position in it. It is comparable:
// equal queries list the same users in the same order.
type Query struct {
	Filter    Filter
	Sort      Sort
	Ascending bool // the upstream's default is descending
}

// PageQuery requests one page of a list.
type PageQuery struct {
	Query
	// Cursor is the [Page.Next] of an earlier page of the same query; empty for
	// the first page.
	Cursor string
	// Size is the largest number of users to return, from 1 to [MaxPageSize].
	Size int
}

// encode returns the query as the upstream's parameters. It leaves out defaults,
// so that a server that implements only the vendor's reference page accepts it.
func (q *PageQuery) encode() string {
	b := append(make([]byte, 0, 256), "page_size="...)
	b = strconv.AppendInt(b, int64(q.Size), 10)
	add := func(name, value string) {
		if value != "" {
			b = append(append(append(b, '&'), name...), '=')
			b = append(b, url.QueryEscape(value)...)
		}
	}
	addBound := func(name string, bound Bound) {
		if bound.Set {
			add(name, strconv.FormatInt(bound.Unix, 10))
		}
	}
	add("agent_id", q.Filter.AgentID)
	add("branch_id", q.Filter.BranchID)
	add("search", q.Filter.UserID)
	addBound("call_start_after_unix", q.Filter.StartedAfter)
	addBound("call_start_before_unix", q.Filter.StartedBefore)
	switch q.Sort {
	case SortLastContact:
	case SortConversationCount:
		add("sort_by", "conversation_count")
	case SortAverageSentimentScore:
		add("sort_by", "average_sentiment_score")
	}
	if q.Ascending {
		add("sort_direction", "asc")
	}
	add("cursor", q.Cursor)
	return string(b)
}
