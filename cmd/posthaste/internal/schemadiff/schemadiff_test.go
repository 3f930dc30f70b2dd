package schemadiff

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lines has a change a line, as the tool prints them.
func lines(changes []Change) (out []string) {
	for _, c := range changes {
		switch c.Kind {
		case "added":
			out = append(out, "+ "+c.Path+": "+c.New)
		case "removed":
			out = append(out, "- "+c.Path+": "+c.Old)
		default:
			out = append(out, "~ "+c.Path+": "+c.Old+" -> "+c.New)
		}
	}
	return out
}

func TestChangesAreToldFieldByField(t *testing.T) {
	avroRecord := func(fields string) string {
		return `{"type":"record","name":"O","namespace":"shop","fields":[` + fields + `]}`
	}
	proto := func(body string) string { return "syntax = \"proto3\";\npackage shop;\n" + body }
	for _, tt := range []struct {
		name, kind, old, new string
		want                 []string
	}{
		{"Avro: a promotion, a default and a field that goes", "AVRO",
			avroRecord(`{"name":"a","type":"int"},{"name":"b","type":"string"}`),
			avroRecord(`{"name":"a","type":"long","default":3}`),
			[]string{"~ a: int -> long, default 3", "- b: string"}},
		{"Avro: a field of a record in an array in a union", "AVRO",
			avroRecord(`{"name":"l","type":["null",{"type":"array","items":` +
				`{"type":"record","name":"L","fields":[{"name":"n","type":"int"}]}}]}`),
			avroRecord(`{"name":"l","type":["null",{"type":"array","items":` +
				`{"type":"record","name":"L","fields":[{"name":"n","type":"float"}]}}]}`),
			[]string{"~ l[].n: int -> float"}},
		{"Avro: symbols, sizes and logical types", "AVRO",
			avroRecord(`{"name":"e","type":{"type":"enum","name":"E","symbols":["A"]}},` +
				`{"name":"f","type":{"type":"fixed","name":"F","size":2}},` +
				`{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":4,"scale":1}}`),
			avroRecord(`{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},` +
				`{"name":"f","type":{"type":"fixed","name":"F","size":3}},` +
				`{"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}}`),
			[]string{"~ e: enum shop.E (A) -> enum shop.E (A, B)",
				"~ f: fixed shop.F of 2 bytes -> fixed shop.F of 3 bytes",
				"~ d: bytes decimal(4,1) -> bytes decimal(4,2)"}},
		{"Avro: aliases and documentation", "AVRO",
			avroRecord(`{"name":"a","type":"int"}`),
			avroRecord(`{"name":"a","type":"int","aliases":["b"],"doc":"more"}`),
			[]string{`~ a: int -> int, aliases b, doc "more"`}},
		{"Avro: the order of fields is none", "AVRO",
			avroRecord(`{"name":"a","type":"int"},{"name":"b","type":"int"}`),
			avroRecord(`{"name":"b","type":"int"},{"name":"a","type":"int"}`), nil},
		{"Avro: no record", "AVRO", `"int"`, `"long"`, []string{"~ (schema): int -> long"}},
		{"Protobuf: numbers, labels, oneofs, maps and enums", "PROTOBUF",
			proto("message O { int32 a = 1; string b = 2; int32 c = 3; map<string, int32> m = 4; }\n" +
				"enum E { X = 0; }"),
			proto("message O { repeated int32 a = 1; string b = 5; oneof o { int32 c = 3; } " +
				"map<string, E> m = 4; message N {} }\nenum E { X = 0; Y = 1; }"),
			[]string{"+ shop.E.Y: = 1", "~ shop.O.a: int32 = 1 -> repeated int32 = 1",
				"~ shop.O.b: string = 2 -> string = 5", "~ shop.O.c: int32 = 3 -> int32 in oneof o = 3",
				"~ shop.O.m: map<string, int32> = 4 -> map<string, shop.E> = 4",
				"+ shop.O.N: message"}},
		{"JSON Schema: what is required, limits and items", "JSON",
			`{"properties":{"a":{"type":"string"},"l":{"items":{"type":"integer"}},"x":true}}`,
			`{"properties":{"a":{"type":"string","maxLength":3},"l":{"items":{"type":"number"}}},` +
				`"required":["l"],"additionalProperties":false}`,
			[]string{`~ (schema): {} -> {"additionalProperties":false}`,
				`~ a: {"type":"string"} -> {"maxLength":3,"type":"string"}`, `~ l: {} -> required {}`,
				`~ l[]: {"type":"integer"} -> {"type":"number"}`, "- x: true"}},
		{"JSON Schema: definitions", "JSON",
			`{"definitions":{"d":{"type":"string"}}}`, `{"definitions":{"d":{"type":"null"}}}`,
			[]string{`~ #.d: {"type":"string"} -> {"type":"null"}`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			changes, err := Compare(t.Context(), Schema{Type: tt.kind, Text: tt.old},
				Schema{Type: tt.kind, Text: tt.new})
			if d := cmp.Diff(tt.want, lines(changes)); err != nil || d != "" {
				t.Errorf("%v (-want +got)\n%s", err, d)
			}
			back, err := Compare(t.Context(), Schema{Type: tt.kind, Text: tt.new},
				Schema{Type: tt.kind, Text: tt.old})
			if err != nil || len(back) != len(changes) {
				t.Errorf("the other way round there are %d changes, %v; want %d", len(back), err, len(changes))
			}
		})
	}
}

func TestWhatASchemaRefersToIsFollowed(t *testing.T) {
	line := func(kind string) Schema {
		return Schema{Type: "AVRO",
			Text: `{"type":"record","name":"O","fields":[{"name":"l","type":"L"}]}`,
			References: []string{`{"type":"record","name":"L","fields":[{"name":"n","type":"` + kind +
				`"}]}`}}
	}
	imported := func(kind string) Schema {
		return Schema{Type: "PROTOBUF", ReferenceNames: []string{"l.proto"},
			Text:       `syntax = "proto3"; import "l.proto"; message O { L l = 1; }`,
			References: []string{`syntax = "proto3"; message ` + kind + ` {} message L {}`}}
	}
	changes, err := Compare(t.Context(), line("int"), line("long"))
	if d := cmp.Diff([]string{"~ l.n: int -> long"}, lines(changes)); err != nil || d != "" {
		t.Errorf("Avro: %v %s", err, d)
	}
	if changes, err = Compare(t.Context(), imported("A"), imported("B")); err != nil ||
		len(changes) > 0 {
		t.Errorf("Protobuf: %v, %v: the import is a schema of its own", changes, err)
	}
}

func TestWhatIsNoSchemaIsNamed(t *testing.T) {
	for kind, want := range map[string]string{"AVRO": "not an Avro schema", "PROTOBUF": "syntax error",
		"JSON": "not a JSON Schema"} {
		good := Schema{Type: "AVRO", Text: `"int"`}
		bad := Schema{Type: kind, Text: "{"}
		for _, pair := range [][2]Schema{{bad, good}, {good, bad}} {
			if _, err := Compare(t.Context(), pair[0], pair[1]); err == nil ||
				!strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", kind, err, want)
			}
		}
	}
}
