package posthaste

import (
	"context"
	"errors"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
)

// Delivery is the coming outcome of one record. It is a small value: copy it,
// keep it, or drop it, which costs nothing and cancels nothing. The zero
// Delivery belongs to no record.
type Delivery struct {
	// Four fields at the most: the compiler keeps such a struct in registers.
	outcome   *batch.Outcome
	timestamp int64 // milliseconds
	index     int32
	sizes     sizes
}

// sizes is the lengths of key and value, -1 for null, in one word.
type sizes uint64

func makeSizes(key, value int32) sizes { return sizes(uint32(key))<<32 | sizes(uint32(value)) }

func (s sizes) key() int   { return int(int32(s >> 32)) }
func (s sizes) value() int { return int(int32(s)) }

// Callback receives the outcome of one record: where it stands, or an error,
// in which case the metadata has topic, partition if one was chosen, and sizes.
//
// Callbacks run on one goroutine, in the order of the records of a partition.
// They should be quick; while one runs the others wait. One that calls Send
// waits for memory at most max.block.ms.
type Callback func(RecordMetadata, error)

// Wait returns when the record's outcome is known or ctx is done. A context
// that ends frees the caller only: the record goes on, and Wait may be called
// again.
//
// The error is a *DeliveryError if the record failed, or the context's cause.
func (d Delivery) Wait(ctx context.Context) (RecordMetadata, error) {
	if d.outcome == nil {
		return RecordMetadata{Partition: -1, Offset: UnknownOffset}, &failure{
			is: ErrInvalidRecord, text: "wait for the zero Delivery, which belongs to no record",
		}
	}
	if err := d.outcome.Wait(ctx); err != nil {
		return d.metadata(UnknownOffset, -1), err
	}
	offset, appendTime, f := d.outcome.Of(d.index)
	md := d.metadata(offset, appendTime)
	if f != nil {
		return md, deliveryError(d.outcome, d.index, f)
	}
	return md, nil
}

// Done is closed when Wait would not block.
func (d Delivery) Done() <-chan struct{} {
	if d.outcome == nil {
		done := make(chan struct{})
		close(done)
		return done
	}
	return d.outcome.Done()
}

func (d Delivery) metadata(offset, appendTime int64) RecordMetadata {
	ms := d.timestamp
	if appendTime >= 0 {
		ms = appendTime
	}
	return RecordMetadata{
		Topic:     d.outcome.Topic,
		Partition: d.outcome.Partition,
		Offset:    offset,
		Timestamp: time.UnixMilli(ms),
		KeySize:   d.sizes.key(),
		ValueSize: d.sizes.value(),
	}
}

// deliveryError tells why record index of the batch failed.
func deliveryError(o *batch.Outcome, index int32, f *batch.Failure) *DeliveryError {
	e := &DeliveryError{
		TopicPartition: TopicPartition{o.Topic, o.Partition},
		Attempts:       f.Attempts,
		Err:            cause(index, f),
		Timeline: Timeline{
			Queued:    f.Timeline.Created,
			FirstSent: f.Timeline.FirstSent,
			Failed:    f.Timeline.Ended,
			Leader:    f.Timeline.Leader,
			Waited:    f.Timeline.Ended.Sub(f.Timeline.Created),
		},
	}
	if f.MaybeWritten {
		e.Certainty = MaybeWritten
	}
	switch {
	case f.Timeline.LastError != 0:
		e.Timeline.LastError = KafkaError(f.Timeline.LastError)
	case f.Timeline.LastCause != nil:
		e.Timeline.LastError = f.Timeline.LastCause
	}
	return e
}

// errOtherRecords: a record is not bad itself, so it must not match ErrInvalidRecord.
var errOtherRecords = errors.New("other records of the batch were refused")

// cause is the error that the user is to see as the reason.
func cause(index int32, f *batch.Failure) error {
	if len(f.BadRecords) > 0 {
		text, bad := f.BadRecords[index]
		if !bad {
			return &failure{is: errOtherRecords, text: f.Code.Name() +
				" for other records of its batch, which is refused as a whole: send it again"}
		}
		if text != "" {
			return &failure{is: KafkaError(f.Code), text: f.Code.Name() + ": " + text}
		}
	}
	switch {
	case errors.Is(f.Err, sender.ErrDeliveryTimeout):
		return &failure{is: ErrTimeout, cause: f.Err, text: f.Err.Error()}
	case f.Err != nil && f.Code != errcode.None:
		return &failure{is: KafkaError(f.Code), cause: f.Err, text: f.Err.Error()}
	case f.Err != nil:
		if code, ok := errors.AsType[errcode.Code](f.Err); ok { // what users can compare
			return &failure{is: KafkaError(code), cause: f.Err, text: f.Err.Error()}
		}
		return f.Err
	case f.Message != "":
		return &failure{is: KafkaError(f.Code), text: f.Code.Name() + ": " + f.Message}
	}
	return KafkaError(f.Code)
}
