package graph

// Unrendered has gqlgen write all responses, for comparison.
func (c Config) Unrendered() Config {
	c.unrendered = true
	return c
}
