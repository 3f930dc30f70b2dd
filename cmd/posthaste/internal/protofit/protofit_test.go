package protofit

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/misfit"
	"github.com/posthaste-go/posthaste/serializer"
)

const everything = `syntax = "proto3";
package x;
import "google/protobuf/timestamp.proto";
import "google/protobuf/struct.proto";
enum Suit { NONE = 0; HEARTS = 1; }
message R {
  optional int32 i = 1;
  optional uint64 u = 2;
  optional double d = 3;
  optional float f = 4;
  optional string s = 5;
  optional bool b = 6;
  optional bytes raw = 7;
  google.protobuf.Timestamp at = 8;
  repeated string tags = 9;
  map<string, int64> m = 10;
  Suit suit = 11;
  R next = 12;
  optional int64 Cost_Total = 13 [json_name = "Cost Total $"];
  google.protobuf.ListValue rows = 14;
}
`

func message(t testing.TB) protoreflect.MessageDescriptor {
	t.Helper()
	c := protocompile.Compiler{Resolver: protocompile.WithStandardImports(
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(
			map[string]string{"a.proto": everything})})}
	files, err := c.Compile(t.Context(), "a.proto")
	if err != nil {
		t.Fatal(err)
	}
	return files[0].Messages().Get(0)
}

func TestJSONFitsMessages(t *testing.T) {
	md := message(t)
	tests := []struct {
		name, in string
		o        Options
		want     string
	}{
		{"scalars", `{"i":-1,"u":"18446744073709551615","d":2.5,"f":1,"s":"é","b":true,"raw":"/w=="}`,
			Options{}, `{"i":-1,"u":"18446744073709551615","d":2.5,"f":1,"s":"é","b":true,"raw":"/w=="}`},
		{"null leaves out", `{"i":null,"tags":null,"s":""}`, Options{}, `{"s":""}`},
		{"containers", `{"tags":["a","b"],"m":{"k":7},"next":{"i":1}}`, Options{},
			`{"tags":["a","b"],"m":{"k":"7"},"next":{"i":1}}`},
		{"well-known types", `{"at":"2026-01-31 08:00:00Z","rows":[[1,"x"]]}`, Options{},
			`{"at":"2026-01-31T08:00:00Z","rows":[[1,"x"]]}`},
		{"enums", `{"suit":"HEARTS","next":{"suit":1}}`, Options{},
			`{"suit":"HEARTS","next":{"suit":"HEARTS"}}`},
		{"names", `{"Cost Total $":1,"next":{"Cost_Total":2}}`, Options{},
			`{"next":{"Cost Total $":"2"},"Cost Total $":"1"}`},
		{"not a number", `{"d":"NaN"}`, Options{}, `{"d":"NaN"}`},
		{"text for numbers and numbers for text", `{"i":"5","s":1.50,"b":"TRUE","u":"","d":"2"}`,
			Options{Text: true}, `{"i":5,"d":2,"s":"1.50","b":true}`},
		{"unknown members passed over", `{"zzz":{"a":1},"i":1}`, Options{SkipUnknown: true}, `{"i":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := Fit(md, []byte(tt.in), tt.o)
			if err != nil {
				t.Fatal(err)
			}
			spaced, err := protojson.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			if err := json.Compact(&got, spaced); err != nil || got.String() != tt.want {
				t.Errorf("message is %s, want %s", got.String(), tt.want)
			}
		})
	}
}

func TestWhatDoesNotFitIsNamed(t *testing.T) {
	md := message(t)
	tests := []struct{ name, in, want string }{
		{"text for a number", `{"i":"late"}`, `field i: "late" is text, but the schema wants int32`},
		{"a number for text", `{"s":5}`, `field s: 5 is a number, but the schema wants string`},
		{"a number out of range", `{"next":{"i":2147483648}}`,
			`field next.i: 2147483648 is a number, but the schema wants int32`},
		{"a number for a boolean", `{"b":1}`, `field b: 1 is a number, but the schema wants bool`},
		{"an item", `{"tags":["a",{}]}`, `field tags[1]: {} is an object, but the schema wants string`},
		{"a map's value", `{"m":{"a":true}}`,
			`field m["a"]: true is a boolean, but the schema wants int64`},
		{"an enum's name", `{"suit":"X"}`,
			`field suit: "X" is text, but the schema wants enum x.Suit (NONE, HEARTS)`},
		{"a timestamp", `{"at":"soon"}`,
			`field at: "soon" is text, but the schema wants google.protobuf.Timestamp`},
		{"an unknown member", `{"next":{"zzz":1}}`, `field next.zzz: message x.R has no such field; ` +
			`it has i, u, d, f, s, b, raw, at, tags, m, suit, next, Cost_Total, rows`},
		{"no object", `[]`, `the value: [] is an array, but the schema wants message x.R`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Fit(md, []byte(tt.in), Options{})
			fe, ok := errors.AsType[*serializer.FieldError](err)
			if !ok {
				t.Fatalf("error is %v, want a FieldError", err)
			}
			if got := misfit.Explain(fe); got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
		})
	}
}

// Whatever the text is, there is a message or an error.
func FuzzFitNeverPanics(f *testing.F) {
	f.Add(`{"i":1,"at":"2026-01-31T08:00:00Z","m":{"a":1},"rows":[1]}`, true)
	f.Add(`{"suit":99,"raw":"=","next":{"next":{}}}`, false)
	md := message(f)
	f.Fuzz(func(t *testing.T, in string, text bool) {
		m, err := Fit(md, []byte(in), Options{Text: text})
		if err == nil && m == nil {
			t.Fatal("neither a message nor an error")
		}
	})
}
