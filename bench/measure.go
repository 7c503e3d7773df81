package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"rollcall/bench/load"
	"rollcall/bench/upstream"
)

// A bench measures servers with workloads, in rounds.
type bench struct {
	upstream *upstream.Upstream
	rounds   int
	progress io.Writer
	prepared map[preparation][]*load.Request
}

// preparation identifies the requests of a workload to a server.
type preparation struct {
	server            *server
	aliases, distinct int
	different         bool
}

func (b *bench) prepare(w workload, s *server) ([]*load.Request, error) {
	p := preparation{s, w.aliases, w.distinct, w.different}
	if list, ok := b.prepared[p]; ok {
		return list, nil
	}
	list, err := w.requests(s.dialect, s.addr, s.cursors)
	if err == nil && w.different && len(list) < w.connections {
		err = fmt.Errorf("there are %d different requests for %d connections", len(list), w.connections)
	}
	b.prepared[p] = list
	return list, err
}

// run measures each server in each round, so that other load on the machine
// affects all of them equally. The order rotates from round to round.
func (b *bench) run(ctx context.Context, w workload, servers []*server) (result, error) {
	r := result{w, make(figures)}
	requests := make(map[*server][]*load.Request)
	var able []*server
	for _, s := range servers {
		if s.single && w.aliases > 1 || s.command == nil && w.delay == 0 {
			continue
		}
		list, err := b.prepare(w, s)
		if err != nil {
			return r, fmt.Errorf("%s, %s: %w", w.title, s.name, err)
		}
		requests[s] = list
		able = append(able, s)
	}
	b.upstream.SetDelay(w.delay)
	defer b.upstream.SetDelay(0)
	for round := range b.rounds {
		fmt.Fprintf(b.progress, "%s: round %d of %d\n", w.title, round+1, b.rounds)
		for i := range able {
			s := able[(i+round)%len(able)]
			if err := ctx.Err(); err != nil {
				return r, err
			}
			f, err := b.measure(w, s, requests[s])
			if err != nil {
				return r, fmt.Errorf("%s, %s: %w", w.title, s.name, err)
			}
			r.figures[s.name] = append(r.figures[s.name], f)
		}
	}
	return r, nil
}

// measure runs one round of one server.
func (b *bench) measure(w workload, s *server, requests []*load.Request) (figure, error) {
	connections, err := load.DialAll(s.addr, w.connections)
	if err != nil {
		return figure{}, err
	}
	defer connections.Close()
	if _, err := connections.Run(w.duration/10, requests); err != nil { // warms up
		return figure{}, err
	}
	var before time.Duration
	if s.process != nil {
		if err := s.process.ForgetPeak(); err != nil {
			return figure{}, err
		}
		if before, err = s.process.CPU(); err != nil {
			return figure{}, err
		}
	}
	calls, refused := b.upstream.Calls(), b.upstream.Refused()
	run, err := connections.Run(w.duration, requests)
	if err != nil {
		return figure{}, err
	}
	if n := b.upstream.Refused() - refused; n > 0 {
		return figure{}, fmt.Errorf("the upstream refused %d requests", n)
	}
	f := figure{
		requests: run.Requests,
		rate:     float64(run.Requests) / run.Elapsed.Seconds(),
		calls:    b.upstream.Calls() - calls,
		latency:  run.Latencies,
	}
	if s.process == nil {
		return f, nil
	}
	after, err := s.process.CPU()
	if err != nil {
		return figure{}, err
	}
	f.cpu = (after - before) / time.Duration(run.Requests)
	if f.cpu <= 0 {
		return figure{}, errors.New("its process has used no processor time")
	}
	f.memory, err = s.process.PeakMemory()
	return f, err
}
