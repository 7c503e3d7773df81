package main

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"rollcall/internal/config"
	"rollcall/upstream/shared/redistest"
)

// TestRedisWithoutCalls sends operations that need no upstream call. Redis receives
// only heartbeats.
func TestRedisWithoutCalls(t *testing.T) {
	redis := redistest.Start(t)
	var calls countedCalls
	c := inFrontOf(realUpstream(t, calls.ServeHTTP))
	c.RedisURL, c.RateLimit, c.CacheTTL, c.Auth = redis.URL(), 100, time.Minute, config.AuthPassthrough
	s := start(t, c)
	key := http.Header{"Xi-Api-Key": {goodKey}}
	if _, body := post(t, s.url, `{ users { nodes { userId } } }`, key); !strings.Contains(body, `"data"`) { // from here on the key is accepted
		t.Fatal(body)
	}
	await(t, 5*time.Second, "the limit is shared", func() bool { return sentCommands(t, redis)["evalsha"] >= 4 })
	redis.Command("config", "resetstat")
	began := time.Now()
	for i := range 100 {
		for query, status := range map[string]int{
			fmt.Sprintf(`{ a%d: __typename }`, i):                                     200,
			fmt.Sprintf(`{ a%d: users(first: 0) { nodes { userId } } }`, i):           200,
			fmt.Sprintf(`{ a%d: unknown }`, i):                                        200,
			fmt.Sprintf(`{ a%d: user(userId: "") { userId } }`, i):                    200,
			fmt.Sprintf(`{ users(first: 1, after: "made up %d") { __typename } }`, i): 200,
		} {
			if got, body := post(t, s.url, query, key); got != status {
				t.Fatalf("%s: %d %s", query, got, body)
			}
		}
		if got, body := post(t, s.url, `{ users { nodes { userId } } }`, nil); got != http.StatusUnauthorized {
			t.Fatalf("%d %s", got, body)
		}
	}
	sent := sentCommands(t, redis)
	beats := int(time.Since(began)/(500*time.Millisecond)) + 2
	t.Logf("600 requests in %v: %v", time.Since(began), sent)
	if calls.n() != 1 {
		t.Errorf("%d upstream calls, want 1", calls.n())
	}
	for command, n := range sent {
		if command != "evalsha" && command != "info" && command != "config|resetstat" || command == "evalsha" && n > beats {
			t.Errorf("%d times %s", n, command)
		}
	}
	if post(t, s.url, `{ users(first: 2) { nodes { userId } } }`, key); sentCommands(t, redis)["evalsha"] <= sent["evalsha"] {
		t.Error("a call sends nothing either")
	}
}

// sentCommands returns how often each command was sent to Redis. It leaves out
// commands that only the heartbeat's script uses.
func sentCommands(t *testing.T, redis *redistest.Server) map[string]int {
	t.Helper()
	inScripts := regexp.MustCompile(`^(time|zadd|publish|zremrangebyscore|pexpire|zcard)$`)
	sent := map[string]int{}
	for _, match := range regexp.MustCompile(`cmdstat_([^:]+):calls=(\d+)`).FindAllStringSubmatch(redis.Command("info", "commandstats"), -1) {
		if !inScripts.MatchString(match[1]) {
			sent[match[1]], _ = strconv.Atoi(match[2])
		}
	}
	return sent
}
