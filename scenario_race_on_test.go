//go:build race

package posthaste_test

// raced: the race detector allocates and drops what pools keep.
const raced = true
