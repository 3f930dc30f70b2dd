// Package log keeps one partition's records on disk: an ordered list of
// segments, rolled, retained, compacted, and recovered after a crash.
package log
