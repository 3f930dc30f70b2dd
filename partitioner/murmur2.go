package partitioner

import "encoding/binary"

const murmurMultiplier = 0x5bd1e995

// Murmur2 is the hash that Kafka's Java client takes of key bytes: MurmurHash2,
// 32 bits, with the seed 0x9747b28c. A nil key hashes like an empty one.
//
// Source: org.apache.kafka.common.utils.Utils.murmur2.
func Murmur2(b []byte) int32 {
	const m = murmurMultiplier
	h := uint32(0x9747b28c) ^ uint32(len(b))
	// Four words a round: mixing the words does not wait for h, so that only a
	// multiplication and an exclusive or a word remain in sequence.
	for len(b) >= 16 {
		lo, hi := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
		h = h*m ^ murmurMix(uint32(lo))
		h = h*m ^ murmurMix(uint32(lo>>32))
		h = h*m ^ murmurMix(uint32(hi))
		h = h*m ^ murmurMix(uint32(hi>>32))
		b = b[16:]
	}
	for len(b) >= 4 {
		h = h*m ^ murmurMix(binary.LittleEndian.Uint32(b))
		b = b[4:]
	}
	switch len(b) {
	case 3:
		h = (h ^ uint32(b[2])<<16 ^ uint32(b[1])<<8 ^ uint32(b[0])) * m
	case 2:
		h = (h ^ uint32(b[1])<<8 ^ uint32(b[0])) * m
	case 1:
		h = (h ^ uint32(b[0])) * m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return int32(h)
}

func murmurMix(k uint32) uint32 {
	k *= murmurMultiplier
	k ^= k >> 24
	return k * murmurMultiplier
}

// ForKey is the partition of a key among n > 0 partitions, as Kafka's Java
// client chooses it: the [Murmur2] hash without its sign bit, modulo n.
//
// Source: BuiltInPartitioner.partitionForKey.
func ForKey(key []byte, n int) int32 {
	return int32(placeMurmur2(key, uint32(n)))
}
