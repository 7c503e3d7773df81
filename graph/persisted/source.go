package persisted

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"

	"rollcall/internal/instrument"
)

// interval is how often files are read again. Polling also detects changes that
// the file system's notifications miss, in mounted volumes and in links that are
// exchanged.
const interval = 2 * time.Second

// Source reads the files of an operator's documents. It must not be used
// concurrently.
type Source struct {
	names []string
	read  func(name string) ([]byte, error)
	// version identifies the content that was read last.
	version [sha256.Size]byte
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
// one line, and its metric is 1 until they can. Without a meter, which is nil, there
// is no metric.
func (s *Source) Watch(ctx context.Context, apply func([]Document) error, meter metric.MeterProvider, log *slog.Logger) {
	stale := instrument.Must(instrument.Meter(meter, "rollcall/graph/persisted").Int64Gauge("rollcall.documents.stale",
		metric.WithDescription("1 if the files of trusted documents have changed and cannot be used.")))
	stale.Record(ctx, 0)
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
		if err != nil {
			stale.Record(ctx, 1)
			log.Warn("the trusted documents have changed and cannot be used; the previous ones stay in use", "error", err)
			continue
		}
		stale.Record(ctx, 0)
		log.Info("the trusted documents have changed", "documents", len(documents))
	}
}

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
