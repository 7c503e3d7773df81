package auth

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Issuer describes the tokens that are accepted. All fields but Scope and
// Transport are required.
type Issuer struct {
	JWKSURL  string // of its public keys
	Name     string // tokens must have it as iss
	Audience string // tokens must have it in aud
	Scope    string // tokens must have it in scope or scp; empty for none

	Transport http.RoundTripper // for the key set; nil for net/http's default
}

// leeway is how far the clocks of the issuer and of the service may differ.
const leeway = 30 * time.Second

// asymmetric are the accepted algorithms. With a shared secret, the public key
// could be used as the secret; with "none", every token would be valid.
var asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// claims are those that are read from a token.
type claims struct {
	jwt.RegisteredClaims
	Scope scopes `json:"scope"` // RFC 8693, section 4.2
	SCP   scopes `json:"scp"`   // of Microsoft (text) and Okta (a list)
}

// scopes are the scopes of one claim: a text, separated by spaces, or a list.
type scopes []string

// UnmarshalJSON reads both forms. A claim of another form has no scope; it does
// not make the token malformed, because most services don't require a scope.
func (s *scopes) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*s = strings.Split(one, " ")
		return nil
	}
	var list []string
	if json.Unmarshal(text, &list) == nil {
		*s = list
	}
	return nil
}

// JWT accepts callers with a token that the issuer signed; their requests use the
// service's key. All tokens without a subject belong to one caller. No token is
// accepted until the issuer's keys are known, which ready reports; if the issuer
// cannot be reached later, the known keys remain valid. The keys are kept up to
// date until ctx is cancelled.
func JWT(ctx context.Context, issuer Issuer, key string, log *slog.Logger) (authenticate Authenticator, ready func() bool) {
	keys := newKeySet(issuer, log)
	go keys.keep(ctx)
	parser := jwt.NewParser(
		jwt.WithIssuer(issuer.Name),
		jwt.WithAudience(issuer.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithLeeway(leeway),
	)
	authenticate = func(r *http.Request) (Identity, error) { //nolint:contextcheck // the fetched keys also serve other callers who wait
		token, reason := bearerToken(r.Header.Values("Authorization"))
		if reason != "" {
			return Identity{}, unauthenticated(reason)
		}
		var claims claims
		_, err := parser.ParseWithClaims(token, &claims, func(t *jwt.Token) (any, error) {
			if _, ok := t.Header["crit"]; ok { // RFC 7515, section 4.1.11: this service understands none
				return nil, unauthenticated(ReasonCritical)
			}
			if !slices.Contains(asymmetric, t.Method.Alg()) {
				return nil, unauthenticated(ReasonAlgorithm)
			}
			return keys.verifiers(r.Context(), t)
		})
		if err != nil {
			return Identity{}, errorOf(err, &claims)
		}
		if issuer.Scope != "" && !slices.Contains(claims.Scope, issuer.Scope) && !slices.Contains(claims.SCP, issuer.Scope) {
			return Identity{}, &Error{reason: ReasonScope, forbidden: true, text: "the token does not have the scope that this service requires"}
		}
		return Identity{Key: key, Subject: claims.Subject}, nil
	}
	return authenticate, keys.known
}

// bearerToken returns the token of the only Authorization header, or the reason
// why there is none. One or more spaces separate it from the scheme (RFC 9110,
// section 11.4).
func bearerToken(authorization []string) (token, reason string) {
	switch len(authorization) {
	case 0:
		return "", ReasonMissing
	case 1:
	default:
		return "", ReasonMalformed
	}
	scheme, token, _ := strings.Cut(authorization[0], " ")
	if token = strings.TrimLeft(token, " "); token == "" || !strings.EqualFold(scheme, "Bearer") {
		return "", ReasonMalformed
	}
	return token, ""
}

// unauthenticated returns the refusal of a token. Its text does not depend on the
// reason, which would help to forge a token.
func unauthenticated(reason string) *Error {
	return &Error{reason: reason, text: "send a valid bearer token in the header Authorization"}
}

// errorOf returns the refusal for an error of the parser. The parser checks the
// form, the key, the signature and the claims, in this order.
func errorOf(err error, c *claims) *Error {
	if refusal, ok := errors.AsType[*Error](err); ok {
		return refusal
	}
	missing := errors.Is(err, jwt.ErrTokenRequiredClaimMissing)
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed):
		return unauthenticated(ReasonMalformed)
	case errors.Is(err, jwt.ErrTokenUnverifiable): // the library doesn't know the algorithm
		return unauthenticated(ReasonAlgorithm)
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return unauthenticated(ReasonSignature)
	case errors.Is(err, jwt.ErrTokenExpired):
		return unauthenticated(ReasonExpired)
	case missing && c.ExpiresAt == nil:
		return unauthenticated(ReasonNoExpiry)
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return unauthenticated(ReasonNotYetValid)
	case errors.Is(err, jwt.ErrTokenInvalidAudience), missing && len(c.Audience) == 0:
		return unauthenticated(ReasonAudience)
	case errors.Is(err, jwt.ErrTokenInvalidIssuer), missing && c.Issuer == "":
		return unauthenticated(ReasonIssuer)
	}
	return unauthenticated(ReasonMalformed)
}
