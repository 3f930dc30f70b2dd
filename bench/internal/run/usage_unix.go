//go:build unix

package run

import (
	"syscall"
	"time"
)

// processUsage is the CPU time of the whole process and its peak RSS in bytes.
func processUsage() (cpu time.Duration, rss int64) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("getrusage: " + err.Error()) // cannot happen with a valid pointer
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), peakRSS(int64(u.Maxrss))
}
