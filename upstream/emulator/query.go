package emulator

import (
	"errors"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The sorts are of the vendor's reference page, except for the last, which is of
// the vendor's OpenAPI.
const (
	byLastContact = "last_contact_unix_secs"
	byCount       = "conversation_count"
	bySentiment   = "average_sentiment_score"
)

// The limits of page_size are of the vendor's OpenAPI, its default is of the
// vendor's reference page.
const (
	minPageSize     = 1
	maxPageSize     = 100
	defaultPageSize = 30
)

// filter selects conversations. An empty string selects by nothing.
type filter struct {
	agentID  string // agent_…, aliases resolved
	branchID string
	userID   string // exactly

	// A conversation starts after one and not after the other, in Unix seconds.
	// At the ends of int64, neither excludes any.
	after, before int64
}

// query is a request's parameters, valid and with defaults.
type query struct {
	filter
	sort      string
	ascending bool
	size      int
	cursor    string // empty for the first page
}

// parseQuery reads the parameters, in the order of the vendor's reference page.
// It returns everything that is wrong with them, not just the first. Parameters
// that nobody knows are passed over.
func parseQuery(values url.Values) (query, []fault) {
	p := parameters{values: values}
	var q query
	q.agentID = resolveAgent(p.text("agent_id"))
	q.branchID = p.text("branch_id")
	q.before = p.integer("call_start_before_unix", math.MaxInt64)
	q.after = p.integer("call_start_after_unix", math.MinInt64)
	q.userID = p.text("search")
	q.size = int(p.integerWithin("page_size", minPageSize, maxPageSize, defaultPageSize))
	q.sort = p.choice("sort_by", byLastContact, byLastContact, byCount, bySentiment)
	q.ascending = p.choice("sort_direction", "desc", "asc", "desc") == "asc"
	q.cursor = p.text("cursor")
	return q, p.faults
}

// resolveAgent returns the agent that an ID is of: seng_… is another name of
// what agent_… names (the vendor's reference page). That the two differ by no
// more than that is made up.
func resolveAgent(id string) string {
	if rest, isAlias := strings.CutPrefix(id, "seng_"); isAlias {
		return "agent_" + rest
	}
	return id
}

// parameters reads values and collects what is wrong with them.
type parameters struct {
	values url.Values
	faults []fault
}

// last returns the last of a parameter's values, as FastAPI does.
func (p *parameters) last(name string) (value string, ok bool) {
	all := p.values[name]
	if len(all) == 0 {
		return "", false
	}
	return all[len(all)-1], true
}

// text returns a parameter for which empty is as good as absent. For a cursor
// that is known, for the others it is a guess.
func (p *parameters) text(name string) string {
	value, _ := p.last(name)
	return value
}

// integer returns a whole number. One beyond int64 is cut off there, which
// changes no answer: Python, which has no such limit, would select the same.
// Empty is not absent here, but no number, as it is to FastAPI.
func (p *parameters) integer(name string, absent int64) int64 {
	value, ok := p.last(name)
	if !ok {
		return absent
	}
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		p.blame(name, value, "int_parsing", "Input should be a valid integer, unable to parse string as an integer", nil)
		return absent
	}
	return n
}

func (p *parameters) integerWithin(name string, low, high, absent int64) int64 {
	n := p.integer(name, absent)
	switch {
	case n < low:
		p.blame(name, p.text(name), "greater_than_equal", "Input should be greater than or equal to "+strconv.FormatInt(low, 10), map[string]any{"ge": low})
	case n > high:
		p.blame(name, p.text(name), "less_than_equal", "Input should be less than or equal to "+strconv.FormatInt(high, 10), map[string]any{"le": high})
	}
	return n
}

// choice returns one of a few words. Empty is none of them.
func (p *parameters) choice(name, absent string, words ...string) string {
	value, ok := p.last(name)
	if !ok {
		return absent
	}
	if !slices.Contains(words, value) {
		expected := "'" + strings.Join(words[:len(words)-1], "', '") + "' or '" + words[len(words)-1] + "'"
		p.blame(name, value, "enum", "Input should be "+expected, map[string]any{"expected": expected})
	}
	return value
}

func (p *parameters) blame(name, input, kind, message string, limits map[string]any) {
	p.faults = append(p.faults, fault{
		Type: kind, Location: []string{"query", name}, Message: message, Input: input, Context: limits,
	})
}
