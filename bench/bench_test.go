package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"rollcall/bench/upstream"
)

// rightPage returns a page as a server should return it.
func rightPage(number int) page {
	p := page{users: upstream.Users(number), next: "next", hasNext: true, hasPrevious: number > 0}
	for i := range upstream.PageSize - 1 {
		p.edges = append(p.edges, "edge"+p.users[i].ID)
	}
	p.edges = append(p.edges, "next")
	return p
}

func TestCheckOfPages(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*page)
		right bool
	}{
		"correct":                       {func(*page) {}, true},
		"without edges":                 {func(p *page) { p.edges = nil }, true},
		"with another page's users":     {func(p *page) { p.users = upstream.Users(4) }, false},
		"with a missing user":           {func(p *page) { p.users = p.users[1:] }, false},
		"with another first contact":    {func(p *page) { p.users[17].First++ }, false},
		"with an additional agent":      {func(p *page) { p.users[9].AgentID = p.users[0].AgentID }, false},
		"without a next page":           {func(p *page) { p.hasNext = false }, false},
		"without a next cursor":         {func(p *page) { p.next, p.edges[29] = "", "" }, false},
		"with an edge without a cursor": {func(p *page) { p.edges[3] = "" }, false},
		"with one cursor twice":         {func(p *page) { p.edges[3] = p.edges[4] }, false},
		"with another next cursor":      {func(p *page) { p.next = "elsewhere" }, false},
		"without a previous page":       {func(p *page) { p.hasPrevious = false }, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := rightPage(3)
			test.spoil(&p)
			if err := p.check(3); (err == nil) != test.right {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestInvalidResponses(t *testing.T) {
	for name, body := range map[string]string{
		"an error beside the data":     `{"data":{"u0":{"users":[],"next_cursor":"c","has_more":true}},"errors":[{"message":"no"}]}`,
		"an error instead of data":     `{"errors":[{"message":"no"}],"data":null}`,
		"a field that was not queried": `{"data":{"u0":{"users":[],"next_cursor":"c","has_more":true,"total":1}}}`,
		"another alias":                `{"data":{"u1":{"users":[],"next_cursor":"c","has_more":true}}}`,
		"an additional alias":          `{"data":{"u0":{"users":[]},"u1":{"users":[]}}}`,
		"text after the end":           `{"data":{"u0":{"users":[]}}} {}`,
		"a body that is not JSON":      `ok`,
		"an instant that is a string":  `{"data":{"u0":{"users":[{"user_id":"a","last_contact_unix_secs":"1"}]}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := wire().read([]byte(body), 1); err == nil {
				t.Error("the response was accepted")
			}
		})
	}
	if pages, err := wire().read([]byte(`{"data":{"u0":{"users":[],"next_cursor":"c","has_more":true}}}`), 1); err != nil || pages[0].next != "c" {
		t.Errorf("got %v, %v", pages, err)
	}
}

func results() []result {
	rounds := func(micros ...int) (f []figure) {
		for _, n := range micros {
			f = append(f, figure{cpu: time.Duration(n) * time.Microsecond, rate: 1000, calls: 10, requests: 10, latency: []time.Duration{time.Millisecond}, memory: 1 << 20})
		}
		return f
	}
	return []result{{
		workload{name: "W2", title: "W2 & all", connections: 32, calls: 1},
		figures{serviceNow: rounds(100, 300, 90), reverseProxy: rounds(50, 100, 60), tailcall: rounds(90, 250, 90)},
	}}
}

// TestRatio expects the median of the rounds' ratios, not the ratio of medians.
func TestRatio(t *testing.T) {
	if got, ok := results()[0].ratio(serviceNow, reverseProxy); got != 2 || !ok {
		t.Errorf("got %v, %v", got, ok)
	}
	if _, ok := results()[0].ratio(serviceNow, plainGqlgen); ok {
		t.Error("got a ratio to a server that was not measured")
	}
}

func TestTargets(t *testing.T) {
	text := markdown(results(), []string{serviceNow, reverseProxy, tailcall}, serviceNow, []string{"A note."})
	for _, want := range []string{
		"| **Rollcall** | 100 |  | 1,000 | 1.00 | 1.00 | 1 | 1 |",
		"| Go reverse proxy | 60.0 | 2.00 |",
		"| W2 & all | Go reverse proxy | 2.40 × | 2.00 × | reached |",
		"| W2 & all | Tailcall | 1.00 × | 1.11 × | **missed** |",
		"| W2 & all | upstream calls | 1, exactly | 1 | reached |",
		"A note.",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestCheckCalls(t *testing.T) {
	r := results()
	if err := checkCalls(r, io.Discard); err != nil {
		t.Error(err)
	}
	r[0].figures[serviceNow][1].calls++
	if err := checkCalls(r, io.Discard); err == nil {
		t.Error("an additional call was accepted")
	}
}

func TestChartIsXML(t *testing.T) {
	drawing := chart(results(), []string{serviceNow, reverseProxy, tailcall}, serviceNow)
	bars := 0
	for d := xml.NewDecoder(strings.NewReader(string(drawing))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if element, ok := token.(xml.StartElement); ok && element.Name.Local == "rect" {
			bars++
		}
	}
	if bars != 3 {
		t.Errorf("got %d bars", bars)
	}
}

func TestRenew(t *testing.T) {
	got, err := renew("a\n<!-- x -->\nold\n<!-- /x -->\nb\n", "x", "new\n")
	if want := "a\n<!-- x -->\nnew\n<!-- /x -->\nb\n"; got != want || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := renew("a\n<!-- x -->\n", "x", "new\n"); err == nil {
		t.Error("a section without an end was accepted")
	}
}

func TestFlags(t *testing.T) {
	for args, right := range map[string]bool{
		"":                        true,
		"-only W2,rollcall":       true,
		"-only W9":                false,
		"-connections 1,2":        true,
		"-connections 0":          false,
		"-connections many":       false,
		"-rounds 0":               false,
		"-duration 1ns":           false,
		"-env GOGC=400":           true,
		"-env GOGC":               false,
		"W2":                      false,
		"-only l -base v1 -short": true,
	} {
		if _, err := parse(strings.Fields(args), io.Discard); (err == nil) != right {
			t.Errorf("%q: got %v", args, err)
		}
	}
}
