//go:build mutate

package mutation

import "sync/atomic"

var present atomic.Uint32

// On reports whether the bug is there.
func On(b Bug) bool { return Bug(present.Load()) == b }

// Set puts a bug in, and takes the one before out.
func Set(b Bug) { present.Store(uint32(b)) }
