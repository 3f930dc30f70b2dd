package schemaregistry

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Errors of this package match these with errors.Is where they apply.
var (
	// ErrNotFound means that the registry has no such subject, version or schema.
	ErrNotFound = errors.New("not in the schema registry")
	// ErrIncompatible means that the registry refuses a schema because of the
	// subject's compatibility level.
	ErrIncompatible = errors.New("schema is incompatible")
	// ErrUnavailable means that no URL gave an answer that counts.
	ErrUnavailable = errors.New("schema registry is unavailable")
	// ErrUnauthorized means that the registry refuses the user or the action.
	ErrUnauthorized = errors.New("schema registry refuses access")
	// ErrClosed means that the client was closed.
	ErrClosed = errors.New("schema registry client is closed")
	// ErrConfig means that a setting is missing or wrong.
	ErrConfig = errors.New("schema registry configuration")
)

// Error is a registry's refusal, or the failure to reach one.
type Error struct {
	Operation string // what was tried, in words: "register a schema"
	Subject   string // or empty
	URL       string // that answered last, without credentials
	Status    int    // HTTP status; 0 if there was no answer
	Code      int    // the registry's own code, such as 40401; 0 if it gave none
	Message   string // the registry's own words
	Attempts  int    // requests made, over all URLs
	Err       error  // the cause if there was no answer
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("schema registry " + e.URL + ": " + e.Operation)
	if e.Subject != "" {
		b.WriteString(" of subject " + strconv.Quote(e.Subject))
	}
	switch {
	case e.Err != nil:
		fmt.Fprintf(&b, ": %v", e.Err)
	default:
		fmt.Fprintf(&b, ": HTTP status %d", e.Status)
		if e.Code != 0 && e.Code != e.Status {
			fmt.Fprintf(&b, ", code %d", e.Code)
		}
		if e.Message != "" {
			b.WriteString(": " + e.Message)
		}
	}
	if e.Attempts > 1 {
		fmt.Fprintf(&b, " (after %d attempts)", e.Attempts)
	}
	if r := e.remedy(); r != "" {
		b.WriteString("; " + r)
	}
	return b.String()
}

// Unwrap lets errors.Is and errors.As see the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is matches the sentinels of this package.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrNotFound:
		return e.Status == http.StatusNotFound
	case ErrIncompatible:
		return e.Status == http.StatusConflict
	case ErrUnauthorized:
		return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden
	case ErrUnavailable:
		return e.Status == 0 || retriable(e.Status)
	}
	return false
}

// Codes of the registry that this package acts on. Source: the API reference of
// Confluent's Schema Registry.
const (
	codeSubjectNotFound = 40401
	codeVersionNotFound = 40402
	codeSchemaNotFound  = 40403
	codeSubjectDeleted  = 40404
	codeNotSoftDeleted  = 40405
	codeInvalidSchema   = 42201
	codeInvalidVersion  = 42202
	codeInvalidLevel    = 42203
	codeInvalidMode     = 42204
	codeReadOnly        = 42205
	codeReferenced      = 42206
)

func (e *Error) remedy() string {
	switch {
	case errors.Is(e.Err, ErrClosed):
		return ""
	case e.Status == 0:
		return "check schema.registry.url and that the registry runs, or pin what the program " +
			"needs with a lock file (posthaste schema lock)"
	case e.Status == http.StatusUnauthorized:
		return "check basic.auth.user.info or bearer.auth.token"
	case e.Status == http.StatusForbidden:
		return "ask for the right to this subject"
	case e.Status == http.StatusConflict:
		return "see the differences with posthaste schema check, or register under a new subject"
	}
	switch e.Code {
	case codeSubjectNotFound:
		return "register its schema first, or set auto.register.schemas=true"
	case codeVersionNotFound, codeSchemaNotFound:
		return "register the schema, or check that this is the registry the writer used"
	case codeSubjectDeleted, codeNotSoftDeleted:
		return "a subject is deleted softly first, then permanently"
	case codeInvalidSchema:
		return "correct the schema; posthaste schema check says what is wrong with it"
	case codeInvalidVersion:
		return `a version is a number from 1 or "latest"`
	case codeInvalidLevel:
		return "levels are NONE, BACKWARD, FORWARD, FULL and these with _TRANSITIVE"
	case codeInvalidMode:
		return "modes are READWRITE, READONLY, READONLY_OVERRIDE, IMPORT and FORWARD"
	case codeReadOnly:
		return "the subject or the registry does not allow this now: see its mode"
	case codeReferenced:
		return "other schemas refer to it: delete those first"
	}
	return ""
}

// retriable reports whether another attempt may have another result.
func retriable(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}
