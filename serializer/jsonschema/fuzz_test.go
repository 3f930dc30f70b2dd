package jsonschema

import (
	"errors"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/internal/memory"
	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/serializer"
	"github.com/posthaste-go/posthaste/serializer/internal/fakeregistry"
)

// Bytes of a record come from anywhere. Reading them must not panic, must fail
// with one of the package's errors only, and must not allocate out of
// proportion; what was read can be written.
func FuzzDeserialize(f *testing.F) {
	registry := fakeregistry.Run(f)
	registry.Add("t-value", schemaregistry.Schema{Type: schemaregistry.JSON, Text: userSchema})
	registry.Add("any-value", schemaregistry.Schema{Type: schemaregistry.JSON, Text: `{}`})
	d := must(Generic(registry.Client(f)))(f)
	f.Add(true, []byte(`{"name": "Ann", "age": 1e400, "mail": ["a@b.c"]}`))
	f.Add(true, []byte(`{"name": "x", "pet": {"kind": 1}}`))
	f.Add(false, []byte(strings.Repeat("[", 3000)))
	f.Add(false, []byte(`"\ud800"`))
	f.Add(false, []byte(`1 2`))
	f.Fuzz(func(t *testing.T, user bool, data []byte) {
		id, topic := byte(2), "any"
		if user {
			id, topic = 1, "t"
		}
		framed := append([]byte{0, 0, 0, 0, id}, data...)
		if _, err := d.Deserialize(topic, nil, framed[:5]); err == nil { // warms up
			t.Fatal("no JSON, and no error")
		}
		var v any
		var err error
		memory.Check(t, len(data), func() { v, err = d.Deserialize(topic, nil, framed) })
		if err != nil {
			if !errors.Is(err, serializer.ErrMalformed) && !errors.Is(err, serializer.ErrValue) {
				t.Fatalf("%v is none of the package's errors", err)
			}
			return
		}
		if v == nil {
			return // null in JSON is null in the record
		}
		if _, err := d.Serialize([]byte{}, topic, nil, v); err != nil {
			t.Fatalf("%q is read as %v, which is not written: %v", data, v, err)
		}
	})
}
