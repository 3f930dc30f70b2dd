package partitioner

import (
	"slices"
	"sync"
	"sync/atomic"
)

// UniformSticky keeps to one available partition of a topic until Bytes bytes
// of keys and values went there, then goes on with another one, drawn at
// random. Keys are ignored, so every partition gets about the same.
//
// Kafka had a class of this name (KIP-480) until 4.0. Its successor is the
// producer's built-in choice with partitioner.ignore.keys=true, which also knows
// where batches end and which brokers are slow; a producer may use that instead
// when it is given a UniformSticky.
//
// Set the fields before the first use; then it is safe for concurrent use.
type UniformSticky struct {
	Bytes int // 0 means 16384, the default of batch.size
	// Rand returns uniformly distributed bits and is safe for concurrent use;
	// nil means math/rand/v2.
	Rand func() uint32

	current sync.Map // topic → *atomic.Uint64, see stuck
}

// stuck is the partition in use and the bytes that went there: the upper 32
// bits hold the partition plus one (0 before the first record), the lower ones
// the bytes. Both in one word, a record takes one compare-and-swap.
type stuck uint64

func stickTo(partition int32, bytes uint32) stuck {
	return stuck(uint64(partition+1)<<32 | uint64(bytes))
}

func (s stuck) partition() int32 { return int32(s>>32) - 1 }
func (s stuck) bytes() uint32    { return uint32(s) }

// Partition implements [Partitioner].
func (u *UniformSticky) Partition(r Record, t Topic) (int32, error) {
	state := u.of(t.Name())
	size := uint64(len(r.KeyBytes) + len(r.ValueBytes))
	for {
		old := stuck(state.Load())
		p, sum := old.partition(), uint64(old.bytes())+size
		if old.bytes() >= u.limit() || !usable(p, t) {
			p, sum = u.next(p, t), size
		}
		now := stickTo(p, uint32(min(sum, 1<<32-1)))
		if state.CompareAndSwap(uint64(old), uint64(now)) {
			return p, nil
		}
	}
}

// usable reports whether p has a leader, or is no worse than all others. It is
// false before the first record.
func usable(p int32, t Topic) bool {
	if _, led := t.Leader(p); led {
		return true
	}
	return len(t.Available()) == 0 && p >= 0 && int(p) < t.NumPartitions()
}

func (u *UniformSticky) limit() uint32 {
	if u.Bytes <= 0 {
		return 16384
	}
	return uint32(min(u.Bytes, 1<<32-1))
}

func (u *UniformSticky) of(topic string) *atomic.Uint64 {
	if s, ok := u.current.Load(topic); ok {
		return s.(*atomic.Uint64)
	}
	s, _ := u.current.LoadOrStore(topic, new(atomic.Uint64))
	return s.(*atomic.Uint64)
}

// next draws an available partition other than old, if there is one.
func (u *UniformSticky) next(old int32, t Topic) int32 {
	available := t.Available()
	at, found := slices.BinarySearch(available, old)
	if !found || len(available) == 1 {
		return anyPartition(t, draw(u.Rand))
	}
	i := scale(draw(u.Rand), len(available)-1)
	if i >= at {
		i++ // step over old
	}
	return available[i]
}
