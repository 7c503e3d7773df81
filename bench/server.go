package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"rollcall/bench/process"
)

// A server is one of the servers that are compared.
type server struct {
	name string
	dialect
	// command returns the command that starts it on addr; nil for the upstream itself.
	command func(addr, upstream string) (env, command []string, err error)

	addr    string
	process *process.Process
	cursors []string // by the page's number
}

// start starts the server and returns when it has served all pages.
func (s *server) start(ctx context.Context, on process.Processors, upstreamAddr string, pages int) error {
	if s.command == nil {
		s.addr = upstreamAddr
	} else {
		if err := s.launch(ctx, on, upstreamAddr); err != nil {
			return err
		}
	}
	var err error
	s.cursors, err = walk(s.dialect, s.addr, pages)
	return err
}

// launch starts the process on a free port and returns when it listens there. If another program takes the
// port first, the process ends, and launch tries another port.
func (s *server) launch(ctx context.Context, on process.Processors, upstreamAddr string) error {
	var err error
	for range 3 {
		if err = s.launchOnce(ctx, on, upstreamAddr); !errors.Is(err, errEnded) {
			break
		}
	}
	return err
}

func (s *server) launchOnce(ctx context.Context, on process.Processors, upstreamAddr string) error {
	var err error
	if s.addr, err = freeAddr(); err != nil {
		return err
	}
	env, command, err := s.command(s.addr, "http://"+upstreamAddr)
	if err != nil {
		return err
	}
	if s.process, err = on.Start(ctx, env, command...); err != nil {
		return err
	}
	return s.listens()
}

// errEnded reports that a server has ended before it listened.
var errEnded = errors.New("it has ended")

// listens waits until the process itself listens on its address: a response from there could be another program's.
func (s *server) listens() error {
	for deadline := time.Now().Add(20 * time.Second); !s.process.Listens(s.addr); {
		if time.Now().After(deadline) {
			s.stop()
			return fmt.Errorf("it does not listen:\n%s", s.process.Output())
		}
		select {
		case <-s.process.Ended():
			return fmt.Errorf("%w:\n%s", errEnded, s.process.Output())
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

func (s *server) stop() {
	if s.process != nil {
		s.process.Stop()
	}
}

// freeAddr returns an address on loopback whose port was free a moment ago.
func freeAddr() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // returns at once
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// builds builds the programs, from this checkout or from another commit.
type builds struct {
	checkout string // the service's source
	dir      string // for the programs
}

func (b builds) build(ctx context.Context, source, name, pkg string) (program string, err error) {
	program = filepath.Join(b.dir, name)
	build := exec.CommandContext(ctx, "go", "build", "-o", program, pkg)
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", name, err, out)
	}
	return program, nil
}

// service returns the service of the checkout.
func (b builds) service(ctx context.Context, name string, env ...string) (*server, error) {
	program, err := b.build(ctx, b.checkout, "rollcall", ".")
	return serviceServer(name, program, env), err
}

// serviceAt returns the service of a commit.
func (b builds) serviceAt(ctx context.Context, ref string, env ...string) (*server, error) {
	source := filepath.Join(b.dir, "base-source")
	if err := os.MkdirAll(source, 0o755); err != nil {
		return nil, err
	}
	archive := source + ".tar"
	if out, err := exec.CommandContext(ctx, "git", "-C", b.checkout, "archive", "-o", archive, ref).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("reading %s from git: %w\n%s", ref, err, out)
	}
	if out, err := exec.CommandContext(ctx, "tar", "-xf", archive, "-C", source).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("unpacking %s: %w\n%s", ref, err, out)
	}
	program, err := b.build(ctx, source, "rollcall-base", ".")
	return serviceServer(serviceBefore, program, env), err
}

func serviceServer(name, program string, more []string) *server {
	return &server{name: name, dialect: service(), command: func(addr, upstream string) (env, command []string, err error) {
		return append([]string{
			"LISTEN_ADDR=" + addr, "ADMIN_ADDR=off", "AUTH=none", "LOG_LEVEL=warn",
			"UPSTREAM_URL=" + upstream, "ELEVENLABS_API_KEY=bench", "UPSTREAM_CONCURRENCY=1024", "UPSTREAM_CONNECTIONS=1024",
		}, more...), []string{program}, nil
	}}
}

// beside returns a server of this module.
func (b builds) beside(ctx context.Context, name, pkg string, d dialect) (*server, error) {
	program, err := b.build(ctx, ".", filepath.Base(pkg), pkg)
	return &server{name: name, dialect: d, command: func(addr, upstream string) (env, command []string, err error) {
		return nil, []string{program, "-listen", addr, "-upstream", upstream}, nil
	}}, err
}

// tailcall returns Tailcall, with or without dedupe.
func (b builds) tailcall(ctx context.Context, name string, dedupe bool) (*server, error) {
	run, err := findTailcall(ctx)
	if err != nil {
		return nil, err
	}
	return &server{name: name, dialect: wire(), command: func(addr, upstream string) (env, command []string, err error) {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, nil, err
		}
		config := filepath.Join(b.dir, fmt.Sprintf("tailcall-%v.graphql", dedupe))
		if err := os.WriteFile(config, tailcallConfig(port, upstream, dedupe), 0o600); err != nil {
			return nil, nil, err
		}
		return []string{"TC_TRACKER=false", "TAILCALL_TRACKER=false", "TAILCALL_LOG_LEVEL=error"}, append(run, "start", config), nil
	}}, nil
}

// findTailcall returns the command that starts Tailcall. The program needs a newer
// C library than some systems have; tailcall/install.sh unpacks one.
func findTailcall(ctx context.Context) ([]string, error) {
	const (
		program = "tailcall/node_modules/@tailcallhq/core-linux-x64-gnu/bin/tailcall"
		libs    = "tailcall/libc/usr/lib/x86_64-linux-gnu"
	)
	if _, err := os.Stat(program); err != nil {
		return nil, errors.New("it is not installed; `make bench` installs it")
	}
	var first error
	for _, run := range [][]string{{"./" + program}, {"./" + libs + "/ld-linux-x86-64.so.2", "--library-path", libs, program}} {
		out, err := exec.CommandContext(ctx, run[0], append(run[1:], "--version")...).CombinedOutput()
		if err == nil {
			return run, nil
		}
		if first == nil {
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			first = fmt.Errorf("its program does not start (%w: %s)", err, lines[0])
		}
	}
	return nil, first
}

func tailcallConfig(port, upstream string, dedupe bool) []byte {
	return fmt.Appendf(nil, `schema @server(port: %s, hostname: "127.0.0.1") @upstream(poolMaxIdlePerHost: 512) {
  query: Query
}

type Query {
  users(first: Int, after: String): Page @http(
    url: "%s/v1/convai/users"
    query: [{key: "page_size", value: "{{.args.first}}"}, {key: "cursor", value: "{{.args.after}}", skipEmpty: true}]
    dedupe: %v
  )
}

type Page {
  users: [User!]!
  next_cursor: String
  has_more: Boolean!
}

type User {
  user_id: String!
  last_contact_unix_secs: Int!
  first_contact_unix_secs: Int!
  conversation_count: Int!
  last_contact_agent_id: String
  last_contact_conversation_id: String!
  last_contact_agent_name: String
}
`, port, upstream, dedupe)
}
