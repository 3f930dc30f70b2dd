package partition

import (
	"errors"
	"fmt"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// Error is a refusal that a client is told.
type Error struct {
	Code    errcode.Code
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
		return fmt.Sprintf("%s (%s): %v", e.Message, e.Code.Name(), e.Err)
	}
	return fmt.Sprintf("%s (%s)", e.Message, e.Code.Name())
}

// Unwrap lets errors.Is and errors.As see the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf is the protocol's code for err: 0 for nil, an *Error's own, and
// UNKNOWN_SERVER_ERROR for anything else.
func CodeOf(err error) errcode.Code {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return errcode.UnknownServerError
}

func refuse(code errcode.Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
