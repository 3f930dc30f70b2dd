package partitioner

import (
	"strings"
	"testing"
)

// dialectGolden holds what librdkafka, sarama, kafka-go and franz-go answered
// when they were run; its source field gives the versions.
type dialectGolden struct {
	PartitionCounts []int                                  `json:"partitionCounts"`
	Without         map[string]struct{ Null, Empty int32 } `json:"without"`
	Rows            []struct {
		Key     []byte `json:"key"`
		Answers []struct {
			By         []string `json:"by"`
			Partitions []int32  `json:"partitions"`
		} `json:"answers"`
	} `json:"rows"`
}

// dialectOf maps a client of the golden file to the dialect that stands for it.
func dialectOf(t testing.TB, client string) Dialect {
	t.Helper()
	switch client {
	case "sarama-murmur2", "kafka-go-murmur2", "franz-go-sticky-key":
		return Java
	case "kafka-go-murmur2-consistent":
		return LibrdkafkaMurmur2
	case "kafka-go-reference-hash":
		return SaramaReferenceHash
	case "kafka-go-crc32":
		return LibrdkafkaConsistentRandom
	case "kafka-go-crc32-consistent":
		return LibrdkafkaConsistent
	}
	p, ok := ByName(strings.TrimPrefix(client, "librdkafka "))
	if !ok {
		t.Fatalf("no dialect for client %q", client)
	}
	return p.(*Keyed).Dialect
}

func TestDialectsPlaceKeysAsTheirClientsDo(t *testing.T) {
	var golden dialectGolden
	readTestdata(t, "dialects.json", &golden)
	answers := 0
	for _, row := range golden.Rows {
		for _, answer := range row.Answers {
			for _, client := range answer.By {
				d := dialectOf(t, client)
				for i, n := range golden.PartitionCounts {
					answers++
					got, ok := d.ForKey(row.Key, n)
					if want := answer.Partitions[i]; !ok || got != want {
						t.Errorf("%v.ForKey(%q, %d) = %d, %t; %s says %d",
							d, row.Key, n, got, ok, client, want)
					}
				}
			}
		}
	}
	if want := 114 * 17 * 12; answers != want {
		t.Errorf("checked %d answers, want %d", answers, want)
	}
}

// A record without a key either has one fixed partition or is spread over all.
func TestDialectsTreatNullAndEmptyKeysAsTheirClientsDo(t *testing.T) {
	var golden dialectGolden
	readTestdata(t, "dialects.json", &golden)
	if len(golden.Without) != 18 {
		t.Fatalf("%d clients, want 18", len(golden.Without))
	}
	topic := NewTopic("t", make([]int32, 12)...)
	for client, want := range golden.Without {
		p := &Keyed{Dialect: dialectOf(t, client), Rand: countingBits()}
		if got := home(t, p, nil, topic); got != want.Null {
			t.Errorf("%s: null keys go to %d, want %d", client, got, want.Null)
		}
		if got := home(t, p, []byte{}, topic); got != want.Empty {
			t.Errorf("%s: empty keys go to %d, want %d", client, got, want.Empty)
		}
	}
}

// home is the partition that takes all records with the key, or Any if they are
// spread evenly over all partitions.
func home(t testing.TB, p Partitioner, key []byte, topic Topic) int32 {
	t.Helper()
	n := topic.NumPartitions()
	counts := make([]int, n)
	var last int32
	for range 10 * n {
		var err error
		if last, err = p.Partition(Record{KeyBytes: key}, topic); err != nil {
			t.Fatal(err)
		}
		counts[last]++
	}
	if counts[last] == 10*n {
		return last
	}
	for i, c := range counts {
		if c != 10 {
			t.Errorf("partition %d took %d of %d records, want an even share", i, c, 10*n)
		}
	}
	return Any
}

// countingBits walks through the range of uint32 in 12 equal steps.
func countingBits() func() uint32 {
	next := uint32(0)
	return func() uint32 {
		bits := uint32(uint64(next%12)<<32/12) + 1
		next++
		return bits
	}
}

func TestKeyedChoosesAvailablePartitionsForRecordsWithoutKey(t *testing.T) {
	tests := []struct {
		name    string
		leaders []int32
		want    map[int32]bool
	}{
		{"all have leaders", []int32{1, 2, 1}, map[int32]bool{0: true, 1: true, 2: true}},
		{"one is without leader", []int32{1, -1, 1}, map[int32]bool{0: true, 2: true}},
		{"none has a leader", []int32{-1, -1}, map[int32]bool{0: true, 1: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &Keyed{Dialect: LibrdkafkaConsistentRandom, Rand: countingBits()}
			got := map[int32]bool{}
			for range 24 {
				part, err := p.Partition(Record{}, NewTopic("t", tt.leaders...))
				if err != nil {
					t.Fatal(err)
				}
				got[part] = true
			}
			if len(got) != len(tt.want) {
				t.Errorf("used %v, want %v", got, tt.want)
			}
			for part := range got {
				if !tt.want[part] {
					t.Errorf("used partition %d, want only %v", part, tt.want)
				}
			}
		})
	}
}

func TestKeyedKeepsAKeyInItsPartitionWithoutLeader(t *testing.T) {
	key := []byte("customer-17")
	want := ForKey(key, 3)
	got, err := (&Keyed{}).Partition(Record{KeyBytes: key}, NewTopic("t", -1, -1, -1))
	if err != nil || got != want {
		t.Errorf("Partition = %d, %v; want %d", got, err, want)
	}
}

func TestKeyedRefusesAnUnknownDialect(t *testing.T) {
	_, err := (&Keyed{Dialect: 200}).Partition(Record{}, NewTopic("t", 1))
	if err == nil || !strings.Contains(err.Error(), "unknown dialect 200") {
		t.Errorf("Partition: %v, want an error that names the dialect", err)
	}
	if s := Dialect(200).String() + Dialect(200).Clients(); s != "unknown dialect" {
		t.Errorf("unknown dialect prints %q", s)
	}
}

func TestExplainListsEveryDialectInOrder(t *testing.T) {
	got := Explain([]byte("customer-17"), 12)
	if len(got) != int(dialectCount) {
		t.Fatalf("%d placements, want %d", len(got), dialectCount)
	}
	for i, p := range got {
		if p.Dialect != Dialect(i) {
			t.Errorf("placement %d is of %v", i, p.Dialect)
		}
		if p.Dialect.Clients() == "" {
			t.Errorf("%v names no client", p.Dialect)
		}
		if free := p.Dialect == LibrdkafkaRandom; (p.Partition == Any) != free {
			t.Errorf("%v places the key in %d", p.Dialect, p.Partition)
		}
	}
}

func TestPartitionDoesNotAllocate(t *testing.T) {
	topic := NewTopic("orders", 1, 2, 3, 1)
	keyed := Record{Topic: "orders", KeyBytes: []byte("customer-17"), ValueBytes: []byte("v")}
	for _, name := range Names() {
		p, _ := ByName(name)
		if p == nil {
			continue
		}
		for _, r := range []Record{keyed, {Topic: "orders", ValueBytes: []byte("v")}} {
			allocs := testing.AllocsPerRun(100, func() {
				if _, err := p.Partition(r, topic); err != nil {
					t.Error(err)
				}
			})
			if allocs != 0 {
				t.Errorf("%s allocates %v times a record, want 0", name, allocs)
			}
		}
	}
}

func BenchmarkPartition(b *testing.B) {
	topic := NewTopic("orders", make([]int32, 12)...)
	r := Record{Topic: "orders", KeyBytes: []byte("customer-17"), ValueBytes: make([]byte, 100)}
	for _, name := range Names() {
		p, _ := ByName(name)
		if p == nil {
			continue
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Partition(r, topic); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
