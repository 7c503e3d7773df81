package auth_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"math/big"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"rollcall/internal/auth"
)

// authenticatorFor returns an authenticator that knows one key set, and its log.
func (i *issuer) authenticatorFor(t *testing.T, keys ...map[string]any) (authenticate auth.Authenticator, ready func() bool, log *bytes.Buffer) {
	i.mu.Lock()
	i.keys = keys
	i.mu.Unlock()
	log = new(bytes.Buffer)
	authenticate, ready = auth.JWT(t.Context(), auth.Issuer{JWKSURL: i.url, Name: "issuer", Audience: "rollcall", Transport: i}, "service-key", slog.New(slog.NewTextHandler(log, nil)))
	synctest.Wait()
	return authenticate, ready, log
}

func TestKeySet(t *testing.T) {
	i := newIssuer(t)
	other := newIssuer(t)
	plain := i.rsaKey("rsa", i.rsa, "sig")
	with := func(key map[string]any, members ...any) map[string]any {
		key = maps.Clone(key)
		for n := 0; n < len(members); n += 2 {
			key[members[n].(string)] = members[n+1]
		}
		return key
	}
	modulus := func(bits int) map[string]any {
		n := new(big.Int).SetBit(big.NewInt(1), bits-1, 1)
		return with(plain, "n", b64(n.Bytes()))
	}
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := p384.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	secp384 := map[string]any{"kty": "EC", "kid": "rsa", "crv": "P-384", "x": b64(point[1:49]), "y": b64(point[49:])}
	for name, c := range map[string]struct {
		keys   []map[string]any
		valid  bool   // whether the token, of the key rsa, is valid
		logged string // about a key that is not used; empty for nothing
	}{
		"a key":                               {[]map[string]any{plain}, true, ""},
		"Auth0's: x5t is the kid":             {[]map[string]any{with(plain, "kid", "rsa", "x5t", "rsa", "x5c", []string{"MIIBcanary"})}, true, ""},
		"x5t and x5c of wrong types":          {[]map[string]any{with(plain, "x5t", 7, "x5c", "canary")}, true, ""},
		"padding in n and e":                  {[]map[string]any{with(plain, "n", base64.URLEncoding.EncodeToString(i.rsa.N.Bytes()), "e", "AQAB====")}, true, ""},
		"a zero before n":                     {[]map[string]any{with(plain, "n", b64(append([]byte{0}, i.rsa.N.Bytes()...)))}, true, ""},
		"key_ops is a text":                   {[]map[string]any{with(plain, "key_ops", "verify")}, true, ""},
		"key_ops is a list":                   {[]map[string]any{with(plain, "key_ops", []string{"sign", "verify"})}, true, ""},
		"key_ops is empty":                    {[]map[string]any{with(plain, "key_ops", []string{}, "oth", []string{})}, true, ""},
		"key_ops is null":                     {[]map[string]any{with(plain, "key_ops", nil)}, true, ""},
		"no use and no alg":                   {[]map[string]any{{"kty": "RSA", "kid": "rsa", "n": plain["n"], "e": plain["e"]}}, true, ""},
		"members that are unknown":            {[]map[string]any{with(plain, "canary", map[string]any{"d": 1})}, true, ""},
		"a second key of the kid, afterwards": {[]map[string]any{plain, other.rsaKey("rsa", other.rsa, "sig")}, true, ""},
		"a second key of the kid, before":     {[]map[string]any{other.rsaKey("rsa", other.rsa, "sig"), plain}, true, ""},
		"a second key of the kid, other type": {[]map[string]any{secp384, plain}, true, ""},
		"one for encryption of the same kid":  {[]map[string]any{with(plain, "use", "enc"), plain}, true, "its use is not sig"},
		"key_ops: encrypt":                    {[]map[string]any{with(plain, "key_ops", []string{"encrypt"})}, false, "verify is not among its key_ops"},
		"key_ops: encrypt, as a text":         {[]map[string]any{with(plain, "key_ops", "encrypt")}, false, "verify is not among its key_ops"},
		"key_ops: wrapKey, and no use":        {[]map[string]any{{"kty": "RSA", "kid": "rsa", "n": plain["n"], "e": plain["e"], "key_ops": []string{"wrapKey"}}}, false, "verify is not among its key_ops"},
		"alg: RSA-OAEP":                       {[]map[string]any{with(plain, "alg", "RSA-OAEP")}, false, "its alg is not accepted"},
		"alg: HS256":                          {[]map[string]any{with(plain, "alg", "HS256")}, false, "its alg is not accepted"},
		"alg: ES256, of an RSA key":           {[]map[string]any{with(plain, "alg", "ES256")}, false, "its alg does not fit its type"},
		"a short key":                         {[]map[string]any{i.rsaKey("rsa", i.weak, "sig")}, false, "it is shorter than 2048 bits"},
		"a key of 8193 bits":                  {[]map[string]any{modulus(8193)}, false, "it is longer than 8192 bits"},
		"a key of a million bits":             {[]map[string]any{modulus(1 << 20)}, false, "it is longer than 8192 bits"},
		"invalid base64":                      {[]map[string]any{with(plain, "n", "canary?")}, false, "it is broken"},
		"no modulus":                          {[]map[string]any{{"kty": "RSA", "kid": "rsa", "e": "AQAB"}}, false, "it is broken"},
		"an unknown curve":                    {[]map[string]any{with(secp384, "crv", "secp256k1")}, false, "it is broken, or of an unknown curve"},
		"a point that is not on the curve":    {[]map[string]any{with(secp384, "x", "AAAA")}, false, "it is broken"},
		"a curve that does not sign":          {[]map[string]any{{"kty": "OKP", "kid": "rsa", "crv": "X25519", "x": b64(make([]byte, 32))}}, false, "its curve is not one for signatures"},
		"a shared secret":                     {[]map[string]any{{"kty": "oct", "kid": "rsa", "k": "canary"}}, false, "its kty is not RSA, EC or OKP"},
		"a kid that is a number":              {[]map[string]any{with(plain, "kid", 7)}, false, "it is not a JSON Web Key"},
		"a kid that would break the log":      {[]map[string]any{with(plain, "kid", "a\n\"b"+strings.Repeat("c", 100), "use", "enc")}, false, `kid \"a\\n\\\"bccc`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				authenticate, ready, log := i.authenticatorFor(t, c.keys...)
				_, err := authenticate(i.token(t, "rsa"))
				if c.valid != (err == nil) || c.valid != ready() {
					t.Errorf("ready is %v, err is %v (%s)", ready(), err, reasonOf(err))
				}
				if !strings.Contains(log.String(), c.logged) || (c.logged == "") == strings.Contains(log.String(), "not used") || strings.Contains(log.String(), "canary") {
					t.Errorf("logged %s", log)
				}
			})
		})
	}
	t.Run("a key of 8192 bits is used", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			authenticate, ready, log := i.authenticatorFor(t, modulus(8192))
			if _, err := authenticate(i.token(t, "rsa")); !ready() || reasonOf(err) != "signature" || strings.Contains(log.String(), "not used") {
				t.Errorf("ready is %v, the reason is %q, logged %s", ready(), reasonOf(err), log)
			}
		})
	})
	t.Run("a token of the other curve is refused", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			authenticate, _, _ := i.authenticatorFor(t, secp384)
			if _, err := authenticate(bearer("Bearer " + sign(t, jwt.SigningMethodES384, "rsa", p384, claims()))); err != nil {
				t.Error(err)
			}
			if _, err := authenticate(bearer("Bearer " + sign(t, jwt.SigningMethodES256, "rsa", i.ec, claims()))); reasonOf(err) != "algorithm" {
				t.Errorf("the reason is %q", reasonOf(err))
			}
		})
	})
	t.Run("both keys of a kid verify", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			authenticate, _, _ := i.authenticatorFor(t, plain, other.rsaKey("rsa", other.rsa, "sig"))
			for _, signer := range []*issuer{i, other} {
				if _, err := authenticate(signer.token(t, "rsa")); err != nil {
					t.Error(reasonOf(err))
				}
			}
		})
	})
	t.Run("the log has a part of a long ID, and of many keys", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			keys := []map[string]any{with(plain, "kid", strings.Repeat("c", 65), "use", "enc")}
			for range 20 {
				keys = append(keys, with(plain, "kid", "another", "use", "enc"))
			}
			_, _, log := i.authenticatorFor(t, keys...)
			if long := strings.Repeat("c", 64); !strings.Contains(log.String(), long) || strings.Contains(log.String(), long+"c") {
				t.Errorf("logged %s", log)
			}
			if n := strings.Count(log.String(), "use is not sig"); n != 20 {
				t.Errorf("logged %d keys", n)
			}
		})
	})
	t.Run("the log has a line once per change", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, _, log := i.authenticatorFor(t, plain, with(plain, "use", "enc"))
			time.Sleep(time.Hour) //nolint:forbidigo // in fake time: the keys are fetched again
			synctest.Wait()
			if n := strings.Count(log.String(), "not used"); n != 1 {
				t.Errorf("%d lines: %s", n, log)
			}
			i.publish(with(plain, "kid", "another", "use", "enc"))
			time.Sleep(time.Hour) //nolint:forbidigo // in fake time
			synctest.Wait()
			if n := strings.Count(log.String(), "not used"); n != 2 || !strings.Contains(log.String(), "another") {
				t.Errorf("%d lines: %s", n, log)
			}
		})
	})
}

func TestScope(t *testing.T) {
	i := newIssuer(t)
	for name, c := range map[string]struct {
		claims []any
		ok     bool
	}{
		"a text":                          {[]any{"scope", "openid users:read email"}, true},
		"a text of one":                   {[]any{"scope", "users:read"}, true},
		"a list":                          {[]any{"scope", []string{"openid", "users:read"}}, true},
		"a text in scp":                   {[]any{"scp", "openid users:read"}, true},
		"a list in scp":                   {[]any{"scp", []string{"openid", "users:read"}}, true},
		"in scp, beside another in scope": {[]any{"scope", "openid", "scp", []string{"users:read"}}, true},
		"in scope, beside a broken scp":   {[]any{"scope", "users:read", "scp", 7}, true},
		"none":                            {nil, false},
		"another":                         {[]any{"scope", "openid"}, false},
		"one that begins like it":         {[]any{"scope", "users:read:all users:rea xusers:read"}, false},
		"in other letters":                {[]any{"scope", "Users:Read"}, false},
		"an element with a space":         {[]any{"scp", []string{"openid users:read"}}, false},
		"a number":                        {[]any{"scope", 7}, false},
		"an object":                       {[]any{"scope", map[string]any{"users:read": true}}, false},
		"null":                            {[]any{"scope", json.RawMessage("null")}, false},
		"a list with a number":            {[]any{"scp", []any{"users:read", 7}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			token := bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims(c.claims...)))
			synctest.Test(t, func(t *testing.T) {
				for _, scope := range []string{"users:read", ""} {
					authenticate, _ := auth.JWT(t.Context(), auth.Issuer{JWKSURL: i.url, Name: "issuer", Audience: "rollcall", Scope: scope, Transport: i}, "service-key", slog.New(slog.DiscardHandler))
					synctest.Wait()
					_, err := authenticate(token)
					if scope == "" { // no scope is required
						if err != nil {
							t.Error(reasonOf(err))
						}
						continue
					}
					refusal, _ := errors.AsType[*auth.Error](err)
					if c.ok != (err == nil) || err != nil && (refusal.Reason() != "scope" || !refusal.Forbidden()) {
						t.Errorf("the reason is %q", reasonOf(err))
					}
				}
			})
		})
	}
	t.Run("an expired token is not forbidden", func(t *testing.T) {
		expired := bearer("Bearer " + sign(t, jwt.SigningMethodRS256, "rsa", i.rsa, claims("exp", time.Now().Add(-time.Hour).Unix())))
		authenticate, ready := auth.JWT(t.Context(), auth.Issuer{JWKSURL: i.url, Name: "issuer", Audience: "rollcall", Scope: "users:read", Transport: i}, "service-key", slog.New(slog.DiscardHandler))
		for !ready() {
			time.Sleep(time.Millisecond) //nolint:forbidigo // the token's time is real
		}
		_, err := authenticate(expired)
		if refusal, _ := errors.AsType[*auth.Error](err); refusal == nil || refusal.Reason() != "expired" || refusal.Forbidden() {
			t.Errorf("got %v", err)
		}
	})
}

// BenchmarkLongestKey measures the cost of a token that is signed with the
// longest accepted key.
func BenchmarkLongestKey(b *testing.B) {
	n := new(big.Int).SetBit(big.NewInt(1), 8191, 1)
	key, signature := &rsa.PublicKey{N: n, E: 65537}, make([]byte, 1024)
	for b.Loop() {
		if jwt.SigningMethodRS256.Verify("canary", signature, key) == nil {
			b.Fatal("the signature is valid")
		}
	}
}
