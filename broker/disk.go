package broker

import (
	"sync"
	"syscall"
	"time"

	"github.com/posthaste-go/posthaste/broker/internal/vfs"
)

// Disk is a disk in memory that outlives the brokers that use it, one at a
// time, so that a test can restart a broker, kill it, cut its power, or fill its
// disk.
type Disk struct {
	now func() time.Time

	mu     sync.Mutex
	mem    *vfs.Mem
	faulty *vfs.Faulty // around mem
}

// NewDisk returns an empty disk. now gives files their times; nil means that
// they have none.
func NewDisk(now func() time.Time) *Disk { return diskOf(vfs.NewCrashMem(now), now) }

// plainDisk is a Disk without PowerCut, which spares the copies that it needs.
func plainDisk(now func() time.Time) *Disk { return diskOf(vfs.NewMem(now), now) }

func diskOf(mem *vfs.Mem, now func() time.Time) *Disk {
	return &Disk{now: now, mem: mem, faulty: vfs.NewFaulty(mem)}
}

// PowerCut loses what was not synced, or parts of it as the seed says. No broker
// may use the disk: see Broker.Kill.
func (d *Disk) PowerCut(seed uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mem = d.mem.CrashClone(vfs.PowerCut, seed)
	d.faulty = vfs.NewFaulty(d.mem)
}

// Fill makes every write fail, as a full disk does, until Free.
func (d *Disk) Fill() {
	for _, op := range []vfs.Op{vfs.OpWrite, vfs.OpTruncate, vfs.OpMkdir} {
		d.fs().Inject(vfs.Fault{Op: op, Nth: 1, Times: -1, Err: syscall.ENOSPC})
	}
}

// Free ends Fill.
func (d *Disk) Free() { d.fs().Heal() }

func (d *Disk) fs() *vfs.Faulty {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.faulty
}
