package main

import (
	"fmt"
	"time"

	"rollcall/bench/load"
	"rollcall/bench/upstream"
)

// A workload is the requests behind one table of the result.
type workload struct {
	name        string
	title       string
	connections int
	// aliases is the number of root fields of a request, distinct the number of
	// their pages.
	aliases, distinct int
	// different reports that no two requests in flight are equal.
	different bool
	delay     time.Duration
	// duration is the time of one round of one server.
	duration time.Duration
	// calls is the number of upstream calls that the service must make for a request; 0 for at most one.
	calls float64
}

// requests returns a workload's requests to a server. It sends each of them once
// and checks the response in full. cursors are the server's own, by the page's
// number.
func (w workload) requests(d dialect, addr string, cursors []string) ([]*load.Request, error) {
	c, err := load.Dial(addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var list []*load.Request
	for first := 1; first+w.distinct <= len(cursors); first += w.distinct {
		request, err := c.Prepare(d.request(w.aliases, cursors[first:first+w.distinct]), func(body []byte) error {
			pages, err := d.read(body, w.aliases)
			if err != nil {
				return err
			}
			for i, p := range pages {
				if err := p.check(first + i%w.distinct); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		list = append(list, request)
		if !w.different {
			break
		}
	}
	return list, nil
}

// walk reads the pages in order, and returns the cursor of each.
func walk(d dialect, addr string, pages int) ([]string, error) {
	c, err := load.Dial(addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	cursors := []string{upstream.Cursor(0)}
	for number := range pages - 1 {
		var next string
		_, err := c.Prepare(d.request(1, cursors[number:]), func(body []byte) error {
			read, err := d.read(body, 1)
			if err != nil {
				return err
			}
			next = read[0].next
			return read[0].check(number)
		})
		if err != nil {
			return nil, fmt.Errorf("page %d: %w", number, err)
		}
		cursors = append(cursors, next)
	}
	return cursors, nil
}
