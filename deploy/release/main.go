// Release builds what a release of Rollcall consists of: static binaries, an image
// for each Linux platform, a bill of materials for each binary, and checksums.
// It needs Go and git, and neither a container daemon nor a registry. The same
// commit and toolchain give the same bytes on every machine.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(os.Stderr, "release: %v\n", err)
		}
		os.Exit(1)
	}
}

// platform is an operating system and a processor, by Go's names.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "_" + p.arch }

// platforms are those that a release is built for.
var platforms = []platform{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "arm64"}}

// version is a semantic version with a v, which is what Go's modules use.
var version = regexp.MustCompile(`^v(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$`)

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.SetOutput(stderr)
	name := flags.String("version", "", "the release's `version`, such as v0.1.0")
	source := flags.String("source", "../..", "the `folder` of the service's source")
	out := flags.String("out", "../../dist", "the `folder` that the files are written to, which must be empty or absent")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !version.MatchString(*name) {
		return fmt.Errorf("-version %q is not a version such as v0.1.0", *name)
	}
	if entries, err := os.ReadDir(*out); err == nil && len(entries) > 0 {
		return fmt.Errorf("%s is not empty", *out)
	}
	if err := os.MkdirAll(*out, 0o755); err != nil {
		return err
	}
	r, err := newRelease(ctx, *source, *name)
	if err != nil {
		return err
	}
	for _, p := range platforms {
		if err := r.build(ctx, p, *out, stderr); err != nil {
			return fmt.Errorf("%v: %w", p, err)
		}
	}
	if after, err := newRelease(ctx, *source, *name); err != nil || *after != *r {
		return errors.Join(errors.New("the source changed while the release was built"), err)
	}
	return writeChecksums(*out, stdout)
}

// release is one version of one commit.
type release struct {
	source  string
	version string
	commit  string
	time    time.Time // of the commit, and of all files in the images
}

// newRelease reads the commit. It refuses a source that differs from its commit, and
// one that lacks the playground's files.
func newRelease(ctx context.Context, source, name string) (*release, error) {
	r := &release{source: source, version: name}
	changes, err := r.git(ctx, "status", "--porcelain")
	switch {
	case err != nil:
		return nil, err
	case changes != "":
		return nil, fmt.Errorf("the source differs from its commit: commit these changes first:\n%s", changes)
	}
	if err := checkAssets(filepath.Join(source, playgroundFolder)); err != nil {
		return nil, fmt.Errorf("%w: run make playground first", err)
	}
	if r.commit, err = r.git(ctx, "rev-parse", "--short=12", "HEAD"); err != nil {
		return nil, err
	}
	seconds, err := r.git(ctx, "log", "-1", "--format=%ct")
	if err != nil {
		return nil, err
	}
	unix, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return nil, err
	}
	r.time = time.Unix(unix, 0).UTC()
	return r, nil
}

// playgroundFolder is the playground's folder in the source.
const playgroundFolder = "internal/playground"

// library is a third-party file that the playground embeds.
type library struct{ sum, npm, file string }

// readLibraries reads the playground's list of libraries.
func readLibraries(playground string) ([]library, error) {
	text, err := os.ReadFile(filepath.Join(playground, "libraries.txt"))
	if err != nil {
		return nil, err
	}
	var list []library
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] != "#" {
			list = append(list, library{fields[0], fields[1], path.Base(fields[2])})
		}
	}
	return list, nil
}

// checkAssets checks that the playground's folder of files to embed, which git
// ignores, has the files of its list and no others.
func checkAssets(playground string) error {
	libraries, err := readLibraries(playground)
	if err != nil {
		return err
	}
	expected := make(map[string]string) // the files' hashes
	for _, l := range libraries {
		expected[l.file] = l.sum
	}
	entries, err := os.ReadDir(filepath.Join(playground, "assets"))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Name() == ".gitkeep" {
			continue
		}
		content, err := os.ReadFile(filepath.Join(playground, "assets", entry.Name()))
		if err != nil {
			return err
		}
		if fmt.Sprintf("%x", sha256.Sum256(content)) != expected[entry.Name()] {
			return fmt.Errorf("the playground's file %s is not one of its list", entry.Name())
		}
		delete(expected, entry.Name())
	}
	if len(expected) > 0 {
		return fmt.Errorf("%d of the playground's files are missing", len(expected))
	}
	return nil
}

func (r *release) git(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "git", append([]string{"-C", r.source}, args...)...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}

// file returns the name of a file of the release.
func (r *release) file(p platform, suffix string) string {
	return "rollcall_" + r.version + "_" + p.String() + suffix
}

// build writes the files of one platform.
func (r *release) build(ctx context.Context, p platform, out string, progress io.Writer) error {
	binary := filepath.Join(out, r.file(p, ""))
	fmt.Fprintf(progress, "%s\n", filepath.Base(binary))
	if err := r.compile(ctx, p, binary); err != nil {
		return err
	}
	bill := filepath.Join(out, r.file(p, ".cdx.json"))
	fmt.Fprintf(progress, "%s\n", filepath.Base(bill))
	if err := r.writeBill(ctx, binary, bill); err != nil {
		return err
	}
	if p.os != "linux" {
		return nil
	}
	image := filepath.Join(out, r.file(p, ".image.tar"))
	fmt.Fprintf(progress, "%s\n", filepath.Base(image))
	return r.writeImage(p, binary, image)
}

// compile builds the binary. Nothing of this machine gets into it: no path, no user,
// no time, and no library.
func (r *release) compile(ctx context.Context, p platform, binary string) error {
	absolute, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X rollcall/internal/build.version="+r.version+" -X rollcall/internal/build.commit="+r.commit,
		"-o", absolute, ".")
	build.Dir = r.source
	build.Env = append(build.Environ(), "CGO_ENABLED=0", "GOOS="+p.os, "GOARCH="+p.arch, "GOFLAGS=", "GOWORK=off", "GOEXPERIMENT=", "GOAMD64=v1", "GOARM64=v8.0", "GOFIPS140=off")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, output)
	}
	return nil
}

// checksums is the name of the file with the others' checksums, for sha256sum -c.
const checksums = "SHA256SUMS"

// writeChecksums writes the checksums, and prints each file with its size.
func writeChecksums(out string, stdout io.Writer) error {
	entries, err := os.ReadDir(out)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, entry := range entries {
		file, err := os.Open(filepath.Join(out, entry.Name()))
		if err != nil {
			return err
		}
		hash := sha256.New()
		size, err := io.Copy(hash, file)
		_ = file.Close() // it was only read
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", hash.Sum(nil), entry.Name())
		fmt.Fprintf(stdout, "%7.1f MB  %s\n", float64(size)/1e6, entry.Name())
	}
	return os.WriteFile(filepath.Join(out, checksums), []byte(sums.String()), 0o644)
}
