package upstream

// regions are the upstream's servers. Four are on the vendor's reference page; sg
// is in the official SDK.
var regions = map[string]string{
	"global": "https://api.elevenlabs.io",
	"us":     "https://api.us.elevenlabs.io",
	"eu":     "https://api.eu.residency.elevenlabs.io",
	"in":     "https://api.in.residency.elevenlabs.io",
	"sg":     "https://api.sg.residency.elevenlabs.io",
}

// RegionURL returns the base URL of a region: global, us, eu, in or sg. It
// returns false for any other word.
func RegionURL(region string) (string, bool) {
	base, ok := regions[region]
	return base, ok
}
