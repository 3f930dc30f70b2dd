package partitioner_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/posthaste-go/posthaste/partitioner"
)

// halfForOne gives one customer, who causes half of all records, the upper half
// of the partitions, in turn, and everybody else a partition of the lower half
// by the hash of the key. One hot key then no longer fills one partition; its
// records have no order among themselves.
type halfForOne struct {
	special string
	turn    atomic.Uint32
}

func (h *halfForOne) Partition(r partitioner.Record, t partitioner.Topic) (int32, error) {
	if r.KeyBytes == nil {
		return 0, errors.New("every order needs a customer as its key")
	}
	all := t.NumPartitions()
	if all < 2 {
		return 0, fmt.Errorf("topic %s has %d partition, at least 2 are needed", t.Name(), all)
	}
	lower := all / 2
	if string(r.KeyBytes) == h.special {
		upper := uint32(all - lower)
		return int32(lower) + int32((h.turn.Add(1)-1)%upper), nil
	}
	return partitioner.ForKey(r.KeyBytes, lower), nil
}

// One special key gets half of the partitions.
func ExamplePartitioner_specialKey() {
	p := &halfForOne{special: "Banana"}
	orders := partitioner.NewTopic("orders", 1, 2, 3, 1, 2, 3, 1, 2) // 8 partitions on 3 nodes

	counts := make([]int, orders.NumPartitions())
	for i := range 800 {
		key := "Banana"
		if i%2 == 1 {
			key = fmt.Sprintf("customer-%d", i)
		}
		partition, err := p.Partition(partitioner.Record{Topic: "orders", KeyBytes: []byte(key)}, orders)
		if err != nil {
			fmt.Println(err)
			return
		}
		counts[partition]++
	}
	fmt.Println("others:", counts[:4])
	fmt.Println("Banana:", counts[4:])
	// Output:
	// others: [98 107 92 103]
	// Banana: [100 100 100 100]
}

// vipFirst keeps partitions 0 to vip-1 for customers whose key starts with
// "vip-" and the rest for all others, so that a consumer with more resources can
// be assigned the first ones. A customer's records stay in one partition and so
// in order.
type vipFirst struct{ vip int }

func (v vipFirst) Partition(r partitioner.Record, t partitioner.Topic) (int32, error) {
	rest := t.NumPartitions() - v.vip
	if rest < 1 {
		return 0, fmt.Errorf("topic %s has %d partitions, more than %d are needed",
			t.Name(), t.NumPartitions(), v.vip)
	}
	// The key as it was before serialization: any type the producer was given.
	if customer, ok := r.Key.(string); ok && strings.HasPrefix(customer, "vip-") {
		return partitioner.ForKey(r.KeyBytes, v.vip), nil
	}
	return int32(v.vip) + partitioner.ForKey(r.KeyBytes, rest), nil
}

// VIP customers get four partitions and the others two.
func ExamplePartitioner_vipCustomers() {
	p := vipFirst{vip: 4}
	orders := partitioner.NewTopic("orders", 1, 2, 3, 1, 2, 3) // 6 partitions on 3 nodes

	counts := make([]int, orders.NumPartitions())
	for i := range 1200 {
		customer := fmt.Sprintf("customer-%d", i)
		if i%2 == 0 {
			customer = "vip-" + customer
		}
		r := partitioner.Record{Topic: "orders", Key: customer, KeyBytes: []byte(customer)}
		partition, err := p.Partition(r, orders)
		if err != nil {
			fmt.Println(err)
			return
		}
		counts[partition]++
	}
	fmt.Println("VIPs:  ", counts[:4])
	fmt.Println("others:", counts[4:])
	// Output:
	// VIPs:   [134 163 161 142]
	// others: [293 307]
}

// A service written with librdkafka already writes to the topic; with its
// dialect equal keys meet in one partition.
func ExampleKeyed() {
	p := &partitioner.Keyed{Dialect: partitioner.LibrdkafkaConsistentRandom}
	orders := partitioner.NewTopic("orders", 1, 2, 3)
	partition, err := p.Partition(partitioner.Record{KeyBytes: []byte("customer-17")}, orders)
	fmt.Println(partition, err)
	// Output: 2 <nil>
}

// Where does a key land under each client? Clients that disagree must not write
// to the same topic if the order per key matters.
func ExampleExplain() {
	for _, p := range partitioner.Explain([]byte("customer-17"), 12) {
		if p.Partition == partitioner.Any {
			fmt.Printf("%-21s any\n", p.Dialect)
			continue
		}
		fmt.Printf("%-21s %3d\n", p.Dialect, p.Partition)
	}
	// Output:
	// java                    4
	// random                any
	// consistent             11
	// consistent_random      11
	// murmur2                 4
	// murmur2_random          4
	// fnv1a                   8
	// fnv1a_random            8
	// sarama-hash             8
	// sarama-reference-hash   0
	// sarama-crc             11
	// kafka-go-hash           8
}
