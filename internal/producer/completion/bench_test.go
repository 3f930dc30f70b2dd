package completion

import (
	"testing"

	"github.com/posthaste-go/posthaste/internal/guard"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
)

// acknowledged makes a batch of one record ready to be completed.
func acknowledged() *batch.Batch {
	b := batch.New(0, "t", 0, make([]byte, 0, batch.Overhead+200), 1)
	b.Append(1, nil, make([]byte, 100), nil, 0)
	b.Close()
	b.Uncompressed()
	b.Move(batch.EventSend)
	return b
}

// BenchmarkComplete is a batch from its acknowledgement until its callbacks have
// run.
func BenchmarkComplete(b *testing.B) {
	handled := make(chan struct{}, 1)
	q := New(func(*batch.Batch) { handled <- struct{}{} }, func(*batch.Batch) {})
	defer q.Close()
	b.ReportAllocs()
	for b.Loop() {
		x := acknowledged()
		x.Succeed(7, -1)
		q.Complete(x)
		<-handled
	}
}

func TestCompletingStaysWithinItsAllocations(t *testing.T) {
	handled := make(chan struct{}, 1)
	q := New(func(*batch.Batch) { handled <- struct{}{} }, func(*batch.Batch) {})
	defer q.Close()
	var batches []*batch.Batch // each is completed once
	for range 101 {
		batches = append(batches, of(0, 1))
	}
	if n := testing.AllocsPerRun(100, func() {
		q.Complete(batches[0])
		batches = batches[1:]
		<-handled
	}); n > 0 {
		t.Errorf("completing a batch costs %v allocations, want 0", n)
	}
}

func TestInstructions(t *testing.T) {
	guard.Check(t, map[string]guard.Work{
		"publish the outcome of a batch nobody waits for": {Times: 8, Prepare: func() func() {
			var all []*batch.Batch
			for range 9 {
				all = append(all, acknowledged())
			}
			return func() {
				all[0].Succeed(7, -1)
				all = all[1:]
			}
		}},
	})
}
