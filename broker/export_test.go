package broker

import (
	"syscall"

	"github.com/posthaste-go/posthaste/broker/internal/vfs"
)

// FailFrom makes the nth write from now on fail, and all after it, until Free:
// what is on the disk then is what a kill at that moment leaves there.
func (d *Disk) FailFrom(nth int) {
	d.fs().Inject(vfs.Fault{Op: vfs.OpWrite, Nth: nth, Times: -1, Err: syscall.ENOSPC})
}
