package main

import (
	"encoding/xml"
	"fmt"
	"strings"
)

// The chart's dimensions, in SVG's units.
const (
	chartWidth = 720
	labelWidth = 170 // for the servers' names
	valueWidth = 80  // for the figures after the bars
	barHeight  = 16
	barStep    = 24
	panelHead  = 36
)

// chartStyle has colours that can be distinguished on white and on black, and does
// not set the background.
const chartStyle = `text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.other{fill:#8c959f}.subject{fill:#0969da}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.other{fill:#6e7681}.subject{fill:#4493f8}}`

// chart draws the processor time for a request: a panel for each workload, each
// with its own scale, and a bar for each server.
func chart(results []result, order []string, subject string) []byte {
	var b strings.Builder
	y := 0
	text := func(class string, x, y int, anchor, text string) {
		fmt.Fprintf(&b, `<text class="%s" x="%d" y="%d" text-anchor="%s">`, class, x, y, anchor)
		_ = xml.EscapeText(&b, []byte(text)) // a builder returns no error
		b.WriteString("</text>\n")
	}
	for _, r := range results {
		var longest float64
		for _, name := range order {
			longest = max(longest, cpuOf(r.figures[name]))
		}
		if longest == 0 || r.delay > 0 { // an idle server's time is mostly for waking up
			continue
		}
		text("title", 0, y+panelHead-14, "start", r.title+": CPU µs for a request")
		y += panelHead
		for _, name := range order {
			cpu := cpuOf(r.figures[name])
			if cpu == 0 {
				continue
			}
			class := "other"
			if name == subject {
				class = "subject"
			}
			width := max(1, cpu/longest*(chartWidth-labelWidth-valueWidth))
			text("name", labelWidth-8, y+barHeight-3, "end", name)
			fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d" rx="2"/>`+"\n", class, labelWidth, y, width, barHeight)
			text("value", labelWidth+int(width)+6, y+barHeight-3, "start", number(cpu))
			y += barStep
		}
	}
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="CPU time for a request, by workload and server">
<style>%s</style>
%s</svg>
`, chartWidth, y, chartStyle, &b)
}
