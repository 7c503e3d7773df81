package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

// The library reads keys and picks the one for a token. It can fetch them too,
// but holds up the start until it has, leaves 15 minutes between attempts as
// long as it has none, and does not limit what it reads; so that is done here.

const (
	// keysTimeout bounds a request for the issuer's keys.
	keysTimeout = 5 * time.Second
	// keysInterval is how often they are asked for, keysRetry how often while
	// there are none.
	keysInterval, keysRetry = 15 * time.Minute, time.Second
	// unknownKeyInterval is how often at most a token with an unknown key ID makes
	// them be asked for out of turn, so that strangers cannot flood the issuer, and
	// unknownKeyBurst how often at once, so that one stranger does not keep a new
	// key from being seen.
	unknownKeyInterval, unknownKeyBurst = time.Second, 5
	// maxKeySet is the largest answer that is read, in bytes.
	maxKeySet = 1 << 20
	// maxRedirects is how many an answer may be away.
	maxRedirects = 10
	// minRSA is the shortest RSA key that is taken, in bits.
	minRSA = 2048
)

// keySet has the issuer's keys.
type keySet struct {
	url    string
	client *http.Client
	log    *slog.Logger

	newest  atomic.Pointer[keyfunc.Keyfunc] // nil until there are any
	renewal singleflight.Group
	unknown *rate.Limiter
}

func newKeySet(issuer Issuer, log *slog.Logger) *keySet {
	return &keySet{
		url: issuer.JWKSURL, log: log,
		client:  &http.Client{Timeout: keysTimeout, Transport: issuer.Transport, CheckRedirect: stayPrivate},
		unknown: rate.NewLimiter(rate.Every(unknownKeyInterval), unknownKeyBurst),
	}
}

// stayPrivate follows no redirect from https to http, where anybody on the way
// could put in keys of their own.
func stayPrivate(next *http.Request, via []*http.Request) error {
	switch {
	case next.URL.Scheme != "https" && via[0].URL.Scheme == "https":
		return errors.New("it redirects away from https")
	case len(via) == maxRedirects:
		return errors.New("it redirects too often")
	}
	return nil
}

// known reports whether there are any keys.
func (k *keySet) known() bool { return k.newest.Load() != nil }

// keep keeps the keys up to date until ctx ends.
func (k *keySet) keep(ctx context.Context) {
	said := ""
	for {
		began, wait := k.known(), keysInterval
		err := k.fetch(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && !began:
			k.log.InfoContext(ctx, "the issuer's keys are known")
		case err != nil && k.known():
			k.log.WarnContext(ctx, "cannot get the issuer's keys; those that are known stay", "error", err)
		case err != nil:
			wait = keysRetry
			if err.Error() != said { // which may go on for long
				k.log.ErrorContext(ctx, "cannot get the issuer's keys; nobody is let in, and the service is not ready, until they are known", "error", err)
			}
			said = err.Error()
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// key is the key that is to verify a token. An ID that is not known may be a
// new key's, so the keys are asked for once more, once for everybody who waits.
func (k *keySet) key(ctx context.Context, token *jwt.Token) (any, error) {
	newest := k.newest.Load()
	if newest == nil {
		return nil, errors.New("no keys are known")
	}
	key, err := (*newest).KeyfuncCtx(ctx)(token)
	if !errors.Is(err, jwkset.ErrKeyNotFound) {
		return key, err
	}
	renewed := k.renewal.DoChan("", func() (any, error) {
		if k.newest.Load() != newest || !k.unknown.Allow() {
			return false, nil
		}
		err := k.fetch(context.WithoutCancel(ctx))
		if err != nil {
			k.log.WarnContext(ctx, "cannot get the issuer's keys; those that are known stay", "error", err)
		}
		return true, err
	})
	select {
	case <-renewed:
		return (*k.newest.Load()).KeyfuncCtx(ctx)(token)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// fetch gets the keys. Where it cannot, or there are none, those that are known stay.
func (k *keySet) fetch(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return err
	}
	response, err := k.client.Do(request)
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err // without the URL, which goes into the log: some have secrets in their query
	}
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the status is %d", response.StatusCode)
	}
	text, err := io.ReadAll(http.MaxBytesReader(nil, response.Body, maxKeySet))
	if err != nil {
		return fmt.Errorf("reading the key set: %w", err)
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return fmt.Errorf("reading the key set: %w", err)
	}
	fit := set.Keys[:0]
	for _, key := range set.Keys {
		if verifies(key) {
			fit = append(fit, key)
		}
	}
	if len(fit) == 0 {
		return errors.New("there is no key in the set that may verify tokens")
	}
	set.Keys = fit
	if text, err = json.Marshal(set); err != nil {
		return err
	}
	keys, err := keyfunc.NewJWKSetJSON(text)
	if err != nil {
		return err
	}
	k.newest.Store(&keys)
	return nil
}

// verifies reports whether a key may verify tokens: it is a public key that the
// library knows, is not for encryption, and is not too short.
func verifies(key json.RawMessage) bool {
	var k struct{ Kty, Use, N string }
	if json.Unmarshal(key, &k) != nil || k.Use != "" && k.Use != "sig" {
		return false
	}
	switch k.Kty {
	case "RSA":
		n, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(k.N, "="))
		if err != nil || new(big.Int).SetBytes(n).BitLen() < minRSA {
			return false
		}
	case "EC", "OKP":
	default:
		return false
	}
	_, err := keyfunc.NewJWKJSON(key)
	return err == nil
}
