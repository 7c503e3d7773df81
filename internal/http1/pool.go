package http1

import (
	"sync"
	"time"
)

// pool has the connections that are kept, the last one used last. Its zero
// value is empty.
type pool struct {
	mu     sync.Mutex
	idle   []*conn
	reaper *time.Timer // nil while there is nothing to reap
}

// take returns the connection that was used last, of those that the server has
// not closed; false where there is none.
func (p *pool) take(now time.Time) (*conn, bool) {
	for {
		p.mu.Lock()
		if len(p.idle) == 0 {
			p.mu.Unlock()
			return nil, false
		}
		last := len(p.idle) - 1
		c := p.idle[last]
		p.idle[last] = nil
		p.idle = p.idle[:last]
		p.mu.Unlock()
		if now.Sub(c.idle) < idleTimeout && c.probe.quiet() {
			return c, true
		}
		_ = c.Close()
	}
}

// put keeps a connection.
func (p *pool) put(c *conn) {
	c.idle = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == maxIdle {
		_ = c.Close()
		return
	}
	p.idle = append(p.idle, c)
	if p.reaper == nil {
		p.reaper = time.AfterFunc(idleTimeout, p.reap)
	}
}

// reap closes what has been kept for too long, which are the first ones.
func (p *pool) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, old := time.Now(), 0
	for old < len(p.idle) && now.Sub(p.idle[old].idle) >= idleTimeout {
		_ = p.idle[old].Close()
		old++
	}
	p.idle = append(p.idle[:0:0], p.idle[old:]...)
	p.reaper = nil
	if len(p.idle) > 0 {
		p.reaper = time.AfterFunc(idleTimeout-now.Sub(p.idle[0].idle), p.reap)
	}
}

// clear closes all.
func (p *pool) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.idle {
		_ = c.Close()
	}
	p.idle = nil
	if p.reaper != nil {
		p.reaper.Stop()
		p.reaper = nil
	}
}
