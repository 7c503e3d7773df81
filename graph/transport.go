package graph

import (
	"bytes"
	"context"
	"errors"
	"math"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"rollcall/internal/flight"
	"rollcall/upstream"
)

// The transport is GraphQL over HTTP as its specification has it, restricted to
// POST with a JSON body. gqlgen's own repeats a broken body in its answer, and
// fails some of the specification's audits.

const (
	typeGraphQL = "application/graphql-response+json"
	typeJSON    = "application/json"
)

type transport struct {
	config   Config
	executor *executor
	// flights has the requests that are being served, by caller and body: equal
	// ones share an answer.
	flights flight.Group[requestKey, *answer]
}

// requestKey is what makes two requests the same.
type requestKey struct {
	caller upstream.Caller
	body   string
}

// The headers of every answer. They are shared: nobody adds to them.
var (
	noStore = []string{"no-store"}
	noSniff = []string{"nosniff"}
)

// ServeHTTP serves one request.
func (t *transport) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header["Cache-Control"] = noStore
	header["X-Content-Type-Options"] = noSniff

	mediaType, acceptable := negotiate(r.Header.Values("Accept"))
	ctx := r.Context()
	account := accountOf(ctx)
	defer func() {
		if p := recover(); p != nil { // outside of any operation, which has its own
			a := t.executor.fault(ctx, flight.NewPanicError(p))
			a.status, a.executed = http.StatusInternalServerError, false
			account.answered(a, a.status, false)
			a.send(w, mediaType, account.requestID)
		}
	}()
	caller, body, refused := t.read(w, r)
	account.caller = caller
	if refused == nil && !acceptable {
		refused = &answer{status: http.StatusNotAcceptable, errors: refusal(codeBadUserInput, "This service answers in "+typeGraphQL+" or "+typeJSON+".")}
	}
	if refused != nil {
		account.answered(refused, refused.statusIn(mediaType), false)
		refused.send(w, mediaType, account.requestID)
		return
	}
	a, joined := t.answer(ctx, caller, body)
	switch {
	case a == nil: // the caller has left
	case ctx.Err() != nil: // so has this one, after all the work
		account.left(a)
	default:
		account.answered(a, a.statusIn(mediaType), joined)
		a.send(w, mediaType, account.requestID)
	}
}

// answer executes a request, or joins an equal one of the same caller that is
// being executed. It is nil where the caller leaves before there is an answer.
func (t *transport) answer(ctx context.Context, caller upstream.Caller, body []byte) (a *answer, joined bool) {
	if t.config.ExecuteEach {
		return t.executor.execute(ctx, caller, body), false
	}
	a, joined, err := t.flights.Do(ctx, requestKey{caller, string(body)}, func(ctx context.Context) (*answer, error) {
		return t.executor.execute(ctx, caller, body), nil
	})
	if _, panicked := errors.AsType[*flight.PanicError](err); panicked {
		return t.executor.fault(ctx, err), joined
	}
	return a, joined
}

// readyBody is how much of a body is expected on the word of its head, in bytes:
// most are shorter.
const readyBody = 4 << 10

// read takes everything off a request, or says why it is refused.
func (t *transport) read(w http.ResponseWriter, r *http.Request) (caller upstream.Caller, body []byte, refused *answer) {
	if t.config.Admit != nil && t.config.Admit(r) != nil {
		return caller, nil, &answer{status: http.StatusForbidden, errors: refusal(codeForbidden, "This service may not be used from that web site.")}
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return caller, nil, &answer{status: http.StatusMethodNotAllowed, errors: refusal(codeBadUserInput, "GraphQL is served by POST alone.")}
	}
	if !isJSON(r.Header.Get("Content-Type")) {
		return caller, nil, &answer{status: http.StatusUnsupportedMediaType, errors: refusal(codeBadUserInput, "The body has to be "+typeJSON+" in UTF-8.")}
	}
	caller, err := t.config.Authenticate(r)
	if err != nil {
		if t.config.Challenge != "" {
			w.Header().Set("WWW-Authenticate", t.config.Challenge)
		}
		return caller, nil, &answer{status: http.StatusUnauthorized, errors: refusal(codeUnauthenticated, "The service does not know who you are: "+err.Error()+".")}
	}
	if t.config.Wait != nil {
		if wait := t.config.Wait(caller); wait > 0 {
			seconds := int(math.Ceil(wait.Seconds()))
			w.Header().Set("Retry-After", strconv.Itoa(seconds))
			errs := refusal(codeRateLimited, "You have used up your upstream calls for now.")
			errs[0].Extensions["retryAfter"] = seconds
			return caller, nil, &answer{status: http.StatusTooManyRequests, errors: errs}
		}
	}
	if r.ContentLength > int64(t.config.Limits.Body) {
		w.Header().Set("Connection", "close") // which has net/http not wait for the body
		return caller, nil, t.tooLarge()
	}
	// What a head announces need not come, so that not much is kept ready for it.
	arrived := bytes.NewBuffer(make([]byte, 0, min(max(r.ContentLength, 0), readyBody)+bytes.MinRead))
	_, err = arrived.ReadFrom(http.MaxBytesReader(w, r.Body, int64(t.config.Limits.Body)))
	if _, beyond := errors.AsType[*http.MaxBytesError](err); beyond {
		return caller, nil, t.tooLarge()
	}
	if err != nil {
		return caller, nil, &answer{status: http.StatusBadRequest, errors: refusal(codeBadUserInput, "The body did not arrive whole.")}
	}
	return caller, arrived.Bytes(), nil
}

func (t *transport) tooLarge() *answer {
	return &answer{status: http.StatusRequestEntityTooLarge, errors: refusal(codeBadUserInput, "The body is larger than "+strconv.Itoa(t.config.Limits.Body)+" bytes.")}
}

// isJSON reports whether a Content-Type is the one that is taken.
func isJSON(header string) bool {
	if header == typeJSON { // as nearly everybody has it
		return true
	}
	mediaType, params, err := mime.ParseMediaType(header)
	charset := strings.ToLower(params["charset"])
	return err == nil && mediaType == typeJSON && (charset == "" || charset == "utf-8")
}

// negotiate picks the media type of the answer by the Accept headers. Whoever
// accepts anything gets application/json, which every client understands.
func negotiate(accept []string) (mediaType string, ok bool) {
	if len(accept) == 0 || len(accept) == 1 && (accept[0] == "" || accept[0] == "*/*" || accept[0] == typeJSON) {
		return typeJSON, true
	}
	best, bestQuality := typeJSON, 0.0
	for entry := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		wanted, params, err := mime.ParseMediaType(entry)
		if err != nil {
			continue
		}
		if charset := strings.ToLower(params["charset"]); charset != "" && charset != "utf-8" {
			continue
		}
		quality := 1.0
		if q, err := strconv.ParseFloat(params["q"], 64); err == nil {
			quality = q
		}
		switch wanted {
		case "*/*", "application/*":
			wanted = typeJSON
		case typeGraphQL, typeJSON:
		default:
			continue
		}
		if quality > bestQuality {
			best, bestQuality = wanted, quality
		}
	}
	return best, bestQuality > 0
}
