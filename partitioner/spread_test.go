package partitioner

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// partitions sends n records without key to one topic.
func partitions(t testing.TB, p Partitioner, topic Topic, n int) []int32 {
	t.Helper()
	r := Record{Topic: topic.Name(), ValueBytes: []byte("v")}
	got := make([]int32, n)
	for i := range got {
		var err error
		if got[i], err = p.Partition(r, topic); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

func TestRoundRobinTakesTurns(t *testing.T) {
	tests := []struct {
		name    string
		leaders []int32
		want    []int32
	}{
		{"all partitions in order", []int32{1, 2, 3}, []int32{0, 1, 2, 0, 1, 2, 0}},
		{"partitions without leader are skipped", []int32{1, -1, 3}, []int32{0, 2, 0, 2, 0, 2, 0}},
		{"all are used if all lack a leader", []int32{-1, -1}, []int32{0, 1, 0, 1, 0, 1, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := partitions(t, new(RoundRobin), NewTopic("t", tt.leaders...), len(tt.want))
			if !slices.Equal(got, tt.want) {
				t.Errorf("partitions %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRoundRobinCountsEachTopicByItself(t *testing.T) {
	p := new(RoundRobin)
	a, b := NewTopic("a", 1, 1, 1), NewTopic("b", 1, 1, 1)
	got := slices.Concat(partitions(t, p, a, 2), partitions(t, p, b, 1), partitions(t, p, a, 1))
	if want := []int32{0, 1, 0, 2}; !slices.Equal(got, want) {
		t.Errorf("partitions %v, want %v", got, want)
	}
}

func TestRoundRobinIgnoresKeys(t *testing.T) {
	p, topic := new(RoundRobin), NewTopic("t", 1, 1)
	for want := range int32(4) {
		got, err := p.Partition(Record{KeyBytes: []byte("same")}, topic)
		if err != nil || got != want%2 {
			t.Errorf("record %d went to %d, %v", want, got, err)
		}
	}
}

func TestRoundRobinStaysInRangeWhenItsCounterWraps(t *testing.T) {
	p, topic := new(RoundRobin), NewTopic("t", 1, 1, 1)
	own := &turns{topic: "t"}
	own.taken.Store(1<<31 - 2)
	p.topics.Store("t", own)
	// The counter's sign bit is dropped: 2^31-2, 2^31-1, then 0 again.
	if got, want := partitions(t, p, topic, 4), []int32{0, 1, 0, 1}; !slices.Equal(got, want) {
		t.Errorf("partitions %v, want %v", got, want)
	}
}

func TestRoundRobinIsEvenUnderConcurrentSenders(t *testing.T) {
	p, topic := new(RoundRobin), NewTopic("t", 1, 1, 1, 1)
	var counts [4]atomic.Int32
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for range 1000 {
				got, err := p.Partition(Record{}, topic)
				if err != nil {
					t.Error(err)
					return
				}
				counts[got].Add(1)
			}
		})
	}
	senders.Wait()
	for i := range counts {
		if n := counts[i].Load(); n != 2000 {
			t.Errorf("partition %d took %d records, want 2000", i, n)
		}
	}
}

func TestUniformStickyStaysUntilItsBytesAreSpent(t *testing.T) {
	p := &UniformSticky{Bytes: 3, Rand: func() uint32 { return 0 }}
	topic := NewTopic("t", 1, 1, 1)
	// The lowest other partition is drawn each time; a record is one byte.
	want := []int32{0, 0, 0, 1, 1, 1, 0, 0, 0}
	if got := partitions(t, p, topic, len(want)); !slices.Equal(got, want) {
		t.Errorf("partitions %v, want %v", got, want)
	}
}

func TestUniformStickyLeavesAPartitionThatLostItsLeader(t *testing.T) {
	p := &UniformSticky{Rand: func() uint32 { return 0 }}
	before := partitions(t, p, NewTopic("t", 1, 1), 2)
	after := partitions(t, p, NewTopic("t", -1, 1), 2)
	if got, want := slices.Concat(before, after), []int32{0, 0, 1, 1}; !slices.Equal(got, want) {
		t.Errorf("partitions %v, want %v", got, want)
	}
}

func TestUniformStickyStaysWhileNoPartitionHasALeader(t *testing.T) {
	p := &UniformSticky{Bytes: 1 << 40}
	got := partitions(t, p, NewTopic("t", -1, -1, -1, -1), 50)
	if len(slices.Compact(got)) != 1 {
		t.Errorf("partitions %v, want one", got)
	}
}

func TestUniformStickyKeepsItsOnlyPartition(t *testing.T) {
	p := &UniformSticky{Bytes: 1}
	if got := partitions(t, p, NewTopic("t", 1), 3); !slices.Equal(got, []int32{0, 0, 0}) {
		t.Errorf("partitions %v, want only 0", got)
	}
}

func TestUniformStickyIsFairUnderConcurrentSenders(t *testing.T) {
	p, topic := &UniformSticky{Bytes: 2}, NewTopic("t", 1, 1, 1, 1)
	var counts [4]atomic.Int32
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			for range 10_000 {
				got, err := p.Partition(Record{ValueBytes: []byte("v")}, topic)
				if err != nil {
					t.Error(err)
					return
				}
				counts[got].Add(1)
			}
		})
	}
	senders.Wait()
	for i := range counts {
		// 20 000 draws of 2 records: 10 % off the mean is 11 standard deviations.
		if n := counts[i].Load(); n < 9000 || n > 11_000 {
			t.Errorf("partition %d took %d records, want about 10000", i, n)
		}
	}
}

func TestByNameKnowsKafkasClassesAndWords(t *testing.T) {
	builtIn := func(p Partitioner) bool { return p == nil }
	roundRobin := func(p Partitioner) bool { _, ok := p.(*RoundRobin); return ok }
	sticky := func(p Partitioner) bool { _, ok := p.(*UniformSticky); return ok }
	keyed := func(d Dialect) func(Partitioner) bool {
		return func(p Partitioner) bool { k, ok := p.(*Keyed); return ok && k.Dialect == d }
	}
	tests := []struct {
		name string
		is   func(Partitioner) bool
	}{
		{"org.apache.kafka.clients.producer.internals.DefaultPartitioner", builtIn},
		{"DefaultPartitioner", builtIn},
		{"default", builtIn},
		{"org.apache.kafka.clients.producer.RoundRobinPartitioner", roundRobin},
		{"RoundRobinPartitioner", roundRobin},
		{"round-robin", roundRobin},
		{"org.apache.kafka.clients.producer.UniformStickyPartitioner", sticky},
		{"uniform_sticky", sticky},
		{"java", keyed(Java)},
		{"random", keyed(LibrdkafkaRandom)},
		{"consistent_random", keyed(LibrdkafkaConsistentRandom)},
		{"Murmur2_Random", keyed(LibrdkafkaMurmur2Random)},
		{"sarama-hash", keyed(SaramaHash)},
		{"kafka-go-hash", keyed(KafkaGoHash)},
	}
	for _, tt := range tests {
		if p, ok := ByName(tt.name); !ok || !tt.is(p) {
			t.Errorf("ByName(%q) = %T, %t", tt.name, p, ok)
		}
	}
	for _, name := range []string{"", "com.acme.RoundRobinPartitioner", "unknown dialect"} {
		if p, ok := ByName(name); ok {
			t.Errorf("ByName(%q) = %T, want none", name, p)
		}
	}
}

func TestEveryNameIsFound(t *testing.T) {
	names := Names()
	if want := 3 + int(dialectCount); len(names) != want {
		t.Errorf("%d names, want %d: %s", len(names), want, strings.Join(names, ", "))
	}
	for _, name := range names {
		if _, ok := ByName(name); !ok {
			t.Errorf("ByName(%q) finds nothing", name)
		}
	}
}

func TestNewTopicDescribesItsPartitions(t *testing.T) {
	topic := NewTopic("orders", 7, -1, 0)
	if topic.Name() != "orders" || topic.NumPartitions() != 3 {
		t.Errorf("topic %q with %d partitions", topic.Name(), topic.NumPartitions())
	}
	if got := topic.Available(); !slices.Equal(got, []int32{0, 2}) {
		t.Errorf("available %v, want [0 2]", got)
	}
	for p, want := range map[int32]bool{-1: false, 0: true, 1: false, 2: true, 3: false} {
		if node, ok := topic.Leader(p); ok != want {
			t.Errorf("Leader(%d) = %d, %t", p, node, ok)
		}
	}
}
