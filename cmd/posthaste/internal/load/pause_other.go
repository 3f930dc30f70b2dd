//go:build !linux

package load

import "time"

// nanosleep sleeps for d.
func nanosleep(d time.Duration) { time.Sleep(d) }
