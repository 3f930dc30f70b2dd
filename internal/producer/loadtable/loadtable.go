// Package loadtable decides which partition the next records without a key go
// to: adaptive uniform sticky partitioning (KIP-794) as a handful of pure types.
//
//	Table    draws a partition; the longer its queue of batches, the less often
//	Sticky   says when enough bytes went to the drawn partition
//	Latency  says whether a node has been unable to take ready data for too long
//
// The accumulator owns them: it fills a Table from its queues when something
// changed, draws from it when a Sticky is used up, and keeps a Latency for each
// node. Nothing here locks, allocates on the way of a record, reads a clock or
// draws random numbers.
//
// Source: org.apache.kafka.clients.producer.internals.BuiltInPartitioner; racks
// are KIP-1123.
package loadtable

import (
	"math"
	"sort"
)

// Load is one partition as it stands when a Table is built.
type Load struct {
	Partition int32
	Queued    int  // batches that wait for the partition; 0 if adaptive mode is off
	Leader    bool // the partition has a leader
	Slow      bool // its node is to be avoided for now, see Latency
	InRack    bool // rack-aware mode is on and the leader is in the client's rack
}

// Table maps random numbers to the partitions of one topic. A partition is
// drawn in proportion to (longest queue + 1 − its own queue), the queues being
// those of the partitions that may be drawn, which are the first of these that
// exist:
//
//  1. with a leader in the client's rack, on a node that is not slow
//  2. with a leader, on a node that is not slow
//  3. with a leader in the client's rack
//  4. with a leader
//  5. all
//
// From the third on every partition weighs the same: all nodes are slow or gone,
// so the queues say nothing about who will be first to recover.
//
// Ownership: a Table is built by one goroutine and may then be read by any
// number; it must not be built again while others read. An owner that rebuilds
// keeps two and swaps.
type Table struct {
	partitions []int32
	// cumulative[i] is the sum of the weights of partitions[0..i]: the first
	// entry above a number in [0, total) is the one drawn. Empty if all weigh
	// the same.
	cumulative []uint32
}

// Build fills t from the loads of all partitions of a topic, at least one. It
// reuses t's memory and does not keep loads.
func (t *Table) Build(loads []Load) {
	t.partitions, t.cumulative = t.partitions[:0], t.cumulative[:0]
	rule := ruleFor(loads)
	for i := range loads {
		if l := &loads[i]; rule.admits(l) {
			t.partitions = append(t.partitions, l.Partition)
			t.cumulative = append(t.cumulative, uint32(min(l.Queued, math.MaxInt32)))
		}
	}
	if rule > notSlow || !fold(t.cumulative) {
		t.cumulative = t.cumulative[:0]
	}
}

// fold turns queue lengths into cumulative weights in place. It reports false,
// having changed nothing, if all queues are equal.
func fold(queued []uint32) bool {
	longest, equal := queued[0], true
	for _, q := range queued {
		equal = equal && q == queued[0]
		longest = max(longest, q)
	}
	if equal {
		return false
	}
	total := uint64(0)
	for _, q := range queued {
		total += uint64(longest - q + 1)
	}
	// Shorter weights keep the sum within 31 bits; no real queues need it.
	shift := 0
	for total>>shift+uint64(len(queued)) > math.MaxInt32 {
		shift++
	}
	sum := uint32(0)
	for i, q := range queued {
		sum += max(1, (longest-q+1)>>shift)
		queued[i] = sum
	}
	return true
}

// Choose returns the partition for 32 random bits, of which it uses the lower
// 31, as Java does. The numbers from 0 to [Table.Total]-1 draw each partition
// exactly as often as its weight. It must not be called before Build.
func (t *Table) Choose(random uint32) int32 {
	n := int(random&math.MaxInt32) % t.Total()
	if len(t.cumulative) == 0 {
		return t.partitions[n]
	}
	i := sort.Search(len(t.cumulative), func(i int) bool { return int(t.cumulative[i]) > n })
	return t.partitions[i]
}

// Total is the sum of all weights.
func (t *Table) Total() int {
	if len(t.cumulative) == 0 {
		return len(t.partitions)
	}
	return int(t.cumulative[len(t.cumulative)-1])
}

// rule says which partitions may be drawn; see Table for the order.
type rule uint8

const (
	notSlowInRack rule = iota
	notSlow
	ledInRack
	led
	everyone
)

func (r rule) admits(l *Load) bool {
	switch r {
	case notSlowInRack:
		return l.Leader && !l.Slow && l.InRack
	case notSlow:
		return l.Leader && !l.Slow
	case ledInRack:
		return l.Leader && l.InRack
	case led:
		return l.Leader
	default:
		return true
	}
}

// ruleFor is the first rule that admits any of loads.
func ruleFor(loads []Load) rule {
	for r := range everyone {
		for i := range loads {
			if r.admits(&loads[i]) {
				return r
			}
		}
	}
	return everyone
}
