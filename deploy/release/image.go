package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// user is who runs the program in the image: the number that distroless images use
// for their user without privileges.
const user = "65532"

// entry is a file of the image's only layer.
type entry struct {
	name string
	mode int64
	data []byte
}

// entries returns what the image consists of: the program, the certificates that it
// verifies the upstream with, and its user.
func entries(program []byte) []entry {
	var certificates bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil { // others need a check that no file can express
			_ = pem.Encode(&certificates, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a buffer takes it
		}
	}
	return []entry{
		{"etc/", 0o755, nil},
		{"etc/group", 0o644, []byte("root:x:0:\nrollcall:x:" + user + ":\n")},
		{"etc/passwd", 0o644, []byte("root:x:0:0:root:/:/sbin/nologin\nrollcall:x:" + user + ":" + user + ":rollcall:/:/sbin/nologin\n")},
		{"etc/ssl/", 0o755, nil},
		{"etc/ssl/certs/", 0o755, nil},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, certificates.Bytes()},
		{"rollcall", 0o755, program},
	}
}

// image returns the image of a program.
func (r *release) image(p platform, program []byte) (v1.Image, error) {
	var content bytes.Buffer
	if err := writeTar(&content, entries(program), r.time); err != nil {
		return nil, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	created := v1.Time{Time: r.time}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image, mutate.Addendum{Layer: layer, History: v1.History{Created: created, CreatedBy: "make release"}})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = p.os, p.arch, created
	config.Config = v1.Config{
		Env:          []string{"LISTEN_ADDR=0.0.0.0:8080", "ADMIN_ADDR=0.0.0.0:9090"},
		User:         user + ":" + user,
		ExposedPorts: map[string]struct{}{"8080/tcp": {}, "9090/tcp": {}},
		Entrypoint:   []string{"/rollcall"},
		// The image has no shell and no curl: the program checks the running service.
		Healthcheck: &v1.HealthConfig{
			Test:     []string{"CMD", "/rollcall", "-healthcheck"},
			Interval: 10 * time.Second, Timeout: 6 * time.Second, StartPeriod: 10 * time.Second, Retries: 3,
		},
		Labels: map[string]string{
			"org.opencontainers.image.title":    "Rollcall",
			"org.opencontainers.image.version":  r.version,
			"org.opencontainers.image.revision": r.commit,
			"org.opencontainers.image.created":  r.time.Format(time.RFC3339),
		},
	}
	return mutate.ConfigFile(image, config)
}

// writeImage writes an image as a tar that is an OCI layout and what docker save
// writes at the same time, so that docker, podman, containerd and skopeo load it.
func (r *release) writeImage(p platform, binary, to string) error {
	program, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	image, err := r.image(p, program)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "rollcall-image-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	name := "rollcall:" + r.version
	index, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	if err := index.AppendImage(image, layout.WithPlatform(v1.Platform{OS: p.os, Architecture: p.arch}), layout.WithAnnotations(map[string]string{
		"io.containerd.image.name": "docker.io/library/" + name, "org.opencontainers.image.ref.name": r.version,
	})); err != nil {
		return err
	}
	if err := writeDockerManifest(dir, name, image); err != nil {
		return err
	}
	var files []entry
	if err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || name == ".":
			return err
		case d.IsDir():
			files = append(files, entry{name + "/", 0o755, nil})
			return nil
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		files = append(files, entry{name, 0o644, data})
		return err
	}); err != nil {
		return err
	}
	file, err := os.Create(to)
	if err != nil {
		return err
	}
	if err := writeTar(file, files, r.time); err != nil {
		return errors.Join(err, file.Close())
	}
	return file.Close()
}

// writeDockerManifest writes the file by which docker load finds the image's parts.
func writeDockerManifest(dir, name string, image v1.Image) error {
	config, err := image.ConfigName()
	if err != nil {
		return err
	}
	layers, err := image.Layers()
	if err != nil {
		return err
	}
	blob := func(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }
	manifest := []tarball.Descriptor{{Config: blob(config), RepoTags: []string{name}}}
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return err
		}
		manifest[0].Layers = append(manifest[0].Layers, blob(digest))
	}
	text, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "manifest.json"), text, 0o644)
}

// writeTar writes files that belong to root, all of one time.
func writeTar(to io.Writer, entries []entry, at time.Time) error {
	w := tar.NewWriter(to)
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.data)), ModTime: at, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}
		if e.data == nil && e.name[len(e.name)-1] == '/' {
			header.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if _, err := w.Write(e.data); err != nil {
			return err
		}
	}
	return w.Close()
}
