package config

import (
	"errors"
	"io/fs"
	"strings"
)

// readKeys reads the two API keys. Each is in its variable, or in the file that
// its other variable names.
func (s *settings) readKeys(readFile func(string) ([]byte, error)) {
	s.APIKey, _ = s.readKey("ELEVENLABS_API_KEY", s.APIKey, s.keyFile, readFile)
	s.PreviousAPIKey, s.previousName = s.readKey("ELEVENLABS_API_KEY_PREVIOUS", s.PreviousAPIKey, s.previousFile, readFile)
}

// readKey returns a key and the variable that it comes from. Errors contain
// neither the key nor the file's name: if a key was set instead of a name, it
// would be printed.
func (s *settings) readKey(name, value, file string, readFile func(string) ([]byte, error)) (key, from string) {
	fileName := name + "_FILE"
	switch {
	case file == "":
		from, key = name, value
	case value != "":
		s.fault(fileName, "is set together with %s: unset one of them", name)
		s.keyFaulty = true
		return value, name
	default:
		from = fileName
		content, err := readFile(file)
		if err != nil {
			if pathError, ok := errors.AsType[*fs.PathError](err); ok {
				err = pathError.Err
			}
			s.fault(fileName, "the file cannot be read: %w", err)
			s.keyFaulty = true
			return "", from
		}
		key = strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
		if key == "" {
			s.fault(fileName, "the file is empty")
			s.keyFaulty = true
		}
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		s.fault(from, "the key contains a space, a line break or another character that no key has")
	}
	return key, from
}
