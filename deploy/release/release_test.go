package main

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const service = "../.."

var twice = flag.Bool("twice", false, "make a whole release twice, and compare the two")

// TestImage builds the image for this machine, and runs its program as a container
// would: from the image's files alone, as the image's user, and read-only.
func TestImage(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the image is for Linux")
	}
	r := &release{source: service, version: "v0.0.0-test", commit: "0123456789ab", time: time.Unix(1_700_000_000, 0).UTC()}
	dir, p := t.TempDir(), platform{"linux", runtime.GOARCH}
	binary, file := filepath.Join(dir, "rollcall"), filepath.Join(dir, "image.tar")
	if err := r.compile(t.Context(), p, binary); err != nil {
		t.Fatal(err)
	}
	if err := r.writeImage(p, binary, file); err != nil {
		t.Fatal(err)
	}
	image := open(t, file)
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	unpack(t, mutate.Extract(image), root)

	t.Run("the tar is what docker load reads too", func(t *testing.T) {
		docker, err := tarball.ImageFromPath(file, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := image.ConfigName()
		b, err := docker.ConfigName()
		if err != nil || a != b {
			t.Errorf("docker load finds the configuration %v, want %v; %v", b, a, err)
		}
	})
	t.Run("the certificates are those of a web browser", func(t *testing.T) {
		text, err := os.ReadFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"))
		if n := bytes.Count(text, []byte("BEGIN CERTIFICATE")); err != nil || n < 100 {
			t.Errorf("%d certificates, %v", n, err)
		}
	})
	t.Run("the program runs as the image's user, read-only, from the image's files", func(t *testing.T) {
		if os.Getuid() != 0 {
			t.Skip("only root can change the root directory and the user")
		}
		listen, admin := freeAddr(t), freeAddr(t)
		environment := append(slices.Clone(config.Config.Env), "LISTEN_ADDR="+listen, "ADMIN_ADDR="+admin)
		program := contained(t.Context(), root, config.Config, config.Config.Entrypoint, environment)
		var log bytes.Buffer
		program.Stdout, program.Stderr = &log, &log
		if err := program.Start(); err != nil {
			t.Fatal(err)
		}
		stopped := make(chan error, 1)
		go func() { stopped <- program.Wait() }()
		defer func() { _ = program.Process.Kill() }()

		health := func() error {
			return contained(t.Context(), root, config.Config, config.Config.Healthcheck.Test[1:], environment).Run()
		}
		for deadline := time.Now().Add(20 * time.Second); health() != nil; <-time.After(100 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the image's health check fails: %s", log.String())
			}
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", program.Process.Pid))
		if err != nil || !strings.Contains(string(status), "Name:\trollcall\n") || !strings.Contains(string(status), "Uid:\t"+strings.Repeat(user+"\t", 3)+user) {
			t.Errorf("the process is %v, %.400s", err, status)
		}
		mounts, err := os.ReadFile(fmt.Sprintf("/proc/%d/mountinfo", program.Process.Pid))
		if err != nil || !bytes.Contains(mounts, []byte(" / ro,")) {
			t.Errorf("the root directory is not mounted read-only: %v, %s", err, mounts)
		}
		if body := query(t, "http://"+listen+"/graphql"); !strings.HasPrefix(body, `{"data":{"users":{"nodes":[{"userId":"`) {
			t.Errorf("got %s", body)
		}
		_ = program.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-stopped:
			if err != nil {
				t.Errorf("it stopped with %v: %s", err, log.String())
			}
		case <-time.After(20 * time.Second):
			t.Error("it does not stop")
		}
	})
}

// TestRelease makes a whole release twice, from two clones, and compares the bytes.
func TestRelease(t *testing.T) {
	if !*twice {
		t.Skip("takes minutes: use -twice")
	}
	var sums [2]string
	for i := range sums {
		clone, out := filepath.Join(t.TempDir(), fmt.Sprint("clone", i)), filepath.Join(t.TempDir(), "dist")
		command(t, "", "git", "clone", "--quiet", service, clone)
		command(t, clone, "make", "--silent", "playground")
		var stdout bytes.Buffer
		if err := run(t.Context(), []string{"-version", "v0.0.0-test", "-source", clone, "-out", out}, &stdout, t.Output()); err != nil {
			t.Fatal(err)
		}
		t.Log(stdout.String())
		command(t, out, "sha256sum", "--check", "--quiet", checksums)
		text, err := os.ReadFile(filepath.Join(out, checksums))
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = string(text)
		if i == 0 {
			checkRelease(t, out)
		}
	}
	if sums[0] != sums[1] || strings.Count(sums[0], "\n") != 8 {
		t.Errorf("two builds of one commit differ, or files are missing:\n%s\n%s", sums[0], sums[1])
	}
}

// checkRelease checks what the files of a release say about themselves.
func checkRelease(t *testing.T, out string) {
	t.Helper()
	for _, p := range platforms {
		r := &release{version: "v0.0.0-test"}
		settings := command(t, out, "go", "version", "-m", r.file(p, ""))
		for _, want := range []string{"GOOS=" + p.os, "GOARCH=" + p.arch, "CGO_ENABLED=0", "-trimpath=true"} {
			if !strings.Contains(settings, want) {
				t.Errorf("%v was not built with %s: %s", p, want, settings)
			}
		}
		text, err := os.ReadFile(filepath.Join(out, r.file(p, ".cdx.json")))
		var bill struct {
			BOMFormat  string
			Components []struct{ Name, PURL string }
		}
		if err != nil || json.Unmarshal(text, &bill) != nil || bill.BOMFormat != "CycloneDX" {
			t.Fatalf("no bill of materials: %v, %.200s", err, text)
		}
		for _, want := range []string{"pkg:golang/github.com/99designs/gqlgen@", "pkg:golang/std@", "pkg:npm/graphiql@", "pkg:npm/react-dom@"} {
			if !slices.ContainsFunc(bill.Components, func(c struct{ Name, PURL string }) bool { return strings.HasPrefix(c.PURL, want) }) {
				t.Errorf("the bill of materials of %v lacks %s", p, want)
			}
		}
		if p.os == "linux" {
			config, err := open(t, filepath.Join(out, r.file(p, ".image.tar"))).ConfigFile()
			if err != nil || config.Architecture != p.arch || config.Config.User != user+":"+user {
				t.Errorf("the image of %v is for %+v, %v", p, config, err)
			}
		}
	}
}

func TestArguments(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{nil, `-version "" is not a version`},
		{[]string{"-version", "1.2.3"}, "is not a version"},
		{[]string{"-version", "v1.2"}, "is not a version"},
		{[]string{"-version", "v1.2.3 -X main.x=y"}, "is not a version"},
		{[]string{"-version", "v1.2.3", "-out", full}, "is not empty"},
		{[]string{"-version", "v1.2.3", "-out", filepath.Join(t.TempDir(), "dist"), "-source", full}, "git status"},
	} {
		if err := run(t.Context(), c.args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %s", c.args, err, c.want)
		}
	}
}

// TestAssets checks that a release embeds no file that git ignores and the list of
// libraries does not have.
func TestAssets(t *testing.T) {
	const sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // of abc
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"what the list has": {map[string]string{"a.js": "abc", ".gitkeep": ""}, ""},
		"nothing":           {map[string]string{".gitkeep": ""}, "missing"},
		"another version":   {map[string]string{"a.js": "abd"}, "a.js is not one of its list"},
		"another file":      {map[string]string{"a.js": "abc", "b.js": ""}, "b.js is not one of its list"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "assets"), 0o755); err != nil {
				t.Fatal(err)
			}
			for file, content := range c.files {
				if err := os.WriteFile(filepath.Join(dir, "assets", file), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, "libraries.txt"), []byte("# Libraries.\n"+sum+" package@1.0.0 dist/a.js\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := checkAssets(dir); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// TestEmbeddedPackages reads the playground's list: each package counts once.
func TestEmbeddedPackages(t *testing.T) {
	packages, err := (&release{source: service}).embeddedPackages()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range packages {
		if p.Version == "" || p.PURL != "pkg:npm/"+p.Name+"@"+p.Version {
			t.Errorf("got %+v", p)
		}
		names = append(names, p.Name)
	}
	if want := []string{"react", "react-dom", "graphiql"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

// open returns the image of an OCI layout in a tar, after it has checked all digests.
func open(t *testing.T, file string) v1.Image {
	t.Helper()
	content, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	unpack(t, content, dir)
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil || len(manifest.Manifests) != 1 {
		t.Fatalf("%+v, %v", manifest, err)
	}
	image, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// unpack writes the files of a tar. They belong to root, as in a container.
func unpack(t *testing.T, from io.ReadCloser, to string) {
	t.Helper()
	defer from.Close()
	root, err := os.OpenRoot(to)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := root.Chmod(".", 0o755); err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(from); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Typeflag == tar.TypeDir {
			err = root.MkdirAll(strings.TrimSuffix(header.Name, "/"), header.FileInfo().Mode().Perm())
		} else {
			var data []byte
			if data, err = io.ReadAll(archive); err == nil {
				err = root.WriteFile(header.Name, data, header.FileInfo().Mode().Perm())
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// contained returns a command of an image that is unpacked in root.
func contained(ctx context.Context, root string, config v1.Config, args, environment []string) *exec.Cmd {
	const script = `root=$0; user=$1; shift; mount --bind "$root" "$root"; mount -o remount,bind,ro "$root"; exec chroot --userspec="$user" "$root" "$@"`
	c := exec.CommandContext(ctx, "unshare", append([]string{"--mount", "sh", "-ec", script, root, config.User}, args...)...)
	c.Env = append(c.Environ(), environment...) // the shell needs a PATH
	return c
}

func query(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{"query":"{ users(first: 1) { nodes { userId } } }"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// freeAddr returns an address on loopback whose port was free a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir = dir
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}
