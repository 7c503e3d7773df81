// Package build says what this program was built from.
package build

import (
	"cmp"
	"fmt"
	"runtime/debug"
)

// The linker sets these, where there is no version control beside the source:
//
//	go build -ldflags "-X rollcall/internal/build.version=v1.2.3 -X rollcall/internal/build.commit=0123abc"
var version, commit string

// Info is what a build came from.
type Info struct {
	Version string // a released one, or devel
	Commit  string // unknown where nobody has said; ends in -dirty where files had been changed
	Go      string // the toolchain
}

// Read returns what the linker was told or, failing that, what the toolchain
// has written down.
func Read() Info {
	info := Info{Version: version, Commit: commit, Go: "unknown"}
	if b, ok := debug.ReadBuildInfo(); ok {
		info.Go = b.GoVersion
		if b.Main.Version != "(devel)" {
			info.Version = cmp.Or(info.Version, b.Main.Version)
		}
		settings := make(map[string]string)
		for _, s := range b.Settings {
			settings[s.Key] = s.Value
		}
		if revision := settings["vcs.revision"]; info.Commit == "" && revision != "" {
			info.Commit = revision[:min(len(revision), 12)]
			if settings["vcs.modified"] == "true" {
				info.Commit += "-dirty"
			}
		}
	}
	info.Version, info.Commit = cmp.Or(info.Version, "devel"), cmp.Or(info.Commit, "unknown")
	return info
}

func (i Info) String() string {
	return fmt.Sprintf("%s (commit %s, %s)", i.Version, i.Commit, i.Go)
}
