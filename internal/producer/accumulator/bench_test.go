package accumulator

import (
	"context"
	"io"
	"log/slog"
	"testing"

	"github.com/posthaste-go/posthaste/internal/clock"
	"github.com/posthaste-go/posthaste/internal/guard"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/bufferpool"
)

// deaf hears no notices.
type deaf struct{}

func (deaf) Partition(batch.PartitionID) {}
func (deaf) Starved()                    {}

// appender appends records of 100 bytes to one partition, whose full batches go
// back to the pool unsent.
type appender struct {
	*Accumulator
	topic  *Topic
	record Record
	id     batch.PartitionID
}

func newAppender(cleanup func(func())) *appender {
	s := Settings{BatchSize: 16384, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))}
	c := clock.NewCoarse()
	cleanup(c.Close)
	a := &appender{Accumulator: New(s, c, bufferpool.New(1<<20, s.BatchSize+batch.Overhead), deaf{})}
	a.topic = a.Topic("t")
	a.SetPartitions(a.topic, Leaders{Nodes: []int32{1}})
	a.id, _ = a.topic.ID(0)
	a.record = Record{Timestamp: -1, Value: make([]byte, 100)}
	return a
}

func (a *appender) append() {
	if _, err := a.Append(context.Background(), a.topic, 0, &a.record, 0); err != nil {
		panic(err)
	}
}

// clear throws full batches away.
func (a *appender) clear() {
	for a.Look(a.id).Ready {
		b := a.Take(a.id, false)
		b.Move(batch.EventFail)
		a.Release(b)
	}
}

func BenchmarkAppend(b *testing.B) {
	a := newAppender(b.Cleanup)
	b.ReportAllocs()
	b.SetBytes(100)
	for i := 0; b.Loop(); i++ {
		if a.append(); i%128 == 0 {
			a.clear()
		}
	}
}

// A record in an open batch costs none; a batch costs a few objects.
func TestAppendStaysWithinItsAllocations(t *testing.T) {
	a := newAppender(t.Cleanup)
	a.append()
	if n := testing.AllocsPerRun(50, a.append); n != 0 {
		t.Errorf("a record costs %v allocations, want 0", n)
	}
	perBatch := testing.AllocsPerRun(20, func() {
		for before := a.Look(a.id).Opened; a.Look(a.id).Opened == before; {
			a.append()
		}
		a.clear()
	})
	if perBatch > 5 {
		t.Errorf("a batch costs %v allocations, want at most 5", perBatch)
	}
}

func TestInstructions(t *testing.T) {
	guard.Check(t, map[string]guard.Work{
		"append to an open batch": {Times: 16, Prepare: func() func() {
			a := newAppender(func(func()) {})
			for range 85 { // half a batch: its buffer grows no more
				a.append()
			}
			return a.append
		}},
	})
}
