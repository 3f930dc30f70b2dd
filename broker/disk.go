package broker

import (
	"sync"
	"time"

	"github.com/posthaste-go/posthaste/broker/internal/vfs"
)

// Disk is a disk in memory that outlives the brokers that use it, one at a
// time, so that a test can restart a broker, kill it, or cut its power.
type Disk struct {
	mu  sync.Mutex
	mem *vfs.Mem
	now func() time.Time
}

// NewDisk returns an empty disk. now gives files their times; nil means that
// they have none.
func NewDisk(now func() time.Time) *Disk {
	return &Disk{mem: vfs.NewCrashMem(now), now: now}
}

// PowerCut loses what was not synced, or parts of it as the seed says. No broker
// may use the disk: see Broker.Kill.
func (d *Disk) PowerCut(seed uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mem = d.mem.CrashClone(vfs.PowerCut, seed)
}

// plainDisk is a Disk without PowerCut, which spares the copies that it needs.
func plainDisk(now func() time.Time) *Disk { return &Disk{mem: vfs.NewMem(now), now: now} }

func (d *Disk) fs() vfs.FS {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mem
}
