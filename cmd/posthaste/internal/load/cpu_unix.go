//go:build unix

package load

import (
	"syscall"
	"time"
)

// ProcessCPU is the user and system time of the whole process so far.
func ProcessCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
