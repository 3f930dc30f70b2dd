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
	last   atomic.Pointer[turns] // that was used last: most producers have one topic
	topics sync.Map              // name → *turns
}

// turns counts a topic's records.
type turns struct {
	topic string
	taken atomic.Uint32
}

// Partition implements [Partitioner].
func (rr *RoundRobin) Partition(_ Record, t Topic) (int32, error) {
	own := rr.last.Load()
	if name := t.Name(); own == nil || own.topic != name {
		found, ok := rr.topics.Load(name)
		if !ok {
			found, _ = rr.topics.LoadOrStore(name, &turns{topic: name})
		}
		own = found.(*turns)
		rr.last.Store(own)
	}
	// The sign bit goes because Java's counter turns negative after 2^31 records
	// and then counts from 0 again.
	n := int(own.taken.Add(1)-1) & 0x7fffffff
	if available := t.Available(); len(available) > 0 {
		return available[n%len(available)], nil
	}
	return int32(n % t.NumPartitions()), nil
}
