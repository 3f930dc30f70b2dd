package load

import (
	"syscall"
	"time"
)

// nanosleep sleeps for d. time.Sleep wakes a millisecond late when the process is
// otherwise idle, which would show as latency; the system call does not.
func nanosleep(d time.Duration) {
	t := syscall.NsecToTimespec(d.Nanoseconds())
	// A signal may cut it short; who needs the whole time asks again.
	_ = syscall.Nanosleep(&t, nil)
}
