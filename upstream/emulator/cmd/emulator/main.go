// Command emulator serves the emulator of the upstream by itself, for any client
// of that API.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"rollcall/upstream/emulator"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// settings are the values of the flags.
type settings struct {
	addr    string
	options emulator.Options
}

// run serves until ctx is cancelled. It returns the exit code: 0 after a graceful
// stop or -help, 1 if serving failed, 2 if a flag is invalid.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	if err := serve(ctx, s, stdout); err != nil {
		fmt.Fprintf(stderr, "emulator: %v\n", err)
		return 1
	}
	return 0
}

// parse reads the flags. It reports an error on stderr and returns it.
func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	var keys string
	flags := flag.NewFlagSet("emulator", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&s.addr, "addr", "127.0.0.1:9100", "listen on `host:port`; port 0 selects a free port")
	flags.IntVar(&s.options.Users, "users", 10_000, "number of users to generate; 0 for none")
	flags.Uint64Var(&s.options.Seed, "seed", 1, "seed of the generated world, from 1: the same seed gives the same world")
	flags.DurationVar(&s.options.Latency, "latency", 0, "delay each response, for example 40ms")
	flags.IntVar(&s.options.Maximum, "maximum", 0, "maximum of concurrent requests to send in the vendor's headers; 0 for no headers")
	flags.StringVar(&keys, "keys", "", "accept only these `keys`, comma-separated; default: every well-formed key")
	flags.Usage = func() {
		fmt.Fprint(stderr, "Emulator serves GET /v1/convai/users as the upstream does, over generated conversations.\n"+
			"It prints its base URL when it is ready. Send any key: curl -H 'xi-api-key: any' URL/v1/convai/users\n\n"+
			"Usage: emulator [flags]\n\n")
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return settings{}, err
	}
	var wrong string
	switch {
	case flags.NArg() > 0:
		wrong = "takes flags only; see -help"
	case s.options.Users < 0 || s.options.Seed == 0 || s.options.Latency < 0 || s.options.Maximum < 0:
		wrong = "-users, -latency and -maximum must be from 0, -seed from 1"
	}
	if wrong != "" {
		fmt.Fprintf(stderr, "emulator: %s\n", wrong)
		return settings{}, errors.New(wrong)
	}
	s.options.Keys = strings.FieldsFunc(keys, func(r rune) bool { return r == ',' })
	return s, nil
}

// serve serves requests until ctx is cancelled. It then completes the requests in
// flight.
func serve(ctx context.Context, s settings, stdout io.Writer) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.addr)
	if err != nil {
		return err
	}
	users := s.options.Users
	if users == 0 {
		s.options.Users = -1 // in emulator.Options, 0 is the default
	}
	server := &http.Server{
		Handler:           emulator.New(s.options),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      s.options.Latency + 30*time.Second,
		IdleTimeout:       2 * time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Fprintf(stdout, "emulator: http://%s (%d users, seed %d)\n", listener.Addr(), users, s.options.Seed)

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.options.Latency+5*time.Second)
	defer cancel()
	return server.Shutdown(ctx)
}
