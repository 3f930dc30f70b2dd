//go:build race

package compression

// The race detector makes sync.Pool drop items at random, so counts of
// allocations mean nothing under it.
const raceEnabled = true
