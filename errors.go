package posthaste

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// Errors to compare with errors.Is.
var (
	// ErrClosed: the producer was closed before or during the call.
	ErrClosed = errors.New("producer is closed")
	// ErrRecordTooLarge: a record exceeds max.request.size, buffer.memory or the
	// topic's max.message.bytes. The error's text says which, and by how much.
	ErrRecordTooLarge = errors.New("record too large")
	// ErrBufferExhausted: buffer.memory stayed full for max.block.ms.
	ErrBufferExhausted = errors.New("buffer.memory exhausted")
	// ErrTimeout: max.block.ms or delivery.timeout.ms passed.
	ErrTimeout = errors.New("timeout")
	// ErrFenced: another producer with the same transactional id took over.
	ErrFenced = errors.New("producer is fenced")
	// ErrFatal: the producer can send nothing more; close it and make a new one.
	ErrFatal = errors.New("producer has failed for good")
	// ErrInvalidRecord: a record that cannot be sent as it is.
	ErrInvalidRecord = errors.New("invalid record")
	// ErrInvalidState: the call is not allowed in the producer's present state.
	ErrInvalidState = errors.New("invalid state")
)

// Certainty says whether a failed record may still be in the log.
type Certainty uint8

// The certainties of a failed record.
const (
	NotWritten   Certainty = iota // no broker has it; sending again cannot duplicate
	MaybeWritten                  // a request was out whose answer is not known
)

func (c Certainty) String() string {
	if c == MaybeWritten {
		return "maybe written"
	}
	return "not written"
}

// DeliveryError is why a record was not acknowledged. Every record of a batch
// shares the facts.
type DeliveryError struct {
	TopicPartition TopicPartition
	Attempts       int       // requests that carried the batch; 0 if it never left
	Certainty      Certainty // what is safe to assume about the log
	Err            error     // the last cause: a KafkaError, a net.Error, a deadline
	Timeline       Timeline
}

// Timeline is the life of a record that failed.
type Timeline struct {
	Queued    time.Time     // when its batch was opened
	FirstSent time.Time     // zero if it never left
	Failed    time.Time     //
	Leader    int32         // broker it was last sent to or waited for; -1 if no leader was known
	LastError error         // the last retriable failure, nil if there was none
	Waited    time.Duration // Failed - Queued
}

// Error tells the whole story in one line.
func (e *DeliveryError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "deliver to %v: %v (%v", e.TopicPartition, e.Err, e.Certainty)
	if e.Attempts > 0 {
		fmt.Fprintf(&b, ", %s", plural(e.Attempts, "attempt"))
	} else {
		b.WriteString(", never sent")
	}
	t := &e.Timeline
	if t.Waited > 0 {
		fmt.Fprintf(&b, ", after %v", t.Waited.Round(time.Millisecond))
	}
	if !t.FirstSent.IsZero() {
		fmt.Fprintf(&b, ", first sent after %v", t.FirstSent.Sub(t.Queued).Round(time.Millisecond))
	}
	if t.Leader >= 0 {
		fmt.Fprintf(&b, ", leader broker %d", t.Leader)
	} else if e.TopicPartition.Partition >= 0 && !t.Queued.IsZero() {
		b.WriteString(", no leader known")
	}
	if t.LastError != nil && !errors.Is(e.Err, t.LastError) {
		fmt.Fprintf(&b, ", before that: %v", t.LastError)
	}
	b.WriteByte(')')
	return b.String()
}

// Unwrap lets errors.Is and errors.As see the cause.
func (e *DeliveryError) Unwrap() error { return e.Err }

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// KafkaError is an error code of the Kafka protocol. Compare with errors.Is;
// Name is the protocol guide's name of the code.
type KafkaError int16

// Codes that a producer's user may want to tell apart.
const (
	UnknownTopicOrPartition    = KafkaError(errcode.UnknownTopicOrPartition)
	NotLeaderOrFollower        = KafkaError(errcode.NotLeaderOrFollower)
	MessageTooLarge            = KafkaError(errcode.MessageTooLarge)
	InvalidTopic               = KafkaError(errcode.InvalidTopicException)
	NotEnoughReplicas          = KafkaError(errcode.NotEnoughReplicas)
	TopicAuthorizationFailed   = KafkaError(errcode.TopicAuthorizationFailed)
	ClusterAuthorizationFailed = KafkaError(errcode.ClusterAuthorizationFailed)
	OutOfOrderSequenceNumber   = KafkaError(errcode.OutOfOrderSequenceNumber)
	InvalidProducerEpoch       = KafkaError(errcode.InvalidProducerEpoch)
	InvalidRecordCode          = KafkaError(errcode.InvalidRecord)
	// ProducerFenced is fatal; InvalidProducerEpoch, an old epoch, is not (KIP-588).
	ProducerFenced = KafkaError(errcode.ProducerFenced)
)

// Name is the code's name, for example NOT_LEADER_OR_FOLLOWER.
func (e KafkaError) Name() string { return errcode.Code(e).Name() }

func (e KafkaError) Error() string { return errcode.Code(e).Error() }

// Retriable reports whether the producer itself retries e.
func (e KafkaError) Retriable() bool { return errcode.Code(e).Retriable() }

// Is makes errors.Is true for the sentinel that means the same.
func (e KafkaError) Is(target error) bool {
	switch target {
	case ErrFenced:
		return e == ProducerFenced
	case ErrRecordTooLarge:
		return e == MessageTooLarge || e == KafkaError(errcode.RecordListTooLarge)
	case ErrInvalidRecord:
		return e == InvalidRecordCode
	}
	return false
}

// SerializationError is a key or value that a serializer refused. Nothing of
// the record was sent.
type SerializationError struct {
	Topic string
	IsKey bool
	Err   error
}

func (e *SerializationError) Error() string {
	part := "value"
	if e.IsKey {
		part = "key"
	}
	return fmt.Sprintf("serialize the %s of a record for topic %s: %v", part, e.Topic, e.Err)
}

// Unwrap is the serializer's own error.
func (e *SerializationError) Unwrap() error { return e.Err }

// failure is an error with a sentinel for errors.Is and a text that says more.
type failure struct {
	is    error
	text  string
	cause error
}

func (f *failure) Error() string { return f.text }

func (f *failure) Unwrap() []error {
	if f.cause == nil {
		return []error{f.is}
	}
	return []error{f.is, f.cause}
}
