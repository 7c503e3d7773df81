// Emulator serves the emulator of the upstream by itself.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
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
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "emulator:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("emulator", flag.ContinueOnError)
	addr := flags.String("addr", "127.0.0.1:9100", "`host:port` to listen on; port 0 takes any that is free")
	users := flags.Int("users", 10_000, "how many users there are")
	seed := flags.Uint64("seed", 1, "chooses the world; the same seed gives the same users")
	latency := flags.Duration("latency", 0, "how long each answer waits")
	keys := flags.String("keys", "", "the API `keys` that are accepted, separated by commas (default any well-formed one)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	options := emulator.Options{Users: *users, Seed: *seed, Latency: *latency}
	if *keys != "" {
		options.Keys = strings.Split(*keys, ",")
	}
	if *users == 0 {
		options.Users = -1
	}

	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: emulator.New(options), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: 2 * time.Minute}
	fmt.Printf("emulator: http://%s (%d users, seed %d)\n", listener.Addr(), *users, *seed)
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
