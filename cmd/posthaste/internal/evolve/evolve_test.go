package evolve

import (
	"strings"
	"testing"
)

const (
	avroSchema = `{"type":"record","name":"O","fields":[{"name":"id","type":"long"},{"name":"x","type":"int"}]}`
	jsonSchema = `{"type":"object","properties":{"id":{"type":"integer"},"x":{}},"required":["id","x"]}`
	protoFile  = "syntax = \"proto3\";\n\nmessage O {\n  int64 id = 1;\n  optional int32 x = 2;\n" +
		"  optional int32 y = 3;\n}\n"
)

func TestChangesMakeTheNextVersion(t *testing.T) {
	tests := []struct {
		name, kind, text            string
		add, remove, rename, wanted []string
	}{
		{"a nullable field of Avro", "AVRO", avroSchema, []string{"note:string?"}, nil, nil,
			[]string{`{"name":"note","type":["null","string"],"default":null}]}`}},
		{"a field of Avro with a default", "AVRO", avroSchema, []string{"c:string=EUR", "n:int=5"}, nil,
			nil, []string{`{"name":"c","type":"string","default":"EUR"},{"name":"n","type":"int","default":5}`}},
		{"a nullable field of Avro with a default", "AVRO", avroSchema, []string{"n:int?"}, nil, nil,
			[]string{`["null","int"],"default":null`}},
		{"logical types", "AVRO", avroSchema, []string{"d:date?", "p:decimal(9,2)"}, nil, nil,
			[]string{`{"type":"int","logicalType":"date"}`, `"precision":9,"scale":2`}},
		{"a type as JSON", "AVRO", avroSchema, []string{`t:{"type":"array","items":"string"}`}, nil, nil,
			[]string{`"type":{"type":"array","items":"string"}`}},
		{"fields of Avro removed and renamed", "AVRO", avroSchema, nil, []string{"id"}, []string{"x=z"},
			[]string{`"fields":[{"name":"z","type":"int","aliases":["x"]}]`}},
		{"JSON Schema", "JSON", jsonSchema, []string{"note:string?", "n:integer", "d:date=2026-01-31"},
			[]string{"x"}, nil, []string{`"note":{"type":["string","null"]}`, `"required":["id","n"]`,
				`"d":{"type":"string","format":"date","default":"2026-01-31"}`}},
		{"Protobuf", "PROTOBUF", protoFile, []string{"note:string?", "n:int64"}, []string{"x"},
			[]string{"id=key"}, []string{"int64 key = 1;", "optional string note = 4;", "int64 n = 5;",
				"optional int32 y = 3;", "reserved 2;", `reserved "x";`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := Changes{Remove: tt.remove, Rename: tt.rename}
			if err := c.ParseAdd(tt.add); err != nil {
				t.Fatal(err)
			}
			got, err := Apply(t.Context(), tt.kind, tt.text, nil, c)
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range tt.wanted {
				if !strings.Contains(got, want) {
					t.Errorf("no %s in\n%s", want, got)
				}
			}
			if _, err := Apply(t.Context(), tt.kind, got, nil, Changes{}); err != nil {
				t.Errorf("the next version is not legal: %v", err)
			}
		})
	}
}

func TestChangesThatCannotBeMadeAreRefused(t *testing.T) {
	tests := []struct {
		name, kind, text string
		change           Changes
		want             string
	}{
		{"a field that is there", "AVRO", avroSchema, Changes{Add: []Field{{Name: "x", Type: "int"}}},
			"the schema has a field x already"},
		{"a field that is not there", "AVRO", avroSchema, Changes{Remove: []string{"y"}},
			"the schema has no field y; it has id, x"},
		{"a type that is none", "AVRO", avroSchema, Changes{Add: []Field{{Name: "y", Type: "text"}}},
			`"text" is no type to add`},
		{"no record", "AVRO", `"string"`, Changes{}, "the Avro schema is no record"},
		{"a default of Protobuf", "PROTOBUF", protoFile,
			Changes{Add: []Field{{Name: "z", Type: "int", Default: "5"}}}, "proto3 has no defaults"},
		{"a new name in JSON Schema", "JSON", jsonSchema, Changes{Rename: []string{"x=y"}},
			"JSON Schema has no aliases"},
		{"half a rename", "AVRO", avroSchema, Changes{Rename: []string{"x"}},
			"--rename x: write OLD=NEW"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Apply(t.Context(), tt.kind, tt.text, nil, tt.change)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want one with %q", err, tt.want)
			}
		})
	}
	var c Changes
	if err := c.ParseAdd([]string{"note"}); err == nil {
		t.Error("a field without a type is taken")
	}
}
