package emulator

import (
	"errors"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The sort keys. The last is in the vendor's OpenAPI, the others are on its
// reference page.
const (
	byLastContact = "last_contact_unix_secs"
	byCount       = "conversation_count"
	bySentiment   = "average_sentiment_score"
)

// The limits of page_size are in the vendor's OpenAPI, its default is on the
// reference page.
const (
	minPageSize     = 1
	maxPageSize     = 100
	defaultPageSize = 30
)

// filter selects conversations. An empty string does not restrict the selection.
type filter struct {
	agentID  string // agent_…; aliases are resolved
	branchID string
	userID   string // exactly

	// A conversation is selected if it starts after the one instant and not after
	// the other, in Unix seconds. The least and greatest int64 exclude none.
	after, before int64
}

// query has a request's parameters, valid and with defaults.
type query struct {
	filter
	sort      string
	ascending bool
	size      int
	cursor    string // empty for the first page
}

// parseQuery reads the parameters in the order of the vendor's reference page. It
// returns all faults, not just the first. It ignores unknown parameters.
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

// resolveAgent returns the agent_… ID of an agent. A seng_… ID is an alias of an
// agent_… ID (the vendor's reference page). It is a guess that the two differ
// only in the prefix.
func resolveAgent(id string) string {
	if rest, isAlias := strings.CutPrefix(id, "seng_"); isAlias {
		return "agent_" + rest
	}
	return id
}

// parameters reads values and collects their faults.
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

// text returns a parameter for which an empty value means the same as none. That
// is known for a cursor, and a guess for the others.
func (p *parameters) text(name string) string {
	value, _ := p.last(name)
	return value
}

// integer returns a whole number. A number beyond int64 becomes the nearest
// int64, which changes no response: Python has no such limit and would select the
// same. An empty value is a fault, as in FastAPI.
func (p *parameters) integer(name string, absent int64) int64 {
	value, ok := p.last(name)
	if !ok {
		return absent
	}
	n, err := strconv.ParseInt(strings.TrimSpace(value), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		p.addFault(name, value, "int_parsing", "Input should be a valid integer, unable to parse string as an integer", nil)
		return absent
	}
	return n
}

func (p *parameters) integerWithin(name string, low, high, absent int64) int64 {
	n := p.integer(name, absent)
	switch {
	case n < low:
		p.addFault(name, p.text(name), "greater_than_equal", "Input should be greater than or equal to "+strconv.FormatInt(low, 10), map[string]any{"ge": low})
	case n > high:
		p.addFault(name, p.text(name), "less_than_equal", "Input should be less than or equal to "+strconv.FormatInt(high, 10), map[string]any{"le": high})
	}
	return n
}

// choice returns one of the words. An empty value is a fault.
func (p *parameters) choice(name, absent string, words ...string) string {
	value, ok := p.last(name)
	if !ok {
		return absent
	}
	if !slices.Contains(words, value) {
		expected := "'" + strings.Join(words[:len(words)-1], "', '") + "' or '" + words[len(words)-1] + "'"
		p.addFault(name, value, "enum", "Input should be "+expected, map[string]any{"expected": expected})
	}
	return value
}

func (p *parameters) addFault(name, input, kind, message string, limits map[string]any) {
	p.faults = append(p.faults, fault{
		Type: kind, Location: []string{"query", name}, Message: message, Input: input, Context: limits,
	})
}
