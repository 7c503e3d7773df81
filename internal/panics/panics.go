// Package panics turns a recovered panic into an error. It depends on nothing.
package panics

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Error is a recovered panic.
type Error struct {
	// What describes the value: the text of a runtime error, and only the type
	// of any other value, which may contain a caller's data.
	What  string
	Stack []byte
}

// New returns the error for a recovered value. It must be called by the deferred
// function that recovered it, because it records the stack.
func New(recovered any) *Error {
	what := fmt.Sprintf("%T", recovered)
	if e, ok := recovered.(runtime.Error); ok {
		what = e.Error()
	}
	return &Error{What: what, Stack: debug.Stack()}
}

func (e *Error) Error() string { return "panic: " + e.What }
