// Package process starts servers on their own processors and measures what they
// use. It works only on Linux.
package process

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Processors is a set of processors, by number.
type Processors []int

// Available returns the processors that this process may run on.
func Available() (Processors, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("reading the available processors: %w", err)
	}
	var list Processors
	for n := range len(set) * 64 {
		if set.IsSet(n) {
			list = append(list, n)
		}
	}
	return list, nil
}

// Split returns the first processor for the servers, and the others for the load
// and the upstream. If there is only one, they share it.
func (p Processors) Split() (servers, load Processors) {
	if len(p) < 2 {
		return p, p
	}
	return p[:1], p[1:]
}

func (p Processors) set() *unix.CPUSet {
	set := new(unix.CPUSet)
	for _, n := range p {
		set.Set(n)
	}
	return set
}

// Confine restricts all threads of this process to the processors.
func (p Processors) Confine() error {
	runtime.GOMAXPROCS(len(p))
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, p.set()); err != nil && id == os.Getpid() {
			return fmt.Errorf("restricting threads to processors %v: %w", p, err) // another thread may have ended
		}
	}
	return nil
}

// Process is a running server.
type Process struct {
	cmd    *exec.Cmd
	output *bytes.Buffer
	done   chan struct{}
}

// Start runs a command on the processors, with only env as its environment. The
// command ends when ctx is cancelled or this process ends.
func (p Processors) Start(ctx context.Context, env []string, command ...string) (*Process, error) {
	s := &Process{cmd: exec.CommandContext(ctx, command[0], command[1:]...), output: new(bytes.Buffer), done: make(chan struct{})}
	s.cmd.Env = append([]string{}, env...) // nil would be this process's environment
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}

	// A child inherits the processors of the thread that forks it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var own unix.CPUSet
	if err := unix.SchedGetaffinity(0, &own); err != nil {
		return nil, err
	}
	if err := unix.SchedSetaffinity(0, p.set()); err != nil {
		return nil, fmt.Errorf("restricting threads to processors %v: %w", p, err)
	}
	err := s.cmd.Start()
	if back := unix.SchedSetaffinity(0, &own); back != nil && err == nil {
		err = back
	}
	if err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait() // only that it ended matters
		close(s.done)
	}()
	return s, nil
}

// Stop kills the process and waits until it has ended.
func (s *Process) Stop() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

// Ended is closed when the process has ended.
func (s *Process) Ended() <-chan struct{} { return s.done }

// Output returns what it has written. Call it only after the process has ended.
func (s *Process) Output() string { return strings.TrimSpace(s.output.String()) }

// CPU returns the processor time that all threads of the process have used.
func (s *Process) CPU() (time.Duration, error) {
	// The clock of a process by its ID, as in clock_getcpuclockid(3). It counts
	// nanoseconds; /proc/<pid>/stat counts hundredths of a second.
	const cpuclockSched = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^s.cmd.Process.Pid<<3|cpuclockSched), &t); err != nil {
		return 0, fmt.Errorf("reading the processor time: %w", err)
	}
	return time.Duration(t.Nano()), nil
}

// ForgetPeak resets PeakMemory.
func (s *Process) ForgetPeak() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.cmd.Process.Pid), []byte("5"), 0)
}

// PeakMemory returns the peak of the resident memory, in bytes.
func (s *Process) PeakMemory() (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kib, err := strconv.ParseInt(number, 10, 64)
	return kib << 10, err
}
