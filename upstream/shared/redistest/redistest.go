// Package redistest starts a real redis-server for tests.
package redistest

import (
	"bytes"
	"net"
	"os/exec"
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
	cmd  *exec.Cmd
}

// Start starts a server that is stopped when the test ends. With -short, the test
// is skipped.
func Start(t testing.TB) *Server {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a redis-server")
	}
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal("redis-server is not installed: apt-get install redis-server, or run the tests with -short")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test
	if err != nil {
		t.Fatal(err)
	}
	_ = listener.Close()
	s := &Server{t: t, addr: listener.Addr().String(), dir: t.TempDir()}
	s.Restart()
	t.Cleanup(s.Kill)
	return s
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
	s.cmd = exec.Command("redis-server", "--port", port, "--bind", host, "--dir", s.dir, "--save", "", "--appendonly", "no") //nolint:noctx // Kill ends it
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

func (s *Server) answers() bool {
	conn, err := net.Dial("tcp", s.addr) //nolint:noctx // a test
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	reply := make([]byte, 5)
	_, err = conn.Write([]byte("PING\r\n"))
	if err == nil {
		_, err = conn.Read(reply)
	}
	return err == nil && string(reply) == "+PONG"
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
