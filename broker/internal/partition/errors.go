package partition

import (
	"errors"
	"fmt"
)

// Code is an error code of the Kafka protocol, one of those that a partition
// can answer. Source: org.apache.kafka.common.protocol.Errors.
type Code int16

// The codes are named as in the protocol guide.
const (
	UnknownServerError           Code = -1
	OffsetOutOfRange             Code = 1
	CorruptMessage               Code = 2
	MessageTooLarge              Code = 10
	RecordListTooLarge           Code = 18
	NotEnoughReplicas            Code = 19
	InvalidTimestamp             Code = 32
	UnsupportedForMessageFormat  Code = 43
	PolicyViolation              Code = 44
	OutOfOrderSequenceNumber     Code = 45
	InvalidProducerEpoch         Code = 47
	InvalidTxnState              Code = 48
	TransactionCoordinatorFenced Code = 52
	KafkaStorageError            Code = 56
	FencedLeaderEpoch            Code = 74
	UnknownLeaderEpoch           Code = 75
	InvalidRecord                Code = 87
	NotLeaderOrFollower          Code = 6
)

// Error is a refusal that a client is told.
type Error struct {
	Code    Code
	Message string        // for the response's error message; says what is wrong
	Records []RecordError // records at fault, at the places they have in the batch
	Err     error         // the cause on this side, if there is one; never told to clients
}

// RecordError is one record that made the broker refuse its batch (KIP-467).
type RecordError struct {
	Index   int32 // place in the batch, from 0
	Message string
}

func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s (kafka error %d): %v", e.Message, e.Code, e.Err)
	}
	return fmt.Sprintf("%s (kafka error %d)", e.Message, e.Code)
}

// Unwrap lets errors.Is and errors.As see the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf is the protocol's code for err: 0 for nil, an *Error's own, and
// UNKNOWN_SERVER_ERROR for anything else.
func CodeOf(err error) Code {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return UnknownServerError
}

func refuse(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
