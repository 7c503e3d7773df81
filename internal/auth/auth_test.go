package auth_test

import (
	"net/http"
	"strings"
	"testing"

	"rollcall/internal/auth"
)

func request(keys ...string) *http.Request {
	return &http.Request{Header: http.Header{"Xi-Api-Key": keys}}
}

func TestPassthrough(t *testing.T) {
	for name, c := range map[string]struct {
		keys []string
		ok   bool
	}{
		"a key":                {[]string{"sk_0123"}, true},
		"none":                 {nil, false},
		"an empty one":         {[]string{""}, false},
		"two":                  {[]string{"a", "b"}, false},
		"a space in it":        {[]string{"canary key"}, false},
		"a control character":  {[]string{"canary\x01"}, false},
		"another script":       {[]string{"canary鍵"}, false},
		"far too long":         {[]string{strings.Repeat("canary", 50)}, false},
		"as long as it can be": {[]string{strings.Repeat("k", 256)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			identity, err := auth.Passthrough()(request(c.keys...))
			if c.ok != (err == nil) {
				t.Fatalf("err is %v", err)
			}
			if c.ok && identity.Key != c.keys[0] {
				t.Errorf("the key is %q", identity.Key)
			}
			if err != nil && (identity != auth.Identity{} || strings.Contains(err.Error(), "canary")) {
				t.Errorf("got %+v, %v", identity, err)
			}
		})
	}
}

func TestNone(t *testing.T) {
	identity, err := auth.None("service")(request("callers"))
	if err != nil || identity.Key != "service" {
		t.Errorf("got %+v, %v", identity, err)
	}
}
