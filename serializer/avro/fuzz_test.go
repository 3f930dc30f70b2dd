package avro

import (
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/internal/memory"
	"github.com/posthaste-go/posthaste/serializer"
)

// fuzzed are schemas whose bytes can lie about lengths, and for each one to
// read it with.
var fuzzed = [][2]string{
	{`{"type": "array", "items": "null"}`, ``},
	{`{"type": "array", "items": "long"}`, `{"type": "array", "items": "double"}`},
	{`{"type": "array", "items": {"type": "record", "name": "E", "fields": []}}`,
		`{"type": "array", "items": {"type": "record", "name": "E", "fields": [
			{"name": "d", "type": "string", "default": "a default of some length"}]}}`},
	{`{"type": "map", "values": "bytes"}`, `{"type": "map", "values": "string"}`},
	{`"string"`, `"bytes"`},
	{`{"type": "fixed", "name": "F", "size": 1000000}`, ``},
	{`{"type": "bytes", "logicalType": "decimal", "precision": 60, "scale": 2}`, ``},
	{`{"type": "bytes", "logicalType": "big-decimal"}`, ``},
	{`{"type": "record", "name": "Tree", "fields": [
		{"name": "v", "type": ["null", "int", "string", {"type": "enum", "name": "C", "symbols": ["A"]}]},
		{"name": "kids", "type": {"type": "array", "items": "Tree"}},
		{"name": "by", "type": {"type": "map", "values": "Tree"}}]}`,
		`{"type": "record", "name": "Tree", "fields": [
		{"name": "by", "type": {"type": "map", "values": "Tree"}},
		{"name": "extra", "type": "int", "default": 1},
		{"name": "v", "type": ["string", "null", "long", {"type": "enum", "name": "C", "symbols": ["A"]}]}]}`},
	{`{"type": "record", "name": "L", "fields": [{"name": "next", "type": ["null", "L"]}]}`, ``},
	{`{"type": "long", "logicalType": "timestamp-micros"}`, ``},
}

func fuzzedSchemas(t testing.TB) (all []*Schema) {
	for _, pair := range fuzzed {
		writer := mustParse(t, pair[0])
		all = append(all, writer)
		if pair[1] != "" {
			resolved, err := Resolve(writer, mustParse(t, pair[1]))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, resolved)
		}
	}
	return all
}

// Bytes of a record come from anywhere. Reading them must not panic, must fail
// with one of the package's errors only, and must not allocate for what is not
// there; what was read can be written.
func FuzzDecode(f *testing.F) {
	schemas := fuzzedSchemas(f)
	for i := range schemas {
		f.Add(uint8(i), binary.AppendVarint(nil, 1<<40))
		f.Add(uint8(i), append(binary.AppendVarint(nil, -1<<40), 2, 4))
		f.Add(uint8(i), []byte{0, 2, 2, 0, 0, 0, 0})
		f.Add(uint8(i), []byte(strings.Repeat("\x02", 3000)))
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		s := schemas[int(which)%len(schemas)]
		var v any
		var err error
		memory.Check(t, len(data), func() { _, err = s.Decode(data, &v) })
		if err != nil {
			if !errors.Is(err, serializer.ErrMalformed) && !errors.Is(err, ErrResolution) {
				t.Fatalf("%v is none of the package's errors", err)
			}
			return
		}
		if s.node.LogicalType != "" {
			return // a value of the right bytes may be out of the type's range
		}
		written, err := s.impl.Encode(v)
		if err != nil {
			t.Fatalf("%x is read as %v, which is not written: %v", data, v, err)
		}
		var again any
		if _, err := s.impl.Decode(written, &again); err != nil || !reflect.DeepEqual(again, v) {
			t.Fatalf("%x is read as %v, then as %v, %v", data, v, again, err)
		}
	})
}

func TestLengthsThatLieCostNoMemory(t *testing.T) {
	schemas := fuzzedSchemas(t)
	var hostile [][]byte
	for _, n := range []int64{1 << 20, 1 << 31, 1 << 40, 1<<63 - 1, -1 << 20, -1 << 40, -1 << 63} {
		b := binary.AppendVarint(nil, n)
		hostile = append(hostile, b, append(b, b...), append([]byte{2}, b...), append([]byte{0}, b...),
			append(b, make([]byte, 100)...))
	}
	for _, s := range schemas {
		for _, b := range hostile {
			var v any
			memory.Check(t, len(b), func() { _, _ = s.Decode(b, &v) }) // either way will do
		}
	}
	deep := []byte(strings.Repeat("\x02", 1<<20))
	list := mustParse(t, fuzzed[9][0])
	var v any
	memory.Check(t, len(deep), func() {
		if _, err := list.Decode(deep, &v); !errors.Is(err, serializer.ErrMalformed) {
			t.Errorf("a list of a million nodes, one in another: %v", err)
		}
	})
}
