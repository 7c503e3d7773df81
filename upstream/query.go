package upstream

import (
	"net/url"
	"strconv"
)

// MaxPageSize is the largest page that the upstream hands out (the vendor's
// OpenAPI).
const MaxPageSize = 100

// Bound is an optional instant in whole Unix seconds. The zero value is no bound.
type Bound struct {
	Unix int64
	Set  bool
}

// At is the bound at an instant in Unix seconds.
func At(unix int64) Bound { return Bound{Unix: unix, Set: true} }

// Filter selects conversations; users, counts and instants are taken over the
// selected ones. Empty strings and zero bounds select all.
type Filter struct {
	AgentID       string // agent_… or seng_…
	BranchID      string
	UserID        string // the parameter search: a whole user ID, exactly
	StartedAfter  Bound
	StartedBefore Bound
}

// Sort is the key that users are ordered by.
type Sort uint8

// The upstream's sort keys. The third is not on the vendor's reference page;
// it is in its OpenAPI.
const (
	SortLastContact Sort = iota
	SortConversationCount
	SortAverageSentimentScore
)

// Query is what a list of users depends on, apart from the place in it. It is
// comparable: equal queries list the same users in the same order.
type Query struct {
	Filter    Filter
	Sort      Sort
	Ascending bool // the upstream's default is descending
}

// PageQuery asks for one page of a list.
type PageQuery struct {
	Query
	// Cursor is the [Page.Next] of an earlier page of the same query; empty
	// for the first page.
	Cursor string
	// Size is the largest number of users wanted, from 1 to [MaxPageSize].
	Size int
}

// encode spells the query as the upstream's parameters. Defaults are left out,
// so that a server which knows the vendor's reference page alone understands it.
func (q PageQuery) encode() string {
	b := strconv.AppendInt([]byte("page_size="), int64(q.Size), 10)
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
