//go:build race

package graph_test

// raceFactor is how much slower the code may be with the race detector.
const raceFactor = 10
