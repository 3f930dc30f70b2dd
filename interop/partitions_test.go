package interop

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/java"
	"github.com/posthaste-go/posthaste/interop/record"
	"github.com/posthaste-go/posthaste/partitioner"
)

// keys are n keys of all kinds: words, numbers, random bytes of all lengths up
// to 64, the empty key, and bytes above 0x7f, where a hash that takes them for
// signed goes wrong.
func keys(n int) [][]byte {
	random := rand.New(rand.NewPCG(7, 11))
	all := [][]byte{{}, {0x00}, {0x80}, {0xff}, {0xff, 0xff, 0xff, 0xff}}
	for i := len(all); i < n; i++ {
		switch i % 4 {
		case 0:
			all = append(all, fmt.Appendf(nil, "customer-%d", i))
		case 1:
			all = append(all, fmt.Appendf(nil, "%d", random.Uint64()))
		default:
			key := make([]byte, random.IntN(65))
			for j := range key {
				key[j] = byte(random.Uint32())
			}
			all = append(all, key)
		}
	}
	return all
}

func TestPartitionsOfTenThousandKeysEqualJavas(t *testing.T) {
	oracle := java.Driver(t)
	all := keys(10_000)
	for _, count := range []int{1, 2, 3, 7, 12, 50, 128, 1000} {
		t.Run(fmt.Sprintf("%d partitions", count), func(t *testing.T) {
			want, err := oracle.Partitions(t.Context(), all, count)
			if err != nil {
				t.Fatal(err)
			}
			for i, key := range all {
				if got := partitioner.ForKey(key, count); got != want[i] {
					t.Errorf("ForKey(%q, %d) = %d, Java says %d", key, count, got, want[i])
				}
			}
		})
	}
}

// testKeyed lets a writer choose the partitions of keyed records and holds the
// choice, as a reader of another kind finds it, against Java's.
func testKeyed(t *testing.T, tg target, w writer) {
	const count = 7
	all := keys(10_000)
	want, err := java.Driver(t).Partitions(t.Context(), all, count)
	if err != nil {
		t.Fatal(err)
	}
	topic := "keyed-" + w.name
	tg.createTopic(t, topic, count)
	records := make([]record.Record, len(all))
	for i, key := range all {
		records[i] = record.Record{Topic: topic, Partition: record.AnyPartition, Key: key,
			Value: fmt.Append(nil, i), Timestamp: record.Base}
	}
	config := map[string]string{"acks": "all", "linger.ms": "5"}
	outcomes := write(t, tg, w, config, records)
	for i, o := range outcomes {
		if o.Error != "" {
			t.Fatalf("record %d: %s", i, o.Error)
		}
		records[i].Partition, records[i].Offset = want[i], -1
	}
	for _, r := range readers {
		if r.name == "librdkafka" || r.name == "Java" {
			t.Run("read by "+r.name, func(t *testing.T) {
				readBy(t, tg, r, driver.Consume{Topic: topic}, records)
			})
		}
	}
}

// testDialects lets librdkafka choose partitions by each of its own
// partitioners, and holds package partitioner against what it did. Keys for
// which librdkafka rolls dice are left out.
func testDialects(t *testing.T, tg target) {
	const count = 7
	for _, dialect := range []partitioner.Dialect{
		partitioner.LibrdkafkaConsistent, partitioner.LibrdkafkaConsistentRandom,
		partitioner.LibrdkafkaMurmur2, partitioner.LibrdkafkaMurmur2Random,
		partitioner.LibrdkafkaFNV1a, partitioner.LibrdkafkaFNV1aRandom,
	} {
		t.Run(dialect.String(), func(t *testing.T) {
			topic := "dialect-" + dialect.String()
			tg.createTopic(t, topic, count)
			var records []record.Record
			var want []int32
			for _, key := range keys(1000) {
				if p, ok := dialect.ForKey(key, count); ok {
					records = append(records, record.Record{Topic: topic,
						Partition: record.AnyPartition, Key: key, Value: key})
					want = append(want, p)
				}
			}
			config := map[string]string{"partitioner": dialect.String()}
			for i, o := range write(t, tg, librdkafkaWriter, config, records) {
				if o.Error != "" || o.Partition != want[i] {
					t.Errorf("key %q went to %+v, want partition %d", records[i].Key, o, want[i])
				}
			}
		})
	}
}
