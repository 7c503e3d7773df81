package upstream

import (
	"context"
	"encoding/json"
	"time"
)

// Replicas may share their pages. A page that one replica has read serves all of
// them, and the newest reading of a page invalidates the older readings of the
// pages behind it in every replica. A decoded page is then used only if its
// version is the shared one. While the replicas do not share, each uses the pages
// that it has read itself.

// SharedPages has the pages that all replicas have read with one API key. It is
// safe for concurrent use.
type SharedPages interface {
	// Get returns the value of the page at a place, if it has at least size users or
	// is the last one. If its version is the known one, the value is nil.
	//
	// If there is no such page, end is not nil: the caller reads the page from the
	// upstream while others wait for it, and calls end once, with its value, size
	// and the place of its next page, which may be empty; or with nil if it could
	// not be read. The version is the one that it will have.
	//
	// While pages are not shared, all results are zero. The error is the cause of
	// ctx's cancellation.
	Get(ctx context.Context, place string, size int, known string) (value []byte, version string, end func(value []byte, size int, next string), err error)
}

// lastPage is the size of a page without a next one: it satisfies a request of
// any size.
const lastPage = 1 << 20

// place returns the name of a page among the shared ones.
func place(q Query, cursor string) string {
	return (&PageQuery{Query: q, Cursor: cursor}).encode()
}

// page returns a page that the replicas share, or makes the call. A key that the
// upstream has not accepted shares nothing.
func (c *Client) page(ctx context.Context, caller Caller, q *PageQuery) (page Page, cached bool, err error) {
	var pages SharedPages
	if c.sharedPages != nil && c.strangers.accepts(c.strangers.hash(caller.Key)) {
		pages = c.sharedPages(caller.Key)
	}
	if pages == nil {
		page, err = c.read(ctx, caller, q, "")
		return page, false, err
	}
	known, version := c.cache.version(caller.Key, q)
	value, current, end, err := pages.Get(ctx, place(q.Query, q.Cursor), q.Size, version)
	switch {
	case err != nil:
		return Page{}, false, err
	case end != nil:
		page, err = c.readFor(ctx, caller, q, current, end)
		return page, false, err
	case current == "":
		if page, ok := c.cache.get(caller.Key, q); ok {
			return page, true, nil
		}
	case current == version:
		return known, true, nil
	case json.Unmarshal(value, &page) == nil:
		page.text = len(value)
		c.cache.keep(caller.Key, q, page, current)
		return page, true, nil
	}
	page, err = c.read(ctx, caller, q, "")
	return page, false, err
}

// readFor makes the call while other replicas wait for its page.
func (c *Client) readFor(ctx context.Context, caller Caller, q *PageQuery, version string, end func([]byte, int, string)) (page Page, err error) {
	var value []byte
	var size int
	var next string
	defer func() { end(value, size, next) }() // also after a panic
	if page, err = c.read(ctx, caller, q, version); err != nil {
		return page, err
	}
	if encoded, err := json.Marshal(page); err == nil {
		value, size = encoded, lastPage
		if page.Next != "" {
			size, next = q.Size, place(q.Query, page.Next)
		}
	}
	return page, nil
}

// read makes the call and keeps its page.
func (c *Client) read(ctx context.Context, caller Caller, q *PageQuery, version string) (Page, error) {
	sent := time.Now()
	page, err := c.fetch(ctx, caller, q)
	if err == nil {
		c.cache.put(caller.Key, q, page, sent, version)
	}
	return page, err
}
