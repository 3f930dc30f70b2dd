package accumulator

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthaste-go/posthaste/internal/clock"
	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/bufferpool"
)

// Numbers in comments are those of docs/scenarios.md.

// bench is an accumulator with one topic t, and the notices it gave.
type bench struct {
	*testing.T
	*Accumulator
	topic *Topic
	pool  *bufferpool.Pool
	mu    sync.Mutex
	told  []string
}

// Partition implements Notices.
func (b *bench) Partition(id batch.PartitionID) { b.tell(fmt.Sprint(id)) }

// Starved implements Notices.
func (b *bench) Starved() { b.tell("starved") }

func (b *bench) tell(what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, what)
}

// notices checks which notices came since it was asked last.
func (b *bench) notices(want ...string) {
	b.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Equal(b.told, want) {
		b.Errorf("notices %v, want %v", b.told, want)
	}
	b.told = nil
}

func newBench(t *testing.T, partitions int, memory int64, change func(*Settings)) *bench {
	s := Settings{BatchSize: 1000, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if change != nil {
		change(&s)
	}
	top := max(s.BatchSize, s.BehindSize) + batch.Overhead
	b := &bench{T: t, pool: bufferpool.New(memory, top)}
	c := clock.NewCoarse()
	t.Cleanup(c.Close)
	b.Accumulator = New(s, c, b.pool, b)
	b.topic = b.Topic("t")
	b.lead(make([]int32, partitions)...)
	return b
}

// lead tells the topic who leads its partitions.
func (b *bench) lead(nodes ...int32) { b.SetPartitions(b.topic, Leaders{Nodes: nodes}) }

// add appends a record of size bytes to a partition.
func (b *bench) add(index int32, size int) Receipt {
	b.Helper()
	record := &Record{Timestamp: -1, Value: make([]byte, size)}
	r, err := b.Append(b.Context(), b.topic, index, record, 0)
	if err != nil {
		b.Fatalf("Append: %v", err)
	}
	return r
}

// drain takes everything a partition has, open batches included.
func (b *bench) drain(id batch.PartitionID) (out []*batch.Batch) {
	b.Helper()
	for {
		x := b.Take(id, true)
		if x == nil {
			if w := b.Look(id); !w.Empty() {
				b.Errorf("partition %d still has %+v", id, w)
			}
			return out
		}
		if x.State() == batch.Closed {
			b.Compress(x)
		}
		out = append(out, x)
	}
}

// A partition gives notice once, and only of what was missing at the last look.
func TestNotices(t *testing.T) {
	b := newBench(t, 2, 1<<20, nil)
	b.add(0, 10)
	b.notices("0") // nobody has looked yet: any record counts
	b.add(0, 10)
	b.notices()
	if w := b.Look(0); !w.Open || w.Ready || w.Opened != 1 {
		t.Errorf("work %+v", w)
	}
	b.add(0, 10)
	b.notices() // an open batch lingers; only a full one is news
	b.add(0, 980)
	b.notices("0")
	if w := b.Look(0); !w.Ready || !w.Open || w.Opened != 2 {
		t.Errorf("work %+v", w)
	}
	b.add(0, 980)
	b.notices() // the sender knows of one, and comes by itself
	if n := b.Closed(0); n != 2 {
		t.Errorf("%d closed batches, want 2", n)
	}
	b.add(0, 980)
	b.notices("0") // it counts what waits behind the first one
	b.add(0, 980)
	b.notices()
	if got := len(b.drain(0)); got != 5 {
		t.Errorf("%d batches, want 5", got)
	}
	b.Closed(0)
	b.add(0, 10)
	b.notices("0") // it was empty at the last look
	b.add(1, 10)
	b.notices("1")
}

// 104, 134: a record that does not fit closes the batch and opens the next; records
// come out in order, complete.
func TestBatchesFillUp(t *testing.T) {
	b := newBench(t, 1, 1<<20, nil)
	var want [][]byte
	for i := range 500 {
		value := bytes.Repeat([]byte{byte(i)}, i%90)
		want = append(want, value)
		record := &Record{Timestamp: -1, Value: value}
		if _, err := b.Append(t.Context(), b.topic, 0, record, 0); err != nil {
			t.Fatal(err)
		}
	}
	batches := b.drain(0)
	if len(batches) < 23 || len(batches) > 32 {
		t.Errorf("%d batches for some 22,000 bytes, of 1000 each", len(batches))
	}
	for _, x := range batches {
		if x.Size() > 1000 {
			t.Errorf("a batch of %d bytes", x.Size())
		}
		records, err := x.Records()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			if !bytes.Equal(r.Value, want[0]) {
				t.Fatalf("record %d: %q, want %q", 500-len(want), r.Value, want[0])
			}
			want = want[1:]
		}
		b.Release(x)
	}
	if s := b.Memory(); len(want) > 0 || s.Available != s.Total {
		t.Errorf("%d records are missing, %+v", len(want), s)
	}
}

// A batch behind others takes up to BehindSize, until it would be the first; none
// does once a broker found one too large.
func TestBatchesBehindOthersAreBigger(t *testing.T) {
	b := newBench(t, 1, 1<<20, func(s *Settings) { s.BehindSize = 5000 })
	sizes := func(taken []*batch.Batch) (out []int) {
		for _, x := range taken {
			out = append(out, int(x.Count()))
			b.Release(x)
		}
		return out
	}
	fill := func(records int) {
		for range records {
			b.add(0, 200)
		}
	}
	check := func(got []int, want ...int) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("records per batch are %v, want %v", got, want)
		}
	}
	fill(60)
	check(sizes(b.drain(0)), 4, 23, 23, 10)
	fill(4 + 10)
	first := b.Take(0, false)
	fill(20) // the open batch is the first now, and full
	check(sizes(append([]*batch.Batch{first}, b.drain(0)...)), 4, 10, 20)
	b.TooLarge(0)
	fill(10)
	check(sizes(b.drain(0)), 4, 4, 2)
}

// A batch that grew behind others and is the first now is full, without a linger.
func TestABatchThatBecomesTheFirstIsFull(t *testing.T) {
	b := newBench(t, 1, 1<<20, func(s *Settings) { s.BehindSize = 5000 })
	for range 4 + 10 {
		b.add(0, 200)
	}
	if w := b.Look(0); w.Full || !w.Ready {
		t.Errorf("behind another it is %+v", w)
	}
	b.Release(b.Take(0, false))
	if w := b.Look(0); !w.Full || w.Ready {
		t.Errorf("as the first it is %+v", w)
	}
}

// Batches stop growing when their first records have waited for long.
func TestOldBatchesDoNotGrow(t *testing.T) {
	b := newBench(t, 1, 1<<20, func(s *Settings) { s.BehindSize = 5000 })
	for range 4 + 1 {
		b.add(0, 200)
	}
	(*b.partitions.Load())[0].open.Opened -= 2 * growFor
	for range 5 {
		b.add(0, 200)
	}
	if got := b.Closed(0); got != 2 {
		t.Errorf("%d batches are closed, want 2", got)
	}
}

// The adaptive choice counts what waits in batches of batch.size.
func TestBigBatchesWeighMore(t *testing.T) {
	b := newBench(t, 1, 1<<20, func(s *Settings) { s.BehindSize = 5000 })
	for range 100 {
		b.add(0, 200)
	}
	queued := &(*b.partitions.Load())[0].queued
	if got := queued.Load(); got < 15 || got > 25 {
		t.Errorf("20 KB weigh as %d batches of 1,000 bytes", got)
	}
	for _, x := range b.drain(0) {
		b.Sent(x, 1)
		b.Sent(x, -1)
		b.Sent(x, 1)
	}
	if got := queued.Load(); got != 0 {
		t.Errorf("nothing weighs as %d batches", got)
	}
}

// A record above batch.size shares its batch with no other, however big the buffer
// is that the pool has for it.
func TestBigRecordsStayAlone(t *testing.T) {
	b := newBench(t, 1, 1<<20, func(s *Settings) { s.BatchSize, s.BehindSize = 1007, 65519 })
	b.add(0, 20_000)
	for range 5 {
		b.add(0, 20)
	}
	if got := b.drain(0); len(got) != 2 || got[0].Count() != 1 || got[0].Capacity() < 1<<15 {
		t.Errorf("a big record and small ones make %d batches, the first of %d records in %d bytes",
			len(got), got[0].Count(), got[0].Capacity())
	}
}

// 106: a record larger than batch.size has a batch of its own, between the others.
func TestARecordLargerThanABatch(t *testing.T) {
	b := newBench(t, 1, 1<<20, nil)
	b.add(0, 10)
	b.add(0, 5000)
	b.add(0, 10)
	var counts []int32
	for _, x := range b.drain(0) {
		counts = append(counts, x.Count())
		b.Release(x)
	}
	if !slices.Equal(counts, []int32{1, 1, 1}) {
		t.Errorf("records in each batch: %v", counts)
	}
	if s := b.Memory(); s.Available != s.Total {
		t.Errorf("memory %+v", s)
	}
}

// 44: a record without a time has the time of its append, whatever time the first
// record of its batch came with.
func TestTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, 1<<20, nil)
		future := time.Now().Add(time.Hour).UnixMilli()
		r, err := b.Append(t.Context(), b.topic, 0, &Record{Timestamp: future}, 0)
		if err != nil || r.Timestamp != future {
			t.Errorf("with its own time: %+v, %v", r, err)
		}
		for range 100 {
			now := time.Now().UnixMilli()
			if r := b.add(0, 1); r.Timestamp != now {
				t.Errorf("without a time: %d, now is %d", r.Timestamp, now)
			}
			time.Sleep(time.Millisecond)
			synctest.Wait()
		}
		b.Accumulator.Close()
	})
}

// slow is a clock on which a second passes between any two looks.
type slow struct{ at time.Time }

func (s *slow) Now() time.Time {
	s.at = s.at.Add(time.Second)
	return s.at
}

func (s *slow) Milli() int64 { return s.Now().UnixMilli() }

// A caller that stands still while it opens a batch finds the room that it asked
// for: the record is as old as the batch.
func TestStandingStillWhileABatchIsOpened(t *testing.T) {
	b := newBench(t, 1, 1<<20, nil)
	b.clock = &slow{at: time.Unix(1700000000, 0)}
	for range 3 {
		b.add(0, 2000) // in a buffer of just its size
	}
	for i, x := range b.drain(0) {
		records, err := x.Records()
		if err != nil || len(records) != 1 || records[0].TimestampDelta != 0 {
			t.Errorf("batch %d: %+v, %v", i, records, err)
		}
	}
}

// 113: many goroutines, with and without partition: every record comes out once, in
// the order of its goroutine within a partition, and batches are counted right.
func TestManyAppenders(t *testing.T) {
	lz4, err := compression.New(compression.LZ4, compression.LZ4.DefaultLevel())
	if err != nil {
		t.Fatal(err)
	}
	for _, codec := range []*compression.Compressor{nil, lz4} {
		const partitions, appenders, each = 3, 5, 4000
		b := newBench(t, partitions, 1<<30, func(s *Settings) { s.Compressor = codec })
		var wg sync.WaitGroup
		for a := range uint32(appenders) {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(a), 3))
				for i := range uint32(each) {
					index := Automatic
					if i%2 == 0 {
						index = int32(r.IntN(partitions))
					}
					value := binary.BigEndian.AppendUint32(nil, a)
					value = binary.BigEndian.AppendUint32(value, i)
					_, err := b.Append(t.Context(), b.topic, index, &Record{Timestamp: -1, Value: value}, 0)
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		seen := 0
		for id := range batch.PartitionID(partitions) {
			last := map[uint32]int64{}
			opened := b.Look(id).Opened
			batches := b.drain(id)
			if int64(len(batches)) != opened {
				t.Errorf("%d batches of %d that were opened", len(batches), opened)
			}
			for _, x := range batches {
				records, err := x.Records()
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range records {
					a, i := binary.BigEndian.Uint32(r.Value), int64(binary.BigEndian.Uint32(r.Value[4:]))
					if before, ok := last[a]; ok && i <= before {
						t.Fatalf("appender %d: record %d after %d", a, i, before)
					}
					last[a] = i
					seen++
				}
			}
		}
		if seen != appenders*each {
			t.Errorf("%d of %d records came out", seen, appenders*each)
		}
	}
}

// Who fills a batch compresses it, outside the lock: meanwhile others append, the
// sender waits for it, and is told.
func TestTheCloserCompresses(t *testing.T) {
	gzip, err := compression.New(compression.Gzip, compression.Gzip.DefaultLevel())
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t, 1, 1<<20, func(s *Settings) { s.Compressor = gzip })
	b.add(0, 900)
	b.notices("0")
	b.Look(0)
	b.add(0, 900)
	b.notices("0")
	if w := b.Look(0); !w.Ready || w.Sealing {
		t.Errorf("work %+v", w)
	}
	x := b.Take(0, false)
	if x == nil || x.State() != batch.Ready || x.Size() >= 500 {
		t.Fatalf("took %v", x)
	}
	open := b.Take(0, true) // not yet compressed: that is the loop's
	if open == nil || open.State() != batch.Closed {
		t.Fatalf("took %v", open)
	}
	if b.Take(0, true) != nil {
		t.Error("took a batch where there is none")
	}
}

// 153, 154: memory is short: the sender is told, callers wait in order, and get a
// share that makes more than one record a batch.
func TestShortMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, 3000, nil)
		b.add(0, 900)
		b.add(0, 900)
		first := b.Take(0, false)
		b.notices("0")
		var order []int
		var mu sync.Mutex
		for i := range 3 {
			go func() {
				r := &Record{Timestamp: -1, Value: make([]byte, 900)}
				if _, err := b.Append(t.Context(), b.topic, 0, r, time.Hour); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
			}()
			synctest.Wait()
		}
		b.Release(first)
		served := func() int {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			return len(order)
		}
		for served() < 3 {
			if x := b.Take(0, true); x != nil {
				b.Release(x)
			}
		}
		if !slices.Equal(order, []int{0, 1, 2}) {
			t.Errorf("order %v", order)
		}
		for _, x := range b.drain(0) {
			b.Release(x)
		}
		if s := b.Memory(); s.Available != s.Total {
			t.Errorf("memory %+v", s)
		}
	})
}

// 137, 162: after Close nothing is accepted, and who waits is freed; what was
// accepted can be taken.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, 1, 1500, nil)
		b.add(0, 900)
		freed := make(chan error)
		go func() {
			record := &Record{Timestamp: -1, Value: make([]byte, 900)}
			_, err := b.Append(t.Context(), b.topic, 0, record, time.Hour)
			freed <- err
		}()
		synctest.Wait()
		b.Accumulator.Close()
		if err := <-freed; !errors.Is(err, ErrClosed) {
			t.Errorf("who waited: %v, want ErrClosed", err)
		}
		got := b.drain(0)
		if len(got) != 1 {
			t.Errorf("%d batches, want 1", len(got))
		}
		b.Release(got[0])
		_, err := b.Append(t.Context(), b.topic, 0, &Record{Timestamp: -1}, time.Hour)
		if !errors.Is(err, ErrClosed) {
			t.Errorf("Append after Close: %v, want ErrClosed", err)
		}
		if s := b.Memory(); s.Available != s.Total {
			t.Errorf("memory %+v", s)
		}
	})
}

// A record for a partition that is not there, and for a topic that was forgotten.
func TestNoPartition(t *testing.T) {
	b := newBench(t, 2, 1<<20, nil)
	check := func(index int32, want error) {
		t.Helper()
		_, err := b.Append(context.Background(), b.topic, index, &Record{Timestamp: -1}, 0)
		if !errors.Is(err, want) {
			t.Errorf("Append to %d: %v, want %v", index, err, want)
		}
	}
	check(2, ErrNoPartition)
	b.Forget("t")
	check(0, ErrNoPartition)
	check(Automatic, ErrNoPartition)
	b.lead(0, 0, 0)
	check(2, nil)
	check(Automatic, nil)
	if id, ok := b.topic.ID(2); !ok || id != 2 {
		t.Errorf("id %d, %v", id, ok)
	}
	if name, index := b.Describe(1); name != "t" || index != 1 {
		t.Errorf("partition 1 is %s-%d", name, index)
	}
}
