package compatibility_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/schemaregistry/compatibility"
)

func ExampleCheck() {
	last := compatibility.Schema{Type: "AVRO", Text: `{"type":"record","name":"Order","fields":[
		{"name":"id","type":"long"}]}`}
	next := compatibility.Schema{Type: "AVRO", Text: `{"type":"record","name":"Order","fields":[
		{"name":"id","type":"long"}, {"name":"note","type":"string"}]}`}
	found, err := compatibility.Check(compatibility.Backward, next, last)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, i := range found {
		fmt.Println(i.Type, i.Path)
	}
	// Output:
	// READER_FIELD_MISSING_DEFAULT_VALUE /fields/1
}

func TestLevelsPickDirectionAndVersions(t *testing.T) {
	record := func(fields ...string) compatibility.Schema {
		for i, f := range fields {
			name, suffix, _ := strings.Cut(f, "=")
			fields[i] = `{"name":"` + name + `","type":"int"`
			if suffix != "" {
				fields[i] += `,"default":` + suffix
			}
			fields[i] += "}"
		}
		return compatibility.Schema{Text: `{"type":"record","name":"R","fields":[` +
			strings.Join(fields, ",") + `]}`}
	}
	for _, tt := range []struct {
		name  string
		level compatibility.Level
		next  compatibility.Schema
		ok    bool
	}{
		{"a field without default is new", compatibility.Backward, record("a", "b"), false},
		{"a field without default is new", compatibility.Forward, record("a", "b"), true},
		{"a field without default is new", compatibility.Full, record("a", "b"), false},
		{"a field without default is new", compatibility.None, record("a", "b"), true},
		{"a field with default is new", compatibility.Full, record("a=0", "b=0"), true},
		{"the last lost c, which the first has", compatibility.Forward, record("a"), true},
		{"the last lost c, which the first has", compatibility.ForwardTransitive, record("a"), false},
		{"reads all", compatibility.BackwardTransitive, record("a"), true},
		{"a is gone", compatibility.Backward, record(), true},
		{"a is gone", compatibility.FullTransitive, record(), false},
	} {
		found, err := compatibility.Check(tt.level, tt.next, record("a", "c"), record("a"))
		if err != nil {
			t.Fatal(err)
		}
		if (len(found) == 0) != tt.ok {
			t.Errorf("%s, %s: %v, want fits: %v", tt.name, tt.level, found, tt.ok)
		}
	}
	if _, err := compatibility.Check("SIDEWAYS", record("a")); err == nil {
		t.Error("a level that is none is accepted")
	}
	other, err := compatibility.Check(compatibility.Backward, record("a"),
		compatibility.Schema{Type: "JSON", Text: `{}`})
	if err != nil || len(other) != 1 || other[0].Type != "SCHEMA_TYPE_CHANGED" {
		t.Errorf("another type: %v, %v", other, err)
	}
}
