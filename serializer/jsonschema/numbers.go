package jsonschema

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/posthaste-go/posthaste/internal/ordered"
	"github.com/posthaste-go/posthaste/serializer"
)

// errExponent: the validator makes a fraction of every number that it compares,
// a megabyte for the eight characters of 1e999999.
var errExponent = errors.New("an exponent has three digits at most")

// checkNumbers refuses a value that has a number with a long exponent. text is
// what it was read from, and tells in most cases that there is none.
func checkNumbers(text []byte, v any) error {
	if !mayHaveLongExponent(text) {
		return nil
	}
	return longExponent("", v)
}

// mayHaveLongExponent reports whether an e and more than ordered.ExponentDigits digits
// stand behind a digit, be it in a number or in a string.
func mayHaveLongExponent(text []byte) bool {
	digits, behindE := 0, false // digits in a row, up to here; and whether an e was before
	for _, c := range text {
		switch {
		case c >= '0' && c <= '9':
			if digits++; behindE && digits > ordered.ExponentDigits {
				return true
			}
		case (c == 'e' || c == 'E') && digits > 0:
			digits, behindE = 0, true
		case (c == '+' || c == '-') && behindE && digits == 0:
		default:
			digits, behindE = 0, false
		}
	}
	return false
}

func longExponent(path string, v any) error {
	switch v := v.(type) {
	case map[string]any:
		for name, part := range v {
			if err := longExponent(join(path, name), part); err != nil {
				return err
			}
		}
	case []any:
		for i, part := range v {
			if err := longExponent(fmt.Sprintf("%s[%d]", path, i), part); err != nil {
				return err
			}
		}
	case json.Number:
		if ordered.LongExponent(string(v)) {
			return &serializer.FieldError{Path: path, Value: v, Err: errExponent}
		}
	}
	return nil
}
