package process_test

import (
	"net"
	"os/exec"
	"testing"
	"time"

	"rollcall/bench/process"
)

func TestListens(t *testing.T) {
	all, err := process.Available()
	if err != nil {
		t.Fatal(err)
	}
	start := func(command ...string) *process.Process {
		p, err := all.Start(t.Context(), nil, command...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Stop)
		return p
	}
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()

	t.Run("false for an address that another process listens on", func(t *testing.T) {
		if start("sleep", "60").Listens(addr) {
			t.Error("reported true")
		}
	})
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	t.Run("true for the process's own address", func(t *testing.T) {
		program := t.TempDir() + "/proxy"
		if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "rollcall/bench/proxy").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		p := start(program, "-listen", addr)
		for deadline := time.Now().Add(10 * time.Second); !p.Listens(addr); {
			select {
			case <-p.Ended():
				t.Fatal("the process has ended: " + p.Output())
			case <-time.After(10 * time.Millisecond):
			}
			if time.Now().After(deadline) {
				t.Fatal("reported false for 10 s")
			}
		}
	})
}
