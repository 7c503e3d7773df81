package emulator

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// listKey is what a list depends on: which conversations, and in which order.
type listKey struct {
	agentID, branchID, search string
	after, before             instant
	sortBy                    string
	ascending                 bool
}

// instant is an optional instant in Unix seconds.
type instant struct {
	unix int64
	set  bool
}

type query struct {
	list   listKey
	cursor string
	size   int
}

// The values of sort_by. The last is in the vendor's OpenAPI alone, as is
// sort_direction.
const (
	byLastContact = "last_contact_unix_secs"
	byCount       = "conversation_count"
	byScore       = "average_sentiment_score"
)

// parseQuery reads the parameters. All that is wrong with them is one 422; an
// empty parameter is as good as none, which is a guess for all but cursor.
func parseQuery(v url.Values) (query, *refusal) {
	p := parser{values: v}
	q := query{
		list: listKey{
			agentID:   v.Get("agent_id"),
			branchID:  v.Get("branch_id"),
			search:    v.Get("search"),
			after:     p.instant("call_start_after_unix"),
			before:    p.instant("call_start_before_unix"),
			sortBy:    p.word("sort_by", byLastContact, byCount, byScore),
			ascending: p.word("sort_direction", "desc", "asc") == "asc",
		},
		cursor: v.Get("cursor"),
		size:   p.pageSize(),
	}
	if len(p.faults) > 0 {
		return query{}, &refusal{status: 422, detail: p.faults}
	}
	return q, nil
}

// parser collects the faults of parameters, in the form of the upstream's
// validation.
type parser struct {
	values url.Values
	faults []fault
}

type fault struct {
	Type    string         `json:"type"`
	Loc     []any          `json:"loc"`
	Message string         `json:"msg"`
	Input   string         `json:"input"`
	Context map[string]any `json:"ctx,omitempty"`
}

func (p *parser) fault(name, kind, message string, context map[string]any) {
	p.faults = append(p.faults, fault{kind, []any{"query", name}, message, p.values.Get(name), context})
}

func (p *parser) integer(name string) (n int64, ok bool) {
	text := p.values.Get(name)
	if text == "" {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		p.fault(name, "int_parsing", "Input should be a valid integer, unable to parse string as an integer", nil)
		return 0, false
	}
	return n, true
}

func (p *parser) instant(name string) instant {
	unix, set := p.integer(name)
	return instant{unix, set}
}

// pageSize is 1 to 100 (the vendor's OpenAPI), and 30 by default.
func (p *parser) pageSize() int {
	n, ok := p.integer("page_size")
	switch {
	case !ok:
		return 30
	case n < 1:
		p.fault("page_size", "greater_than_equal", "Input should be greater than or equal to 1", map[string]any{"ge": 1})
	case n > 100:
		p.fault("page_size", "less_than_equal", "Input should be less than or equal to 100", map[string]any{"le": 100})
	}
	return int(n)
}

// word is one of the allowed words, the first by default.
func (p *parser) word(name string, allowed ...string) string {
	text := p.values.Get(name)
	if text == "" {
		return allowed[0]
	}
	if slices.Contains(allowed, text) {
		return text
	}
	last := len(allowed) - 1
	expected := "'" + strings.Join(allowed[:last], "', '") + "' or '" + allowed[last] + "'"
	p.fault(name, "enum", "Input should be "+expected, map[string]any{"expected": expected})
	return allowed[0]
}
