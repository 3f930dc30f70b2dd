package protobuf

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/posthaste-go/posthaste/internal/memory"
	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/schemaregistry/wireformat"
	"github.com/posthaste-go/posthaste/serializer"
	"github.com/posthaste-go/posthaste/serializer/internal/fakeregistry"
)

const fuzzedFile = `syntax = "proto3"; package f;
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/any.proto";
message M {
  M self = 1; repeated M many = 2; map<string, M> by = 3; repeated int64 packed = 4;
  bytes b = 5; string s = 6; google.protobuf.Timestamp t = 7; google.protobuf.Duration d = 8;
  google.protobuf.Struct st = 9; google.protobuf.Any any = 10;
  enum E { A = 0; } repeated E e = 11; oneof o { double x = 12; fixed32 y = 13; }
}`

// Bytes of a record come from anywhere. Reading them must not panic, must fail
// as malformed only, and must not allocate for what is not there; what was read
// can be written.
func FuzzDeserialize(f *testing.F) {
	registry := fakeregistry.Run(f)
	registry.Add("t-value", schemaregistry.Schema{Type: schemaregistry.Protobuf, Text: fuzzedFile})
	d := must(Generic(registry.Client(f), ""))(f)
	if err := d.Prepare(context.Background(), "t"); err != nil {
		f.Fatal(err)
	}
	huge := protowire.AppendVarint(protowire.AppendTag(nil, 4, protowire.BytesType), 1<<40)
	f.Add(append([]byte{0}, huge...))
	f.Add([]byte{2, 2})
	f.Add([]byte("\x00\x0a\x02\x0a\x00\x12\x00\x1a\x05\x0a\x01a\x12\x00\x22\x03\x01\x02\x03"))
	f.Add([]byte("\x00\x3a\x04\x08\x01\x10\x05\x42\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Add([]byte("\x00\x4a\x07\x0a\x05\x0a\x01k\x12\x00\x58\x05\x5a\x02\x01\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		framed := append(wireformat.AppendID(nil, 1), data...)
		if _, err := d.Deserialize("t", nil, framed[:5]); err == nil { // warms up
			t.Fatal("no indexes, and no error")
		}
		var v any
		var err error
		memory.Check(t, len(data), func() { v, err = d.Deserialize("t", nil, framed) })
		if err != nil {
			if !errors.Is(err, serializer.ErrMalformed) {
				t.Fatalf("%v is not ErrMalformed", err)
			}
			return
		}
		if _, ok := v.(map[string]any); !ok {
			t.Fatalf("%x is read as %T", data, v)
		}
	})
}

func TestLengthsThatLieCostNoMemory(t *testing.T) {
	registry := fakeregistry.Run(t)
	registry.Add("t-value", schemaregistry.Schema{Type: schemaregistry.Protobuf, Text: fuzzedFile})
	d := must(Generic(registry.Client(t), ""))(t)
	if _, err := d.Deserialize("t", nil, []byte{0, 0, 0, 0, 1, 0}); err != nil {
		t.Fatal(err)
	}
	var hostile [][]byte
	for field := protowire.Number(1); field < 14; field++ {
		b := protowire.AppendTag([]byte{0}, field, protowire.BytesType)
		hostile = append(hostile, protowire.AppendVarint(b, 1<<31-1), protowire.AppendVarint(b, 1<<62))
	}
	hostile = append(hostile, wireformat.AppendIndexes(nil, make([]int, 30)),
		[]byte{0xfe, 0xff, 0xff, 0xff, 0x0f, 0})
	nested := []byte{}
	for range 5000 { // messages in messages
		nested = protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), nested)
	}
	hostile = append(hostile, append([]byte{0}, nested...))
	for _, b := range hostile {
		memory.Check(t, len(b), func() {
			if v, err := d.Deserialize("t", nil, append([]byte{0, 0, 0, 0, 1}, b...)); err == nil {
				t.Errorf("%.20x is read as %v", b, v)
			}
		})
	}
}
