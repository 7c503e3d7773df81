package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

// Issuer is who vouches for callers. All fields are required.
type Issuer struct {
	JWKSURL  string // where its public keys are
	Name     string // what tokens must have as iss
	Audience string // what tokens must have in aud
}

const (
	// leeway is how far the clocks of the issuer and of the service may differ.
	leeway = 30 * time.Second
	// keysTimeout bounds a request for the issuer's keys.
	keysTimeout = 5 * time.Second
	// keysInterval is how often they are asked for.
	keysInterval = 15 * time.Minute
	// unknownKeyInterval is how often at most a token with an unknown key ID makes
	// them be asked for out of turn, so that strangers cannot flood the issuer.
	unknownKeyInterval = 30 * time.Second
)

// asymmetric are the algorithms that are taken. Any with a shared secret would
// let the public key be one, and "none" would let everybody in.
var asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

var errToken = errors.New("send a valid bearer token in the header Authorization")

// JWT takes callers who bring a token that the issuer has signed, and lets them
// upstream with the service's key. Keys that are known stay known while the
// issuer cannot be reached. The keys are kept up to date until ctx ends.
func JWT(ctx context.Context, issuer Issuer, key string, log *slog.Logger) (Authenticator, error) {
	keys, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{issuer.JWKSURL}, keyfunc.Override{
		Client:            &http.Client{Timeout: keysTimeout},
		HTTPTimeout:       keysTimeout,
		RefreshInterval:   keysInterval,
		RefreshUnknownKID: rate.NewLimiter(rate.Every(unknownKeyInterval), 1),
		RateLimitWaitMax:  time.Millisecond, // nobody waits for their turn to ask
		RefreshErrorHandlerFunc: func(string) func(context.Context, error) {
			return func(ctx context.Context, err error) {
				log.WarnContext(ctx, "cannot get the issuer's keys; those that are known stay", "error", err)
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("the issuer's keys: %w", err)
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods(asymmetric),
		jwt.WithIssuer(issuer.Name),
		jwt.WithAudience(issuer.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(leeway),
	)
	return func(r *http.Request) (Identity, error) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") || len(r.Header.Values("Authorization")) != 1 {
			return Identity{}, errToken
		}
		var claims jwt.RegisteredClaims
		// Why it is not valid is nobody's business who cannot make one that is.
		if _, err := parser.ParseWithClaims(token, &claims, keys.KeyfuncCtx(r.Context())); err != nil || claims.Subject == "" {
			return Identity{}, errToken
		}
		return Identity{Key: key, Subject: claims.Subject}, nil
	}, nil
}
