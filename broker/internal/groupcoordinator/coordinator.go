package groupcoordinator

import (
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"math"
	"sync"
	"time"
	"unicode/utf16"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// Log is where groups are kept: __consumer_offsets.
type Log interface {
	// Partitions is the number of its partitions.
	Partitions() (int32, error)
	// Append writes records as one batch, which survives the process when Append
	// returns, and tells the offset of the first. txn is the transaction that they
	// are part of, or nil. An error that is an errcode.Code is for the client.
	Append(partition int32, txn *Txn, records []Record) (offset int64, err error)
	// Replay calls fn with every record and every end of a transaction, oldest
	// first.
	Replay(partition int32, fn func(Entry) error) error
	// Existing lists the partitions that hold anything.
	Existing() ([]int32, error)
}

// Record is a record of the log; a nil value deletes what the key stood for.
type Record struct{ Key, Value []byte }

// Txn is a producer and its open transaction.
type Txn struct {
	ProducerID    int64
	ProducerEpoch int16
	Proof         any // what Log wants to know; the coordinator passes it on
}

// Entry is what the log holds: a record, or the end of a transaction.
type Entry struct {
	Record
	Offset     int64
	ProducerID int64 // of the transaction that it is part of, or ends; -1 for none
	Ends       bool  // it is an end
	Commits    bool  // ... and a good one
}

// Config is what a Coordinator works with.
type Config struct {
	Log    Log
	Logger *slog.Logger
	Now    func() time.Time

	MinSessionTimeout     time.Duration // group.min.session.timeout.ms
	MaxSessionTimeout     time.Duration // group.max.session.timeout.ms
	InitialRebalanceDelay time.Duration // group.initial.rebalance.delay.ms
	MaxSize               int           // group.max.size
	MaxMetadataSize       int           // offset.metadata.max.bytes
	OffsetsRetention      time.Duration // offsets.retention.minutes
}

// Coordinator coordinates all groups of this broker.
//
// Locks: mu guards the maps and is held while a partition of the log is loaded;
// a group's mu comes after it and is never held across a wait.
type Coordinator struct {
	cfg Config

	mu     sync.Mutex
	closed bool
	loaded map[int32]bool
	groups map[string]*group
}

// New makes a coordinator that has loaded nothing yet.
func New(cfg Config) *Coordinator {
	return &Coordinator{cfg: cfg, loaded: make(map[int32]bool), groups: make(map[string]*group)}
}

// Close ends all timers. Members that wait are told COORDINATOR_NOT_AVAILABLE.
func (c *Coordinator) Close() {
	c.mu.Lock()
	c.closed = true
	groups := c.groups
	c.groups = nil
	c.mu.Unlock()
	for _, g := range groups {
		g.mu.Lock()
		g.shutLocked(errcode.CoordinatorNotAvailable)
		g.mu.Unlock()
	}
}

// PartitionFor is the partition of the log that a group lives in. Source:
// GroupMetadataManager.partitionFor, String.hashCode.
func PartitionFor(group string, partitions int32) int32 {
	var h int32
	for _, u := range utf16.Encode([]rune(group)) {
		h = 31*h + int32(u)
	}
	if h == math.MinInt32 {
		h = 0
	}
	return max(h, -h) % partitions
}

// group finds a group, loading it if need be; with create it makes a new one.
// The code is GROUP_ID_NOT_FOUND if there is none.
func (c *Coordinator) group(id string, create bool) (*group, errcode.Code) {
	if id == "" && create {
		return nil, errcode.InvalidGroupId
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errcode.CoordinatorNotAvailable
	}
	if g := c.groups[id]; g != nil {
		return g, errcode.None
	}
	n, err := c.cfg.Log.Partitions()
	if err != nil {
		c.cfg.Logger.Error("groups cannot be stored", "error", err)
		return nil, errcode.CoordinatorNotAvailable
	}
	p := PartitionFor(id, n)
	if err := c.loadLocked(p); err != nil {
		c.cfg.Logger.Error("groups cannot be loaded", "partition", p, "error", err)
		return nil, errcode.CoordinatorNotAvailable
	}
	g := c.groups[id]
	if g == nil {
		if !create {
			return nil, errcode.GroupIdNotFound
		}
		g = newGroup(c, id, p)
		c.groups[id] = g
	}
	return g, errcode.None
}

// loadAll loads every group there is.
func (c *Coordinator) loadAll() ([]*group, errcode.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errcode.CoordinatorNotAvailable
	}
	partitions, err := c.cfg.Log.Existing()
	for _, p := range partitions {
		if err == nil {
			err = c.loadLocked(p)
		}
	}
	if err != nil {
		c.cfg.Logger.Error("groups cannot be loaded", "error", err)
		return nil, errcode.CoordinatorNotAvailable
	}
	list := make([]*group, 0, len(c.groups))
	for _, g := range c.groups {
		list = append(list, g)
	}
	return list, errcode.None
}

// forget removes a dead group from the map.
func (c *Coordinator) forget(g *group) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.groups[g.id] == g {
		delete(c.groups, g.id)
	}
}

// uniqueID is a random suffix for member ids.
func uniqueID() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
