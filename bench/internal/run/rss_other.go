//go:build unix && !linux

package run

import "runtime"

// peakRSS is the peak of resident memory in bytes, from what getrusage says:
// kilobytes, but bytes on Darwin.
func peakRSS(rusage int64) int64 {
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return rusage
	}
	return rusage * 1024
}
