// Package clock is where the time comes from: outside tests nothing else in
// this module calls time.Now, so that whoever needs the time takes it from its
// owner and can be given another.
//
// Tests rarely need another: inside testing/synctest the package time, and so
// System and Coarse, tell the bubble's virtual time.
package clock

import "time"

// Clock tells the time and wakes. System is the only one outside tests.
type Clock interface {
	// Now is the present time, with a monotonic reading.
	Now() time.Time
	// NewTimer makes a timer that fires once, after d. The caller stops it.
	NewTimer(d time.Duration) *time.Timer
}

// System is the clock of the operating system.
type System struct{}

// Now is the time of the operating system.
func (System) Now() time.Time { return time.Now() }

// NewTimer makes a timer on the operating system's clock.
func (System) NewTimer(d time.Duration) *time.Timer { return time.NewTimer(d) }

// Now is the time of the operating system. Inside testing/synctest it is the
// bubble's.
func Now() time.Time { return time.Now() }
