package auth_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"rollcall/internal/auth"
)

// issuer publishes its public keys, unless it is down. It is reached in memory,
// as the Transport of an [auth.Issuer].
type issuer struct {
	rsa      *rsa.PrivateKey
	weak     *rsa.PrivateKey
	ec       *ecdsa.PrivateKey
	ed       ed25519.PrivateKey
	url      string
	requests atomic.Int32

	mu     sync.Mutex
	keys   []map[string]any
	answer http.HandlerFunc // instead of the keys
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func newIssuer(t *testing.T) *issuer {
	t.Helper()
	i := &issuer{url: "https://issuer.test/keys"}
	var err error
	if i.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if i.weak, err = rsa.GenerateKey(rand.Reader, 1024); err != nil {
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
	i.publish(i.rsaKey("rsa", i.rsa, "sig"))
	i.publish(i.rsaKey("for encryption", i.rsa, "enc"))
	i.publish(i.rsaKey("weak", i.weak, "sig"))
	i.publish(map[string]any{"kty": "EC", "kid": "ec", "alg": "ES256", "use": "sig", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])})
	i.publish(map[string]any{"kty": "OKP", "kid": "ed", "alg": "EdDSA", "use": "sig", "crv": "Ed25519", "x": b64(edPublic)})
	i.publish(map[string]any{"kty": "oct", "kid": "shared", "k": b64([]byte("secret"))})
	i.publish(map[string]any{"kty": "EC", "kid": "broken", "crv": "P-256", "x": "?"})
	return i
}

func (*issuer) rsaKey(id string, k *rsa.PrivateKey, use string) map[string]any {
	return map[string]any{"kty": "RSA", "kid": id, "alg": "RS256", "use": use, "n": b64(k.N.Bytes()), "e": b64(big.NewInt(int64(k.E)).Bytes())}
}

// publish adds a key to the set.
func (i *issuer) publish(key map[string]any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append(i.keys, key)
}

// answers makes the issuer respond with something else, or with its keys again if
// h is nil.
func (i *issuer) answers(with http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.answer = with
}

func down(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }

// hang responds once no request waits any more.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.requests.Add(1)
	i.mu.Lock()
	keys, answer := slices.Clone(i.keys), i.answer
	i.mu.Unlock()
	w := httptest.NewRecorder()
	if answer != nil {
		answer(w, r)
	} else {
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": keys})
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

func (i *issuer) authenticator(t *testing.T) (authenticate auth.Authenticator, ready func() bool) {
	return auth.JWT(t.Context(), auth.Issuer{JWKSURL: i.url, Name: "issuer", Audience: "rollcall", Transport: i}, "service-key", slog.New(slog.DiscardHandler))
}

// token returns a valid token.
func (i *issuer) token(t *testing.T, kid string) *http.Request {
	return bearer("Bearer " + sign(t, jwt.SigningMethodRS256, kid, i.rsa, claims()))
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

// claims returns valid claims, changed.
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

// reasonOf returns the reason of a refusal; empty for no error.
func reasonOf(err error) string {
	refusal, ok := errors.AsType[*auth.Error](err)
	switch {
	case err == nil:
		return ""
	case !ok:
		return "not a refusal: " + err.Error()
	}
	return refusal.Reason()
}

func bearer(authorization ...string) *http.Request {
	return &http.Request{Header: http.Header{"Authorization": authorization}}
}

func TestTokens(t *testing.T) {
	i := newIssuer(t)
	authenticate, ready := i.authenticator(t)
	for !ready() {
		runtime.Gosched()
	}
	stranger := newIssuer(t)
	public, err := x509.MarshalPKIXPublicKey(i.rsa.Public())
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})
	good := sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims())
	parts := strings.Split(good, ".")
	critical := jwt.NewWithClaims(jwt.SigningMethodRS256, claims())
	critical.Header["kid"], critical.Header["crit"] = "rsa", []string{"b64"}
	criticalToken, err := critical.SignedString(i.rsa)
	if err != nil {
		t.Fatal(err)
	}
	numbered := jwt.NewWithClaims(jwt.SigningMethodRS256, claims())
	numbered.Header["kid"] = 7
	numberedToken, err := numbered.SignedString(i.rsa)
	if err != nil {
		t.Fatal(err)
	}
	forged := b64([]byte(`{"alg":"none","kid":"rsa"}`)) + "." + parts[1] + "."

	for name, c := range map[string]struct {
		request *http.Request
		reason  string // of the refusal; empty if the token is valid
	}{
		"without a subject":                  {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("sub", nil))), ""},
		"RS256":                              {bearer("Bearer " + good), ""},
		"ES256":                              {bearer("bearer " + sign(t, jwt.SigningMethodES256, "ec", i.ec, claims())), ""},
		"EdDSA":                              {bearer("Bearer " + sign(t, jwt.SigningMethodEdDSA, "ed", i.ed, claims())), ""},
		"one audience of several":            {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("aud", []string{"x", "rollcall"}))), ""},
		"expired a moment ago":               {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("exp", time.Now().Add(-10*time.Second).Unix()))), ""},
		"expired a minute ago":               {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("exp", time.Now().Add(-time.Minute).Unix()))), "expired"},
		"valid in a moment":                  {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("nbf", time.Now().Add(10*time.Second).Unix()))), ""},
		"valid in a minute":                  {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("nbf", time.Now().Add(time.Minute).Unix()))), "not yet valid"},
		"after several spaces":               {bearer("Bearer   " + good), ""},
		"after a tab":                        {bearer("Bearer\t" + good), "malformed"},
		"after a space and a tab":            {bearer("Bearer \t" + good), "malformed"},
		"before another word":                {bearer("Bearer " + good + " canary"), "malformed"},
		"spaces and nothing else":            {bearer("Bearer   "), "malformed"},
		"a space before the scheme":          {bearer(" Bearer " + good), "malformed"},
		"nothing":                            {bearer(), "missing"},
		"nothing after the scheme":           {bearer("Bearer"), "malformed"},
		"another scheme":                     {bearer("Basic " + good), "malformed"},
		"no scheme":                          {bearer(good), "malformed"},
		"two headers":                        {bearer("Bearer "+good, "Bearer "+good), "malformed"},
		"no token":                           {bearer("Bearer canary"), "malformed"},
		"another algorithm than the key's":   {bearer("Bearer " + sign(t, jwt.SigningMethodPS256, "rsa", i.rsa, claims())), "algorithm"},
		"no algorithm":                       {bearer("Bearer " + forged), "algorithm"},
		"no algorithm, by the book":          {bearer("Bearer " + sign(t, jwt.SigningMethodNone, "rsa", jwt.UnsafeAllowNoneSignatureType, claims())), "algorithm"},
		"HS256 with the public key":          {bearer("Bearer " + sign(t, jwt.SigningMethodHS256, "rsa", publicPEM, claims())), "algorithm"},
		"HS256 with the modulus":             {bearer("Bearer " + sign(t, jwt.SigningMethodHS256, "rsa", i.rsa.N.Bytes(), claims())), "algorithm"},
		"another's signature":                {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", stranger.rsa, claims())), "signature"},
		"another key's ID":                   {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "ec", i.rsa, claims())), "algorithm"},
		"an unknown key ID":                  {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "canary", i.rsa, claims())), "unknown key"},
		"a key ID that is a number":          {bearer("Bearer " + numberedToken), "malformed"},
		"no key ID":                          {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "", stranger.rsa, claims())), "signature"},
		"another audience":                   {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("aud", "x"))), "audience"},
		"no audience":                        {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("aud", nil))), "audience"},
		"another issuer":                     {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("iss", "x"))), "issuer"},
		"no issuer":                          {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("iss", nil))), "issuer"},
		"expired":                            {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("exp", time.Now().Add(-time.Hour).Unix()))), "expired"},
		"without an end":                     {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("exp", nil))), "no expiry"},
		"not yet":                            {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("nbf", time.Now().Add(time.Hour).Unix()))), "not yet valid"},
		"with something that is critical":    {bearer("Bearer " + criticalToken), "critical"},
		"with a key for encryption":          {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "for encryption", i.rsa, claims())), "unknown key"},
		"with a weak key":                    {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "weak", i.weak, claims())), "unknown key"},
		"with a weak key that has no name":   {bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "", i.weak, claims())), "signature"},
		"with a shared secret":               {bearer("Bearer " + sign(t, jwt.SigningMethodHS256, "shared", []byte("secret"), claims())), "algorithm"},
		"with other claims than were signed": {bearer("Bearer " + parts[0] + "." + b64([]byte(`{"sub":"canary"}`)) + "." + parts[2]), "signature"},
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			identity, err := authenticate(c.request)
			if got := reasonOf(err); got != c.reason {
				t.Fatalf("got %+v, %v, for the reason %q, want %q", identity, err, got, c.reason)
			}
			subject := "alice"
			if name == "without a subject" {
				subject = ""
			}
			if c.reason == "" && identity != (auth.Identity{Key: "service-key", Subject: subject}) {
				t.Errorf("got %+v", identity)
			}
			if err != nil && (identity != auth.Identity{} || err.Error() != "send a valid bearer token in the header Authorization") {
				t.Errorf("got %+v, %v", identity, err)
			}
			if took := time.Since(began); took > time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
	if n := i.requests.Load(); n > 6 {
		t.Errorf("the issuer received %d requests for its keys", n)
	}
}

const anotherKey = `{"kty":"OKP","kid":"canary","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`

func TestKeySetOutage(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"down":    down,
		"hanging": hang,
		"HTML":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"no keys": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) },
		"no JSON": func(_ http.ResponseWriter, _ *http.Request) {},
		"an error with another key": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"keys":[` + anotherKey + `]}`))
		},
		"far too much": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(append([]byte(`{"keys":[`+anotherKey+`]`), bytes.Repeat([]byte(" "), 1<<20)...))
			_, _ = w.Write([]byte("}"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			synctest.Test(t, func(t *testing.T) {
				authenticate, ready := i.authenticator(t)
				synctest.Wait()
				i.answers(answer)
				time.Sleep(16 * time.Minute) //nolint:forbidigo // in fake time: the keys are fetched again
				// A token with an unknown key ID causes a request too.
				if _, err := authenticate(i.token(t, "unknown")); err == nil {
					t.Error("an unknown key ID is taken")
				}
				if n := i.requests.Load(); n != 3 {
					t.Errorf("the issuer received %d requests", n)
				}
				if _, err := authenticate(i.token(t, "rsa")); err != nil || !ready() {
					t.Errorf("a known key is lost: %v", err)
				}
			})
		})
	}
}

func TestKeySetAtStartup(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{"down": down, "hanging": hang} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			i.answers(answer)
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				authenticate, ready := i.authenticator(t)
				if _, err := authenticate(i.token(t, "rsa")); err == nil || ready() {
					t.Error("a token is taken without a key")
				}
				if !time.Now().Equal(began) {
					t.Errorf("the start took %v", time.Since(began))
				}
				time.Sleep(time.Minute) //nolint:forbidigo // in fake time
				if n := i.requests.Load(); n < 10 || n > 61 {
					t.Errorf("the issuer received %d requests in a minute", n)
				}
				i.answers(nil)
				time.Sleep(7 * time.Second) //nolint:forbidigo // in fake time: an attempt that hangs ends first
				if _, err := authenticate(i.token(t, "rsa")); err != nil || !ready() {
					t.Errorf("ready is %v: %v", ready(), err)
				}
			})
		})
	}
}

func TestKeySetErrorsAreLogged(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"down":    down,
		"hanging": hang,
		"a redirect without an end": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.test/keys?key=canary", http.StatusFound)
		},
	} {
		t.Run(name, func(t *testing.T) {
			i := newIssuer(t)
			i.answers(answer)
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				ctx, stop := context.WithCancel(t.Context())
				auth.JWT(ctx, auth.Issuer{JWKSURL: i.url + "?key=canary", Name: "issuer", Audience: "rollcall", Transport: i}, "service-key", slog.New(slog.NewTextHandler(&log, nil)))
				time.Sleep(10 * time.Second) //nolint:forbidigo // in fake time
				stop()
				synctest.Wait()
				if strings.Count(log.String(), "cannot get the issuer's keys") != 1 || strings.Contains(log.String(), "canary") {
					t.Errorf("logged %s", log.String())
				}
			})
		})
	}
}

func TestKeySetRedirects(t *testing.T) {
	for target, ok := range map[string]bool{"https://elsewhere.test/keys": true, "http://issuer.test/keys": false} {
		i := newIssuer(t)
		keys, err := json.Marshal(map[string]any{"keys": i.keys})
		if err != nil {
			t.Fatal(err)
		}
		i.answers(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.String() == i.url {
				http.Redirect(w, r, target, http.StatusFound)
				return
			}
			_, _ = w.Write(keys)
		})
		synctest.Test(t, func(t *testing.T) {
			_, known := i.authenticator(t)
			time.Sleep(10 * time.Second) //nolint:forbidigo // in fake time
			if known() != ok {
				t.Errorf("by way of %s keys are known: %v", target, known())
			}
		})
	}
}

func TestKeySetRenewal(t *testing.T) {
	i := newIssuer(t)
	synctest.Test(t, func(t *testing.T) {
		authenticate, _ := i.authenticator(t)
		synctest.Wait()
		if _, err := authenticate(i.token(t, "bogus")); err == nil {
			t.Error("an unknown key ID is taken")
		}
		i.publish(i.rsaKey("new", i.rsa, "sig"))
		before := i.requests.Load()
		var callers sync.WaitGroup
		for range 100 { // at once
			callers.Go(func() {
				if _, err := authenticate(i.token(t, "new")); err != nil {
					t.Error(err)
				}
			})
		}
		callers.Wait()
		if n := i.requests.Load() - before; n != 1 {
			t.Errorf("the issuer received %d requests", n)
		}

		// A caller that makes up key IDs cannot flood the issuer, nor delay the
		// discovery of a new key for long.
		before = i.requests.Load()
		for n := range 100 {
			if _, err := authenticate(i.token(t, "bogus"+strconv.Itoa(n))); err == nil {
				t.Error("an unknown key ID is taken")
			}
		}
		if n := i.requests.Load() - before; n > 5 {
			t.Errorf("the issuer received %d requests", n)
		}
		i.publish(i.rsaKey("newer", i.rsa, "sig"))
		time.Sleep(time.Second) //nolint:forbidigo // in fake time
		if _, err := authenticate(i.token(t, "newer")); err != nil {
			t.Error(err)
		}
	})
}

// TestKeySetRenewalOutlivesCaller has the caller that began a renewal disconnect
// while another one waits for its result.
func TestKeySetRenewalOutlivesCaller(t *testing.T) {
	i := newIssuer(t)
	synctest.Test(t, func(t *testing.T) {
		authenticate, _ := i.authenticator(t)
		synctest.Wait()
		i.publish(i.rsaKey("new", i.rsa, "sig"))
		proceed := make(chan struct{})
		i.answers(func(w http.ResponseWriter, _ *http.Request) {
			<-proceed
			_ = json.NewEncoder(w).Encode(map[string]any{"keys": i.keys})
		})
		ctx, disconnect := context.WithCancel(t.Context())
		var callers sync.WaitGroup
		callers.Go(func() {
			if _, err := authenticate(i.token(t, "new").WithContext(ctx)); reasonOf(err) != "cancelled" {
				t.Errorf("the caller that disconnects: %q", reasonOf(err))
			}
		})
		synctest.Wait()
		waiting := make(chan error, 1)
		go func() {
			_, err := authenticate(i.token(t, "new"))
			waiting <- err
		}()
		synctest.Wait()
		disconnect()
		callers.Wait() // before the issuer responds
		close(proceed)
		if err := <-waiting; err != nil {
			t.Errorf("the caller that waits: %v (%s)", err, reasonOf(err))
		}
	})
}
