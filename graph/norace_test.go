//go:build !race

package graph_test

const raceFactor = 1
