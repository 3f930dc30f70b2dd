package sender

import (
	"fmt"
	"math"
	"time"

	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/producerid"
)

// PartitionState is what keeps a partition from sending, or does not.
type PartitionState uint8

// The states of a partition.
const (
	Idle       PartitionState = iota // nothing to send
	Sending                          // batches go out as the window allows
	Muted                            // one batch, retried or an id's first, until acknowledged
	Leaderless                       // nobody to send to
	Draining                         // lost count: numbered batches settle, then the epoch is raised
)

func (s PartitionState) String() string {
	names := [...]string{"Idle", "Sending", "Muted", "Leaderless", "Draining"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("PartitionState(%d)", uint8(s))
}

// maxSequenced is how many batches of a producer a broker remembers for each
// partition, and so how many may be in flight. Source: ProducerStateEntry.
const maxSequenced = 5

// partition is what Core knows of one partition.
type partition struct {
	id     batch.PartitionID
	topic  string
	index  int32
	leader int32 // node it is sent to, metadata.NoLeader if none is known
	epoch  int32 // leader epoch

	// batches were taken from the source and are not resolved, oldest first.
	// Sequences rise along it. A batch that is retried keeps its place.
	batches  []*batch.Batch
	inFlight int
	flying   int32 // node that the batches in flight went to
	retrying int   // Ready batches that carry a sequence: sent before, unsettled
	taken    int64 // batches taken so far
	resolved int64 // batches resolved so far

	sequences producerid.Sequences
	lost      bool  // a numbered batch was given up: count is lost until settled
	lostOrder int64 // ... and a success of a batch behind this one finds it again
	nextOrder int64

	joined   int64     // number of the transaction that it was added to last
	joining  int64     // ... and is waiting to be added to
	ledSince time.Time // when the leader was learnt, if it was not the first
	early    int       // times in a row that it said it is none
	flushTo  int64     // batches below this number do not linger
	urgent   bool      // what it was listed for waits for no answer
	unproven bool      // its new leader has acknowledged nothing yet
	detours  bool      // goes over its leader's second connection
	listed   *node     // in whose ready list it counts; nil for none
	retryAt  time.Time // of the retry alarm that is set
	lingers  bool      // is in the lingering queue
	hasAlarm bool      // an expiry alarm is set
	active   bool      // has unresolved batches
}

// A node may be told by others that it leads a partition before it knows. It
// learns of it within milliseconds, so it is asked again soon, for a while.
const (
	newLeader = time.Second
	soonAgain = 10 * time.Millisecond
	noSooner  = time.Duration(math.MaxInt64)
)

// tooEarly is how long to wait when the leader says that it is none.
func (p *partition) tooEarly(now time.Time) time.Duration {
	if p.ledSince.IsZero() || now.Sub(p.ledSince) >= newLeader {
		return noSooner
	}
	p.early++
	return soonAgain << min(p.early-1, 10)
}

// State names what the partition is doing, for logs and tests.
func (p *partition) State() PartitionState {
	switch {
	case p.lost:
		return Draining
	case !p.active:
		return Idle
	case p.leader == metadata.NoLeader:
		return Leaderless
	case p.retrying > 0,
		p.inFlight > 0 && p.sequences.ID != producerid.NoID && !p.sequences.Known:
		return Muted
	}
	return Sending
}

// partition finds a partition, or meets it for the first time.
func (c *Core) partition(id batch.PartitionID) *partition {
	for int(id) >= len(c.partitions) {
		c.partitions = append(c.partitions, nil)
	}
	p := c.partitions[id]
	if p == nil {
		topic, index := c.names.Describe(id)
		p = &partition{id: id, topic: topic, index: index, lostOrder: -1}
		p.leader, p.epoch = c.snapshot.Leader(topic, index)
		p.sequences.ID = producerid.NoID
		c.partitions[id] = p
	}
	return p
}

// numbered reports whether a batch that carries a sequence is unsettled.
func (p *partition) numbered() bool { return p.inFlight > 0 || p.retrying > 0 }

// sequenced is how many batches carry a number, from the first that is not
// resolved on. Those behind it that are acknowledged already count, too: a
// broker that has taken five more does not know the first one again, and would
// call its retry out of order.
func (p *partition) sequenced() int {
	n := 0
	for n < len(p.batches) && p.batches[n].Sequenced() {
		n++
	}
	return n
}

// nextReady is the first batch that waits to be sent (again), unless one
// before it is still being compressed. While batches are retried only those
// that carry a number count.
func (p *partition) nextReady() *batch.Batch {
	for _, b := range p.batches {
		switch {
		case b.Settled || b.State() == batch.InFlight:
		case b.State() == batch.Closed:
			return nil
		case p.retrying == 0 || b.Sequenced():
			return b
		}
	}
	return nil
}

// sealing reports whether a batch is being compressed.
func (p *partition) sealing() bool {
	for _, b := range p.batches {
		if b.State() == batch.Closed {
			return true
		}
	}
	return false
}

// oldest is when the first batch was opened whose outcome is not known; zero if
// there is none.
func (p *partition) oldest() time.Time {
	for _, b := range p.batches {
		if !b.Settled {
			return b.Created
		}
	}
	return time.Time{}
}

// activate notes that the partition has unresolved batches, the oldest of those
// that can expire opened at oldest; zero for none.
func (c *Core) activate(p *partition, oldest time.Time) {
	if !p.active {
		p.active = true
		c.active++
	}
	if !p.hasAlarm && !oldest.IsZero() {
		p.hasAlarm = true
		c.alarms.set(alarm{at: oldest.Add(c.settings.DeliveryTimeout), kind: expiry, p: p})
	}
}

func (c *Core) deactivate(p *partition) {
	if p.active {
		p.active = false
		c.active--
	}
}

// dropFirst is list without its first element. A short list moves down, so that
// one that is emptied and filled all the time keeps its memory.
func dropFirst[T any](list []*T) []*T {
	if len(list) > 16 {
		list[0] = nil
		return list[1:]
	}
	n := copy(list, list[1:])
	list[n] = nil
	return list[:n]
}
