package interop

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/interop/python"
	"github.com/posthaste-go/posthaste/schemaregistry/embedded"
)

// The registry's answers, as Confluent's own client for Python understands them:
// every call that it has, and its serializers there and back.
func TestConfluentsClientUsesTheRegistry(t *testing.T) {
	r := embedded.Run(t, embedded.Config{})
	cmd := python.RegistryCommand(t, r.URL())
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, &stderr)
	}
	const schema = `{"type":"record","name":"R","fields":[{"name":"x","type":"int"}]}`
	list := func(items ...any) []any { return items }
	want := [][]any{
		{"types", list("AVRO", "JSON", "PROTOBUF")},
		{"no subjects", []any{}},
		{"no such subject", "error 404 40401"},
		{"no such schema", "error 404 40403"},
		{"register", 1.0},
		{"register again", 1.0},
		{"under another subject", 1.0},
		{"by id", schema},
		{"by guid", schema},
		{"lookup", 1.0},
		{"lookup of another", "error 404 40403"},
		{"compatible", true},
		{"incompatible", false},
		{"register incompatible", "error 409 409"},
		{"not a schema", "error 422 42201"},
		{"global level", "BACKWARD"},
		{"set level", map[string]any{"compatibility": "FORWARD"}},
		{"level", "FORWARD"},
		{"set config", map[string]any{"compatibility": "NONE"}},
		{"config", "NONE"},
		{"register at NONE", 2.0},
		{"delete config", "NONE"},
		{"no config", "error 404 40408"},
		{"global mode", "READWRITE"},
		{"read-only", "READONLY"},
		{"register read-only", "error 422 42205"},
		{"delete mode", "READONLY"},
		{"versions", list(1.0, 2.0)},
		{"latest", 2.0},
		{"subjects of an id", list("a-value", "b-value")},
		{"versions of an id", list(list("a-value", 1.0), list("b-value", 1.0))},
		{"contexts", list(".")},
		{"delete version", 1.0},
		{"versions left", list(2.0)},
		{"versions, deleted too", list(1.0, 2.0)},
		{"delete for good what is not deleted", "error 404 40407"},
		{"delete for good", 1.0},
		{"delete subject", list(2.0)},
		{"subjects left", list("b-value")},
		{"subjects, deleted too", list("a-value", "b-value")},
		{"delete subject for good", list(2.0)},
		{"protobuf", 3.0},
		{"protobuf with a reference", 4.0},
		{"referenced by", list(4.0)},
		{"delete what is referred to", "error 422 42206"},
		{"json", 5.0},
		{"json, compatible", true},
		{"json, incompatible", false},
		{"avro serializer", map[string]any{"x": 7.0}},
		{"json serializer", map[string]any{"a": 7.0}},
		{"protobuf serializer", 7.0},
		{"protobuf text", true},
	}
	var got [][]any
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); {
		var step []any
		if err := d.Decode(&step); err != nil {
			t.Fatalf("%v in\n%s", err, out)
		}
		got = append(got, step)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
