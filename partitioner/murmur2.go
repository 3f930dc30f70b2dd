package partitioner

import "encoding/binary"

// Murmur2 is the hash that Kafka's Java client takes of key bytes: MurmurHash2,
// 32 bits, with the seed 0x9747b28c. A nil key hashes like an empty one.
//
// Source: org.apache.kafka.common.utils.Utils.murmur2.
func Murmur2(b []byte) int32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := uint32(seed) ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := binary.LittleEndian.Uint32(b)
		k *= m
		k ^= k >> r
		k *= m
		h *= m
		h ^= k
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(b[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return int32(h)
}

// ForKey is the partition of a key among n, as Kafka's Java client chooses it:
// the Murmur2 hash without its sign bit, modulo n. It panics if n is 0.
//
// Source: BuiltInPartitioner.partitionForKey.
func ForKey(key []byte, n int) int32 {
	return int32(uint32(Murmur2(key)&0x7fffffff) % uint32(n))
}
