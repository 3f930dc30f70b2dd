package posthaste

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posthaste-go/posthaste/internal/clock"
	"github.com/posthaste-go/posthaste/internal/producer/accumulator"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/completion"
	"github.com/posthaste-go/posthaste/internal/producer/loop"
	"github.com/posthaste-go/posthaste/internal/producer/txn"
)

// Producer sends records to a Kafka cluster. It is safe for concurrent use, and
// one is enough for a program: callers share its batches and connections.
//
//	Send        returns at once; Delivery.Wait for the outcome, or drop it
//	SendSync    waits for the outcome
//	SendAsync   has the outcome passed to a callback
//
// Everything after Send happens on goroutines of the producer's own: two, two
// for each broker that it talks to, and one to compress on each CPU while there
// is something to compress. Close ends them all.
type Producer struct {
	settings settings
	chain    *chain // nil without interceptors
	// The partitioner looks at bytes only: it is one of package partitioner.
	bytesOnly bool
	clock     *clock.Coarse
	loop      *loop.Loop
	acc       *accumulator.Accumulator

	down   atomic.Pointer[error]             // why nothing can be sent: for now, or any more
	last   atomic.Pointer[accumulator.Topic] // the topic of the last record: most often the next one's
	topics sync.Map                          // name → *accumulator.Topic

	gate  sync.Mutex // guards changes of down, and final
	final bool       // down stays

	transactions transactions

	closing  atomic.Bool
	closed   chan struct{} // closed when Close is through
	closeErr error
}

// NewProducer starts a producer. It does not wait for a broker: one that is not
// there shows when records are sent. The error is a *ConfigError.
func NewProducer(cfg Config) (*Producer, error) {
	s, err := cfg.effective()
	if err != nil {
		return nil, err
	}
	p := &Producer{settings: s, closed: make(chan struct{})}
	if len(s.interceptors) > 0 {
		p.chain = &chain{interceptors: s.interceptors, logger: s.logger}
	}
	if err := p.wire(); err != nil {
		return nil, err
	}
	if s.transactionalID != "" {
		p.transactionState(txn.Uninitialized, nil)
	}
	return p, nil
}

// Send appends r to the open batch of its partition and returns at once; it
// waits only for metadata of a topic not seen before and for buffer memory,
// together at most Config.MaxBlock.
//
//	r.Key, r.Value   copied before Send returns; nil and empty differ on the wire
//	r.Timestamp      truncated to milliseconds; zero means now
//	size             ≤ Config.MaxRequestSize bytes, uncompressed, headers included
//	order            records of one partition keep the order of their Sends
//
// A producer with a transactional id sends in transactions only.
//
// Errors returned here mean that nothing was buffered: ErrClosed, ErrFatal,
// ErrInvalidState and ErrAbortable (of a transaction), ErrRecordTooLarge,
// ErrBufferExhausted, ErrTimeout (no such topic or partition), ErrInvalidRecord,
// a KafkaError, or context.Cause(ctx). What a broker answers arrives through the
// Delivery, as a *DeliveryError, within Config.DeliveryTimeout of Send.
//
// Source: KIP-91 (delivery.timeout.ms), KIP-480 and KIP-794 (choice of
// partition), KIP-98 (idempotence).
func (p *Producer) Send(ctx context.Context, r Record) (Delivery, error) {
	if p.chain == nil {
		return p.send(ctx, &r, nil, nil)
	}
	return p.sendBytesIntercepted(ctx, r, nil)
}

// SendSync sends r and waits for its outcome. The error is Send's or Wait's.
func (p *Producer) SendSync(ctx context.Context, r Record) (RecordMetadata, error) {
	d, err := p.Send(ctx, r)
	if err != nil {
		return unsent(&r), err
	}
	return d.Wait(ctx)
}

// SendAsync sends r and has its outcome passed to done, exactly once. If the
// record is refused, done is called before SendAsync returns. done may be nil.
func (p *Producer) SendAsync(ctx context.Context, r Record, done Callback) {
	if p.chain != nil {
		p.sendBytesIntercepted(ctx, r, done) // which has told done of an error
		return
	}
	if _, err := p.send(ctx, &r, done, nil); err != nil && done != nil {
		p.call(done, unsent(&r), err)
	}
}

// asked is what a custom partitioner sees of a record before serialization.
type asked struct{ key, value any }

// send is Send without interceptors. r does not escape. Structs are filled field
// by field: a literal would be made aside and copied in words twice as wide,
// which have to wait for the stores before them (20 ns a record).
func (p *Producer) send(
	ctx context.Context, r *Record, done Callback, typed *asked,
) (d Delivery, err error) {
	if down := p.down.Load(); down != nil {
		return Delivery{}, *down
	}
	if err := ctx.Err(); err != nil {
		return Delivery{}, context.Cause(ctx)
	}
	var rec accumulator.Record
	rec.Timestamp, rec.Key, rec.Value = -1, r.Key, r.Value
	if err := p.check(r, &rec); err != nil {
		return Delivery{}, p.spoil(r.Topic, err)
	}
	if done != nil {
		rec.Callback, rec.WantEntry = done, true
	}
	if p.chain != nil {
		rec.WantEntry, rec.WantHeaders = true, true
	}
	wait := p.settings.maxBlock
	topic := p.last.Load()
	if topic == nil || topic.Name != r.Topic {
		var err error
		if topic, err = p.topic(ctx, r.Topic, &wait); err != nil {
			return Delivery{}, p.spoil(r.Topic, err)
		}
	}
	index, err := p.partition(ctx, r, topic, typed, &wait)
	if err != nil {
		return Delivery{}, p.spoil(r.Topic, err)
	}
	receipt, err := p.acc.Append(ctx, topic, index, &rec, wait)
	if err != nil {
		if !errors.Is(err, accumulator.ErrNoPartition) {
			return Delivery{}, p.spoil(r.Topic, p.refused(err, r))
		}
		// The topic was not used for long and has been forgotten.
		if err := p.await(ctx, r.Topic, index, &wait); err != nil {
			return Delivery{}, p.spoil(r.Topic, err)
		}
		if receipt, err = p.acc.Append(ctx, topic, index, &rec, wait); err != nil {
			return Delivery{}, p.spoil(r.Topic, p.refused(err, r))
		}
	}
	d.outcome, d.index, d.timestamp = receipt.Outcome, receipt.Index, receipt.Timestamp
	d.sizes = makeSizes(size(r.Key), size(r.Value))
	return d, nil
}

// size is the length of a key or value, -1 for null.
func size(b []byte) int32 {
	if b == nil {
		return -1
	}
	return int32(len(b))
}

// unsent is the metadata of a record that was refused.
func unsent(r *Record) RecordMetadata {
	md := RecordMetadata{
		Topic: r.Topic, Partition: -1, Offset: UnknownOffset, Timestamp: r.Timestamp,
		KeySize: int(size(r.Key)), ValueSize: int(size(r.Value)),
	}
	if n, ok := r.Partition.Index(); ok {
		md.Partition = n
	}
	return md
}

// Flush sends everything that was accepted before it, without lingering, and
// returns when all of it has an outcome and its callbacks have run. Outcomes are
// the Deliveries' and callbacks' to tell: Flush's error is the context's cause,
// or ErrInvalidState in a callback, where Flush would wait for itself.
func (p *Producer) Flush(ctx context.Context) error {
	if completion.Inside() {
		return &failure{is: ErrInvalidState, text: "Flush in a callback would wait for itself"}
	}
	select {
	case <-p.closed:
		return nil
	default:
	}
	select {
	case <-p.loop.Flush().Done:
		return nil
	case <-p.closed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// CloseError is what Close could not deliver.
type CloseError struct {
	// Undelivered is the records that were given up, in order within each
	// partition, as they would have been sent.
	Undelivered []Undelivered
	Cause       error // why Close did not wait longer
}

// Undelivered is a record that Close gave up.
type Undelivered struct {
	Record    Record // its Partition is the one that was chosen
	Certainty Certainty
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("close: %s not delivered: %v",
		plural(len(e.Undelivered), "record"), e.Cause)
}

// Unwrap is the reason.
func (e *CloseError) Unwrap() error { return e.Cause }

// Close refuses new records, delivers what was accepted, runs the callbacks and
// ends all goroutines and connections. When ctx ends first, or in a callback,
// where it could wait for ever, it gives up what is left: those records fail
// with ErrClosed, and Close returns them in a *CloseError. An open transaction
// is aborted; one that PrepareTransaction has told of stays. A second Close waits
// for the first and returns the same, but in a callback, for which the first waits,
// it does nothing.
func (p *Producer) Close(ctx context.Context) error {
	inside := completion.Inside()
	if p.closing.CompareAndSwap(false, true) {
		p.close(ctx, inside)
	} else if inside {
		return nil
	}
	<-p.closed
	return p.closeErr
}

func (p *Producer) close(ctx context.Context, inside bool) {
	defer close(p.closed)
	p.goDown(ErrClosed)
	p.loop.Metadata.Wake() // who waits for a topic is to see that
	p.acc.Close()
	var cause, unended error
	if inside {
		cause = errors.New("called in a callback")
	} else {
		if p.settings.transactionalID != "" {
			unended = p.endTransaction(ctx)
		}
		select {
		case <-p.loop.Flush().Done:
		case <-ctx.Done():
			cause = context.Cause(ctx)
		}
	}
	if cause != nil {
		f := p.loop.Flush()
		p.loop.Abandon(&batch.Failure{Err: &failure{is: ErrClosed, cause: cause,
			text: fmt.Sprintf("producer was closed before the record was delivered: %v", cause)}})
		if !inside {
			<-f.Done
		}
	}
	p.loop.Stop(!inside)
	p.clock.Close()
	if p.closeErr = p.undelivered(cause); p.closeErr == nil {
		p.closeErr = unended
	}
	if p.chain != nil {
		p.chain.close()
	}
	if c, ok := p.settings.partitioner.(io.Closer); ok {
		if err := guard(c.Close); err != nil {
			p.settings.logger.Warn("partitioner failed to close", "error", err)
		}
	}
}

// undelivered makes the error of a Close that gave records up.
func (p *Producer) undelivered(cause error) error {
	batches := p.loop.Undelivered()
	if len(batches) == 0 {
		return nil
	}
	e := &CloseError{Cause: cause}
	for _, b := range batches {
		certainty := NotWritten
		if b.Verdict.MaybeWritten {
			certainty = MaybeWritten
		}
		records, err := b.Records()
		if err != nil {
			e.Cause = errors.Join(e.Cause, err)
		}
		for _, r := range records {
			headers := make([]Header, 0, len(r.Headers))
			for _, h := range r.Headers {
				headers = append(headers, Header{Key: h.Key, Value: h.Value})
			}
			e.Undelivered = append(e.Undelivered, Undelivered{Certainty: certainty, Record: Record{
				Topic: b.Outcome.Topic, Partition: ToPartition(b.Outcome.Partition),
				Key: r.Key, Value: r.Value, Headers: headers,
				Timestamp: time.UnixMilli(b.Outcome.BaseTimestamp + r.TimestampDelta),
			}})
		}
	}
	return e
}
