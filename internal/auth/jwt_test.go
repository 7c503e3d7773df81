package auth_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"rollcall/internal/auth"
)

// issuer publishes its public keys, unless it is down.
type issuer struct {
	rsa  *rsa.PrivateKey
	ec   *ecdsa.PrivateKey
	ed   ed25519.PrivateKey
	url  string
	down atomic.Bool
	asks atomic.Int32
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{}
	var err error
	if i.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if i.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	var edPublic ed25519.PublicKey
	if edPublic, i.ed, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	point, err := i.ec.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := json.Marshal(map[string]any{"keys": []map[string]string{
		{"kty": "RSA", "kid": "rsa", "alg": "RS256", "use": "sig", "n": b64(i.rsa.N.Bytes()), "e": b64(big.NewInt(int64(i.rsa.E)).Bytes())},
		{"kty": "EC", "kid": "ec", "alg": "ES256", "use": "sig", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])},
		{"kty": "OKP", "kid": "ed", "alg": "EdDSA", "use": "sig", "crv": "Ed25519", "x": b64(edPublic)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		i.asks.Add(1)
		if i.down.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = w.Write(keys)
	}))
	t.Cleanup(server.Close)
	i.url = server.URL
	return i
}

func sign(t *testing.T, method jwt.SigningMethod, kid string, key any, claims jwt.MapClaims) string {
	t.Helper()
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = kid
	if kid == "" {
		delete(token.Header, "kid")
	}
	signed, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// claims are good ones, changed.
func claims(change ...any) jwt.MapClaims {
	c := jwt.MapClaims{"iss": "issuer", "aud": "rollcall", "sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}
	for i := 0; i < len(change); i += 2 {
		if change[i+1] == nil {
			delete(c, change[i].(string))
		} else {
			c[change[i].(string)] = change[i+1]
		}
	}
	return c
}

func bearer(authorization ...string) *http.Request {
	return &http.Request{Header: http.Header{"Authorization": authorization}}
}

func TestTokens(t *testing.T) {
	i := newIssuer(t)
	authenticate, err := auth.JWT(t.Context(), auth.Issuer{JWKSURL: i.url, Name: "issuer", Audience: "rollcall"}, "service-key", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stranger := newIssuer(t)
	public, err := x509.MarshalPKIXPublicKey(i.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	good := sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims())
	parts := strings.Split(good, ".")
	forged := b64([]byte(`{"alg":"none","kid":"rsa"}`)) + "." + parts[1] + "."

	for name, c := range map[string]struct {
		request *http.Request
		ok      bool
	}{
		"RS256":                              {bearer("Bearer " + good), true},
		"ES256":                              {bearer("bearer " + sign(t, jwt.SigningMethodES256, "ec", i.ec, claims())), true},
		"EdDSA":                              {bearer("Bearer " + sign(t, jwt.SigningMethodEdDSA, "ed", i.ed, claims())), true},
		"one audience of several":            {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("aud", []string{"x", "rollcall"}))), true},
		"expired a moment ago":               {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("exp", time.Now().Add(-10*time.Second).Unix()))), true},
		"nothing":                            {bearer(), false},
		"nothing after the scheme":           {bearer("Bearer"), false},
		"another scheme":                     {bearer("Basic " + good), false},
		"no scheme":                          {bearer(good), false},
		"two headers":                        {bearer("Bearer "+good, "Bearer "+good), false},
		"no token":                           {bearer("Bearer canary"), false},
		"another algorithm than the key's":   {bearer("Bearer " + sign(t, jwt.SigningMethodPS256, "rsa", i.rsa, claims())), false},
		"no algorithm":                       {bearer("Bearer " + forged), false},
		"no algorithm, by the book":          {bearer("Bearer " + sign(t, jwt.SigningMethodNone, "rsa", jwt.UnsafeAllowNoneSignatureType, claims())), false},
		"HS256 with the public key":          {bearer("Bearer " + sign(t, jwt.SigningMethodHS256, "rsa", publicPEM, claims())), false},
		"HS256 with the modulus":             {bearer("Bearer " + sign(t, jwt.SigningMethodHS256, "rsa", i.rsa.N.Bytes(), claims())), false},
		"another's signature":                {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", stranger.rsa, claims())), false},
		"another key's ID":                   {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "ec", i.rsa, claims())), false},
		"an unknown key ID":                  {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "canary", i.rsa, claims())), false},
		"no key ID":                          {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "", stranger.rsa, claims())), false},
		"another audience":                   {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("aud", "x"))), false},
		"no audience":                        {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("aud", nil))), false},
		"another issuer":                     {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("iss", "x"))), false},
		"no issuer":                          {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("iss", nil))), false},
		"expired":                            {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("exp", time.Now().Add(-time.Hour).Unix()))), false},
		"without an end":                     {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("exp", nil))), false},
		"not yet":                            {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("nbf", time.Now().Add(time.Hour).Unix()))), false},
		"of nobody":                          {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("sub", nil))), false},
		"with other claims than were signed": {bearer("Bearer " + parts[0] + "." + b64([]byte(`{"sub":"canary"}`)) + "." + parts[2]), false},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			who, err := authenticate(c.request)
			if c.ok != (err == nil) {
				t.Fatalf("got %+v, %v", who, err)
			}
			if c.ok && who != (auth.Identity{Key: "service-key", Subject: "alice"}) {
				t.Errorf("got %+v", who)
			}
			if err != nil && (who != auth.Identity{} || strings.Contains(err.Error(), "canary")) {
				t.Errorf("got %+v, %v", who, err)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
	if n := i.asks.Load(); n > 2 {
		t.Errorf("the issuer was asked %d times for its keys", n)
	}
}

func TestKnownKeysOutliveTheirIssuersOutage(t *testing.T) {
	i := newIssuer(t)
	authenticate, err := auth.JWT(t.Context(), auth.Issuer{JWKSURL: i.url, Name: "issuer", Audience: "rollcall"}, "k", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	i.down.Store(true)
	// An unknown key ID makes the keys be asked for, which fails.
	if _, err := authenticate(bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "unknown", i.rsa, claims()))); err == nil {
		t.Error("an unknown key ID is taken")
	}
	if i.asks.Load() != 2 {
		t.Fatalf("the issuer was asked %d times", i.asks.Load())
	}
	if _, err := authenticate(bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims()))); err != nil {
		t.Errorf("a known key is lost: %v", err)
	}
}

func TestAnIssuerThatIsDownAtTheStartLetsNobodyIn(t *testing.T) {
	i := newIssuer(t)
	i.down.Store(true)
	authenticate, err := auth.JWT(t.Context(), auth.Issuer{JWKSURL: i.url, Name: "issuer", Audience: "rollcall"}, "k", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	token := sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims())
	if _, err := authenticate(bearer("Bearer " + token)); err == nil {
		t.Error("a token is taken without a key")
	}
}
