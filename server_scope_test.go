package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"rollcall/internal/config"
)

// TestJWTScope sends tokens to a service that requires a scope.
func TestJWTScope(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	issuer := realUpstream(t, func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": []any{map[string]string{
			"kty": "OKP", "kid": "k", "alg": "EdDSA", "crv": "Ed25519", "x": base64.RawURLEncoding.EncodeToString(public),
		}}})
	})
	var calls countedCalls
	base := realUpstream(t, calls.ServeHTTP)
	c := inFrontOf(base)
	c.Auth, c.JWT = config.AuthJWT, config.JWT{JWKSURL: issuer.String(), Issuer: "i", Audience: "a", Scope: "users:read"}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var log syncBuffer
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, c, listener, nil, slog.New(slog.NewTextHandler(&log, nil))) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	url := "http://" + listener.Addr().String()
	await(t, 10*time.Second, "the issuer's keys are known", func() bool {
		response, err := http.Get(url + "/readyz")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})

	const lacks = `Bearer error="insufficient_scope", scope="users:read"`
	for name, c := range map[string]struct {
		claims    jwt.MapClaims // in addition to those that each token has
		status    int
		challenge string
		reason    string // in the log
	}{
		"a text in scope with the scope":    {jwt.MapClaims{"scope": "openid users:read"}, 200, "", ""},
		"a list in scope with the scope":    {jwt.MapClaims{"scope": []string{"openid", "users:read"}}, 200, "", ""},
		"a text in scp with the scope":      {jwt.MapClaims{"scp": "users:read openid"}, 200, "", ""},
		"a list in scp with the scope":      {jwt.MapClaims{"scp": []string{"users:read"}}, 200, "", ""},
		"a text without the scope":          {jwt.MapClaims{"scope": "openid users:write"}, 403, lacks, "scope"},
		"a list without the scope":          {jwt.MapClaims{"scp": []string{"openid"}}, 403, lacks, "scope"},
		"no scopes":                         {nil, 403, lacks, "scope"},
		"an expired token with the scope":   {jwt.MapClaims{"scope": "users:read", "exp": time.Now().Add(-time.Hour).Unix()}, 401, "Bearer", "expired"},
		"another audience, with the scope":  {jwt.MapClaims{"scope": "users:read", "aud": "b"}, 401, "Bearer", "audience"},
		"an expired token without a scope":  {jwt.MapClaims{"exp": time.Now().Add(-time.Hour).Unix()}, 401, "Bearer", "expired"},
		"another issuer, without any scope": {jwt.MapClaims{"iss": "j"}, 401, "Bearer", "issuer"},
	} {
		t.Run(name, func(t *testing.T) {
			claims := jwt.MapClaims{"iss": "i", "aud": "a", "sub": "s", "exp": time.Now().Add(time.Hour).Unix()}
			for claim, value := range c.claims {
				claims[claim] = value
			}
			token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims)
			token.Header["kid"] = "k"
			signed, err := token.SignedString(private)
			if err != nil {
				t.Fatal(err)
			}
			before, logged := calls.n(), len(log.String())
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/graphql", strings.NewReader(`{"query":"{ users { nodes { userId } } }"}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + signed}}
			response, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, _ := io.ReadAll(response.Body)
			code := map[int]string{200: `{"data":{"users":{"nodes":[]}}}`, 401: `"UNAUTHENTICATED"`, 403: `"FORBIDDEN"`}[c.status]
			if response.StatusCode != c.status || !strings.Contains(string(body), code) || response.Header.Get("WWW-Authenticate") != c.challenge {
				t.Errorf("%d %v %s", response.StatusCode, response.Header, body)
			}
			made := calls.n() - before
			if (c.status == 200) != (made == 1) {
				t.Errorf("%d upstream calls", made)
			}
			if line := log.String()[logged:]; c.reason != "" && !strings.Contains(line, "reason="+c.reason+"\n") && !strings.Contains(line, "reason="+c.reason+" ") {
				t.Errorf("logged %s", line)
			}
		})
	}
}
