package serializer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
)

// JSON writes values with encoding/json, in one line and without escaping <, >
// and &. A nil pointer, map, slice or interface is null in the record, not the
// text "null"; both are read as nil.
//
// The bytes are plain JSON, without the schema id that serializers of a schema
// registry put in front, as Kafka Connect's JsonSerializer writes them.
type JSON[T any] struct{}

// Serialize implements [Serializer].
func (JSON[T]) Serialize(dst []byte, _ string, _ *[]Header, v T) ([]byte, error) {
	if isNil(v) {
		return nil, nil
	}
	out := appendWriter{dst}
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("JSON of %T: %w: %w", v, ErrValue, err)
	}
	return out.b[:len(out.b)-1], nil // without Encode's newline
}

// Deserialize implements [Deserializer].
func (JSON[T]) Deserialize(_ string, _ []Header, data []byte) (T, error) {
	var v T
	if data == nil || string(bytes.TrimSpace(data)) == "null" {
		if !hasNil(reflect.TypeFor[T]().Kind()) {
			return v, nullError(fmt.Sprintf("JSON of %T", v))
		}
		return v, nil
	}
	if err := json.Unmarshal(data, &v); err != nil {
		var zero T
		return zero, fmt.Errorf("JSON of %v: %w: %w", reflect.TypeFor[T](), ErrMalformed, err)
	}
	return v, nil
}

type appendWriter struct{ b []byte }

func (w *appendWriter) Write(p []byte) (int, error) {
	w.b = append(w.b, p...)
	return len(p), nil
}

func isNil(v any) bool {
	if v == nil {
		return true
	}
	rv := reflect.ValueOf(v)
	return hasNil(rv.Kind()) && rv.IsNil()
}

// hasNil reports whether values of the kind can be nil and then are null.
func hasNil(k reflect.Kind) bool {
	switch k {
	case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
		return true
	default:
		return false
	}
}
