package accumulator

import (
	"slices"
	"sync"
	"testing"

	"github.com/posthaste-go/posthaste/internal/wire"
)

// turns is the partitions that unkeyed records of size bytes went to, each with how
// many in a row.
func (b *bench) turns(records, size int) (partitions []int32, runs []int) {
	for range records {
		p := b.add(Automatic, size).Outcome.Partition
		if n := len(partitions); n == 0 || partitions[n-1] != p {
			partitions, runs = append(partitions, p), append(runs, 0)
		}
		runs[len(runs)-1]++
	}
	return partitions, runs
}

// 84, 86, 87: unkeyed records stick to a partition until batch.size bytes are there
// and its batch is complete, so that batches are full ones.
func TestStickyMakesFullBatches(t *testing.T) {
	b := newBench(t, 50, 1<<30, nil)
	partitions, runs := b.turns(5000, 60)
	for i, n := range runs[:len(runs)-1] {
		if n < 26 { // two batches: one is some bytes short of batch.size
			t.Errorf("turn %d has %d records of some 67 bytes, want two batches of 1000", i, n)
		}
	}
	if len(partitions) < 150 {
		t.Errorf("%d turns", len(partitions))
	}
	small := 0
	for id := range b.topic.view.Load().partitions {
		for _, x := range b.drain(b.topic.view.Load().partitions[id].ID) {
			if x.Size() < 500 {
				small++
			}
		}
	}
	if small > 50 { // the open ones at the end
		t.Errorf("%d batches are less than half full", small)
	}
}

// 86: batches that leave early, because nothing lingers: the switch comes at
// batch.size all the same, and at the latest at twice that.
func TestStickyCountsBytesAcrossBatches(t *testing.T) {
	b := newBench(t, 50, 1<<30, nil)
	var partitions []int32
	var runs []int
	for range 2000 {
		p := b.add(Automatic, 60).Outcome.Partition
		if n := len(partitions); n == 0 || partitions[n-1] != p {
			partitions, runs = append(partitions, p), append(runs, 0)
		}
		runs[len(runs)-1]++
		id, _ := b.topic.ID(p)
		b.Take(id, true)
	}
	for i, n := range runs[:len(runs)-1] {
		if bytes := n * (60 + 7); bytes < 1000 || bytes > 2200*2 {
			t.Errorf("turn %d has %d records", i, n)
		}
	}
}

// 85: one partition is drawn again and again.
func TestStickyWithOnePartition(t *testing.T) {
	b := newBench(t, 1, 1<<30, nil)
	if _, runs := b.turns(1000, 60); len(runs) != 1 {
		t.Errorf("%d turns", len(runs))
	}
}

// 88: records that fill a batch each are spread.
func TestStickyWithBigRecords(t *testing.T) {
	b := newBench(t, 10, 1<<30, nil)
	count := map[int32]int{}
	for range 1000 {
		count[b.add(Automatic, 1500).Outcome.Partition]++
	}
	for p := range int32(10) {
		if count[p] < 50 || count[p] > 150 {
			t.Errorf("partition %d has %d of 1000 records", p, count[p])
		}
	}
}

// 89: partitions without leader get none; if none has one, any may.
func TestStickyAvoidsPartitionsWithoutLeader(t *testing.T) {
	b := newBench(t, 4, 1<<30, nil)
	b.lead(1, -1, -1, 1)
	partitions, _ := b.turns(1000, 200)
	if slices.Contains(partitions, 1) || slices.Contains(partitions, 2) {
		t.Errorf("turns %v", partitions)
	}
	if got := b.topic.Snapshot().Available(); !slices.Equal(got, []int32{0, 3}) {
		t.Errorf("available %v", got)
	}
	b.lead(-1, -1, -1, -1)
	if partitions, _ = b.turns(200, 200); len(partitions) < 10 {
		t.Errorf("turns %v", partitions)
	}
	if node, ok := b.topic.Snapshot().Leader(1); ok || node >= 0 {
		t.Errorf("leader %d, %v", node, ok)
	}
	if _, ok := b.topic.Snapshot().Leader(9); ok {
		t.Error("a partition that is not there has a leader")
	}
}

// 91, 93, 96: with the adaptive choice a partition whose batches are not taken gets
// few more; a blocked node's partitions get none.
func TestAdaptiveChoice(t *testing.T) {
	b := newBench(t, 2, 1<<30, func(s *Settings) { s.Adaptive = true })
	b.lead(1, 2)
	count := map[int32]int{}
	for range 3000 {
		p := b.add(Automatic, 990).Outcome.Partition
		count[p]++
		if p == 0 { // partition 1 is never emptied
			id, _ := b.topic.ID(0)
			if x := b.Take(id, true); x != nil {
				b.Sent(x, 1)
			}
		}
		b.topic.table.Store(nil) // as if time had passed
	}
	if count[1] > 100 || count[0] < 2900 {
		t.Errorf("records: %v, want nearly all in the partition that is emptied", count)
	}
	b.SetPartitions(b.topic, Leaders{Nodes: []int32{1, 2}, Blocked: map[int32]bool{1: true}})
	b.topic.sticky[0].Store(1)
	if partitions, _ := b.turns(100, 1500); slices.Contains(partitions, 0) {
		t.Errorf("turns %v, though node 1 is blocked", partitions)
	}
}

// 98: partitions led in the client's rack are preferred.
func TestRackAwareChoice(t *testing.T) {
	b := newBench(t, 4, 1<<30, nil)
	b.SetPartitions(b.topic, Leaders{Nodes: []int32{1, 2, 3, 2}, Near: map[int32]bool{2: true}})
	b.topic.sticky[0].Store(1)
	partitions, _ := b.turns(200, 1500)
	if slices.Contains(partitions, 0) || slices.Contains(partitions, 2) {
		t.Errorf("turns %v", partitions)
	}
	b.SetPartitions(b.topic, Leaders{Nodes: []int32{1, 2, 3, 2}, Near: map[int32]bool{9: true}})
	if partitions, _ := b.turns(500, 1500); len(partitions) < 100 ||
		!slices.Contains(partitions, 0) || !slices.Contains(partitions, 2) {
		t.Errorf("turns %v, want all partitions: none is near", partitions)
	}
}

// 97: many senders: each record is counted where it went, so that turns are neither
// short nor long, also where senders that get in each other's way part.
func TestStickyWithManySenders(t *testing.T) {
	for _, lanes := range []int{1, 2, maxLanes} {
		b := newBench(t, 20, 1<<30, func(s *Settings) { s.Lanes = lanes })
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 2500 {
					b.add(Automatic, 60)
				}
			})
		}
		wg.Wait()
		batches, records := 0, int32(0)
		for _, p := range b.topic.view.Load().partitions {
			for _, x := range b.drain(p.ID) {
				batches++
				records += x.Count()
				if x.Size() > 1000+wire.BatchHeaderSize {
					t.Errorf("%d lanes: a batch of %d bytes", lanes, x.Size())
				}
			}
		}
		if records != 10_000 || batches > 1000 {
			t.Errorf("%d lanes: %d records in %d batches, want 10000 in some 715", lanes, records, batches)
		}
	}
}

// A sender that finds the sticky partition locked uses that of the next lane, which
// is another; one that never does has one sticky partition.
func TestLanes(t *testing.T) {
	b := newBench(t, 1000, 1<<30, func(s *Settings) { s.Lanes = 2 }) // so that two draws differ
	first := b.add(Automatic, 60).Outcome.Partition
	locked := b.topic.view.Load().partitions[first]
	locked.mu.Lock()
	var aside []int32
	for range 3 {
		aside = append(aside, b.add(Automatic, 60).Outcome.Partition)
	}
	locked.mu.Unlock()
	if aside[0] == first || aside[1] != aside[0] || aside[2] != aside[0] {
		t.Errorf("the first lane is partition %d; with that locked, records went to %v", first, aside)
	}
	if again := b.add(Automatic, 60).Outcome.Partition; again != first {
		t.Errorf("then to %d, want %d: the turn is not over", again, first)
	}
}

// The second lane's partition loses its leader.
func TestLanesFollowLeaders(t *testing.T) {
	b := newBench(t, 1000, 1<<30, func(s *Settings) { s.Lanes = 2 })
	first := b.add(Automatic, 60).Outcome.Partition
	locked := b.topic.view.Load().partitions[first]
	locked.mu.Lock()
	defer locked.mu.Unlock()
	second := b.add(Automatic, 60).Outcome.Partition
	nodes := slices.Repeat([]int32{1}, 1000)
	nodes[second] = -1
	b.SetPartitions(b.topic, Leaders{Nodes: nodes})
	if third := b.add(Automatic, 60).Outcome.Partition; third == first || third == second {
		t.Errorf("a record went to %d; %d is locked and %d has no leader", third, first, second)
	}
}
