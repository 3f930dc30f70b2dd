package loadtable

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// loads makes partitions 0, 1, … with these queues, all with a leader.
func loads(queued ...int) []Load {
	ls := make([]Load, len(queued))
	for i, q := range queued {
		ls[i] = Load{Partition: int32(i), Queued: q, Leader: true}
	}
	return ls
}

// draws counts what one full cycle of random numbers draws.
func draws(t testing.TB, ls []Load) map[int32]int {
	t.Helper()
	var table Table
	table.Build(ls)
	counts := map[int32]int{}
	for n := range table.Total() {
		counts[table.Choose(uint32(n))]++
	}
	return counts
}

func TestBuildWeighsByQueue(t *testing.T) {
	tests := []struct {
		name  string
		loads []Load
		want  map[int32]int
	}{
		{"by longest queue + 1 - its own", loads(0, 3, 1), map[int32]int{0: 4, 1: 1, 2: 3}},
		{"longest first", loads(10, 0), map[int32]int{0: 1, 1: 11}},
		{"equal queues are uniform", loads(5, 5, 5), map[int32]int{0: 1, 1: 1, 2: 1}},
		{"no queues are uniform", loads(0, 0), map[int32]int{0: 1, 1: 1}},
		{"one partition is always drawn", loads(7), map[int32]int{0: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := draws(t, tt.loads); !maps.Equal(got, tt.want) {
				t.Errorf("one cycle draws %v, want %v", got, tt.want)
			}
		})
	}
}

// The weights of those that are left are made from their own queues alone.
func TestBuildLeavesOutPartitions(t *testing.T) {
	const (
		led  = 1 << iota
		slow // its node could not be sent to
		near // in the client's rack
	)
	tests := []struct {
		name   string
		queued []int
		flags  []int
		want   map[int32]int
	}{
		{
			"without leader",
			[]int{0, 9, 2}, []int{led, 0, led}, map[int32]int{0: 3, 2: 1},
		},
		{
			"without leader, equal queues",
			[]int{0, 0, 0}, []int{led, 0, led}, map[int32]int{0: 1, 2: 1},
		},
		{
			"none, if no partition has a leader",
			[]int{4, 0, 0}, []int{0, slow, near}, map[int32]int{0: 1, 1: 1, 2: 1},
		},
		{
			"on a slow node",
			[]int{0, 9, 2}, []int{led, led | slow, led}, map[int32]int{0: 3, 2: 1},
		},
		{
			"all but one",
			[]int{7, 0, 0}, []int{led, led | slow, 0}, map[int32]int{0: 1},
		},
		{
			"only those without leader, if all nodes are slow",
			[]int{5, 0, 0}, []int{led | slow, led | slow, 0}, map[int32]int{0: 1, 1: 1},
		},
		{
			"in other racks",
			[]int{0, 2, 9}, []int{led | near, led | near, led}, map[int32]int{0: 3, 1: 1},
		},
		{
			"slow ones of the rack, which sends to other racks in the end",
			[]int{0, 0, 1}, []int{led | near | slow, led, led}, map[int32]int{1: 2, 2: 1},
		},
		{
			"in other racks, if all nodes are slow",
			[]int{0, 5, 0}, []int{led | near | slow, led | near | slow, led | slow},
			map[int32]int{0: 1, 1: 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ls := loads(tt.queued...)
			for i, f := range tt.flags {
				ls[i].Leader, ls[i].Slow, ls[i].InRack = f&led != 0, f&slow != 0, f&near != 0
			}
			if got := draws(t, ls); !maps.Equal(got, tt.want) {
				t.Errorf("one cycle draws %v, want %v", got, tt.want)
			}
		})
	}
}

func TestBuildReusesATable(t *testing.T) {
	var table Table
	table.Build(loads(0, 3, 1))
	table.Build(loads(1, 0))
	if got := table.Total(); got != 3 {
		t.Errorf("total %d, want 3", got)
	}
	table.Build(loads(2, 2, 2, 2))
	if got := table.Total(); got != 4 {
		t.Errorf("total %d, want 4: weights of an earlier build are left", got)
	}
}

func TestBuildKeepsHugeQueuesInRange(t *testing.T) {
	var table Table
	table.Build(loads(0, 1<<40, 1<<30, 0))
	counts := map[int32]bool{}
	for n := uint32(0); n < 1<<31; n += 1 << 12 {
		counts[table.Choose(n)] = true
	}
	if total := table.Total(); total < 1<<29 || !counts[0] || !counts[2] || !counts[3] {
		t.Errorf("total %d, drawn %v; want a large total and all but the longest", total, counts)
	}
}

// Only 31 bits count, as in Java.
func TestChooseIgnoresTheSignBit(t *testing.T) {
	var table Table
	table.Build(loads(0, 3, 1))
	for n := range uint32(8) {
		if got, want := table.Choose(n|1<<31), table.Choose(n); got != want {
			t.Errorf("Choose(%d with sign bit) = %d, want %d", n, got, want)
		}
	}
}

// Two brokers with three partitions each: one sends a batch a step from each of
// its queues, the other one every hundredth step. Without the queues' lengths
// half of all batches would end at the slow one.
func TestSlowBrokerGetsASmallShare(t *testing.T) {
	run := func(adaptive bool) (slowShare float64) {
		var table Table
		queued, taken := make([]int, 6), make([]int, 6)
		random := lcg(1)
		const steps = 4000
		for step := range steps {
			ls := loads(make([]int, 6)...)
			if adaptive {
				ls = loads(queued...)
			}
			table.Build(ls)
			for range 2 {
				p := table.Choose(random())
				queued[p]++
				taken[p]++
			}
			for p := range queued {
				if slow := p < 3; queued[p] > 0 && (!slow || step%100 == 99) {
					queued[p]--
				}
			}
		}
		return float64(taken[0]+taken[1]+taken[2]) / (2 * steps)
	}
	if share := run(true); share > 0.06 {
		t.Errorf("adaptive: the slow broker gets %.1f %% of the batches, want at most 6 %%", share*100)
	}
	if share := run(false); share < 0.45 || share > 0.55 {
		t.Errorf("uniform: the slow broker gets %.1f %% of the batches, want about half", share*100)
	}
}

// lcg is a fixed sequence of random bits.
func lcg(seed uint64) func() uint32 {
	return func() uint32 {
		seed = seed*6364136223846793005 + 1442695040888963407
		return uint32(seed >> 32)
	}
}

func TestStickySpendsItsLimit(t *testing.T) {
	type record struct {
		bytes int
		whole bool
	}
	tests := []struct {
		name    string
		records []record
		want    []bool
	}{
		{
			"another partition after limit bytes",
			[]record{{60, true}, {40, true}, {99, true}, {1, true}},
			[]bool{false, true, false, true},
		},
		{
			"past the limit it waits until the batch is whole",
			[]record{{90, false}, {20, false}, {20, true}},
			[]bool{false, false, true},
		},
		{
			"at twice the limit it waits no longer",
			[]record{{90, false}, {90, false}, {20, false}},
			[]bool{false, false, true},
		},
		{
			"very large records go to a partition each",
			[]record{{500, true}, {500, true}},
			[]bool{true, true},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := NewSticky(100)
			if err != nil {
				t.Fatal(err)
			}
			var got []bool
			for _, r := range tt.records {
				got = append(got, s.Add(r.bytes, r.whole))
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("spent %v, want %v", got, tt.want)
			}
		})
	}
}

func TestNewStickyRefusesALimitOfZero(t *testing.T) {
	for _, limit := range []int{0, -1} {
		if _, err := NewSticky(limit); err == nil || !strings.Contains(err.Error(), "at least 1") {
			t.Errorf("NewSticky(%d): %v", limit, err)
		}
	}
}

func TestLatencyGrowsWhileReadyDataCannotBeSent(t *testing.T) {
	const timeout = time.Second
	var l Latency
	if l.Slow(timeout) {
		t.Error("a node is slow before anything was ready for it")
	}
	start := time.UnixMilli(1_700_000_000_000)
	steps := []struct {
		name     string
		after    time.Duration
		sendable bool
		want     bool
	}{
		{"first seen while it cannot be sent to", 0, false, false},
		{"for as long as the timeout", timeout, false, false},
		{"for longer than the timeout", timeout + 1, false, true},
		{"can be sent to again", 2 * timeout, true, false},
		{"idle for long, then ready", 20 * timeout, true, false},
		{"not sendable again", 21*timeout + 1, false, true},
	}
	for _, step := range steps {
		l.Update(start.Add(step.after), step.sendable)
		if got := l.Slow(timeout); got != step.want {
			t.Errorf("%s: slow is %t, want %t", step.name, got, step.want)
		}
		if l.Slow(0) {
			t.Errorf("%s: slow without an availability timeout", step.name)
		}
	}
}

func TestDrawingDoesNotAllocate(t *testing.T) {
	var table Table
	ls := loads(3, 1, 4, 1, 5, 9, 2, 6)
	table.Build(ls)
	random := lcg(1)
	if n := testing.AllocsPerRun(100, func() { table.Build(ls); table.Choose(random()) }); n != 0 {
		t.Errorf("Build and Choose allocate %v times, want 0", n)
	}
}

func BenchmarkChoose(b *testing.B) {
	var table Table
	queued := make([]int, 1000)
	for i := range queued {
		queued[i] = i % 7
	}
	ls := loads(queued...)
	random := lcg(1)
	b.Run("build 1000 partitions", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			table.Build(ls)
		}
	})
	b.Run("choose of 1000 partitions", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			table.Choose(random())
		}
	})
}
