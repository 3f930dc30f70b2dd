package partitioner

import (
	"sync"
	"sync/atomic"
)

// RoundRobin uses the partitions of a topic in turn and ignores keys.
// Partitions without a leader are skipped, unless all are without one. Turns are
// counted for each topic; concurrent senders share them.
//
// The zero value is ready for use, also concurrently.
//
// Source: org.apache.kafka.clients.producer.RoundRobinPartitioner.
type RoundRobin struct {
	turns sync.Map // topic → *atomic.Uint32
}

// Partition implements [Partitioner].
func (rr *RoundRobin) Partition(_ Record, t Topic) (int32, error) {
	turn, ok := rr.turns.Load(t.Name())
	if !ok {
		turn, _ = rr.turns.LoadOrStore(t.Name(), new(atomic.Uint32))
	}
	// The sign bit goes because Java's counter turns negative after 2^31 records
	// and then counts from 0 again.
	n := int(turn.(*atomic.Uint32).Add(1)-1) & 0x7fffffff
	if available := t.Available(); len(available) > 0 {
		return available[n%len(available)], nil
	}
	return int32(n % t.NumPartitions()), nil
}
