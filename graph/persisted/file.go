package persisted

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-faster/jx"
)

// The tools of four clients write three formats, which differ in their shape:
//
//   - {"format": "apollo-persisted-query-manifest", "version": 1, "operations":
//     [{"id": …, "body": …}, …]}, of Apollo's tools
//   - {id: text, …}, of Relay's compiler, GraphQL Code Generator and Hive
//   - [[id, text], …], which Cosmo accepts too
//
// An ID is used as it is in the file. Only an ID that is a SHA-256 hash must
// match its text: other IDs may be hashes of another kind, or of another text.

const (
	// MaxFile bounds a file of documents, in bytes.
	MaxFile = 8 << 20
	// maxDocuments is how many documents there may be in all files.
	maxDocuments = 10_000
	// maxID is the longest ID, in bytes.
	maxID = 256

	manifestFormat = "apollo-persisted-query-manifest"
)

// Document is a document of a file.
type Document struct {
	File string
	ID   string // as the file has it
	Text string
}

// Errorf returns an error that names the document's file and ID.
func (d Document) Errorf(format string, args ...any) error {
	return fmt.Errorf("%s: document %q: %w", d.File, d.ID, fmt.Errorf(format, args...))
}

// merge returns the documents of all files. A document may be in several of them.
func merge(files ...[]Document) ([]Document, error) {
	var all []Document
	known := make(map[string]Document)
	for _, d := range slices.Concat(files...) {
		id := Canonical(d.ID)
		before, found := known[id]
		switch {
		case !found:
			known[id] = d
			all = append(all, d)
		case before.Text != d.Text:
			return nil, d.Errorf("%s has another text with this ID", before.File)
		}
	}
	if len(all) > maxDocuments {
		return nil, fmt.Errorf("there are %d documents, more than %d", len(all), maxDocuments)
	}
	return all, nil
}

// parse returns the documents of a file.
func parse(name string, content []byte) ([]Document, error) {
	var documents []Document
	var err error
	content = bytes.TrimPrefix(content, []byte("\ufeff")) // which some editors write
	switch d := jx.DecodeBytes(content); {
	case len(content) > MaxFile:
		err = fmt.Errorf("the file is larger than %d bytes", MaxFile)
	case !jx.Valid(content):
		err = errors.New("the file is not JSON")
	case d.Next() == jx.Array:
		documents, err = parsePairs(d)
	case d.Next() == jx.Object:
		documents, err = parseObject(content)
	default:
		err = errors.New("the file has none of the three formats: an object by ID, a list of pairs, or an Apollo manifest")
	}
	if err == nil && len(documents) == 0 {
		err = errors.New("the file has no documents")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	for i := range documents {
		documents[i].File = name
		if err := documents[i].check(); err != nil {
			return nil, err
		}
	}
	return documents, nil
}

// check returns the fault of a document by itself, or nil.
func (d Document) check() error {
	switch id := Canonical(d.ID); {
	case d.ID == "" || len(d.ID) > maxID || strings.ContainsFunc(d.ID, func(r rune) bool { return r < ' ' || r > '~' }):
		return fmt.Errorf("%s: the ID %.*q has not 1 to %d characters of printable ASCII", d.File, maxID, d.ID, maxID)
	case strings.TrimSpace(d.Text) == "":
		return d.Errorf("the text is empty")
	case strings.HasPrefix(d.ID, hashPrefix) && !IsHash(id), IsHash(id) && Hash(d.Text) != id:
		return d.Errorf("the ID is not the SHA-256 hash of the text")
	}
	return nil
}

// errPair reports an element of a list that is not a pair.
var errPair = errors.New("a list must have pairs of an ID and a text")

func parsePairs(d *jx.Decoder) (documents []Document, err error) {
	err = d.Arr(func(d *jx.Decoder) error {
		if d.Next() != jx.Array {
			return errPair
		}
		var pair []string
		if err := d.Arr(func(d *jx.Decoder) error {
			if d.Next() != jx.String {
				return errPair
			}
			s, err := d.Str()
			pair = append(pair, s)
			return err
		}); err != nil {
			return errPair
		}
		if len(pair) != 2 {
			return errPair
		}
		documents = append(documents, Document{ID: pair[0], Text: pair[1]})
		return nil
	})
	return documents, err
}

// parseObject returns the documents of an Apollo manifest, or of an object by ID.
func parseObject(content []byte) (documents []Document, err error) {
	manifest := false
	_ = jx.DecodeBytes(content).Obj(func(d *jx.Decoder, name string) error { // it is valid
		manifest = manifest || name == "operations" && d.Next() == jx.Array
		return d.Skip()
	})
	if manifest {
		return parseManifest(content)
	}
	err = jx.DecodeBytes(content).Obj(func(d *jx.Decoder, id string) error {
		if d.Next() != jx.String {
			return fmt.Errorf("document %.*q: the text is not a string", maxID, id)
		}
		text, err := d.Str()
		documents = append(documents, Document{ID: id, Text: text})
		return err
	})
	return documents, err
}

func parseManifest(content []byte) (documents []Document, err error) {
	var format, version string
	err = jx.DecodeBytes(content).Obj(func(d *jx.Decoder, name string) error {
		switch {
		case name == "format" && d.Next() == jx.String:
			format, err = d.Str()
			return err
		case name == "version" && d.Next() == jx.Number:
			number, err := d.Num()
			version = number.String()
			return err
		case name == "operations" && d.Next() == jx.Array:
			return d.Arr(func(d *jx.Decoder) error {
				document, err := parseOperation(d)
				documents = append(documents, document)
				return err
			})
		default:
			return d.Skip()
		}
	})
	switch {
	case err != nil:
		return nil, err
	case format != manifestFormat || version != "1":
		return nil, fmt.Errorf("the manifest must have the format %q and the version 1", manifestFormat)
	}
	return documents, nil
}

// parseOperation reads an operation of an Apollo manifest. It ignores the name
// and the type, which are also in the text.
func parseOperation(d *jx.Decoder) (document Document, err error) {
	if d.Next() != jx.Object {
		return document, errors.New("an operation of the manifest is not an object")
	}
	err = d.Obj(func(d *jx.Decoder, name string) (err error) {
		switch {
		case name == "id" && d.Next() == jx.String:
			document.ID, err = d.Str()
		case name == "body" && d.Next() == jx.String:
			document.Text, err = d.Str()
		default:
			err = d.Skip()
		}
		return err
	})
	return document, err
}
