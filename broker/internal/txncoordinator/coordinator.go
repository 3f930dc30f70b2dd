package txncoordinator

import (
	"log/slog"
	"math"
	"sync"
	"time"
	"unicode/utf16"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// Log is where transactions are kept: __transaction_state.
type Log interface {
	// Partitions is the number of its partitions.
	Partitions() (int32, error)
	// Append writes one record, which survives the process when Append returns.
	Append(partition int32, r Record) error
	// Replay calls fn with every record of a partition, oldest first. What the
	// record holds is the callee's for the time of the call.
	Replay(partition int32, fn func(Record) error) error
	// Existing lists the partitions that hold anything.
	Existing() ([]int32, error)
	// Epoch is the leader epoch of a partition, which is the coordinator's.
	Epoch(partition int32) (int32, error)
}

// Marker is what ends a transaction in a partition.
type Marker struct {
	Producer
	CoordinatorEpoch int32
	Commit           bool
	// OwnEpoch says that no record has the producer's epoch: it was raised for
	// the marker, as version 2 does.
	OwnEpoch bool
}

// Markers writes markers to partitions.
type Markers interface {
	// WriteMarker ends a producer's transaction in a partition. A code that is
	// retriable, or says that the disk failed, is tried again later.
	WriteMarker(tp TopicPartition, m Marker) errcode.Code
}

// Config is what a Coordinator works with.
type Config struct {
	Log     Log
	Markers Markers
	NewID   func() (int64, error) // a producer id that was never given out
	Logger  *slog.Logger
	Now     func() time.Time

	Version        Version       // the finalized level of transaction.version
	MaxTimeout     time.Duration // transaction.max.timeout.ms
	TwoPhaseCommit bool          // transaction.two.phase.commit.enable (KIP-939)
	Expiration     time.Duration // transactional.id.expiration.ms
	// AbortInterval is how often transactions are looked for whose time is up:
	// transaction.abort.timed.out.transaction.cleanup.interval.ms.
	AbortInterval time.Duration
	// ExpireInterval is how often ids are looked for that may be forgotten:
	// transaction.remove.expired.transaction.cleanup.interval.ms.
	ExpireInterval time.Duration
	// MarkerDelay is how long a decided transaction waits for its markers; 0
	// writes them before the client has its answer.
	MarkerDelay time.Duration
}

// Coordinator coordinates all transactional ids of this broker.
//
// Locks: mu guards the maps and is held while a partition of the log is loaded.
// A transaction's mu comes after it, and is held while its state and its
// markers are written: requests for the same id wait for each other.
type Coordinator struct {
	cfg Config

	mu     sync.Mutex
	closed bool
	loaded map[int32]bool
	known  map[string]*transaction
	timers map[*time.Timer]struct{}
	work   sync.WaitGroup // what timers have begun
}

// transaction is a transactional id.
type transaction struct {
	id        string
	partition int32 // of the log

	mu sync.Mutex
	m  metadata
}

// New makes a coordinator that has loaded nothing yet.
func New(cfg Config) *Coordinator {
	c := &Coordinator{cfg: cfg, loaded: make(map[int32]bool),
		known: make(map[string]*transaction), timers: make(map[*time.Timer]struct{})}
	c.every(cfg.AbortInterval, c.abortTimedOut)
	c.every(cfg.ExpireInterval, c.expire)
	return c
}

// Close ends all timers and returns when none of them does anything any more.
func (c *Coordinator) Close() {
	c.mu.Lock()
	c.closed = true
	for t := range c.timers {
		t.Stop()
	}
	c.mu.Unlock()
	c.work.Wait()
}

// after runs fn once, unless the coordinator is closed before.
func (c *Coordinator) after(d time.Duration, fn func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		c.mu.Lock()
		delete(c.timers, t)
		closed := c.closed
		if !closed {
			c.work.Add(1)
		}
		c.mu.Unlock()
		if !closed {
			defer c.work.Done()
			fn()
		}
	})
	c.timers[t] = struct{}{}
}

// every runs fn again and again.
func (c *Coordinator) every(d time.Duration, fn func()) {
	if d > 0 {
		c.after(d, func() {
			fn()
			c.every(d, fn)
		})
	}
}

func (c *Coordinator) nowMillis() int64 { return c.cfg.Now().UnixMilli() }

// PartitionFor is the partition of the log that a transactional id lives in.
// Source: TransactionStateManager.partitionFor, String.hashCode.
func PartitionFor(id string, partitions int32) int32 {
	var h int32
	for _, u := range utf16.Encode([]rune(id)) {
		h = 31*h + int32(u)
	}
	if h == math.MinInt32 {
		h = 0
	}
	return max(h, -h) % partitions
}

// Recover loads all transactions and completes those whose end was decided. It
// is for a broker that starts; an id that is asked for before is loaded then.
func (c *Coordinator) Recover() {
	partitions, err := c.cfg.Log.Existing()
	if err != nil {
		c.cfg.Logger.Error("transactions cannot be loaded", "error", err)
		return
	}
	for _, p := range partitions {
		c.load(p) // a failure is in the log, and tried again with the next sweep
	}
}

// load loads a partition of the log, once.
func (c *Coordinator) load(p int32) errcode.Code {
	c.mu.Lock()
	prepared, code := c.loadLocked(p)
	c.mu.Unlock()
	for _, t := range prepared {
		t.mu.Lock()
		c.finishLocked(t)
		t.mu.Unlock()
	}
	return code
}

// loadLocked returns the transactions that wait for their markers.
func (c *Coordinator) loadLocked(p int32) (prepared []*transaction, code errcode.Code) {
	switch {
	case c.closed:
		return nil, errcode.CoordinatorNotAvailable
	case c.loaded[p]:
		return nil, errcode.None
	}
	found := make(map[string]*transaction)
	err := c.cfg.Log.Replay(p, func(r Record) error {
		if err := replay(found, p, r); err != nil {
			// One record that cannot be read must not hide all transactions.
			c.cfg.Logger.Error("record of __transaction_state is passed over",
				"partition", p, "error", err)
		}
		return nil
	})
	if err != nil {
		c.cfg.Logger.Error("transactions cannot be loaded", "partition", p, "error", err)
		return nil, errcode.CoordinatorNotAvailable
	}
	c.loaded[p] = true
	for id, t := range found {
		c.known[id] = t
		if t.m.state.prepared() {
			prepared = append(prepared, t)
		}
	}
	return prepared, errcode.None
}

// replay applies one record to the transactions found so far.
func replay(found map[string]*transaction, p int32, r Record) error {
	id, err := decodeKey(r.Key)
	if err != nil {
		return err
	}
	if r.Value == nil {
		delete(found, id)
		return nil
	}
	m, err := decode(r.Value)
	if err != nil {
		return err
	}
	found[id] = &transaction{id: id, partition: p, m: m}
	return nil
}

// find finds a transactional id, loading it if need be: nil if it is unknown.
func (c *Coordinator) find(id string) (*transaction, int32, errcode.Code) {
	n, err := c.cfg.Log.Partitions()
	if err != nil {
		c.cfg.Logger.Error("transactions cannot be stored", "error", err)
		return nil, 0, errcode.CoordinatorNotAvailable
	}
	p := PartitionFor(id, n)
	if code := c.load(p); code != errcode.None {
		return nil, p, code
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, p, errcode.CoordinatorNotAvailable
	}
	return c.known[id], p, errcode.None
}

// with runs fn with the transaction of id locked. An id that is unknown is
// INVALID_PRODUCER_ID_MAPPING.
func (c *Coordinator) with(id string, fn func(*transaction) errcode.Code) errcode.Code {
	if id == "" {
		return errcode.InvalidRequest
	}
	t, _, code := c.find(id)
	switch {
	case code != errcode.None:
		return code
	case t == nil:
		return errcode.InvalidProducerIdMapping
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.m.state == Dead {
		return errcode.InvalidProducerIdMapping
	}
	return fn(t)
}

// storeLocked makes next the transaction's metadata, first in the log.
func (c *Coordinator) storeLocked(t *transaction, next metadata) errcode.Code {
	r := Record{encodeKey(t.id), next.encode(c.cfg.Version)}
	if err := c.cfg.Log.Append(t.partition, r); err != nil {
		c.cfg.Logger.Error("transaction cannot be stored", "transactional.id", t.id,
			"from", t.m.state, "to", next.state, "error", err)
		return errcode.CoordinatorNotAvailable
	}
	c.cfg.Logger.Debug("transaction", "transactional.id", t.id, "from", t.m.state, "to", next.state,
		"producer", next.Producer.ID, "epoch", next.Epoch, "partitions", len(next.partitions))
	t.m = next
	return errcode.None
}
