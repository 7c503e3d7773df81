package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A figure is the result of one round of a workload for one server.
type figure struct {
	cpu      time.Duration // for a request, of the whole process; 0 if it is not measured
	rate     float64       // requests a second
	calls    int64         // of the upstream
	memory   int64         // peak of the resident bytes
	requests int
	latency  []time.Duration
}

// figures holds the figures of all rounds, by server.
type figures map[string][]figure

// result is a workload with its figures.
type result struct {
	workload
	figures
}

// A target is a ratio that the service should reach.
type target struct {
	workload string
	against  string
	most     float64
}

// The servers' names.
const (
	serviceNow     = "Rollcall"
	serviceBefore  = "Rollcall before"
	reverseProxy   = "Go reverse proxy"
	plainGqlgen    = "gqlgen, plain"
	tailcall       = "Tailcall"
	tailcallDedupe = "Tailcall, dedupe"
	direct         = "the upstream itself"
)

var targets = []target{
	{"W1", tailcallDedupe, 1.3},
	{"W2", reverseProxy, 2.4},
	{"W2", tailcall, 1.0},
	{"W3", tailcallDedupe, 0.7},
}

// ratio returns one server's processor time divided by the other's: the median
// over the rounds.
func (f figures) ratio(of, to string) (float64, bool) {
	var ratios []float64
	for i := range min(len(f[of]), len(f[to])) {
		if f[of][i].cpu > 0 && f[to][i].cpu > 0 {
			ratios = append(ratios, float64(f[of][i].cpu)/float64(f[to][i].cpu))
		}
	}
	return median(ratios), len(ratios) > 0
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

func medianOf(list []figure, of func(figure) float64) float64 {
	values := make([]float64, len(list))
	for i, f := range list {
		values[i] = of(f)
	}
	return median(values)
}

// The medians, and for memory the maximum.
func cpuOf(f []figure) float64  { return medianOf(f, func(f figure) float64 { return micro(f.cpu) }) }
func rateOf(f []figure) float64 { return medianOf(f, func(f figure) float64 { return f.rate }) }
func callsOf(f []figure) float64 {
	var calls, requests int64
	for _, one := range f {
		calls += one.calls
		requests += int64(one.requests)
	}
	return float64(calls) / float64(requests)
}

// latencyOf returns the p-th percentile of the latencies of all rounds, in
// milliseconds.
func latencyOf(f []figure, p int) float64 {
	var all []time.Duration
	for _, one := range f {
		all = append(all, one.latency...)
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return float64(all[(len(all)-1)*p/100]) / float64(time.Millisecond)
}

func memoryOf(f []figure) (most int64) {
	for _, one := range f {
		most = max(most, one.memory)
	}
	return most
}

func micro(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// markdown returns the whole result.
func markdown(results []result, order []string, subject string, notes []string) string {
	var b strings.Builder
	for _, r := range results {
		fmt.Fprintf(&b, "### %s\n\n", r.title)
		fmt.Fprintf(&b, "| server | CPU µs | %s ÷ it | requests/s | p50 ms | p99 ms | upstream calls | peak RSS MiB |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n", subject)
		for _, name := range order {
			f := r.figures[name]
			if len(f) == 0 {
				continue
			}
			cpu, ratio, memory := "", "", ""
			if f[0].cpu > 0 {
				cpu = number(cpuOf(f))
				memory = fmt.Sprintf("%.0f", float64(memoryOf(f))/(1<<20))
			}
			if v, ok := r.ratio(subject, name); ok && name != subject {
				ratio = fmt.Sprintf("%.2f", v)
			}
			if name == subject {
				name = "**" + name + "**"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %.2f | %.2f | %s | %s |\n", name, cpu, ratio, number(rateOf(f)), latencyOf(f, 50), latencyOf(f, 99), trim(callsOf(f)), memory)
		}
		b.WriteString("\n")
	}
	b.WriteString(targetTable(results))
	for _, note := range notes {
		fmt.Fprintf(&b, "%s\n", note)
	}
	return b.String()
}

// targetTable lists the measured targets, and whether they were reached.
func targetTable(results []result) string {
	var rows strings.Builder
	row := func(title, against, most, measured string, reached bool) {
		verdict := "**missed**"
		if reached {
			verdict = "reached"
		}
		fmt.Fprintf(&rows, "| %s | %s | %s | %s | %s |\n", title, against, most, measured, verdict)
	}
	for _, r := range results {
		for _, t := range targets {
			if v, ok := r.ratio(serviceNow, t.against); ok && t.workload == r.name {
				row(r.title, t.against, fmt.Sprintf("%.2f ×", t.most), fmt.Sprintf("%.2f ×", v), v <= t.most)
			}
		}
		f := r.figures[serviceNow]
		if len(f) == 0 {
			continue
		}
		if r.calls > 0 {
			row(r.title, "upstream calls", trim(r.calls)+", exactly", trim(callsOf(f)), callsOf(f) == r.calls)
		}
		if own := r.figures[direct]; len(own) > 0 {
			for _, over := range []struct {
				percentile int
				most       float64
			}{{50, 1}, {99, 3}} {
				ms := latencyOf(f, over.percentile) - latencyOf(own, 50)
				row(r.title, direct, fmt.Sprintf("+ %.0f ms at p%d", over.most, over.percentile), fmt.Sprintf("%+.2f ms", ms), ms <= over.most)
			}
		}
		if r.connections >= 256 {
			mib := float64(memoryOf(f)) / (1 << 20)
			row(r.title, "peak RSS", "96 MiB", fmt.Sprintf("%.0f MiB", mib), mib < 96)
		}
	}
	if rows.Len() == 0 {
		return ""
	}
	return "### Targets\n\n| workload | against | at most | measured | |\n| --- | --- | ---: | ---: | --- |\n" + rows.String() + "\n"
}

// number formats a number with its significant digits, and commas.
func number(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.1f", v)
	}
	text := fmt.Sprintf("%.0f", v)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// trim formats a number with at most two digits after the point, without trailing zeros.
func trim(v float64) string {
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.2f", v), "0"), ".")
}
