// Package sender decides: which batch goes to which broker under which
// sequence, what is tried again, what is given up, when metadata is asked for.
//
// Core is a pure state machine: it starts no goroutine, reads no clock, takes no
// lock and touches no socket. Everything that happens is an Event passed to
// Step; everything to be done is an Effect that Step appends. Equal events give
// equal effects, so a failure found by simulation is replayed from its seed.
//
//	notice ─▶ evaluate ─▶ node's ready list ─▶ dispatch ─▶ Send
//	            ▲                                            │
//	            └── retry, leader, identity ◀── answer ◀─────┘
//
// Where to look: ready.go chooses batches and makes requests, answers.go takes
// answers apart, identity.go is idempotence, nodes.go connections, topology.go
// metadata, suspects.go and aside.go what is done about silent brokers, detour.go
// how a new leader's first batches go,
// deadlines.go everything that happens because time passed; transaction.go,
// coordinator.go and offsets.go are transactions.
package sender

import (
	"time"

	"github.com/posthaste-go/posthaste/internal/backoff"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/producerid"
)

// Settings are fixed for the life of a Core. Names are those of producer
// settings.
type Settings struct {
	Acks            int16 // 0, 1 or -1 (all)
	Idempotent      bool
	Transactional   bool // Init comes before anything is sent
	TwoPhase        bool // transaction.two.phase.commit.enable
	MaxInFlight     int  // max.in.flight.requests.per.connection
	MaxRequestSize  int  // bytes
	Linger          time.Duration
	Pause           time.Duration // after a node's request, for the next to gather batches
	DeliveryTimeout time.Duration
	RequestTimeout  time.Duration
	Retries         int
	Backoff         backoff.Policy // retry.backoff.ms, retry.backoff.max.ms
	Reconnect       backoff.Policy // reconnect.backoff.ms, reconnect.backoff.max.ms
	Setup           backoff.Policy // socket.connection.setup.timeout.ms, …max.ms
	MaxIdle         time.Duration  // connections.max.idle.ms; 0 for never
	Rebootstrap     time.Duration  // metadata.recovery.rebootstrap.trigger.ms; 0 for never
	MetadataMaxAge  time.Duration
	MetadataMaxIdle time.Duration
	Bootstrap       []string // host:port
	ClusterCheck    bool     // metadata.cluster.check.enable (KIP-1242)
	// partitioner.availability.timeout.ms with the adaptive choice, else 0.
	AvailabilityTimeout time.Duration
}

// Source is where batches come from. package accumulator fits it.
type Source interface {
	// Look reports what a partition holds; if that is not ready the partition
	// gives notice when it changes.
	Look(batch.PartitionID) batch.Work
	// Take hands over the first batch, the open one only if open is set.
	Take(id batch.PartitionID, open bool) *batch.Batch
	// Closed counts the batches that are not open, and asks for notice of the next.
	Closed(id batch.PartitionID) int
	// TooLarge tells that a broker found a batch of the partition too large.
	TooLarge(id batch.PartitionID)
	// Starving reports whether a caller waits for memory: then nothing lingers.
	Starving() bool
}

// Directory tells where a partition's records belong.
type Directory interface {
	Describe(batch.PartitionID) (topic string, index int32)
}

// Core decides what the producer does next. It owns, and nothing else may
// change:
//
//	partitions   leader, batches taken and in flight, sequences
//	identity     producer id and epoch (package producerid)
//	txn          the transaction's state (package txn) and its coordinators
//	nodes        connections' states, requests in flight
//	deadlines    delivery, request and retry times of every batch it holds
//	metadata     the newest snapshot and when to ask for the next
type Core struct {
	settings Settings
	source   Source
	names    Directory

	now        time.Time
	out        []Effect
	flying     int          // produce requests in flight, of all nodes
	partitions []*partition // by PartitionID; nil if never noticed
	nodes      map[int32]*node
	order      []*node // nodes by id; nil if it has to be made anew
	conns      map[ConnID]*node
	nextConn   ConnID
	alarms     alarms
	lingering  lingering

	identity     producerid.Identity
	identityAt   time.Time // when the id may be asked for again
	identityN    int       // refusals in a row
	identityConn ConnID    // that was asked
	identityWait bool      // nobody could be asked

	txn                *transaction // nil unless Transactional
	featuresEpoch      int64        // of the cluster's finalized features
	transactionVersion int16        // transaction.version as finalized then

	snapshot   *metadata.Snapshot
	refresh    metadata.Refresh
	metaFail   time.Time // since when no node could be asked; zero if one could
	metaWait   bool      // the refresh alarm is set
	metaAt     time.Time // ... to this
	metaConn   ConnID    // that was asked
	metaUrgent bool      // records waited for the answer when it was asked for
	metaLate   []ConnID  // were asked and given up, since the last answer that counted

	flushes  []*flush
	active   int            // partitions with unresolved batches
	fatal    *batch.Failure // nothing can be sent any more
	requests []*Request     // free ones
	counters Counters
}

// Counters are totals since the start.
type Counters struct {
	Requests        uint64
	Batches         uint64 // acknowledged
	BatchesFailed   uint64
	Records         uint64 // acknowledged
	RecordsFailed   uint64
	Retries         uint64 // batches sent again
	Splits          uint64
	BytesRaw        uint64 // of acknowledged batches, before compression
	BytesSent       uint64 // of acknowledged batches, as sent
	MetadataRefresh uint64
	EpochRaises     uint64
	ConnectionsLost uint64
	ThrottleMillis  uint64
}

// New makes a Core with nothing known but the bootstrap list.
func New(s Settings, source Source, names Directory) *Core {
	c := &Core{
		settings: s, source: source, names: names,
		nodes: map[int32]*node{}, conns: map[ConnID]*node{},
		snapshot: &metadata.Snapshot{},
	}
	c.refresh = metadata.Refresh{
		MaxAge: s.MetadataMaxAge, MaxIdle: s.MetadataMaxIdle, Backoff: s.Backoff,
	}
	if s.Transactional {
		c.txn = &transaction{prepared: producerid.NoID}
	}
	c.bootstrap()
	return c
}

// Counters reports the totals. Only the goroutine that calls Step may call it.
func (c *Core) Counters() Counters { return c.counters }

// Snapshot is the newest metadata.
func (c *Core) Snapshot() *metadata.Snapshot { return c.snapshot }

// Step applies events at time now and appends what must follow to out. Its cost
// is per batch or per request, never per record.
func (c *Core) Step(now time.Time, events []Event, out []Effect) []Effect {
	c.now, c.out = now, out
	for _, ev := range events {
		c.apply(ev)
	}
	c.ring()
	c.ringLinger()
	if c.identityWait {
		c.askProducerID()
	}
	c.advance()
	c.askMetadata()
	c.dispatchAll()
	out, c.out = c.out, nil
	return out
}

// dispatchAll sends what is ready for any node. Sending to one may make a
// partition ready for another, hence the second round.
func (c *Core) dispatchAll() {
	for again := true; again; {
		again = false
		for _, n := range c.sorted() {
			again = c.dispatch(n) || again
			if n.detour != nil {
				again = c.dispatch(n.detour) || again
			}
		}
	}
}

func (c *Core) apply(ev Event) {
	switch ev := ev.(type) {
	case *Noticed:
		for _, id := range *ev {
			c.evaluate(c.partition(id))
		}
	case Sealed:
		p := c.partition(ev.Batch.Partition)
		c.publish(p) // it may have been given up meanwhile
		c.evaluate(p)
	case Starved:
		c.starve()
	case *Answered:
		c.answered(ev.Request)
	case *ConnUp:
		c.connUp(ev)
	case *ConnDown:
		c.connDown(ev)
	case *MetadataAnswer:
		c.metadataAnswer(ev)
	case *ProducerIDAnswer:
		c.producerIDAnswer(ev)
	case WantTopic:
		c.wantTopic(ev)
	case FlushAll:
		c.flushAll(ev.Flush)
	case Abandon:
		c.abandon(ev.Failure)
	case *Transact:
		c.transact(ev)
	case *TxnAnswer:
		c.txnAnswer(ev)
	case Held:
		c.heldBack(ev)
	case Spoil:
		c.spoil(ev)
	case Tick:
	}
}

// Flying is the number of produce requests that await answers.
func (c *Core) Flying() int { return c.flying }

// NextWake is when Step should be called if nothing happens before; zero for
// never.
func (c *Core) NextWake() time.Time {
	at := c.alarms.next()
	if due := c.lingering.next(); !due.IsZero() && (at.IsZero() || due.Before(at)) {
		at = due
	}
	return at
}

// Resolved reports whether every batch has its outcome.
func (c *Core) Resolved() bool {
	for _, p := range c.partitions {
		if p != nil && (len(p.batches) > 0 || !c.source.Look(p.id).Empty()) {
			return false
		}
	}
	return true
}

func (c *Core) do(e Effect) { c.out = append(c.out, e) }
