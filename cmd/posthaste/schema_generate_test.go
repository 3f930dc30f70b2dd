package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestGenerateWritesAFileForEachSchema(t *testing.T) {
	dir := t.TempDir()
	order := file(t, "order.avsc", `{"type":"record","name":"Order","fields":[
		{"name":"id","type":"long"},{"name":"item","type":"Item"}]}`)
	item := file(t, "item.avsc", `{"type":"record","name":"Item","fields":[
		{"name":"note","type":["null","string"],"default":null}]}`)
	out := filepath.Join(dir, "shop-events")
	r := must(t, "", "schema", "generate", "--out", out, order, item)
	if want := "posthaste: wrote " + filepath.Join(out, "order.avro.go") + "\nposthaste: wrote " +
		filepath.Join(out, "item.avro.go") + "\n"; r.err != want {
		t.Errorf("standard error is %q, want %q", r.err, want)
	}
	text, err := os.ReadFile(filepath.Join(out, "order.avro.go"))
	if err != nil || !strings.Contains(string(text), "package shopevents\n") ||
		!strings.Contains(string(text), "Item Item  `avro:\"item\"") {
		t.Errorf("%v in\n%s", err, text)
	}
	if r := must(t, "", "schema", "generate", "--out", out, order, item); r.err != "" {
		t.Errorf("the second time something changed: %s", r.err)
	}
	vet := exec.Command("go", "vet", "order.avro.go", "item.avro.go")
	vet.Dir = out
	vet.Env = append(os.Environ(), "GO111MODULE=off")
	if b, err := vet.CombinedOutput(); err != nil {
		t.Errorf("what was generated does not compile: %s", b)
	}
}

func TestGenerateTakesEachTypeToStandardOutput(t *testing.T) {
	tests := []struct{ name, file, text, want string }{
		{"Avro", "a.avsc", `{"type":"enum","name":"A","symbols":["X"]}`, "const (\n\tAX A = \"X\"\n)"},
		{"Protobuf", "a.proto", `syntax = "proto3"; message A { string x = 1; }`,
			"func (x *A) GetX() string {"},
		{"JSON Schema", "a.json", `{"title":"A","type":"object","properties":{"x":{"type":"string"}}}`,
			"type A struct {"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := must(t, "", "schema", "generate", "--package", "p", file(t, tt.file, tt.text))
			if !strings.Contains(r.out, "\npackage p\n") || !strings.Contains(r.out, tt.want) {
				t.Errorf("no %q in\n%s", tt.want, r.out)
			}
		})
	}
}

func TestInferWritesSchemas(t *testing.T) {
	birds := "testdata/data/birdstrikes.csv"
	tests := []struct {
		name string
		in   string
		args []string
		want []string
		err  string
	}{
		{"CSV to Avro", "", []string{birds}, []string{`"name": "Birdstrikes"`,
			`"sourceName": "Cost Total $"`, `"logicalType": "date"`}, ""},
		{"CSV to Protobuf", "", []string{"--type", "protobuf", "--namespace", "faa", "--name", "Strike",
			birds}, []string{"package faa;", "message Strike {",
			`int64 Cost_Total = 13 [json_name = "Cost Total $"];`}, ""},
		{"CSV to JSON Schema", "", []string{"--type", "json-schema", birds}, []string{
			`"Cost Total $": {`, `"additionalProperties": false`}, ""},
		{"GeoJSON", "", []string{"testdata/data/earthquakes.json"}, []string{`"name": "Geometry"`,
			`"name": "felt"`}, ""},
		{"standard input, a sample", "{\"a\":1}\n{\"a\":2}\n", []string{"--format", "ndjson", "--sample",
			"1"}, []string{`"name": "Row"`, `"default": null`},
			"posthaste: looked at 1 row; every field is nullable, as rows behind them may lack it\n"},
		{"rows that do not agree", "{\"a\":1}\n{\"a\":\"x\"}\n", []string{"--format", "ndjson"},
			[]string{`"type": "string"`},
			"posthaste: field a has numbers and text in different rows: it is text in the schema\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := must(t, tt.in, append([]string{"schema", "infer"}, tt.args...)...)
			for _, want := range tt.want {
				if !strings.Contains(r.out, want) {
					t.Errorf("no %s in\n%s", want, r.out)
				}
			}
			if r.err != tt.err {
				t.Errorf("standard error is %q, want %q", r.err, tt.err)
			}
		})
	}
}

func TestSchemaFailuresAreOneLine(t *testing.T) {
	avsc := file(t, "a.avsc", `{"type":"record"}`)
	tests := []struct {
		name string
		args []string
		code int
		want string
	}{
		{"a schema without a type's name", []string{"generate", file(t, "a.txt", "")}, exitUsage,
			"a.txt: the name does not tell the type of the schema; give --type avro, protobuf or " +
				"json-schema\n"},
		{"a schema that is none", []string{"generate", avsc}, exitFailed, avsc +
			": not an Avro schema: "},
		{"two types", []string{"generate", avsc, file(t, "b.proto", "")}, exitUsage,
			"generate from one type of schema at a time\n"},
		{"a file that is not there", []string{"generate", "none.avsc"}, exitFailed,
			"cannot read none.avsc: no such file or directory\n"},
		{"a type that is none", []string{"infer", "--type", "thrift", avsc}, exitUsage,
			"--type thrift: there are avro, protobuf and json-schema\n"},
		{"lines", []string{"infer", file(t, "a.txt", "x\n")}, exitUsage, "lines are text and have no " +
			"fields; give --format ndjson, json, csv, tsv or parquet\n"},
		{"no rows", []string{"infer", file(t, "a.csv", "a,b\n")}, exitFailed,
			"no rows to infer a schema from\n"},
		{"a sample of nothing", []string{"infer", "--sample", "0", avsc}, exitUsage,
			"--sample 0: give a number of rows, or all\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := runCommand(t, "", append([]string{"schema"}, tt.args...)...)
			if r.code != tt.code || r.out != "" || strings.Count(r.err, "\n") != 1 ||
				!strings.Contains(r.err, tt.want) {
				t.Errorf("exit code %d, standard output %q, standard error %q; want %d, nothing, %q",
					r.code, r.out, r.err, tt.code, tt.want)
			}
		})
	}
}
