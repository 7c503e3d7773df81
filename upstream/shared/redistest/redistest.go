// Package redistest starts a real redis-server for tests.
package redistest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Server is a redis-server on a free port, with a directory of its own.
type Server struct {
	t    testing.TB
	addr string
	dir  string
	args []string
	cmd  *exec.Cmd
}

// Start starts a server that is stopped when the test ends. With -short, the test
// is skipped. Further arguments of redis-server, such as --requirepass, may follow.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a redis-server")
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("redis-server is not installed: apt-get install redis-server, or run the tests with -short")
	}
	s := &Server{t: t, addr: FreeAddr(t), dir: t.TempDir(), args: args}
	s.Restart()
	t.Cleanup(s.Kill)
	return s
}

// StartCluster starts the nodes of a Redis Cluster, each of which has as many
// slots as the others.
func StartCluster(t testing.TB, nodes int) []*Server {
	t.Helper()
	var servers []*Server
	create := []string{"--cluster", "create"}
	for range nodes {
		_, busPort, _ := net.SplitHostPort(FreeAddr(t))
		s := Start(t, "--cluster-enabled", "yes", "--cluster-port", busPort)
		servers = append(servers, s)
		create = append(create, s.addr)
	}
	if out, err := exec.Command("redis-cli", append(create, "--cluster-yes")...).CombinedOutput(); err != nil { //nolint:noctx // a test
		t.Fatalf("redis-cli --cluster create: %v: %s", err, out)
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) { //nolint:forbidigo // a process knows no fake time
		ready := 0
		for _, s := range servers {
			if strings.Contains(s.Command("cluster", "info"), "cluster_state:ok") {
				ready++
			}
		}
		if ready == nodes {
			return servers
		}
		if time.Since(began) > 20*time.Second {
			t.Fatal("the cluster is not ready")
		}
	}
}

// StartSentinel starts a Sentinel that watches a server under the name "main", and
// promotes a replica of it half a second after it has gone. It returns its URL.
func StartSentinel(t testing.TB, main *Server) string {
	t.Helper()
	addr := FreeAddr(t)
	host, port, _ := net.SplitHostPort(addr)
	mainHost, mainPort, _ := net.SplitHostPort(main.addr)
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("bind %s\nport %s\nsentinel monitor main %s %s 1\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n", host, port, mainHost, mainPort)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, addr: addr, cmd: exec.Command("redis-server", config, "--sentinel")} //nolint:noctx // Kill ends it
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	for began := time.Now(); !strings.Contains(s.reply("INFO sentinel"), "slaves=1"); time.Sleep(20 * time.Millisecond) { //nolint:forbidigo // a process knows no fake time
		if time.Since(began) > 20*time.Second {
			t.Fatal("the Sentinel knows of no replica")
		}
	}
	return "redis://" + addr + "?master_set=main"
}

// FreeAddr returns an address of loopback on which nothing listens.
func FreeAddr(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// Addr is the server's host:port.
func (s *Server) Addr() string { return s.addr }

// URL is the server's URL.
func (s *Server) URL() string { return "redis://" + s.addr }

// Restart starts the server after [Server.Kill], with nothing in it.
func (s *Server) Restart() {
	s.t.Helper()
	host, port, _ := net.SplitHostPort(s.addr)
	var output bytes.Buffer
	s.cmd = exec.Command("redis-server", append([]string{"--port", port, "--bind", host, "--dir", s.dir, "--save", "", "--appendonly", "no"}, s.args...)...) //nolint:noctx // Kill ends it
	s.cmd.Stdout, s.cmd.Stderr = &output, &output
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	for began := time.Now(); !s.answers(); time.Sleep(5 * time.Millisecond) { //nolint:forbidigo // a process knows no fake time
		if time.Since(began) > 5*time.Second {
			s.t.Fatal("redis-server does not answer")
		}
	}
}

func (s *Server) answers() bool { return strings.HasPrefix(s.reply("PING"), "+PONG") }

// reply returns the beginning of the reply to a command, or "" if there is none.
func (s *Server) reply(command string) string {
	conn, err := net.Dial("tcp", s.addr) //nolint:noctx // a test
	if err != nil {
		return ""
	}
	defer func() { _ = conn.Close() }()
	if _, err := fmt.Fprintf(conn, "%s\r\n", command); err != nil {
		return ""
	}
	buffer := make([]byte, 4<<10)
	n, _ := conn.Read(buffer)
	return string(buffer[:n])
}

// Hang stops the server's process: it keeps its connections and does not answer.
func (s *Server) Hang() { s.signal(syscall.SIGSTOP) }

// Resume ends [Server.Hang].
func (s *Server) Resume() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(signal syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
}

// Kill ends the server, even if it hangs or has ended.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// Command sends a command and returns its reply as text.
func (s *Server) Command(args ...string) string {
	s.t.Helper()
	_, port, _ := net.SplitHostPort(s.addr)
	out, err := exec.Command("redis-cli", append([]string{"--raw", "-p", port}, args...)...).CombinedOutput() //nolint:noctx // a test
	if err != nil {
		s.t.Fatalf("redis-cli %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}
