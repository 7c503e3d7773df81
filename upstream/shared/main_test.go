package shared_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rollcall/upstream/shared"
)

// hold makes the test binary a replica that acquires all permits of a key and
// does not release them, for the tests that kill a replica.
var hold = flag.String("hold", "", "URL of Redis")

const held = 3

func TestMain(m *testing.M) {
	flag.Parse()
	if *hold != "" {
		holdPermits(*hold)
		return
	}
	if err := flag.Set("test.parallel", "8"); err != nil { // the tests mostly wait
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

func holdPermits(url string) {
	store, err := shared.Open(context.Background(), shared.Config{URL: url, Upstream: upstreamURL})
	if err != nil {
		panic(err)
	}
	for store.Stats().Mode != shared.Shared {
		pause(5 * time.Millisecond)
	}
	limiter := store.Limiter(key, held)
	for range held {
		if _, err := limiter.Acquire(context.Background()); err != nil {
			panic(err)
		}
	}
	fmt.Fprintln(os.Stdout, "holds")
	select {}
}
