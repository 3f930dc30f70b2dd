//go:build !linux

package run

import "time"

// sleepUntil returns at or after due (see Now).
func sleepUntil(due int64) (now int64) {
	for {
		now = Now()
		if now >= due {
			return now
		}
		time.Sleep(time.Duration(due - now))
	}
}
