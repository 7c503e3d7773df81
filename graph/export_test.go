package graph

// Unrendered leaves all writing to gqlgen, for comparison.
func (c Config) Unrendered() Config {
	c.unrendered = true
	return c
}
