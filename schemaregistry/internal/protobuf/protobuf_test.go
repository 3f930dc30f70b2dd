package protobuf

import (
	"slices"
	"testing"
)

func mustParse(t *testing.T, text string, imports ...Import) *Schema {
	t.Helper()
	s, err := Parse(text, imports)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return s
}

func TestText(t *testing.T) {
	s := mustParse(t, `// A file.
syntax = "proto3";
package shop.v1;

import "google/protobuf/timestamp.proto"; // time
option java_package = "com.shop";
/* an order */
message Order {
  reserved 9, 11 to 12; reserved "old";
  google.protobuf.Timestamp at = 3;
  int64 id = 1 [deprecated = true, json_name = "ID"];
  optional string note = 2;
  map<string, Line> lines = 4;
  oneof pay { string card = 5; Cash cash = 6; }
  message Line { repeated double amounts = 1; enum E { Z = 0; A = 1 [deprecated=true]; } E e = 2; }
  message Cash {}
}
enum Color { option allow_alias = true; RED = 0; ROT = 0; }
service Shop { rpc Buy (Order) returns (stream Order.Line); }
`)
	want := `syntax = "proto3";
package shop.v1;

import "google/protobuf/timestamp.proto";

option java_package = "com.shop";

message Order {
  reserved 9, 11 to 12;
  reserved "old";

  google.protobuf.Timestamp at = 3;
  int64 id = 1 [
    deprecated = true,
    json_name = "ID"
  ];
  optional string note = 2;
  map<string, Line> lines = 4;

  oneof pay {
    string card = 5;
    Cash cash = 6;
  }

  message Line {
    repeated double amounts = 1;
    E e = 2;
  
    enum E {
      Z = 0;
      A = 1 [deprecated = true];
    }
  }
  message Cash {}
}
enum Color {
  option allow_alias = true;
  RED = 0;
  ROT = 0;
}

service Shop {
  rpc Buy (Order) returns (stream Order.Line);
}
`
	if got := s.Text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	again := mustParse(t, s.Text())
	if again.Text() != s.Text() {
		t.Errorf("became\n%s", again.Text())
	}
	if again.Normalized() != s.Normalized() {
		t.Errorf("normalised\n%s\nthen\n%s", s.Normalized(), again.Normalized())
	}
	normal := mustParse(t, s.Normalized())
	if normal.Normalized() != s.Normalized() {
		t.Errorf("normalised\n%s\ntwice\n%s", s.Normalized(), normal.Normalized())
	}
	serialized, err := s.Serialized()
	if err != nil {
		t.Fatal(err)
	}
	if got := mustParse(t, serialized).Normalized(); got != s.Normalized() {
		t.Errorf("from a descriptor\n%s\nwant\n%s", got, s.Normalized())
	}
}

func TestProto2Text(t *testing.T) {
	text := `
message A {
  optional int32 a = 1 [default = 7];
  required string b = 2;
  repeated group G = 3 {
    optional int32 x = 1;
  }

  extensions 100 to max;
}

extend A {
  optional string more = 100;
}
`
	s := mustParse(t, text)
	if got := s.Text(); got != text {
		t.Errorf("got\n%s\nwant\n%s", got, text)
	}
}

func TestCompatibility(t *testing.T) {
	head := "syntax = \"proto3\";\n"
	for _, tt := range []struct {
		name, writer, reader string
		want                 []string
	}{
		{"a field is added", "message A { int32 a = 1; }",
			"message A { int32 a = 1; string b = 2; }", nil},
		{"a field is removed", "message A { int32 a = 1; string b = 2; }",
			"message A { int32 a = 1; }", nil},
		{"a field is renamed", "message A { int32 a = 1; }", "message A { int32 b = 1; }", nil},
		{"numbers of one encoding", "message A { int32 a = 1; }", "message A { bool a = 1; }", nil},
		{"numbers of two encodings", "message A { int32 a = 1; }", "message A { sint32 a = 1; }",
			[]string{"FIELD_SCALAR_KIND_CHANGED #/A/1"}},
		{"string and bytes", "message A { string a = 1; }", "message A { bytes a = 1; }", nil},
		{"string and repeated string", "message A { string a = 1; }",
			"message A { repeated string a = 1; }", nil},
		{"a number becomes many", "message A { int32 a = 1; }", "message A { repeated int32 a = 1; }",
			[]string{"FIELD_NUMERIC_LABEL_CHANGED #/A/1"}},
		{"a number that has no label becomes optional", "message A { int32 a = 1; }",
			"message A { optional int32 a = 1; }", nil},
		{"an optional number moves into a new oneof", "message A { optional int32 a = 1; }",
			"message A { oneof o { int32 a = 1; } }", nil},
		{"a scalar becomes a message", "message A { int32 a = 1; } message B {}",
			"message A { B a = 1; } message B {}",
			[]string{"FIELD_KIND_CHANGED #/A/1"}},
		{"another message", "message A { B a = 1; } message B {} message C {}",
			"message A { C a = 1; } message B {} message C {}", []string{"FIELD_NAMED_TYPE_CHANGED #/A/1"}},
		{"a message is removed", "message A {} message B {}",
			"message A {}", []string{"MESSAGE_REMOVED #/B"}},
		{"a nested message is removed", "message A { message N {} }", "message A {}",
			[]string{"MESSAGE_REMOVED #/A/N"}},
		{"messages change places", "message A {} message B {}", "message B {} message A {}", nil},
		{"an enum loses a symbol", "enum E { A = 0; B = 1; } message M {}",
			"enum E { A = 0; } message M {}", nil},
		{"the package changes", "package a; message A {}", "package b; message A {}",
			[]string{"PACKAGE_CHANGED #/"}},
		{"a field moves into a new oneof", "message A { int32 a = 1; }",
			"message A { oneof o { int32 a = 1; } }", nil},
		{"two fields move into a oneof", "message A { int32 a = 1; int32 b = 2; }",
			"message A { oneof o { int32 a = 1; int32 b = 2; } }", []string{"MULTIPLE_FIELDS_MOVED_TO_ONEOF #/A/o"}},
		{"a field moves into a oneof that was there", "message A { int32 a = 1; oneof o { int32 b = 2; } }",
			"message A { oneof o { int32 a = 1; int32 b = 2; } }", []string{"FIELD_MOVED_TO_EXISTING_ONEOF #/A/o"}},
		{"a oneof loses a field", "message A { oneof o { int32 a = 1; int32 b = 2; } }",
			"message A { oneof o { int32 a = 1; } }", []string{"ONEOF_FIELD_REMOVED #/A/o/2"}},
		{"a oneof goes as a whole", "message A { oneof o { int32 a = 1; } }", "message A {}", nil},
		{"a map's values", "message A { map<string, int32> m = 1; }",
			"message A { map<string, string> m = 1; }",
			[]string{"FIELD_SCALAR_KIND_CHANGED #/A/1"}},
		{"a map becomes a list", "message A { map<string, int32> m = 1; } message B {}",
			"message A { repeated B m = 1; } message B {}", []string{"FIELD_KIND_CHANGED #/A/1"}},
		{"messages that refer to each other", "message A { B b = 1; } message B { A a = 1; int32 n = 2; }",
			"message A { B b = 1; } message B { A a = 1; float n = 2; }", []string{"FIELD_SCALAR_KIND_CHANGED #/B/2"}},
	} {
		got := Incompatibilities(mustParse(t, head+tt.reader), mustParse(t, head+tt.writer))
		var list []string
		for _, i := range got {
			list = append(list, i.Type+" "+i.Path)
		}
		if !slices.Equal(list, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, list, tt.want)
		}
	}
}

func TestImportedMessagesAreCompared(t *testing.T) {
	file := `syntax = "proto3"; import "b.proto"; message A { b.B b = 1; }`
	before := mustParse(t, file, Import{"b.proto", `syntax = "proto3"; package b; message B { int32 n = 1; }`})
	after := mustParse(t, file, Import{"b.proto", `syntax = "proto3"; package b; message B { string n = 1; }`})
	got := Incompatibilities(after, before)
	want := []Incompatibility{{FieldScalarKindChanged, "#/B/1"}, {FieldNamedTypeChanged, "#/A/1"}}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestErrorsSayWhere(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"syntax = \"proto3\";\nmessage A { B b = 1; }", "2:13: field A.b: unknown type B"},
		{"message", "1:8: syntax error: unexpected $end"},
		{`syntax = "proto3"; import "x.proto"; message A {}`,
			"1:27: x.proto is no reference of the schema"},
		{"", "the file is empty"},
	} {
		_, err := Parse(tt.text, nil)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q: %v, want %s", tt.text, err, tt.want)
		}
	}
}

// Whatever comes in, parsing ends; what was read is written so that it can be
// read again.
func FuzzParse(f *testing.F) {
	f.Add(`syntax = "proto3"; message A { map<string, int32> m = 1; oneof o { bytes b = 2; } }`)
	f.Add(`message A { repeated group G = 3 { optional int32 x = 1 [default = 7]; } }`)
	f.Add("CgF4IgNBQkM=")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text, nil)
		if err != nil {
			return
		}
		again, err := Parse(s.Text(), nil)
		if err != nil {
			t.Fatalf("%q is written as %q: %v", text, s.Text(), err)
		}
		if found := Incompatibilities(again, s); len(found) > 0 {
			t.Fatalf("%q cannot read what it wrote: %v", text, found)
		}
	})
}
