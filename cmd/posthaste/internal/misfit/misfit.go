// Package misfit words what does not fit a schema, for people who see the JSON
// and not the Go values made of it.
package misfit

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/posthaste-go/posthaste/serializer"
)

// JSON is the text of a value that does not fit, as FieldError's Value.
type JSON string

// At puts a field's name or an index such as [3] in front of the path of a
// *serializer.FieldError; other errors stay as they are.
func At(part string, err error) error {
	fe, ok := err.(*serializer.FieldError)
	if !ok {
		return err
	}
	if fe.Path != "" && fe.Path[0] != '[' {
		part += "."
	}
	fe.Path = part + fe.Path
	return fe
}

// Explain says which field does not fit, its value, and what the schema wants:
//
//	field items[3].price: "late" is text, but the schema wants double
func Explain(e *serializer.FieldError) string {
	where := "the value"
	if e.Path != "" {
		where = "field " + e.Path
	}
	if e.Want == "" && e.Err != nil {
		return fmt.Sprintf("%s: %v", where, e.Err)
	}
	text := where + ": " + describe(e.Value)
	if e.Want != "" {
		text += ", but the schema wants " + e.Want
	}
	if e.Err != nil {
		text += fmt.Sprintf(" (%v)", e.Err)
	}
	return text
}

func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprintf("%t is a boolean", v)
	case string:
		return fmt.Sprintf("%q is text", short(v))
	case JSON:
		return short(string(v)) + " is " + kind(string(v))
	}
	return fmt.Sprintf("%s is a %T", short(fmt.Sprint(v)), v)
}

// kind is what a JSON text is.
func kind(text string) string {
	switch {
	case strings.HasPrefix(text, "{"):
		return "an object"
	case strings.HasPrefix(text, "["):
		return "an array"
	case strings.HasPrefix(text, `"`):
		return "text"
	case strings.HasPrefix(text, "t"), strings.HasPrefix(text, "f"):
		return "a boolean"
	}
	return "a number"
}

// short cuts a text that would fill the line.
func short(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	s = s[:most]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s + "…"
}
