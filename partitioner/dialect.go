package partitioner

import "hash/crc32"

// Dialect is how one client library maps key bytes to a partition. Equal keys
// meet in one partition only if every producer of the topic uses the same
// dialect and sees the same number of partitions.
//
// Dialects differ in the hash and in what becomes of records with a null or an
// empty key; where a client is free to choose, it spreads such records.
type Dialect uint8

// The names given by String, which [ByName] takes, follow on the right.
const (
	Java                       Dialect = iota // java: murmur2; empty keys are hashed
	LibrdkafkaRandom                          // random: keys do not matter
	LibrdkafkaConsistent                      // consistent: CRC-32; null counts as empty
	LibrdkafkaConsistentRandom                // consistent_random: CRC-32, empty keys spread
	LibrdkafkaMurmur2                         // murmur2: null counts as empty
	LibrdkafkaMurmur2Random                   // murmur2_random: equal to Java's
	LibrdkafkaFNV1a                           // fnv1a: null counts as empty
	LibrdkafkaFNV1aRandom                     // fnv1a_random: empty keys are hashed
	SaramaHash                                // sarama-hash: FNV-1a, absolute value last
	SaramaReferenceHash                       // sarama-reference-hash: FNV-1a, sign bit cleared
	SaramaCRC                                 // sarama-crc: CRC-32; empty keys are hashed
	KafkaGoHash                               // kafka-go-hash: as sarama-hash, null keys in turn
	dialectCount
)

// freedom says which records a client spreads as it likes.
type freedom uint8

const (
	hashesAll      freedom = iota // null hashes like empty
	spreadsNull                   // empty is a key like any other
	spreadsEmpty                  // neither null nor empty is a key
	spreadsAll                    // keys do not matter
	spreadsInTurns                // as spreadsNull, but one partition after the other
)

type dialectRow struct {
	name    string
	clients string
	place   func(key []byte, n uint32) uint32
	free    freedom
}

var dialects = [dialectCount]dialectRow{
	Java: {
		"java", "Java, franz-go, kafka-python (default)",
		placeMurmur2, spreadsNull,
	},
	LibrdkafkaRandom: {
		"random", "librdkafka with partitioner=random",
		nil, spreadsAll,
	},
	LibrdkafkaConsistent: {
		"consistent", "librdkafka with partitioner=consistent; kafka-go CRC32Balancer{Consistent: true}",
		placeCRC32, hashesAll,
	},
	LibrdkafkaConsistentRandom: {
		"consistent_random", "librdkafka (default) and what is built on it; kafka-go CRC32Balancer",
		placeCRC32, spreadsEmpty,
	},
	LibrdkafkaMurmur2: {
		"murmur2", "librdkafka with partitioner=murmur2; kafka-go Murmur2Balancer{Consistent: true}",
		placeMurmur2, hashesAll,
	},
	LibrdkafkaMurmur2Random: {
		"murmur2_random", "librdkafka with partitioner=murmur2_random; sarama NewMurmur2Partitioner; " +
			"kafka-go Murmur2Balancer",
		placeMurmur2, spreadsNull,
	},
	LibrdkafkaFNV1a: {
		"fnv1a", "librdkafka with partitioner=fnv1a",
		placeFNV1a, hashesAll,
	},
	LibrdkafkaFNV1aRandom: {
		"fnv1a_random", "librdkafka with partitioner=fnv1a_random",
		placeFNV1a, spreadsNull,
	},
	SaramaHash: {
		"sarama-hash", "sarama NewHashPartitioner (default)",
		placeFNV1a, spreadsNull,
	},
	SaramaReferenceHash: {
		"sarama-reference-hash", "sarama NewReferenceHashPartitioner; kafka-go ReferenceHash",
		placeFNV1aReference, spreadsNull,
	},
	SaramaCRC: {
		"sarama-crc", "sarama NewConsistentCRCHashPartitioner",
		placeCRC32, spreadsNull,
	},
	KafkaGoHash: {
		"kafka-go-hash", "kafka-go Hash",
		placeFNV1a, spreadsInTurns,
	},
}

// String is the dialect's name, as [ByName] takes it.
func (d Dialect) String() string {
	if d >= dialectCount {
		return "unknown dialect"
	}
	return dialects[d].name
}

// Clients names the libraries, with the setting or constructor, that behave
// like d. It is text for people.
func (d Dialect) Clients() string {
	if d >= dialectCount {
		return ""
	}
	return dialects[d].clients
}

// ForKey is the partition of key among n > 0 partitions. ok is false if the
// dialect lets the client choose any partition for such a key; null is nil. It
// panics if d is none of the constants.
func (d Dialect) ForKey(key []byte, n int) (partition int32, ok bool) {
	row := &dialects[d]
	switch row.free {
	case spreadsAll:
		return 0, false
	case spreadsEmpty:
		if len(key) == 0 {
			return 0, false
		}
	case spreadsNull, spreadsInTurns:
		if key == nil {
			return 0, false
		}
	case hashesAll:
	}
	return int32(row.place(key, uint32(n))), true
}

// placeMurmur2 clears the hash's sign bit, as Java does.
func placeMurmur2(key []byte, n uint32) uint32 {
	return uint32(Murmur2(key)) & 0x7fffffff % n
}

// placeCRC32 takes the hash as the unsigned number it is.
func placeCRC32(key []byte, n uint32) uint32 {
	return crc32.ChecksumIEEE(key) % n
}

// placeFNV1a takes the hash as a signed number, then the absolute value of the
// remainder. librdkafka takes the absolute value first, which gives the same.
func placeFNV1a(key []byte, n uint32) uint32 {
	h := fnv1a(key)
	if int32(h) < 0 {
		h = -h // of -1<<31 too: 1<<31 is its absolute value, unsigned
	}
	return h % n
}

// placeFNV1aReference clears the hash's sign bit, as Java does with murmur2.
func placeFNV1aReference(key []byte, n uint32) uint32 {
	return fnv1a(key) & 0x7fffffff % n
}

// fnv1a is hash/fnv's New32a without the hash object.
func fnv1a(b []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range b {
		h = (h ^ uint32(c)) * 16777619
	}
	return h
}
