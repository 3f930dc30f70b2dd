package batch

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// Outcome is what became of the records of one batch. It is the only part of a
// batch that is of use after its acknowledgement. A Delivery that holds on to it
// keeps the batch itself, some 700 bytes, but neither its records nor its callbacks.
//
// Ownership: written once, by Resolve; read by anybody after Done is closed.
type Outcome struct {
	Topic         string
	Partition     int32
	BaseTimestamp int64 // milliseconds; a record's own is relative to it

	// Valid once resolved.
	baseOffset int64
	appendTime int64 // the broker's append time in milliseconds, or -1
	failure    *Failure
	parts      []part   // a batch that was split: where each part's records went
	open       int      // parts without an outcome; touched by whoever publishes theirs
	whole      *Outcome // of the batch that this one is a part of

	resolved atomic.Bool
	mu       sync.Mutex
	done     chan struct{} // made by the first waiter; nil while nobody waits
}

// part is one piece of a split batch: its records start at index first.
type part struct {
	first   int32
	outcome *Outcome
}

// NoOffset is the offset of a record whose place in the log is not known:
// acks=0, or a duplicate that the broker recognised without saying where.
const NoOffset = int64(-1)

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Failure is why a batch was not acknowledged.
type Failure struct {
	Code         errcode.Code // the broker's answer; 0 if the cause is Err
	Message      string       // the broker's own text, if it gave one
	Err          error        // a cause that is not an answer: a deadline, a lost connection, Close
	Attempts     int          // requests that carried the batch
	MaybeWritten bool         // a request was out whose answer is not known
	Timeline     Timeline

	// Records that the broker named as bad (KIP-467), by index in the batch;
	// the others failed because they shared it.
	BadRecords map[int32]string
}

// Cause is the failure's reason as an error.
func (f *Failure) Cause() error {
	if f.Err != nil {
		return f.Err
	}
	return f.Code
}

// Timeline is the life of a batch that failed, for the error's text.
type Timeline struct {
	Created   time.Time
	Ended     time.Time
	FirstSent time.Time    // zero if it never left
	LastError errcode.Code // the last retriable answer before the end
	LastCause error        // the last lost connection before the end
	Leader    int32        // broker id it waited for or was sent to; -1 if no leader was known
}

// Resolved reports whether the outcome is known.
func (o *Outcome) Resolved() bool { return o.resolved.Load() }

// Done is closed when the outcome is known.
func (o *Outcome) Done() <-chan struct{} {
	if o.resolved.Load() {
		return closed
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.resolved.Load() {
		return closed
	}
	if o.done == nil {
		o.done = make(chan struct{})
	}
	return o.done
}

// Wait returns when the outcome is known, or with the context's cause.
func (o *Outcome) Wait(ctx context.Context) error {
	if o.resolved.Load() {
		return nil
	}
	select {
	case <-o.Done():
		return nil
	case <-ctx.Done():
		if o.resolved.Load() {
			return nil
		}
		return context.Cause(ctx)
	}
}

// succeed publishes the base offset (NoOffset if unknown) and append time.
func (o *Outcome) succeed(baseOffset, appendTime int64) {
	o.baseOffset, o.appendTime = baseOffset, appendTime
	o.publish()
}

func (o *Outcome) fail(f *Failure) {
	o.baseOffset, o.appendTime, o.failure = NoOffset, -1, f
	o.publish()
}

func (o *Outcome) publish() {
	o.mu.Lock()
	if o.resolved.Load() {
		o.mu.Unlock()
		panic("batch: an outcome is published once")
	}
	o.resolved.Store(true)
	done := o.done
	o.mu.Unlock()
	if done != nil {
		close(done)
	}
	if o.whole != nil {
		if o.whole.open--; o.whole.open == 0 {
			o.whole.publish()
		}
	}
}

// Of is the offset and append time of the record at index, or its failure.
// It may be called only after Done is closed.
func (o *Outcome) Of(index int32) (offset, appendTime int64, f *Failure) {
	for i := len(o.parts) - 1; i >= 0; i-- {
		if p := o.parts[i]; index >= p.first {
			return p.outcome.Of(index - p.first)
		}
	}
	if o.failure != nil {
		return NoOffset, -1, o.failure
	}
	if o.baseOffset == NoOffset {
		return NoOffset, o.appendTime, nil
	}
	return o.baseOffset + int64(index), o.appendTime, nil
}
