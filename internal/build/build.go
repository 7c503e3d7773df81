// Package build reports what this program was built from.
package build

import (
	"cmp"
	"fmt"
	"runtime/debug"
)

// The linker sets these if the source is built outside version control:
//
//	go build -ldflags "-X rollcall/internal/build.version=v1.2.3 -X rollcall/internal/build.commit=0123abc"
var version, commit string

// Info describes a build.
type Info struct {
	Version string // a released version, or devel
	Commit  string // or unknown; ends in -dirty if files were modified
	Go      string // the toolchain's version
}

// Read returns the values that the linker set. If it set none, they are those
// that the toolchain recorded.
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
