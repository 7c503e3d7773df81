package drain

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// onlyKnown is a filter for the packets of a listener: it drops those that ask
// for a connection (SYN without ACK), and leaves those alone that belong to one.
var onlyKnown = [...]unix.SockFilter{
	{Code: unix.BPF_LD | unix.BPF_B | unix.BPF_ABS, K: 13}, // the flags in TCP's header
	{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: 0x12},
	{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: 0x02, Jf: 1},
	{Code: unix.BPF_RET | unix.BPF_K, K: 0},
	{Code: unix.BPF_RET | unix.BPF_K, K: 1<<32 - 1},
}

// keepOut has the system take no new connection for l, where it can: between the
// last look at a listener's queue and its closing, somebody could join the
// queue, and be thrown out with it. Whoever tries to connect meanwhile tries
// again a second later, as TCP does, and is refused then.
func keepOut(l net.Listener) {
	c, ok := l.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	filter := onlyKnown
	_ = raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	})
}
