package registry

import "fmt"

// Error is an answer that a client gets in place of what it asked for. Codes
// are those of Confluent's registry: their first three digits are the HTTP
// status.
type Error struct {
	Status  int
	Code    int
	Message string
}

func (e *Error) Error() string { return fmt.Sprintf("%s (code %d)", e.Message, e.Code) }

func fail(code int, format string, args ...any) *Error {
	status := code
	for status > 999 {
		status /= 10
	}
	return &Error{status, code, fmt.Sprintf(format, args...)}
}

// The error codes of the REST API.
const (
	CodeSubjectNotFound       = 40401
	CodeVersionNotFound       = 40402
	CodeSchemaNotFound        = 40403
	CodeSubjectSoftDeleted    = 40404
	CodeSubjectNotSoftDeleted = 40405
	CodeVersionSoftDeleted    = 40406
	CodeVersionNotSoftDeleted = 40407
	CodeNoSubjectConfig       = 40408
	CodeNoSubjectMode         = 40409
	CodeIncompatible          = 409
	CodeInvalidSchema         = 42201
	CodeInvalidVersion        = 42202
	CodeInvalidCompatibility  = 42203
	CodeInvalidMode           = 42204
	CodeNotPermitted          = 42205
	CodeReferenceExists       = 42206
	CodeInvalidSubject        = 42208
	CodeSchemaTooLarge        = 42209
	CodeInvalidRuleSet        = 42210
	CodeContextNotEmpty       = 42211
	CodeStore                 = 50001
	CodeTimeout               = 50002
	CodeForwarding            = 50003
	CodeUnknownLeader         = 50004
)

func subjectNotFound(subject string) *Error {
	return fail(CodeSubjectNotFound, "Subject '%s' not found.", subject)
}

func versionNotFound(version int) *Error {
	return fail(CodeVersionNotFound, "Version %d not found.", version)
}

func schemaNotFound() *Error { return fail(CodeSchemaNotFound, "Schema not found") }

func idNotFound(id any) *Error { return fail(CodeSchemaNotFound, "Schema %v not found", id) }

// InvalidVersion is the answer to a version that is no number above 0 and not
// latest.
func InvalidVersion(version string) *Error {
	return fail(CodeInvalidVersion, "The specified version '%s' is not a valid version id. "+
		"Allowed values are between [1, 2^31-1] and the string \"latest\"", version)
}

func invalidSubject(subject string) *Error {
	return fail(CodeInvalidSubject, "The specified subject '%s' is not a valid subject.", subject)
}

func referenceExists(subject string, version int) *Error {
	return fail(CodeReferenceExists, "One or more references exist to the schema "+
		"{magic=1,keytype=SCHEMA,subject=%s,version=%d}.", subject, version)
}

// UnknownLeader is the answer to a write while no registry is the leader.
func UnknownLeader() *Error { return fail(CodeUnknownLeader, "Leader not known.") }

// ForwardingFailed is the answer to a write that did not reach the leader.
func ForwardingFailed(err error) *Error {
	return fail(CodeForwarding, "Error while forwarding the request to the leader: %v", err)
}
