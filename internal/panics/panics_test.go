package panics_test

import (
	"bytes"
	"testing"

	"rollcall/internal/panics"
)

func recovered(f func()) (err *panics.Error) {
	defer func() { err = panics.New(recover()) }()
	f()
	return nil
}

func TestError(t *testing.T) {
	for name, c := range map[string]struct {
		f    func()
		want string
	}{
		"a value is described by its type":      {func() { panic("canary") }, "panic: string"},
		"a runtime error is described in words": {func() { _ = []int{}[len(t.Name())-len("TestError")] }, "panic: runtime error: index out of range [0] with length 0"},
	} {
		t.Run(name, func(t *testing.T) {
			err := recovered(c.f)
			if err.Error() != c.want || !bytes.Contains(err.Stack, []byte("panics_test.go")) {
				t.Errorf("got %q with the stack\n%s", err, err.Stack)
			}
		})
	}
}
