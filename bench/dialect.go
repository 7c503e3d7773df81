package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"rollcall/bench/load"
	"rollcall/bench/upstream"
)

// A dialect builds the requests for a server's pages, and reads its responses:
// each engine gets the requests that suit it. All dialects request all fields
// of the reference page.
type dialect struct {
	// request returns the request for the page after each of the cursors; the
	// empty cursor stands for the first page. The aliases use the cursors in
	// turn.
	request func(aliases int, cursors []string) []byte
	// read returns the response's pages, one for each alias.
	read func(body []byte, aliases int) ([]page, error)
	// single reports that the dialect has no aliases.
	single bool
}

// page is a page of the upstream in a server's form.
type page struct {
	users       []upstream.User
	next        string
	hasNext     bool
	hasPrevious bool
	// edges are the cursors of its rows, if the dialect has them.
	edges []string
}

// check compares a page with the upstream's own.
func (p page) check(number int) error {
	if want := upstream.Users(number); !reflect.DeepEqual(p.users, want) {
		return fmt.Errorf("page %d has other users than the upstream's (%d of them)", number, len(p.users))
	}
	if !p.hasNext || p.next == "" {
		return fmt.Errorf("page %d has no next page", number)
	}
	if p.edges == nil {
		return nil
	}
	if p.hasPrevious != (number > 0) {
		return fmt.Errorf("page %d misreports whether it has a previous page", number)
	}
	seen := make(map[string]bool)
	for _, cursor := range p.edges {
		if cursor == "" || seen[cursor] {
			return fmt.Errorf("page %d has an edge without its own cursor", number)
		}
		seen[cursor] = true
	}
	if last := p.edges[len(p.edges)-1]; last != p.next {
		return fmt.Errorf("page %d does not end where the next one begins", number)
	}
	return nil
}

// rest requests the upstream's page as it is.
func rest() dialect {
	return dialect{
		single:  true,
		request: func(_ int, cursors []string) []byte { return load.Get(upstream.Target(cursors[0])) },
		read: func(body []byte, _ int) ([]page, error) {
			var p wirePage
			if err := decode(body, &p); err != nil {
				return nil, err
			}
			return []page{p.page()}, nil
		},
	}
}

// wirePage is the upstream's page, as it is or as GraphQL.
type wirePage struct {
	Users      []upstream.User `json:"users"`
	NextCursor string          `json:"next_cursor"`
	HasMore    bool            `json:"has_more"`
}

func (p wirePage) page() page {
	for i := range p.Users {
		p.Users[i].Sentiment = nil // no query selects it, and only the proxy forwards it
	}
	return page{users: p.Users, next: p.NextCursor, hasNext: p.HasMore}
}

// wire requests the upstream's page as GraphQL, with the upstream's names. An
// engine that is configured only with an endpoint has this form.
func wire() dialect {
	return graphQL[wirePage](
		"first:30",
		"users{user_id last_contact_unix_secs first_contact_unix_secs conversation_count last_contact_agent_id last_contact_conversation_id last_contact_agent_name} next_cursor has_more",
		"Page",
		wirePage.page,
	)
}

type connection[N interface{ user() upstream.User }] struct {
	Edges []struct {
		Cursor string
		Node   N
	}
	PageInfo struct {
		HasNextPage, HasPreviousPage bool
		StartCursor, EndCursor       string
	}
}

func (c connection[N]) page() page {
	p := page{
		edges:       []string{},
		next:        c.PageInfo.EndCursor,
		hasNext:     c.PageInfo.HasNextPage,
		hasPrevious: c.PageInfo.HasPreviousPage,
	}
	for _, e := range c.Edges {
		p.users = append(p.users, e.Node.user())
		p.edges = append(p.edges, e.Cursor)
	}
	if len(p.edges) > 0 && p.edges[0] != c.PageInfo.StartCursor {
		p.next = "" // it is invalid
	}
	return p
}

const (
	edges    = "edges{cursor node{"
	pageInfo = "}} pageInfo{hasNextPage hasPreviousPage startCursor endCursor}"
)

// serviceNode is a user of the service.
type serviceNode struct {
	UserID                        string
	ConversationCount             int
	FirstContactAt, LastContactAt time.Time
	LastContactAgent              *struct{ AgentID string }
	LastContactAgentName          *string
	LastContactConversation       struct{ ConversationID string }
}

func (n serviceNode) user() upstream.User {
	u := upstream.User{
		ID: n.UserID, Count: n.ConversationCount, First: n.FirstContactAt.Unix(), Last: n.LastContactAt.Unix(),
		AgentName: n.LastContactAgentName, ConversationID: n.LastContactConversation.ConversationID,
	}
	if n.LastContactAgent != nil {
		u.AgentID = &n.LastContactAgent.AgentID
	}
	return u
}

func service() dialect {
	return graphQL(
		"first:30",
		edges+"userId conversationCount firstContactAt lastContactAt lastContactAgent{agentId} lastContactAgentName lastContactConversation{conversationId}"+pageInfo,
		"UserConnection",
		connection[serviceNode].page,
	)
}

// plainNode is a user of the plain gqlgen facade.
type plainNode struct {
	UserID                                   string
	ConversationCount                        int
	FirstContactAt, LastContactAt            time.Time
	LastContactAgentID, LastContactAgentName *string
	LastContactConversationID                string
}

func (n plainNode) user() upstream.User {
	return upstream.User{
		ID: n.UserID, Count: n.ConversationCount, First: n.FirstContactAt.Unix(), Last: n.LastContactAt.Unix(),
		AgentID: n.LastContactAgentID, AgentName: n.LastContactAgentName, ConversationID: n.LastContactConversationID,
	}
}

func plain() dialect {
	return graphQL(
		"first:30",
		edges+"userId conversationCount firstContactAt lastContactAt lastContactAgentId lastContactAgentName lastContactConversationId"+pageInfo,
		"UserConnection",
		connection[plainNode].page,
	)
}

// graphQL requests users with a selection on the type with the name on. Cursors
// are variables, so that the document stays the same.
func graphQL[T any](first, selection, on string, read func(T) page) dialect {
	return dialect{
		request: func(aliases int, cursors []string) []byte {
			var declared, fields strings.Builder
			variables := make(map[string]any)
			for i, cursor := range cursors {
				fmt.Fprintf(&declared, "$c%d:String ", i)
				variables[fmt.Sprintf("c%d", i)] = nil
				if cursor != "" {
					variables[fmt.Sprintf("c%d", i)] = cursor
				}
			}
			if aliases == 1 {
				fmt.Fprintf(&fields, "{u0:users(%s after:$c0){%s}}", first, selection)
			} else {
				fields.WriteString("{")
				for i := range aliases {
					fmt.Fprintf(&fields, "u%d:users(%s after:$c%d){...P} ", i, first, i%len(cursors))
				}
				fmt.Fprintf(&fields, "} fragment P on %s{%s}", on, selection)
			}
			body, err := json.Marshal(map[string]any{
				"query":     fmt.Sprintf("query Users(%s)%s", strings.TrimSpace(declared.String()), &fields),
				"variables": variables,
			})
			if err != nil {
				panic(err) // it has only strings
			}
			return load.Post("/graphql", body)
		},
		read: func(body []byte, aliases int) ([]page, error) {
			var response struct {
				Data   map[string]T
				Errors json.RawMessage
			}
			if err := decode(body, &response); err != nil {
				return nil, err
			}
			if response.Errors != nil || len(response.Data) != aliases {
				return nil, errors.New("the response has errors, or other fields than the query")
			}
			pages := make([]page, aliases)
			for i := range pages {
				t, ok := response.Data[fmt.Sprintf("u%d", i)]
				if !ok {
					return nil, fmt.Errorf("the response has no u%d", i)
				}
				pages[i] = read(t)
			}
			return pages, nil
		},
	}
}

// decode reads JSON that must have no fields but v's.
func decode(body []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("the response does not match the query: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("the response has text after its end")
	}
	return nil
}
