package build_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rollcall/internal/build"
)

func TestReadIsNeverEmpty(t *testing.T) {
	info := build.Read()
	if info.Version == "" || info.Commit == "" || !strings.HasPrefix(info.Go, "go1.") {
		t.Errorf("got %+v", info)
	}
}

func TestLinkerFlags(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "rollcall")
	flags := "-X rollcall/internal/build.version=v1.2.3 -X rollcall/internal/build.commit=0123abc"
	if out, err := exec.Command("go", "build", "-trimpath", "-ldflags", flags, "-o", binary, "rollcall").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.Command(binary, "-version").CombinedOutput()
	if want := "rollcall v1.2.3 (commit 0123abc, go1."; err != nil || !strings.HasPrefix(string(out), want) {
		t.Errorf("%v: %s, want %s", err, out, want)
	}
}
