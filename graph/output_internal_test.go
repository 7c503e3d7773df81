package graph

import (
	"errors"
	"testing"

	"rollcall/internal/budget"
	"rollcall/upstream"
)

// TestOutputReturnsBytes checks that an operation returns the bytes of the budget
// that its response does not need.
func TestOutputReturnsBytes(t *testing.T) {
	const limit = 4 * smallResponse
	key := upstream.NewAPIKey("key")
	for name, c := range map[string]struct {
		use  func(*testing.T, *output)
		size int // of the response
		held int // bytes afterwards
	}{
		"a small response":            {func(*testing.T, *output) {}, 100, 0},
		"a small response of a large": {func(t *testing.T, o *output) { try(t, o, 2*smallResponse, true) }, 100, 0},
		"a large response":            {func(t *testing.T, o *output) { try(t, o, 2*smallResponse, true) }, 2 * smallResponse, 2 * smallResponse},
		"a response that grows":       {func(t *testing.T, o *output) { try(t, o, smallResponse, true); try(t, o, 3*smallResponse, true) }, 3 * smallResponse, 3 * smallResponse},
		"a reservation that is too large": {func(t *testing.T, o *output) {
			try(t, o, smallResponse, true)
			try(t, o, 9*smallResponse, false)
			if used := o.answers.Used(); used != 0 {
				t.Errorf("the operation holds %d bytes while it waits", used)
			}
		}, 100, 0},
		"a response that turns out smaller": {func(t *testing.T, o *output) {
			try(t, o, 3*smallResponse, true)
			if err := o.reserve(t.Context(), 2*smallResponse); err != nil {
				t.Error(err)
			}
		}, 2 * smallResponse, 2 * smallResponse},
		"a response beyond the limit": {func(t *testing.T, o *output) { try(t, o, 2*smallResponse, true) }, limit + 1, 0},
		"a failure": {func(t *testing.T, o *output) {
			try(t, o, 2*smallResponse, true)
			o.fail(errors.New("it fails"))
		}, 2 * smallResponse, 0},
		"many fields": {func(t *testing.T, o *output) {
			for range freeFields + 1 {
				if err := o.count(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
			}
			if o.answers.Used() != limit {
				t.Errorf("the operation holds %d bytes for its fields", o.answers.Used())
			}
		}, 100, 0},
	} {
		t.Run(name, func(t *testing.T) {
			answers := budget.New[upstream.APIKey](2 * limit)
			o := &output{limit: limit, answers: answers, key: key}
			c.use(t, o)
			held, _ := o.finish(c.size)
			if held != c.held || answers.Used() != c.held {
				t.Errorf("it holds %d bytes, and %d are in use; want %d", held, answers.Used(), c.held)
			}
		})
	}
}

func try(t *testing.T, o *output, size int, want bool) {
	t.Helper()
	if o.tryReserve(size) != want {
		t.Errorf("tryReserve(%d) is %v", size, !want)
	}
}
