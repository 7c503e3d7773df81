// Bench compares the service with a reverse proxy, a plainly written gqlgen
// facade and Tailcall, in front of an upstream that costs almost nothing. Each
// server runs alone on a processor; each response is checked. docs/performance.md
// has the method and a result.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"rollcall/bench/load"
	"rollcall/bench/process"
	"rollcall/bench/upstream"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "bench: %v\n", err)
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	rounds      int
	duration    time.Duration
	connections []int
	only        []string
	short, gc   bool
	sentiment   bool
	base        string
	env         []string
	checkout    string
	write       string
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&o.rounds, "rounds", 5, "the `number` of times that each server is measured with each workload")
	flags.DurationVar(&o.duration, "duration", 600*time.Millisecond, "the `duration` of one measurement; L takes twice as long")
	flags.Func("connections", "numbers of connections of W2, a `list` separated by commas; W1 and W3 use the first (default 32,256)", func(value string) error {
		o.connections = nil
		for field := range strings.SplitSeq(value, ",") {
			n, err := strconv.Atoi(field)
			if err != nil || n < 1 || n > 1024 {
				return fmt.Errorf("%q is not a number from 1 to 1024", field)
			}
			o.connections = append(o.connections, n)
		}
		return nil
	})
	flags.Func("only", "a `list` of workloads (W1, W2, W3, L) and servers (rollcall, before, proxy, gqlgen, tailcall, dedupe), separated by commas", func(value string) error {
		o.only = strings.Split(strings.ToLower(value), ",")
		for _, word := range o.only {
			if !slices.Contains(workloadWords, word) && !slices.Contains(serverWords, word) {
				return fmt.Errorf("%q is not one of %s, %s", word, strings.Join(workloadWords, ", "), strings.Join(serverWords, ", "))
			}
		}
		return nil
	})
	flags.BoolVar(&o.short, "short", false, "check only responses and upstream calls, in seconds; fails if the service makes too many calls")
	flags.BoolVar(&o.gc, "gc", false, "compare settings of Go's garbage collector, instead of servers")
	flags.BoolVar(&o.sentiment, "sentiment", false, "have the upstream send its newer fields too: twice the bytes, which no query selects")
	flags.StringVar(&o.base, "base", "", "a `commit`: also measure the service at that commit")
	flags.Func("env", "a `NAME=value` for the service and for the one at -base; may be repeated", func(value string) error {
		if !strings.Contains(value, "=") {
			return fmt.Errorf("%q has no =", value)
		}
		o.env = append(o.env, value)
		return nil
	})
	flags.StringVar(&o.checkout, "checkout", "..", "the `folder` of the service")
	flags.StringVar(&o.write, "write", "", "a `folder` with performance.md, into which the result and a chart are written")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected arguments: %q", flags.Args())
	}
	if o.rounds < 1 || o.duration < 10*time.Millisecond {
		return o, fmt.Errorf("%d rounds of %v measure nothing", o.rounds, o.duration)
	}
	if o.short {
		o.rounds, o.duration = 1, 100*time.Millisecond
	}
	switch {
	case o.connections != nil:
	case o.short:
		o.connections = []int{8, 64}
	default:
		o.connections = []int{32, 256}
	}
	return o, nil
}

var (
	workloadWords = []string{"w1", "w2", "w3", "l"}
	serverWords   = []string{"rollcall", "before", "proxy", "gqlgen", "tailcall", "dedupe"}
)

// wants reports whether -only selects a word, or no word of its kind.
func (o options) wants(word string, kind []string) bool {
	selected := slices.ContainsFunc(o.only, func(w string) bool { return slices.Contains(kind, w) })
	return !selected || slices.Contains(o.only, word)
}

func (o options) workloads() []workload {
	var list []workload
	add := func(word string, w workload) {
		if o.wants(word, workloadWords) {
			w.duration = o.duration
			if w.delay > 0 {
				w.duration *= 2
			}
			list = append(list, w)
		}
	}
	if !o.gc {
		add("w1", workload{
			name: "W1", title: fmt.Sprintf("W1: the same request, %d in flight", o.connections[0]),
			connections: o.connections[0], aliases: 1, distinct: 1,
		})
	}
	for _, n := range o.connections {
		add("w2", workload{
			name: "W2", title: fmt.Sprintf("W2: another cursor each time, %d connections", n),
			connections: n, aliases: 1, distinct: 1, different: true, calls: 1,
		})
	}
	if !o.gc {
		add("w3", workload{
			name: "W3", title: fmt.Sprintf("W3: 20 aliases of 5 pages, %d connections", o.connections[0]),
			connections: o.connections[0], aliases: 20, distinct: 5, different: true, calls: 5,
		})
		add("l", workload{
			name: "L", title: "L: one connection, an upstream that takes 20 ms",
			connections: 1, aliases: 1, distinct: 1, different: true, calls: 1, delay: 20 * time.Millisecond,
		})
	}
	return list
}

// servers builds the selected servers. A server that cannot be installed is left
// out, with a note.
func (o options) servers(ctx context.Context, b builds) (list []*server, notes []string, err error) {
	if o.gc {
		return o.gcServers(ctx, b)
	}
	add := func(word string, build func() (*server, error)) {
		if err != nil || !o.wants(word, serverWords) {
			return
		}
		var s *server
		if s, err = build(); err == nil {
			list = append(list, s)
		}
	}
	add("rollcall", func() (*server, error) { return b.service(ctx, serviceNow, o.env...) })
	if o.base != "" {
		add("before", func() (*server, error) { return b.serviceAt(ctx, o.base, o.env...) })
	}
	add("proxy", func() (*server, error) { return b.beside(ctx, reverseProxy, "./proxy", rest()) })
	add("gqlgen", func() (*server, error) { return b.beside(ctx, plainGqlgen, "./plain", plain()) })
	for _, engine := range []struct {
		word, name string
		dedupe     bool
	}{{"tailcall", tailcall, false}, {"dedupe", tailcallDedupe, true}} {
		if err != nil || !o.wants(engine.word, serverWords) {
			continue
		}
		if s, missing := b.tailcall(ctx, engine.name, engine.dedupe); missing == nil {
			list = append(list, s)
		} else {
			notes = append(notes, fmt.Sprintf("%s is left out: %v.", engine.name, missing))
		}
	}
	list = append(list, &server{name: direct, dialect: rest()})
	return list, notes, err
}

func (o options) gcServers(ctx context.Context, b builds) (list []*server, notes []string, err error) {
	for _, env := range [][]string{nil, {"GOGC=100"}, {"GOGC=200"}, {"GOGC=400"}, {"GOGC=off", "GOMEMLIMIT=256MiB"}} {
		name := cmp.Or(strings.Join(env, " "), "as it is")
		s, err := b.service(ctx, name, append(env, o.env...)...)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, s)
	}
	return list, nil, nil
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	fmt.Fprintln(stderr, "building the servers")
	servers, notes, err := o.servers(ctx, builds{checkout: o.checkout, dir: dir})
	if err != nil {
		return err
	}

	processors, err := process.Available()
	if err != nil {
		return err
	}
	forServers, forLoad := processors.Split()
	if err := forLoad.Confine(); err != nil {
		return err
	}
	if len(processors) < 2 {
		notes = append(notes, "There is only one processor: servers and load share it, so latencies mean little.")
	}
	// Enough that every connection has its own pages: at least two, and in W3
	// five.
	pages := max(2*slices.Max(o.connections), 5*o.connections[0]) + 1
	up, err := upstream.Listen(pages, o.sentiment)
	if err != nil {
		return err
	}
	defer up.Close()
	var order []string
	for _, s := range servers {
		defer s.stop()
		if err := s.start(ctx, forServers, up.Addr(), pages); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		order = append(order, s.name)
	}

	b := &bench{upstream: up, rounds: o.rounds, progress: stderr, prepared: make(map[preparation][]*load.Request)}
	var results []result
	for _, w := range o.workloads() {
		r, err := b.run(ctx, w, servers)
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	for _, note := range notes {
		fmt.Fprintln(stderr, note)
	}
	if o.short {
		return checkCalls(results, stdout)
	}
	subject := order[0]
	text := fmt.Sprintf("%s. Rounds: %d, of %v for each server; every response checked.\n\n%s",
		machine(ctx, len(processors)), o.rounds, o.duration, markdown(results, order, subject, notes))
	fmt.Fprint(stdout, text)
	switch {
	case o.write == "":
		return nil
	case o.gc:
		return writeDocument(o.write, "gc", text, nil)
	default:
		return writeDocument(o.write, "servers", text, chart(results, order, subject))
	}
}

// checkCalls checks the number of the service's upstream calls.
func checkCalls(results []result, stdout io.Writer) error {
	for _, r := range results {
		f := r.figures[serviceNow]
		if len(f) == 0 {
			continue
		}
		calls := callsOf(f)
		if r.calls > 0 && calls != r.calls || calls > max(1, r.calls) {
			return fmt.Errorf("%s: the service made %v upstream calls for a request, and should have made %v", r.title, calls, r.calls)
		}
		fmt.Fprintf(stdout, "%s: %s upstream calls for a request, every response correct\n", r.title, trim(calls))
	}
	return nil
}
