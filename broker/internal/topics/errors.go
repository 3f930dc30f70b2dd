package topics

import (
	"fmt"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// Error is a refusal that a client is told.
type Error struct {
	Code    errcode.Code
	Message string
}

func (e *Error) Error() string { return e.Code.Name() + ": " + e.Message }

func refuse(code errcode.Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
