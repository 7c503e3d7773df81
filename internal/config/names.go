package config

import (
	"flag"
	"slices"
	"strings"
)

// A misspelt variable would be silently ignored, and without a key the service
// would serve its demo: generated users instead of real ones. Therefore a name
// that is almost a setting's causes a warning, and if the setting is one for a
// real upstream, the demo does not start. All other names belong to other
// programs.

// realSettings are the settings that are set only for a real upstream.
var realSettings = []string{
	"ELEVENLABS_API_KEY", "ELEVENLABS_API_KEY_FILE", "ELEVENLABS_API_KEY_PREVIOUS", "ELEVENLABS_API_KEY_PREVIOUS_FILE",
	"UPSTREAM_URL", "UPSTREAM_REGION", "AUTH",
}

// alternativeNames are names that programs of the vendor's customers use for these
// settings, and names that are natural to try.
var alternativeNames = map[string]string{
	"ELEVENLABS_KEY":      "ELEVENLABS_API_KEY",
	"ELEVENLABS_TOKEN":    "ELEVENLABS_API_KEY",
	"ELEVENLABS_XI_KEY":   "ELEVENLABS_API_KEY",
	"ELEVEN_API_KEY":      "ELEVENLABS_API_KEY",
	"ELEVEN_KEY":          "ELEVENLABS_API_KEY",
	"XI_API_KEY":          "ELEVENLABS_API_KEY",
	"UPSTREAM_API_KEY":    "ELEVENLABS_API_KEY",
	"ELEVENLABS_KEY_FILE": "ELEVENLABS_API_KEY_FILE",
	"ELEVEN_API_KEY_FILE": "ELEVENLABS_API_KEY_FILE",
	"XI_API_KEY_FILE":     "ELEVENLABS_API_KEY_FILE",
	"UPSTREAM_BASE_URL":   "UPSTREAM_URL",
	"ELEVENLABS_BASE_URL": "UPSTREAM_URL",
	"ELEVENLABS_REGION":   "UPSTREAM_REGION",
}

// ordinaryNames are one letter off a setting, but in use for other purposes.
var ordinaryNames = []string{"AUTO", "OAUTH", "XAUTH"}

// checkNames reports variables whose names are almost those of settings.
func (s *settings) checkNames() {
	for _, name := range s.sortedNames() {
		if s.env[name] == "" || s.flags.Lookup(name) != nil {
			continue
		}
		setting := s.nearest(name)
		switch {
		case setting == "":
		case s.Demo && slices.Contains(realSettings, setting):
			s.fault(name, "is not a setting; did you mean %s? The demo does not start while it is set", setting)
		default:
			s.warn("%s is not a setting; did you mean %s?", name, setting)
		}
	}
}

// nearest returns the setting that a name was probably meant to be, or "".
func (s *settings) nearest(name string) string {
	if setting, ok := alternativeNames[name]; ok {
		return setting
	}
	if slices.Contains(ordinaryNames, name) {
		return ""
	}
	nearest, fewest := "", 3
	s.flags.VisitAll(func(f *flag.Flag) {
		if n := edits(name, f.Name); n < fewest && isMisspelling(name, f.Name) {
			nearest, fewest = f.Name, n
		}
	})
	return nearest
}

// isMisspelling reports whether a name is a word with one or two wrong letters,
// but not with two wrong of four: PATH is not AUTH, and REDIS_TTL is not
// REDIS_URL.
func isMisspelling(name, word string) bool {
	names, words := strings.Split(name, "_"), strings.Split(word, "_")
	if len(names) != len(words) { // one has an underscore too many
		return edits(name, word) <= maxEdits(word)
	}
	total := 0
	for i := range words {
		n := edits(names[i], words[i])
		if n > maxEdits(words[i]) {
			return false
		}
		total += n
	}
	return total <= 2
}

// maxEdits is how many letters of a word may be wrong for the word to be
// recognised.
func maxEdits(word string) int {
	switch {
	case len(word) <= 2:
		return 0
	case len(word) <= 4:
		return 1
	default:
		return 2
	}
}

// edits returns the smallest number of letters to insert, delete, replace or
// exchange with their neighbour that turns a into b (optimal string alignment).
func edits(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
