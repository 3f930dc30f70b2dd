package infer

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"
	"github.com/twmb/avro"
)

// inferred is the compact Avro schema's fields of rows.
func inferred(t *testing.T, o Options, rows ...string) *Type {
	t.Helper()
	r := NewRows(o)
	for _, row := range rows {
		if err := r.Add([]byte(row)); err != nil {
			t.Fatal(err)
		}
	}
	return r.Type(true)
}

// short writes a type in few words: long? is a nullable long.
func short(t *Type) string {
	names := map[Kind]string{Boolean: "boolean", Int: "int", Long: "long", Float: "float",
		Double: "double", Decimal: "decimal", String: "string", Bytes: "bytes", UUID: "uuid",
		Date: "date", TimeMillis: "time-millis", TimeMicros: "time-micros"}
	s := names[t.Kind]
	switch {
	case timestampNames[t.Kind] != "":
		s = timestampNames[t.Kind]
	case t.Kind == Array:
		s = "[" + short(t.Items) + "]"
	case t.Kind == Map:
		s = "map[" + short(t.Items) + "]"
	case t.Kind == Record:
		var fields []string
		for _, f := range t.Fields {
			fields = append(fields, f.Name+" "+short(f.Type))
		}
		s = "{" + strings.Join(fields, ", ") + "}"
	}
	if t.Nullable {
		s += "?"
	}
	return s
}

func TestRowsGiveTypes(t *testing.T) {
	csv := Options{Text: true}
	tests := []struct {
		name string
		o    Options
		rows []string
		want string
	}{
		{"whole numbers", Options{}, []string{`{"a":1}`, `{"a":-9223372036854775808}`}, "{a long}"},
		{"numbers with a fraction among them", Options{}, []string{`{"a":1}`, `{"a":1.5}`, `{"a":2}`},
			"{a double}"},
		{"numbers past 64 bits keep their digits", Options{}, []string{`{"a":9223372036854775808}`},
			"{a string}"},
		{"null sometimes", Options{}, []string{`{"a":null}`, `{"a":true}`}, "{a boolean?}"},
		{"missing sometimes", Options{}, []string{`{"a":1}`, `{"b":1}`}, "{a long?, b long?}"},
		{"null always", Options{}, []string{`{"a":null}`}, "{a string?}"},
		{"dates", Options{}, []string{`{"a":"2026-01-31"}`}, "{a date}"},
		{"a date that is none", Options{}, []string{`{"a":"2026-01-31"}`, `{"a":"2026-02-31"}`},
			"{a string}"},
		{"points in time", Options{}, []string{`{"a":"2026-01-31T08:00:00Z"}`,
			`{"a":"2026-01-31T08:00:00.123456+02:00"}`}, "{a timestamp-micros}"},
		{"local times", Options{}, []string{`{"a":"2026-01-31T08:00:00","b":"2026-01-31 08:00:00"}`},
			"{a local-timestamp-micros, b local-timestamp-micros}"},
		{"times finer than microseconds", Options{}, []string{`{"a":"2026-01-31T08:00:00.1234567Z"}`},
			"{a string}"},
		{"dates and times", Options{}, []string{`{"a":"2026-01-31"}`, `{"a":"2026-01-31T08:00:00Z"}`},
			"{a string}"},
		{"UUIDs", Options{}, []string{`{"a":"7d444840-9dc0-11d1-b245-5ffdce74fad2"}`}, "{a uuid}"},
		{"numbers and text", Options{}, []string{`{"a":1}`, `{"a":"x"}`, `{"a":{"b":1}}`},
			"{a string}"},
		{"objects and arrays", Options{}, []string{`{"p":{"x":1,"l":[1,2.5]},"e":[]}`,
			`{"p":{"x":2},"e":[{"y":null},{"y":"z"}]}`},
			"{p {x long, l [double]?}, e [{y string?}]}"},
		{"an array that is always empty", Options{}, []string{`{"a":[]}`}, "{a [string?]}"},
		{"empty text in JSON is text", Options{}, []string{`{"a":""}`, `{"a":"2026-01-31"}`},
			"{a string}"},
		{"empty fields of CSV beside numbers and dates", csv,
			[]string{`{"a":1,"b":"2026-01-31","c":"x"}`, `{"a":"","b":"","c":""}`},
			"{a long?, b date?, c string}"},
		{"an empty column of CSV", csv, []string{`{"a":""}`}, "{a string}"},
		{"true and false in CSV", csv, []string{`{"a":"true","b":"true"}`, `{"a":"false","b":"yes"}`},
			"{a boolean, b string}"},
		{"true and false as text in JSON", Options{}, []string{`{"a":"true"}`}, "{a string}"},
		{"a member that is there twice", Options{}, []string{`{"a":1,"a":2}`, `{}`}, "{a long?}"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := short(inferred(t, tt.o, tt.rows...)); got != tt.want {
				t.Errorf("type is %s, want %s", got, tt.want)
			}
		})
	}
}

func TestASampleMakesEveryFieldNullable(t *testing.T) {
	r := NewRows(Options{})
	if err := r.Add([]byte(`{"a":1}`)); err != nil {
		t.Fatal(err)
	}
	if got := short(r.Type(false)); got != "{a long?}" {
		t.Errorf("type is %s, want {a long?}", got)
	}
}

func TestNotesTellWhatDoesNotAgree(t *testing.T) {
	rows := inferred(t, Options{}, `{"a":{"b":1},"c":[1]}`, `{"a":{"b":"x"},"c":[true]}`)
	want := []string{
		"field a.b has numbers and text in different rows: it is text in the schema",
		"field c[] has numbers and true and false in different rows: it is text in the schema"}
	if d := cmp.Diff(want, rows.Notes()); d != "" {
		t.Errorf("notes (-want +got):\n%s", d)
	}
}

func TestRowsThatAreNoObjectsAreRefused(t *testing.T) {
	for _, row := range []string{`[1]`, `"x"`, `{"a":}`, `{"a":1} x`, ``} {
		if err := NewRows(Options{}).Add([]byte(row)); err == nil {
			t.Errorf("Add(%s) takes what is no object", row)
		}
	}
}

func TestNamesBecomeLegal(t *testing.T) {
	for name, want := range map[string]string{"iata": "iata", "Airport Name": "Airport_Name",
		"Cost Total $": "Cost_Total", "1st": "_1st", "größe": "grose", "日本": "_", "a.b-c": "a_b_c",
		"_x": "_x", "": "_"} {
		if got := Legal(name); got != want {
			t.Errorf("Legal(%q) = %q, want %q", name, got, want)
		}
	}
}

const mixedRows = `{"id":7,"Full Name":"A","full-name":"B","at":"2026-01-31T08:00:00Z","day":"2026-01-31",` +
	`"where":{"lat":1.5,"tags":["x"],"where":{"deep":true}},"rows":[[1,2]],"list":[{"n":1}],"note":null}`

func TestAvroSchemasAreLegal(t *testing.T) {
	text := inferred(t, Options{}, mixedRows).Avro("Thing", "shop")
	s, err := avro.Parse(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	want := `{"name":"shop.Thing","type":"record","fields":[{"name":"id","type":"long"},` +
		`{"name":"Full_Name","type":"string"},{"name":"full_name","type":"string"},` +
		`{"name":"at","type":"long"},{"name":"day","type":"int"},` +
		`{"name":"where","type":{"name":"shop.Where","type":"record","fields":[` +
		`{"name":"lat","type":"double"},{"name":"tags","type":{"type":"array","items":"string"}},` +
		`{"name":"where","type":{"name":"shop.ThingWhereWhere","type":"record","fields":[` +
		`{"name":"deep","type":"boolean"}]}}]}},` +
		`{"name":"rows","type":{"type":"array","items":{"type":"array","items":"long"}}},` +
		`{"name":"list","type":{"type":"array","items":{"name":"shop.List","type":"record","fields":[` +
		`{"name":"n","type":"long"}]}}},{"name":"note","type":["null","string"]}]}`
	if got := string(s.Canonical()); got != want {
		t.Errorf("schema is\n%s, want\n%s", got, want)
	}
	if !strings.Contains(text, `"sourceName": "Full Name"`) {
		t.Errorf("the original name is not kept in\n%s", text)
	}
}

func TestProtobufAndJSONSchemas(t *testing.T) {
	rows := inferred(t, Options{}, mixedRows)
	wantProto := `syntax = "proto3";

package shop;

import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";

message Thing {
  int64 id = 1;
  string Full_Name = 2 [json_name = "Full Name"];
  string full_name = 3 [json_name = "full-name"];
  google.protobuf.Timestamp at = 4;
  string day = 5;
  message Where {
    double lat = 1;
    repeated string tags = 2;
    message Where {
      bool deep = 1;
    }
    Where where = 3;
  }
  Where where = 6;
  google.protobuf.ListValue rows = 7;
  message List {
    int64 n = 1;
  }
  repeated List list = 8;
  optional string note = 9;
}
`
	if d := cmp.Diff(wantProto, rows.Protobuf("Thing", "shop")); d != "" {
		t.Errorf("Protobuf (-want +got):\n%s", d)
	}
	c := protocompile.Compiler{Resolver: protocompile.WithStandardImports(
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(
			map[string]string{"a.proto": wantProto})})}
	if _, err := c.Compile(t.Context(), "a.proto"); err != nil {
		t.Error(err)
	}
	wantJSON := `{
  "$schema": "http://json-schema.org/draft-07/schema#",
  "title": "Thing",
  "type": "object",
  "properties": {
    "a b": {
      "type": [
        "integer",
        "null"
      ]
    },
    "d": {
      "type": "string",
      "format": "date"
    }
  },
  "required": [
    "d"
  ],
  "additionalProperties": false
}
`
	got := inferred(t, Options{}, `{"a b":null,"d":"2026-01-31"}`, `{"d":"2026-02-01"}`, `{"a b":1,"d":"2026-02-01"}`)
	if d := cmp.Diff(wantJSON, got.JSONSchema("Thing")); d != "" {
		t.Errorf("JSON Schema (-want +got):\n%s", d)
	}
}

func TestParquetSaysItsTypes(t *testing.T) {
	type row struct {
		ID    int64             `parquet:"id"`
		Small int32             `parquet:"small"`
		Name  *string           `parquet:"name,optional"`
		At    time.Time         `parquet:"at,timestamp(microsecond)"`
		Day   int32             `parquet:"day,date"`
		Price int64             `parquet:"price,decimal(2:12)"`
		Ratio float32           `parquet:"ratio"`
		Tags  []string          `parquet:"tags,list"`
		Extra map[string]string `parquet:"extra"`
		Big   uint64            `parquet:"big"`
		Raw   []byte            `parquet:"raw"`
		Inner struct {
			X float64 `parquet:"x"`
		} `parquet:"inner"`
	}
	var b bytes.Buffer
	if err := parquet.Write(&b, []row{{}}); err != nil {
		t.Fatal(err)
	}
	got, err := Parquet(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	want := "{id long, small int, name string?, at timestamp-micros, day date, price decimal, " +
		"ratio float, tags [string], extra map[string], big decimal, raw bytes, inner {x double}}"
	if short(got) != want {
		t.Errorf("type is %s, want %s", short(got), want)
	}
	if _, err := avro.Parse(got.Avro("R", "")); err != nil {
		t.Error(err)
	}
	if _, err := Parquet(strings.NewReader("PAR1 no PAR1"), 12); err == nil {
		t.Error("a file that is no Parquet is read")
	}
}
