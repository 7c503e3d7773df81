//go:build unix

package http1

import (
	"errors"
	"net"
	"syscall"
)

// probe looks at a connection without waiting. Its zero value knows nothing.
type probe struct{ raw syscall.RawConn }

func newProbe(c net.Conn) probe {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return probe{}
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return probe{}
	}
	return probe{raw}
}

// quiet reports that the connection is open and has nothing to say: of one that
// is kept, that the server has neither closed it nor sent what nobody asked for.
func (p probe) quiet() bool {
	if p.raw == nil {
		return true
	}
	quiet := false
	err := p.raw.Read(func(fd uintptr) bool {
		var one [1]byte
		_, err := syscall.Read(int(fd), one[:])
		quiet = errors.Is(err, syscall.EAGAIN)
		return true
	})
	return err == nil && quiet
}
