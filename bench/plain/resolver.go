package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"rollcall/bench/plain/generated"
)

// resolver makes an upstream call for each field, as most resolvers do at first.
type resolver struct {
	client   *http.Client
	endpoint string
}

type page struct {
	Users []struct {
		UserID         string  `json:"user_id"`
		Count          int     `json:"conversation_count"`
		First          int64   `json:"first_contact_unix_secs"`
		Last           int64   `json:"last_contact_unix_secs"`
		AgentID        *string `json:"last_contact_agent_id"`
		AgentName      *string `json:"last_contact_agent_name"`
		ConversationID string  `json:"last_contact_conversation_id"`
	} `json:"users"`
	NextCursor *string `json:"next_cursor"`
	HasMore    bool    `json:"has_more"`
}

// Query implements [generated.ResolverRoot].
func (r *resolver) Query() generated.QueryResolver { return r }

// Users implements [generated.QueryResolver].
func (r *resolver) Users(ctx context.Context, first int, after *string) (*generated.UserConnection, error) {
	query := url.Values{"page_size": {strconv.Itoa(first)}}
	if after != nil {
		query.Set("cursor", *after)
	}
	p, err := r.fetch(ctx, query)
	if err != nil {
		return nil, err
	}
	c := &generated.UserConnection{
		Edges: make([]*generated.UserEdge, len(p.Users)),
		PageInfo: &generated.PageInfo{
			HasNextPage:     p.HasMore,
			HasPreviousPage: after != nil,
			EndCursor:       p.NextCursor,
		},
	}
	for i, u := range p.Users {
		cursor := base64.RawURLEncoding.EncodeToString([]byte(u.UserID))
		if i == len(p.Users)-1 && p.NextCursor != nil {
			cursor = *p.NextCursor
		}
		c.Edges[i] = &generated.UserEdge{Cursor: cursor, Node: &generated.User{
			UserID:                    u.UserID,
			ConversationCount:         u.Count,
			FirstContactAt:            time.Unix(u.First, 0).UTC(),
			LastContactAt:             time.Unix(u.Last, 0).UTC(),
			LastContactAgentID:        u.AgentID,
			LastContactAgentName:      u.AgentName,
			LastContactConversationID: u.ConversationID,
		}}
	}
	if len(c.Edges) > 0 {
		c.PageInfo.StartCursor = &c.Edges[0].Cursor
	}
	return c, nil
}

func (r *resolver) fetch(ctx context.Context, query url.Values) (page, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.endpoint+"?"+query.Encode(), nil)
	if err != nil {
		return page{}, err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return page{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return page{}, fmt.Errorf("the upstream responded with %s", response.Status)
	}
	var p page
	return p, json.NewDecoder(response.Body).Decode(&p)
}
