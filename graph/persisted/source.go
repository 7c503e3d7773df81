package persisted

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync/atomic"
	"time"
)

// interval is how often files are read again. Polling also detects changes that
// the file system's notifications miss, in mounted volumes and in links that are
// exchanged.
const interval = 2 * time.Second

// Source reads the files of an operator's documents. It must not be used
// concurrently, except for Stale.
type Source struct {
	names []string
	read  func(name string) ([]byte, error)
	// version identifies the content that was read last.
	version [sha256.Size]byte
	stale   atomic.Bool
}

// NewSource returns a source of files. read need not return more than one byte
// beyond [MaxFile].
func NewSource(names []string, read func(name string) ([]byte, error)) *Source {
	return &Source{names: names, read: read}
}

// Load returns the documents of all files.
func (s *Source) Load() ([]Document, error) {
	files, version, err := s.readAll()
	s.version = version
	if err != nil {
		return nil, err
	}
	return parseAll(s.names, files)
}

// Watch calls apply with the documents whenever a file has changed since it was
// last read, until ctx is cancelled. If the new documents cannot be used, it logs
// one line, and the source is stale until they can.
func (s *Source) Watch(ctx context.Context, apply func([]Document) error, log *slog.Logger) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		files, version, err := s.readAll()
		if version == s.version {
			continue
		}
		s.version = version
		var documents []Document
		if err == nil {
			documents, err = parseAll(s.names, files)
		}
		if err == nil {
			err = apply(documents)
		}
		s.stale.Store(err != nil)
		if err != nil {
			log.Warn("the trusted documents have changed and cannot be used; the previous ones stay in use", "error", err)
			continue
		}
		log.Info("the trusted documents have changed", "documents", len(documents))
	}
}

// Stale reports whether the files have changed and cannot be used.
func (s *Source) Stale() bool { return s.stale.Load() }

// readAll returns the content of all files, and a version that identifies it. An
// error has a version too, so that it is reported once.
func (s *Source) readAll() (files [][]byte, version [sha256.Size]byte, err error) {
	hash := sha256.New()
	for _, name := range s.names {
		content, failed := s.read(name)
		if failed != nil {
			if cause, ok := errors.AsType[*fs.PathError](failed); ok {
				failed = cause.Err // without the name
			}
			err = errors.Join(err, fmt.Errorf("%s: the file cannot be read: %w", name, failed))
		}
		files = append(files, content)
		_ = binary.Write(hash, binary.BigEndian, int64(len(content)))
		_, _ = hash.Write(content)
	}
	if err != nil {
		_, _ = hash.Write([]byte(err.Error()))
	}
	return files, [sha256.Size]byte(hash.Sum(nil)), err
}

// parseAll returns the documents of all files.
func parseAll(names []string, contents [][]byte) ([]Document, error) {
	var files [][]Document
	for i, name := range names {
		documents, err := parse(name, contents[i])
		if err != nil {
			return nil, err
		}
		files = append(files, documents)
	}
	return merge(files...)
}
