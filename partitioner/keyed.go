package partitioner

import (
	"fmt"
	"math/rand/v2"
)

// Keyed places records as another client library would. Records whose key the
// dialect hashes go to the same partition as from that client; the others go to
// an available partition at random (with [KafkaGoHash]: in turn).
//
// For a fleet of Java producers no Keyed is needed: the producer's built-in
// choice hashes keys the same way and batches records without keys better.
//
// Set the fields before the first use; then Keyed is safe for concurrent use.
type Keyed struct {
	Dialect Dialect
	// Rand returns uniformly distributed bits and is safe for concurrent use;
	// nil means math/rand/v2.
	Rand func() uint32

	turns RoundRobin
}

// Partition implements [Partitioner].
func (k *Keyed) Partition(r Record, t Topic) (int32, error) {
	if k.Dialect >= dialectCount {
		return 0, fmt.Errorf("partitioner: Keyed has unknown dialect %d", k.Dialect)
	}
	if p, ok := k.Dialect.ForKey(r.KeyBytes, t.NumPartitions()); ok {
		return p, nil
	}
	if dialects[k.Dialect].free == spreadsInTurns {
		return k.turns.Partition(r, t)
	}
	return anyPartition(t, draw(k.Rand)), nil
}

// anyPartition maps random bits to an available partition, or to any if no
// partition has a leader.
func anyPartition(t Topic, bits uint32) int32 {
	if available := t.Available(); len(available) > 0 {
		return available[scale(bits, len(available))]
	}
	return int32(scale(bits, t.NumPartitions()))
}

// scale maps 32 uniform bits to [0, n) with an error below n/2^32 per value.
func scale(bits uint32, n int) int {
	return int(uint64(bits) * uint64(n) >> 32)
}

func draw(source func() uint32) uint32 {
	if source == nil {
		return rand.Uint32()
	}
	return source()
}
