package graph

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"rollcall/internal/budget"
	"rollcall/upstream"
)

// Responses are written in memory before they are sent, so their size is bounded
// while they are written, and the sum of all large ones is bounded by a budget. A
// response takes as much of the budget as it may become, before it becomes large,
// so that one that waits for its share holds next to nothing; when it is written,
// it keeps what it has become until it is sent.

const (
	// smallResponse is the largest response that takes nothing of the budget, in bytes.
	smallResponse = 64 << 10
	// freeFields is how many fields gqlgen may resolve before the operation takes a
	// share of the budget. gqlgen holds about half a kilobyte for each of them.
	freeFields = 4096
)

var (
	errTooLarge   = errors.New("the response is larger than the limit")
	errOverloaded = errors.New("there is no memory for another large response")
)

// output bounds the response of one operation. It is safe for concurrent use.
type output struct {
	limit   int // of the response, in bytes
	answers *budget.Budget[upstream.APIKey]
	key     upstream.APIKey

	mu       sync.Mutex
	reserved bool
	settled  bool
	fields   int // that gqlgen has resolved
	bytes    int // that they take in the response, at least
	err      error
}

// failure returns why there is no response, or nil.
func (o *output) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// reserve takes the share of a large response, once. It waits as long as ctx allows.
func (o *output) reserve(ctx context.Context) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.reserveLocked(ctx)
}

func (o *output) reserveLocked(ctx context.Context) error {
	if o.err != nil || o.reserved {
		return o.err
	}
	if o.answers.Acquire(ctx, o.key, o.limit) != nil {
		o.err = errOverloaded
		return o.err
	}
	o.reserved = true
	return nil
}

// count counts a field that gqlgen has resolved, and the bytes that it takes in the
// response. Its error ends the operation.
func (o *output) count(ctx context.Context, bytes int) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fields++
	o.bytes += bytes
	if o.err == nil && o.bytes > o.limit {
		o.err = errTooLarge
	}
	if o.fields > freeFields || o.bytes > smallResponse {
		return o.reserveLocked(ctx)
	}
	return o.err
}

// write returns the data that write writes, about estimate bytes. What write has
// to write is the same each time; it may stop beyond limit.
func (o *output) write(ctx context.Context, estimate int, write func(data *bytes.Buffer, limit int)) []byte {
	small := min(smallResponse, o.limit)
	var data bytes.Buffer
	if estimate <= small {
		if write(&data, small); data.Len() <= small {
			return data.Bytes()
		}
		data = bytes.Buffer{}
	}
	if o.reserve(ctx) != nil {
		return nil
	}
	write(&data, o.limit)
	return data.Bytes()
}

// settle ends the writing of a response of so many bytes. It returns how many of
// them count against the budget until the response is sent.
func (o *output) settle(bytes int) (held int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err == nil && bytes > o.limit {
		o.err = errTooLarge
	}
	if o.err == nil && (o.reserved || bytes > smallResponse) {
		held = bytes
	}
	if o.reserved {
		o.answers.Release(o.key, o.limit-held)
	} else {
		o.answers.Add(o.key, held)
	}
	o.settled = true
	return held, o.err
}

// close gives the share back if the operation ended without a response.
func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.reserved && !o.settled {
		o.answers.Release(o.key, o.limit)
	}
	o.settled = true
}

// withoutData returns the errors of a response that was given up.
func withoutData(err error) gqlerror.List {
	if errors.Is(err, errOverloaded) {
		errs := Refusal(CodeOverloaded, "The service has no memory for another large response right now.")
		errs[0].Extensions["retryAfter"] = overloadedRetry
		return errs
	}
	return tooComplex("The response would be too large; request fewer users or fields at once.")
}

// overloadedRetry is after how many seconds a large response may be requested again.
const overloadedRetry = 1

// sizeOf returns how many bytes a field's value takes in the response, at least.
func sizeOf(field graphql.CollectedField, value any) int {
	n := len(field.Alias) + len(`"":,`)
	switch v := value.(type) {
	case string:
		n += len(v)
	case *string:
		if v != nil {
			n += len(*v)
		}
	case rendered:
		if v.list.Slice.Len() > 0 {
			n += v.size()
		}
	}
	return n
}
