//go:build race

package graph_test

// raceFactor is how much slower the race detector may make the code.
const raceFactor = 10
