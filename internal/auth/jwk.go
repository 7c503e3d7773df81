package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"
)

// The library reads the key itself, and nothing around it: its validation of a
// whole key compares x5t with a fingerprint of x5c, and so refuses keys of Auth0,
// in which x5t equals the kid. This file decides whether a key may verify tokens.

// The shortest and longest RSA key that is accepted, in bits. NIST SP 800-131A
// disallows shorter ones. The cost of verifying a signature grows with the square
// of the length, and every request that names the key incurs it: 8192 bits is
// also the bound of crypto/tls.
const (
	minRSA = 2048
	maxRSA = 8192
)

// verifier is a public key that may verify tokens.
type verifier struct {
	id        string // kid; empty if the key has none
	algorithm string // alg; empty for any that fits the key
	key       crypto.PublicKey
}

// publicKey has the properties of a JSON Web Key (RFC 7517) that matter here.
// Those of its certificate do not: they describe the key and are not a part of
// it.
type publicKey struct {
	Type       jwkset.KTY `json:"kty"`
	ID         string     `json:"kid"`
	Algorithm  string     `json:"alg"`
	Use        string     `json:"use"`
	Operations strOrList  `json:"key_ops"`
	Curve      jwkset.CRV `json:"crv"`
	X          string     `json:"x"`
	Y          string     `json:"y"`
	N          string     `json:"n"`
	E          string     `json:"e"`
}

// newVerifier reads one key of a set. The error reports why the key cannot verify
// tokens. It contains nothing of the key but the names of its properties.
func newVerifier(text json.RawMessage) (verifier, error) {
	var k publicKey
	if json.Unmarshal(text, &k) != nil {
		return verifier{}, errors.New("it is not a JSON Web Key")
	}
	v := verifier{id: k.ID, algorithm: k.Algorithm}
	switch {
	case k.Use != "" && k.Use != "sig":
		return v, errors.New("its use is not sig")
	// An empty list is how some servers write a missing one.
	case len(k.Operations) > 0 && !slices.Contains(k.Operations, "verify"):
		return v, errors.New("verify is not among its key_ops")
	case v.algorithm != "" && !slices.Contains(asymmetric, v.algorithm):
		return v, errors.New("its alg is not accepted for tokens")
	case k.Type != jwkset.KtyRSA && k.Type != jwkset.KtyEC && k.Type != jwkset.KtyOKP:
		return v, errors.New("its kty is not RSA, EC or OKP")
	}
	return v, v.read(k)
}

// read reads the key itself.
func (v *verifier) read(k publicKey) error {
	if len(k.N) > maxRSA { // a digit of base64 has 6 bits: not worth decoding
		return fmt.Errorf("it is longer than %d bits", maxRSA)
	}
	bare := jwkset.JWKMarshal{KTY: k.Type, CRV: k.Curve, X: k.X, Y: k.Y, N: k.N, E: k.E}
	key, err := jwkset.NewJWKFromMarshal(bare, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{SkipAll: true})
	if err != nil {
		return errors.New("it is broken, or of an unknown curve")
	}
	switch public := key.Key().(type) {
	case *rsa.PublicKey:
		switch bits := public.N.BitLen(); {
		case bits < minRSA:
			return fmt.Errorf("it is shorter than %d bits", minRSA)
		case bits > maxRSA:
			return fmt.Errorf("it is longer than %d bits", maxRSA)
		}
	case *ecdsa.PublicKey, ed25519.PublicKey:
	default:
		return errors.New("its curve is not one for signatures")
	}
	v.key = key.Key()
	if v.algorithm != "" && !v.fits(jwt.GetSigningMethod(v.algorithm)) {
		return errors.New("its alg does not fit its type")
	}
	return nil
}

// fits reports whether the key may verify signatures of a method.
func (v *verifier) fits(method jwt.SigningMethod) bool {
	if v.algorithm != "" && v.algorithm != method.Alg() {
		return false
	}
	switch key := v.key.(type) {
	case *rsa.PublicKey:
		return strings.HasPrefix(method.Alg(), "RS") || strings.HasPrefix(method.Alg(), "PS")
	case *ecdsa.PublicKey:
		m, ok := method.(*jwt.SigningMethodECDSA)
		return ok && m.CurveBits == key.Curve.Params().BitSize // RFC 7518, section 3.4
	case ed25519.PublicKey:
		return method.Alg() == "EdDSA"
	}
	return false
}

// strOrList reads a list of texts; a text is a list of one.
type strOrList []string

func (l *strOrList) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		if one != "" { // as it is after null, too
			*l = strOrList{one}
		}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(l))
}
