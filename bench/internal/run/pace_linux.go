package run

import (
	"errors"
	"syscall"
)

// sleepUntil returns at or after due (see Now). It sleeps in the kernel rather
// than on the Go timer heap, whose wakeups come up to a millisecond late in a
// busy process; the caller has locked its thread.
func sleepUntil(due int64) (now int64) {
	for {
		now = Now()
		if now >= due {
			return now
		}
		ts := syscall.NsecToTimespec(due - now)
		if err := syscall.Nanosleep(&ts, nil); err != nil && !errors.Is(err, syscall.EINTR) {
			panic("nanosleep: " + err.Error()) // only EINTR can happen to a valid timespec
		}
	}
}
