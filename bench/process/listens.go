package process

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Listens reports whether this process, and no other, listens on an IPv4 address. It looks for the address among the
// system's sockets, and for the socket among the process's open files.
func (s *Process) Listens(addr string) bool {
	at, err := netip.ParseAddrPort(addr)
	if err != nil || !at.Addr().Is4() {
		return false
	}
	sockets, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return false
	}
	// The lines are those of proc_pid_net(5): number, local address, remote address, state, …, inode. The kernel writes
	// an address as a number in the machine's byte order.
	ip := at.Addr().As4()
	local := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(ip[:]), at.Port())
	const listening = "0A"
	for line := range strings.Lines(string(sockets)) {
		fields := strings.Fields(line)
		if len(fields) > 9 && fields[1] == local && fields[3] == listening {
			return s.hasOpen("socket:[" + fields[9] + "]")
		}
	}
	return false
}

func (s *Process) hasOpen(file string) bool {
	links, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", s.cmd.Process.Pid))
	return slices.ContainsFunc(links, func(link string) bool {
		target, err := os.Readlink(link)
		return err == nil && target == file
	})
}
