package serializer

import "fmt"

// FieldError says which part of a value does not fit its schema. It matches
// ErrValue.
//
//	items[3].price: "12,50" is a string, but the schema wants double
type FieldError struct {
	Path  string // to the part, as items[3].price; empty means the whole value
	Value any    // what stands there; nil if nothing does
	Want  string // what the schema has there: "double", "one of null, string"
	Err   error  // more on the cause, or nil
}

func (e *FieldError) Error() string {
	path := e.Path
	if path == "" {
		path = "value"
	}
	text := path + ": "
	switch v := e.Value.(type) {
	case nil:
		text += "null"
	case string:
		text += fmt.Sprintf("%q is a string", excerpt(v))
	default:
		text += fmt.Sprintf("%s is a %T", excerpt(fmt.Sprint(v)), v)
	}
	if e.Want != "" {
		text += ", but the schema wants " + e.Want
	}
	if e.Err != nil {
		text += fmt.Sprintf(" (%v)", e.Err)
	}
	return text
}

// Unwrap lets errors.Is and errors.As see ErrValue and the cause.
func (e *FieldError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrValue}
	}
	return []error{ErrValue, e.Err}
}
