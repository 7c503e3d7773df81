package transport_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"rollcall/graph/internal/graphtest"
	"rollcall/graph/transport"
	"rollcall/upstream"
)

// refusal implements [transport.Refusal].
type refusal struct {
	reason    string
	forbidden bool
}

func (refusal) Error() string     { return "send a valid token" }
func (r refusal) Reason() string  { return r.reason }
func (r refusal) Forbidden() bool { return r.forbidden }

func TestRefusal(t *testing.T) {
	for name, c := range map[string]struct {
		err       error
		status    int
		code      string
		challenge string
		reason    string // in the log
	}{
		"an expired token":          {refusal{reason: "expired"}, 401, "UNAUTHENTICATED", "Bearer", "reason=expired"},
		"a wrapped refusal":         {fmt.Errorf("token: %w", refusal{reason: "unknown key"}), 401, "UNAUTHENTICATED", "Bearer", `reason="unknown key"`},
		"a token without the scope": {refusal{reason: "scope", forbidden: true}, 403, "FORBIDDEN", `Bearer error="insufficient_scope"`, "reason=scope"},
		"another error":             {errors.New("send a valid token"), 401, "UNAUTHENTICATED", "Bearer", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := graphtest.New(t, graphtest.Options{Transport: func(config *transport.Config) {
				config.Challenge, config.ScopeChallenge = "Bearer", `Bearer error="insufficient_scope"`
				config.Authenticate = func(*http.Request) (upstream.Caller, error) { return upstream.Caller{}, c.err }
			}})
			w := s.Post(`{"query":"{ __typename }"}`)
			var r graphtest.Reply
			if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil || len(r.Errors) != 1 {
				t.Fatalf("got %s", w.Body)
			}
			if w.Code != c.status || r.Errors[0].Extensions["code"] != c.code || w.Header().Get("WWW-Authenticate") != c.challenge {
				t.Errorf("got %d %v %s", w.Code, w.Header(), w.Body)
			}
			if !strings.Contains(s.Log.String(), c.reason) || !strings.Contains(s.Log.String(), "refused=credentials") || (c.reason == "") == strings.Contains(s.Log.String(), "reason=") {
				t.Errorf("logged %s", s.Log)
			}
			for _, secret := range []string{"expired", "unknown key", "reason"} {
				if strings.Contains(w.Body.String(), secret) {
					t.Errorf("the caller sees %s", w.Body)
				}
			}
		})
	}
}
