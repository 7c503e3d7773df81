package load

import (
	"fmt"
	"hash/crc32"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Request is a request that can be sent any number of times.
type Request struct {
	bytes []byte
	check func(body []byte) error
	size  int
	sum   uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Prepare sends a request for the first time. check must accept the response,
// which it reads in full; a later response passes if it has the same bytes, and
// is otherwise checked in full too.
func (c *Connection) Prepare(request []byte, check func(body []byte) error) (*Request, error) {
	body, err := c.Do(request)
	if err != nil {
		return nil, err
	}
	if err := check(body); err != nil {
		return nil, fmt.Errorf("%w in %.300s", err, body)
	}
	return &Request{request, check, len(body), crc32.Checksum(body, castagnoli)}, nil
}

func (r *Request) do(c *Connection) error {
	body, err := c.Do(r.bytes)
	if err != nil {
		return err
	}
	if len(body) == r.size && crc32.Checksum(body, castagnoli) == r.sum {
		return nil
	}
	if err := r.check(body); err != nil {
		return fmt.Errorf("%w in %.300s", err, body)
	}
	return nil
}

// Result is the result of a run.
type Result struct {
	Requests int
	Elapsed  time.Duration
	// Latencies has one element for each request.
	Latencies []time.Duration
}

// Connections are all to one server.
type Connections struct{ list []*Connection }

// DialAll opens n connections.
func DialAll(addr string, n int) (*Connections, error) {
	cs := new(Connections)
	for range n {
		c, err := Dial(addr)
		if err != nil {
			cs.Close()
			return nil, err
		}
		cs.list = append(cs.list, c)
	}
	return cs, nil
}

// Close closes all connections.
func (cs *Connections) Close() {
	for _, c := range cs.list {
		c.Close()
	}
}

// Run sends the requests repeatedly, one at a time on each connection, for d and
// until all responses have arrived. If there are enough requests, each connection
// has its own, so that no two in flight are the same. It stops at the first wrong
// response.
func (cs *Connections) Run(d time.Duration, requests []*Request) (Result, error) {
	var (
		wait      sync.WaitGroup
		failed    atomic.Bool
		latencies = make([][]time.Duration, len(cs.list))
		errs      = make([]error, len(cs.list))
		start     = time.Now()
	)
	if len(requests) > len(cs.list) {
		requests = requests[:len(requests)-len(requests)%len(cs.list)]
	}
	for i, c := range cs.list {
		wait.Go(func() {
			for turn, before := i, time.Now(); before.Sub(start) < d && !failed.Load(); turn += len(cs.list) {
				if errs[i] = requests[turn%len(requests)].do(c); errs[i] != nil {
					failed.Store(true)
					return
				}
				after := time.Now()
				latencies[i] = append(latencies[i], after.Sub(before))
				before = after
			}
		})
	}
	wait.Wait()
	result := Result{Elapsed: time.Since(start), Latencies: slices.Concat(latencies...)}
	result.Requests = len(result.Latencies)
	for _, err := range errs {
		if err != nil {
			return result, err // the other errors are usually the same
		}
	}
	return result, nil
}
