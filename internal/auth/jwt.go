package auth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Issuer is who vouches for callers. All fields but Transport are required.
type Issuer struct {
	JWKSURL  string // where its public keys are
	Name     string // what tokens must have as iss
	Audience string // what tokens must have in aud

	Transport http.RoundTripper // on which the keys come; nil for the usual one
}

// leeway is how far the clocks of the issuer and of the service may differ.
const leeway = 30 * time.Second

// asymmetric are the algorithms that are taken. Any with a shared secret would
// let the public key be one, and "none" would let everybody in.
var asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

var errToken = errors.New("send a valid bearer token in the header Authorization")

// JWT takes callers who bring a token that the issuer has signed, and lets them
// upstream with the service's key. Tokens without a subject are all one caller's.
// Nobody is let in until the issuer's keys are known, which ready reports; from
// then on they stay known while the issuer cannot be reached. They are kept up
// to date until ctx ends.
func JWT(ctx context.Context, issuer Issuer, key string, log *slog.Logger) (authenticate Authenticator, ready func() bool) {
	keys := newKeySet(issuer, log)
	go keys.keep(ctx)
	parser := jwt.NewParser(
		jwt.WithValidMethods(asymmetric),
		jwt.WithIssuer(issuer.Name),
		jwt.WithAudience(issuer.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(leeway),
	)
	authenticate = func(r *http.Request) (Identity, error) { //nolint:contextcheck // the keys are for others who wait, too
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || len(r.Header.Values("Authorization")) != 1 {
			return Identity{}, errToken
		}
		var claims jwt.RegisteredClaims
		_, err := parser.ParseWithClaims(token, &claims, func(t *jwt.Token) (any, error) {
			if _, ok := t.Header["crit"]; ok { // whatever has to be understood is not
				return nil, errToken
			}
			return keys.key(r.Context(), t)
		})
		// Why it is not valid is nobody's business who cannot make one that is.
		if err != nil {
			return Identity{}, errToken
		}
		return Identity{Key: key, Subject: claims.Subject}, nil
	}
	return authenticate, keys.known
}
