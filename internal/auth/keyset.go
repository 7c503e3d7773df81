package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/singleflight"
	"golang.org/x/time/rate"
)

// The library can also fetch a key set. But it blocks startup until it has one,
// waits 15 minutes between attempts even if it has none, does not limit what it
// reads, refuses a whole set because of one key, and keeps only one key of each
// kid. Therefore this file fetches and searches the set.

const (
	// keysTimeout bounds a request for the issuer's keys.
	keysTimeout = 5 * time.Second
	// keysInterval is the time between requests; keysRetry while no keys are known.
	keysInterval, keysRetry = 15 * time.Minute, time.Second
	// A token with an unknown key ID causes an extra request, at most once in
	// unknownKeyInterval, so that made-up key IDs cannot flood the issuer, and at
	// most unknownKeyBurst times at once, so that one caller with a made-up key ID
	// does not delay the discovery of a new key.
	unknownKeyInterval, unknownKeyBurst = time.Second, 5
	// maxKeySet is the largest response that is read, in bytes.
	maxKeySet = 1 << 20
	// maxRedirects is the number of redirects that are followed.
	maxRedirects = 10
	// maxUnusedKeys is the number of unused keys that are logged.
	maxUnusedKeys = 20
	// maxLoggedID is the length to which a key's ID is cut in the log, in bytes.
	maxLoggedID = 64
)

// keySet has the issuer's keys. It is safe for concurrent use.
type keySet struct {
	url    string
	client *http.Client
	log    *slog.Logger

	newest  atomic.Pointer[[]verifier] // nil until any are known; never written to
	renewal singleflight.Group
	unknown *rate.Limiter

	mu     sync.Mutex
	unused []string // as last logged
}

func newKeySet(issuer Issuer, log *slog.Logger) *keySet {
	return &keySet{
		url: issuer.JWKSURL, log: log,
		client:  &http.Client{Timeout: keysTimeout, Transport: issuer.Transport, CheckRedirect: stayPrivate},
		unknown: rate.NewLimiter(rate.Every(unknownKeyInterval), unknownKeyBurst),
	}
}

// stayPrivate follows no redirect from https to http, because an attacker on the
// network path could replace the keys there.
func stayPrivate(next *http.Request, via []*http.Request) error {
	switch {
	case next.URL.Scheme != "https" && via[0].URL.Scheme == "https":
		return errors.New("it redirects away from https")
	case len(via) == maxRedirects:
		return errors.New("it redirects too often")
	}
	return nil
}

// known reports whether any keys are known.
func (k *keySet) known() bool { return k.newest.Load() != nil }

// keep keeps the keys up to date until ctx is cancelled.
func (k *keySet) keep(ctx context.Context) {
	logged := ""
	for {
		wasKnown, wait := k.known(), keysInterval
		err := k.fetch(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil && !wasKnown:
			k.log.InfoContext(ctx, "the issuer's keys are known")
		case err != nil && k.known():
			k.log.WarnContext(ctx, "cannot get the issuer's keys; the known ones stay valid", "error", err)
		case err != nil:
			wait = keysRetry
			if err.Error() != logged { // once: this may continue for a long time
				k.log.ErrorContext(ctx, "cannot get the issuer's keys; all requests are refused, and the service is not ready, until they are known", "error", err)
			}
			logged = err.Error()
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// verifiers returns the keys that may verify a token. An unknown key ID may
// belong to a new key: the keys are then fetched once for all tokens that wait
// for them.
func (k *keySet) verifiers(ctx context.Context, token *jwt.Token) (any, error) {
	newest := k.newest.Load()
	if newest == nil {
		return nil, unauthenticated(ReasonNoKeys)
	}
	keys, err := selectKeys(*newest, token)
	if err == nil || err.reason != ReasonUnknownKey {
		return keys, asError(err)
	}
	renewed := k.renewal.DoChan("", func() (any, error) {
		var err error
		if k.newest.Load() == newest && k.unknown.Allow() {
			err = k.fetch(context.WithoutCancel(ctx))
		}
		if err != nil {
			k.log.WarnContext(ctx, "cannot get the issuer's keys; the known ones stay valid", "error", err)
		}
		return nil, err
	})
	select {
	case <-renewed:
		keys, err := selectKeys(*k.newest.Load(), token)
		return keys, asError(err)
	case <-ctx.Done():
		return nil, unauthenticated(ReasonCancelled)
	}
}

// selectKeys returns the keys that have a token's key ID and fit its algorithm.
// If the token has no key ID, any key may; if several keys have the same ID, each
// of them.
func selectKeys(all []verifier, token *jwt.Token) (keys jwt.VerificationKeySet, refusal *Error) {
	header, hasID := token.Header["kid"]
	id, isText := header.(string)
	if hasID && !isText {
		return keys, unauthenticated(ReasonMalformed)
	}
	found := false
	for _, v := range all {
		if hasID && v.id != id {
			continue
		}
		found = true
		if v.fits(token.Method) {
			keys.Keys = append(keys.Keys, v.key)
		}
	}
	switch {
	case !found:
		return keys, unauthenticated(ReasonUnknownKey)
	case len(keys.Keys) == 0:
		return keys, unauthenticated(ReasonAlgorithm)
	}
	return keys, nil
}

// asError returns a nil error for a nil refusal.
func asError(r *Error) error {
	if r == nil {
		return nil
	}
	return r
}

// fetch gets the keys. If it fails, or if the set has no usable key, the known
// keys remain.
func (k *keySet) fetch(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return err
	}
	response, err := k.client.Do(request)
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err // without the URL, because the error is logged: some URLs have secrets in their query
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
	var usable []verifier
	var unused []string
	for i, text := range set.Keys {
		v, err := newVerifier(text)
		if err == nil {
			usable = append(usable, v)
			continue
		}
		unused = append(unused, nameOf(v, i)+": "+err.Error())
	}
	k.logUnused(ctx, unused)
	if len(usable) == 0 {
		return errors.New("there is no key in the set that may verify tokens")
	}
	k.newest.Store(&usable)
	return nil
}

// nameOf returns a key's name for the log: its ID, or its position in the set.
func nameOf(v verifier, i int) string {
	if v.id == "" {
		return "the key at position " + strconv.Itoa(i)
	}
	return "kid " + strconv.QuoteToASCII(v.id[:min(len(v.id), maxLoggedID)])
}

// logUnused logs which keys cannot verify tokens, and why, if that has changed.
// It is normal for a set to contain keys for encryption.
func (k *keySet) logUnused(ctx context.Context, unused []string) {
	unused = unused[:min(len(unused), maxUnusedKeys)]
	k.mu.Lock()
	changed := !slices.Equal(unused, k.unused)
	k.unused = unused
	k.mu.Unlock()
	if changed && len(unused) > 0 {
		k.log.InfoContext(ctx, "some of the issuer's keys are not used for tokens", "keys", unused)
	}
}
