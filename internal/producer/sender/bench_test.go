package sender

import (
	"testing"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/guard"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
)

// drainer is a core with one partition, connected and idle.
type drainer struct {
	*harness
	queue *queue
	out   []Effect
}

func newDrainer(t testing.TB) *drainer {
	d := &drainer{harness: newHarness(t, nil)}
	d.queue = d.src.add("t", 0, "t-0")
	d.cluster = metadata.Answer{Controller: 1,
		Brokers: []metadata.Broker{{ID: 1, Host: "broker1", Port: 9092}},
		Topics:  []metadata.Topic{{Name: "t", Partitions: []metadata.Partition{{Leader: 1, Epoch: 1}}}}}
	d.post(WantTopic{Topic: "t"})
	d.drain(d.sealed()) // connects, and gets a producer id
	return d
}

// sealed is a batch that waits to be sent.
func (d *drainer) sealed() *batch.Batch {
	b := d.queue.make(1, 100, d.now)
	b.Close()
	b.Uncompressed()
	return b
}

// drain has one batch sent and acknowledged.
func (d *drainer) drain(b *batch.Batch) {
	d.queue.closed = append(d.queue.closed[:0], b)
	noticed := Noticed{d.queue.id}
	events := []Event{&noticed}
	for range 100 {
		d.out = d.core.Step(d.now, events, d.out[:0])
		events = events[:0]
		for i := range d.out {
			switch e := &d.out[i]; e.Do {
			case Complete:
				return
			case Produce:
				for k := range e.Request.Entries {
					entry := &e.Request.Entries[k]
					entry.Answered, entry.Code, entry.BaseOffset = true, errcode.None, 5
				}
				e.Request.Written = true
				events = append(events, e.Request.Answered())
			default:
				d.perform(e)
			}
		}
		if events = append(events, d.pending...); len(events) == 0 {
			break
		}
		d.pending = d.pending[:0]
	}
	d.Fatal("the batch was not completed")
}

// BenchmarkDrain is what the core does about one batch, from the notice that it
// is ready until its outcome, made and sealed aside.
func BenchmarkDrain(b *testing.B) {
	d := newDrainer(b)
	b.ReportAllocs()
	for b.Loop() {
		d.drain(d.sealed())
	}
}

func TestInstructions(t *testing.T) {
	guard.Check(t, map[string]guard.Work{
		"drain a batch": {Times: 4, Prepare: func() func() {
			d := newDrainer(t)
			var all []*batch.Batch
			for range 5 {
				all = append(all, d.sealed())
			}
			return func() {
				d.drain(all[0])
				all = all[1:]
			}
		}},
	})
}
