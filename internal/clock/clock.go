// Package clock is where the time comes from: outside tests nothing else in
// this module calls time.Now, so that whoever needs the time takes it from its
// owner and can be given another.
package clock

import "time"

// Now is the time of the operating system. Inside testing/synctest it is the
// bubble's.
func Now() time.Time { return time.Now() }
