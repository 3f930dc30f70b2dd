package protobuf

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/apipb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/typepb"

	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/schemaregistry/wireformat"
	"github.com/posthaste-go/posthaste/serializer"
	"github.com/posthaste-go/posthaste/serializer/internal/fakeregistry"
)

const orderFile = `syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
message Ignored { string a = 1; }
message Order {
  enum State { OPEN = 0; PAID = 1; }
  message Line { string sku = 1; int32 count = 2; }
  int64 id = 1;
  repeated Line lines = 2;
  State state = 3;
  map<string, double> prices = 4;
  google.protobuf.Timestamp at = 5;
  oneof payment { string card = 6; uint32 voucher = 7; }
  optional bool gift = 8;
  bytes sum = 9;
  map<int32, bool> flags = 10;
}`

func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func sampleOrder() map[string]any {
	return map[string]any{
		"id": 7, "state": "PAID", "gift": true, "sum": []byte{1, 2},
		"lines":  []any{map[string]any{"sku": "t-1", "count": 2.0}},
		"prices": map[string]any{"t-1": 2.5}, "voucher": json.Number("12"),
		"at": time.UnixMilli(1700000000123).UTC(), "flags": map[string]any{"3": true},
	}
}

func TestMapsGoThereAndBack(t *testing.T) {
	registry := fakeregistry.Run(t)
	d := must(Of(registry.Client(t), schemaregistry.Schema{Text: orderFile,
		Type: schemaregistry.Protobuf}, "Order"))(t)
	b := must(d.Serialize([]byte{}, "orders", nil, sampleOrder()))(t)
	if !bytes.HasPrefix(b, []byte{0, 0, 0, 0, 1, 2, 2}) { // id 1; one index, 1
		t.Errorf("bytes begin with %x", b[:8])
	}
	reader := must(Generic(registry.Client(t), ""))(t)
	got, err := reader.Deserialize("orders", nil, b)
	want := map[string]any{
		"id": int64(7), "state": "PAID", "gift": true, "sum": []byte{1, 2},
		"lines":  []any{map[string]any{"sku": "t-1", "count": int32(2)}},
		"prices": map[string]any{"t-1": 2.5}, "voucher": uint32(12),
		"at": time.UnixMilli(1700000000123).UTC(), "flags": map[string]any{"3": true},
	}
	if diff := cmp.Diff(any(want), got); err != nil || diff != "" {
		t.Errorf("Deserialize: %v, %s", err, diff)
	}
	again := must(d.Serialize([]byte{}, "orders", nil, got))(t)
	if back, err := reader.Deserialize("orders", nil, again); err != nil || !cmp.Equal(back, got) {
		t.Errorf("what was read is written and read as %v, %v", back, err)
	}
}

// Type is a generated type whose file imports others.
func TestGeneratedTypesWithImports(t *testing.T) {
	registry := fakeregistry.Run(t)
	client := registry.Client(t)
	d := must(For[*apipb.Method](client))(t)
	v := &apipb.Method{Name: "Find", RequestTypeUrl: "x", Options: []*typepb.Option{{Name: "o"}}}
	b := must(d.Serialize([]byte{}, "methods", nil, v))(t)
	if !bytes.HasPrefix(b[5:], []byte{2, 2}) { // Method is the second message of its file
		t.Errorf("indexes are %x", b[5:8])
	}
	got, err := d.Deserialize("methods", nil, b)
	if err != nil || !proto.Equal(got, v) {
		t.Errorf("Deserialize = %v, %v", got, err)
	}
	if b, err := d.Serialize([]byte{}, "methods", nil, nil); b != nil || err != nil {
		t.Errorf("a nil message is %x, %v; want null", b, err)
	}
	if got, err := d.Deserialize("methods", nil, nil); got != nil || err != nil {
		t.Errorf("null is read as %v, %v", got, err)
	}
	other := must(For[*apipb.Api](client))(t)
	if _, err := other.Deserialize("methods", nil, b); !errors.Is(err, ErrOtherMessage) {
		t.Errorf("another type of the same file: %v", err)
	}
	generic := must(Generic(client, ""))(t)
	m, err := generic.Deserialize("methods", nil, b)
	if err != nil || m.(map[string]any)["name"] != "Find" {
		t.Errorf("generic: %v, %v", m, err)
	}
}

func TestImportsAreRegisteredAsReferences(t *testing.T) {
	files := linked(t, map[string]string{
		"shop/item.proto": `syntax = "proto3"; package shop; message Item { string sku = 1; }`,
		"shop/cart.proto": `syntax = "proto3"; package shop; import "shop/item.proto";
			message Cart { repeated Item items = 1; }`,
	}, "shop/cart.proto")
	registry := fakeregistry.Run(t)
	client := registry.Client(t)
	d := newSerde[any](client, nil)
	d.generic("")
	if err := d.own(files.Messages().Get(0)); err != nil {
		t.Fatal(err)
	}
	v := map[string]any{"items": []any{map[string]any{"sku": "a"}}}
	b := must(d.Serialize([]byte{}, "carts", nil, v))(t)
	r := must(client.Latest(t.Context(), "carts-value"))(t)
	item := "shop/item.proto"
	want := []schemaregistry.Reference{{Name: item, Subject: item, Version: 1}}
	if diff := cmp.Diff(want, r.References); diff != "" {
		t.Error(diff)
	}
	reader := must(Generic(registry.Client(t), ""))(t)
	if got, err := reader.Deserialize("carts", nil, b); err != nil || !cmp.Equal(got, any(v)) {
		t.Errorf("Deserialize = %v, %v", got, err)
	}
}

// linked compiles a file with its imports.
func linked(t *testing.T, texts map[string]string, root string) protoreflect.FileDescriptor {
	t.Helper()
	var files descriptorpb.FileDescriptorSet
	added := map[string]bool{}
	var add func(f protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if added[f.Path()] {
			return
		}
		added[f.Path()] = true
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
		fd := protodesc.ToFileDescriptorProto(f)
		if f.Path() == rootFile {
			fd.Name = proto.String(root)
		}
		files.File = append(files.File, fd)
	}
	f, err := Compile(context.Background(), texts[root], texts)
	if err != nil {
		t.Fatal(err)
	}
	add(f)
	registry, err := protodesc.NewFiles(&files)
	if err != nil {
		t.Fatal(err)
	}
	out, err := registry.FindFileByPath(root)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestIDsInHeadersTakeTheIndexesAlong(t *testing.T) {
	client := fakeregistry.Run(t).Client(t)
	d := must(For[*apipb.Method](client, schemaregistry.HeaderIDs))(t)
	var headers []serializer.Header
	v := &apipb.Method{Name: "Find"}
	b := must(d.Serialize([]byte{}, "methods", &headers, v))(t)
	if want := must(proto.Marshal(v))(t); !bytes.Equal(b, want) {
		t.Errorf("payload %x, want %x", b, want)
	}
	if len(headers) != 1 || headers[0].Key != wireformat.ValueHeader ||
		!bytes.Equal(headers[0].Value[17:], []byte{2, 2}) {
		t.Errorf("headers %v", headers)
	}
	if got, err := d.Deserialize("methods", headers, b); err != nil || !proto.Equal(got, v) {
		t.Errorf("Deserialize = %v, %v", got, err)
	}
}

// The text of a descriptor must compile to the same descriptor, or be the
// descriptor itself.
func TestDescriptorsArePrintedWithoutLoss(t *testing.T) {
	tests := []struct {
		name string
		file protoreflect.FileDescriptor
		text bool // a .proto file, not base64
	}{
		{"timestamp", timestamppb.File_google_protobuf_timestamp_proto, true},
		{"struct: oneof, map, enum, recursion", structpb.File_google_protobuf_struct_proto, true},
		{"type: imports, reserved", typepb.File_google_protobuf_type_proto, true},
		{"descriptor: proto2, defaults, extension ranges with declarations",
			descriptorpb.File_google_protobuf_descriptor_proto, false},
		{"an order", linked(t, map[string]string{"a.proto": orderFile}, "a.proto"), true},
		{"proto2: group, required, extensions", linked(t, map[string]string{"a.proto": `
			syntax = "proto2"; package p;
			message M {
			  required string s = 1 [default = "a\"b\n"];
			  optional bytes b = 2 [default = "\001\377"];
			  optional group G = 3 { optional int32 x = 1; }
			  optional E e = 4 [default = TWO, deprecated = true];
			  repeated int32 packed = 5 [packed = true, json_name = "other"];
			  extensions 100 to 199, 500 to max;
			  reserved 50, 60 to 70; reserved "gone";
			  oneof o { int32 p = 8; M q = 9; }
			}
			enum E { option allow_alias = true; ONE = 1; TWO = 2; ZWEI = 2; reserved 9; }
			extend M { optional double d = 100; }
			service S { rpc Do(M) returns (stream M) { option deprecated = true; } }`}, "a.proto"), true},
		{"editions", linked(t, map[string]string{"a.proto": `edition = "2023"; package p;
			option features.field_presence = IMPLICIT;
			message M { string s = 1 [features.field_presence = EXPLICIT]; }`}, "a.proto"), true},
		{"custom options", linked(t, map[string]string{"a.proto": `syntax = "proto3"; package p;
			import "confluent/meta.proto";
			message M { string s = 1 [(confluent.field_meta).doc = "text"]; }`}, "a.proto"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := must(Text(tt.file))(t)
			imports := map[string]string{}
			addImports(tt.file, imports)
			again, err := Compile(t.Context(), text, imports)
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			if !sameFile(protodesc.ToFileDescriptorProto(tt.file), protodesc.ToFileDescriptorProto(again)) {
				t.Errorf("not the same file:\n%s", text)
			}
			if isText := strings.Contains(text, "\n"); isText != tt.text {
				t.Errorf("printed as text: %t, want %t\n%s", isText, tt.text,
					(&printer{}).file(protodesc.ToFileDescriptorProto(tt.file)))
			}
		})
	}
}

func TestSchemasInBase64AreRead(t *testing.T) {
	fd := protodesc.ToFileDescriptorProto(timestamppb.File_google_protobuf_timestamp_proto)
	text := base64.StdEncoding.EncodeToString(must(proto.Marshal(fd))(t))
	f := must(Compile(t.Context(), text, nil))(t)
	if got := f.Messages().Get(0).FullName(); got != "google.protobuf.Timestamp" {
		t.Errorf("message %s", got)
	}
	for _, bad := range []string{"", "message", `syntax = "proto3"; message M { X x = 1; }`,
		`syntax = "proto3"; import "not/there.proto";`} {
		if _, err := Compile(t.Context(), bad, nil); bad != "" && !errors.Is(err, ErrSchema) {
			t.Errorf("Compile(%q): %v", bad, err)
		}
	}
}

func TestAValueThatDoesNotFitNamesPathValueAndType(t *testing.T) {
	file := must(Compile(t.Context(), orderFile, nil))(t)
	order := must(messageNamed(file, "shop.Order"))(t)
	line := func(sku, n any) []any {
		return []any{map[string]any{"sku": "a"}, map[string]any{"sku": sku, "count": n}}
	}
	tests := []struct {
		name  string
		field string
		v     any
		path  string
		want  string
	}{
		{"text for a number", "id", "seven", "id", `"seven" is a string, but the schema wants int64`},
		{"too large", "lines", line("b", int64(1)<<40), "lines[1].count", "wants int32"},
		{"a fraction", "lines", line("b", 2.5), "lines[1].count", "2.5 is a float64"},
		{"no list", "lines", "x", "lines", "wants list of message shop.Order.Line"},
		{"no symbol", "state", "LOST", "state", "wants enum State (OPEN, PAID)"},
		{"within a map", "prices", map[string]any{"k": true}, `prices["k"]`, "wants double"},
		{"no time", "at", "yesterday", "at", "wants google.protobuf.Timestamp"},
		{"no such field", "colour", 1, "colour", "message shop.Order has no field colour"},
		{"not base64", "sum", "?", "sum", "base64"},
		{"a key of another type", "flags", map[string]any{"x": true}, `flags["x"]`, "wants int32"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := dynamic(order, map[string]any{tt.field: tt.v})
			e, ok := errors.AsType[*serializer.FieldError](err)
			if !ok || !errors.Is(err, serializer.ErrValue) {
				t.Fatalf("dynamic: %v", err)
			}
			if e.Path != tt.path || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("path %q: %v\nwant %q: %s", e.Path, err, tt.path, tt.want)
			}
		})
	}
	both := map[string]any{"card": "a", "voucher": 1}
	if _, err := dynamic(order, both); err == nil || !strings.Contains(err.Error(), "oneof payment") {
		t.Errorf("both of a oneof: %v", err)
	}
}

func TestLatestVersionMustReadTheOwnType(t *testing.T) {
	registry := fakeregistry.Run(t)
	client := registry.Client(t)
	add := func(subject, text string) {
		registry.Add(subject, schemaregistry.Schema{Type: schemaregistry.Protobuf, Text: text})
	}
	add("wider-value", `syntax = "proto3"; package google.protobuf;
		message Timestamp { int64 seconds = 1; int64 nanos = 2; string zone = 3; }`)
	add("other-value", `syntax = "proto3"; package google.protobuf;
		message Timestamp { string seconds = 1; int32 nanos = 2; }`)
	d := must(For[*timestamppb.Timestamp](client, schemaregistry.UseLatest))(t)
	if _, err := d.Serialize([]byte{}, "wider", nil, timestamppb.Now()); err != nil {
		t.Error(err)
	}
	_, err := d.Serialize([]byte{}, "other", nil, timestamppb.Now())
	if err == nil || !strings.Contains(err.Error(), "google.protobuf.Timestamp.seconds") {
		t.Errorf("a latest schema that does not fit: %v", err)
	}
}

func TestBytesThatAreNotTheSchemasAreMalformed(t *testing.T) {
	client := fakeregistry.Run(t).Client(t)
	d := must(For[*apipb.Method](client))(t)
	b := must(d.Serialize([]byte{}, "methods", nil, &apipb.Method{Name: "Find"}))(t)
	for _, bad := range [][]byte{{}, b[:5], b[:len(b)-1],
		append(wireformat.AppendIndexes(bytes.Clone(b[:5]), []int{9}), 0)} {
		if v, err := d.Deserialize("methods", nil, bad); !errors.Is(err, serializer.ErrMalformed) {
			t.Errorf("%x is read as %v, %v", bad, v, err)
		}
	}
}
