package accumulator

import (
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/loadtable"
)

// ErrNoPartition means that the topic has no partition of that number.
var ErrNoPartition = errors.New("no such partition")

// Topic is one topic's partitions and the one that unkeyed records stick to.
type Topic struct {
	Name  string
	owner *Accumulator
	all   []*Partition // every partition it ever had; guarded by owner.mu

	view   atomic.Pointer[view]
	sticky [maxLanes]atomic.Int32 // index of each lane's sticky partition, -1 for none yet
	table  atomic.Pointer[weighted]
	behind atomic.Int32 // Settings.BehindSize, until a broker found that too large
}

// One sticky partition has one lock. Goroutines that find it taken use the sticky
// partition of another lane; as long as none does there is only the first.
const maxLanes = 4

// view is an immutable picture of a topic. Partitions keep their identity from
// one view to the next.
type view struct {
	name       string
	partitions []*Partition
	leaders    []int32          // node that leads each partition, -1 if none
	available  []int32          // partitions with a leader, ascending
	loads      []loadtable.Load // what the sticky choice knows, queues left out
}

// weighted is the adaptive choice's table, made anew at most once a tick.
type weighted struct {
	table loadtable.Table
	of    *view // what it was made of: one that is late must not outlive its picture
	made  time.Time
}

// tableLife bounds how old queue lengths may be that the adaptive choice uses.
const tableLife = 2 * time.Millisecond

// Topic returns the topic of that name, made if it is new. SetPartitions must
// have been called before records can be appended.
func (a *Accumulator) Topic(name string) *Topic {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.topics[name]
	if t == nil {
		t = &Topic{Name: name, owner: a}
		t.behind.Store(int32(a.settings.BehindSize))
		t.view.Store(&view{name: name})
		for i := range t.sticky {
			t.sticky[i].Store(-1)
		}
		a.topics[name] = t
	}
	return t
}

// Leaders is what the sticky choice needs to know of a topic: for each
// partition the node that leads it, or -1, and whether that node is to be
// preferred (partitioner.rack.aware) or left out (a node that does not take
// what is ready for it).
type Leaders struct {
	Nodes   []int32
	Near    map[int32]bool // nodes in the client's rack; nil if that does not matter
	Blocked map[int32]bool // nodes past partitioner.availability.timeout.ms
}

// SetPartitions tells the topic its partitions and their leaders. New
// partitions are made; a topic never loses one, for records may be on their way
// to it.
func (a *Accumulator) SetPartitions(t *Topic, l Leaders) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(l.Nodes) > len(t.all) {
		all := append([]*Partition(nil), *a.partitions.Load()...)
		t.all = append([]*Partition(nil), t.all...)
		for i := len(t.all); i < len(l.Nodes); i++ {
			p := &Partition{ID: batch.PartitionID(len(all)), Index: int32(i), topic: t}
			p.watch = watchAny
			all = append(all, p)
			t.all = append(t.all, p)
		}
		a.partitions.Store(&all)
	}
	v := &view{name: t.Name, partitions: t.all, leaders: l.Nodes}
	v.available, v.loads = choices(l)
	t.table.Store(nil)
	t.view.Store(v)
	for lane := range t.sticky {
		s := t.sticky[lane].Load()
		if s < 0 && lane == 0 || s >= 0 && (int(s) >= len(l.Nodes) || l.Nodes[s] < 0) {
			t.sticky[lane].Store(t.apart(v, lane, a.clock.Now()))
		}
	}
}

// choices lists the partitions that have a leader, and what the sticky choice
// draws from.
func choices(l Leaders) (available []int32, loads []loadtable.Load) {
	loads = make([]loadtable.Load, len(l.Nodes))
	for i, node := range l.Nodes {
		loads[i] = loadtable.Load{
			Partition: int32(i), Leader: node >= 0, Slow: l.Blocked[node], InRack: l.Near[node],
		}
		if node >= 0 {
			available = append(available, int32(i))
		}
	}
	return available, loads
}

// Forget drops what is known of a topic that was not used for long. Records
// sent to it wait until it is known again.
func (a *Accumulator) Forget(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.topics[name]; t != nil {
		t.view.Store(&view{name: name})
	}
}

// Describe is the topic and index of a partition.
func (a *Accumulator) Describe(id batch.PartitionID) (topic string, index int32) {
	p := (*a.partitions.Load())[id]
	return p.topic.Name, p.Index
}

// Compresses reports whether batches are compressed.
func (a *Accumulator) Compresses() bool { return a.settings.Compressor != nil }

// ID is the identity of partition index.
func (t *Topic) ID(index int32) (batch.PartitionID, bool) {
	v := t.view.Load()
	if uint32(index) >= uint32(len(v.partitions)) {
		return 0, false
	}
	return v.partitions[index].ID, true
}

// NumPartitions counts the partitions of the topic's newest metadata.
func (t *Topic) NumPartitions() int { return len(t.view.Load().leaders) }

// Snapshot is the topic as a partitioner sees it. It implements
// partitioner.Topic; being a pointer it costs no allocation to pass on.
func (t *Topic) Snapshot() Snapshot { return t.view.Load() }

// Snapshot is one picture of a topic.
type Snapshot = *view

// Name is the topic's name.
func (v *view) Name() string { return v.name }

// NumPartitions counts the partitions.
func (v *view) NumPartitions() int { return len(v.leaders) }

// Leader is the node that leads a partition.
func (v *view) Leader(partition int32) (int32, bool) {
	if uint32(partition) >= uint32(len(v.leaders)) {
		return -1, false
	}
	node := v.leaders[partition]
	return node, node >= 0
}

// Available lists the partitions that have a leader.
func (v *view) Available() []int32 { return v.available }

// lane is the lane that an index asks for: 0 for Automatic.
func lane(index int32) int { return int(Automatic - index) }

// pick is the partition for a record: the one asked for or a sticky one.
func (a *Accumulator) pick(t *Topic, index int32) (*Partition, error) {
	v := t.view.Load()
	if index <= Automatic {
		index = t.sticky[lane(index)].Load()
	}
	if uint32(index) >= uint32(len(v.partitions)) {
		return nil, ErrNoPartition
	}
	return v.partitions[index], nil
}

// sticks reports whether p is still what an index asks for.
func (t *Topic) sticks(p *Partition, index int32) bool {
	return index > Automatic || t.sticky[lane(index)].Load() == p.Index
}

// free locks the sticky partition of a lane behind the first that nobody else has
// locked, and tells the index to ask for it with; nil if there is none. A lane's
// partition is drawn when it is first looked at.
func (t *Topic) free(v *view) (*Partition, int32) {
	for lane := 1; lane < t.owner.settings.Lanes; lane++ {
		at := t.sticky[lane].Load()
		if at < 0 {
			t.sticky[lane].CompareAndSwap(-1, t.apart(v, lane, t.owner.clock.Now()))
			at = t.sticky[lane].Load()
		}
		if uint32(at) < uint32(len(v.partitions)) && v.partitions[at].mu.TryLock() {
			return v.partitions[at], Automatic - int32(lane)
		}
	}
	return nil, 0
}

// leave ends p's turn as sticky partition. p.mu is held.
//
// Source: BuiltInPartitioner.updatePartitionInfo.
func (t *Topic) leave(p *Partition, clock Clock) {
	p.stickyBytes = 0
	for lane := range t.sticky {
		if t.sticky[lane].Load() == p.Index {
			t.sticky[lane].CompareAndSwap(p.Index, t.apart(t.view.Load(), lane, clock.Now()))
		}
	}
}

// apart draws the next sticky partition of a lane, rather not that of another.
func (t *Topic) apart(v *view, lane int, now time.Time) int32 {
	const draws = 4
	for n := 1; ; n++ {
		next, taken := t.choose(v, now), false
		for other := range t.sticky {
			taken = taken || other != lane && t.sticky[other].Load() == next
		}
		if !taken || n == draws {
			return next
		}
	}
}

// choose draws the next sticky partition: uniformly, or with the adaptive
// choice the likelier the fewer batches wait there.
func (t *Topic) choose(v *view, now time.Time) int32 {
	if len(v.loads) == 0 {
		return -1
	}
	w := t.table.Load()
	if w == nil || w.of != v || t.owner.settings.Adaptive && now.Sub(w.made) > tableLife {
		w = &weighted{made: now, of: v}
		loads := v.loads
		if t.owner.settings.Adaptive {
			loads = append([]loadtable.Load(nil), loads...)
			for i := range loads {
				loads[i].Queued = int(v.partitions[i].queued.Load())
			}
		}
		w.table.Build(loads)
		t.table.Store(w)
	}
	if random := t.owner.settings.Rand; random != nil {
		return w.table.Choose(random())
	}
	return w.table.Choose(rand.Uint32())
}
