package serializer

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// Bytes of a record come from anywhere. Reading them must not panic, must fail
// with one of the package's errors only, and what was read must be written and
// read again as the same.
func FuzzDeserialize(f *testing.F) {
	names := []string{
		"string", "bytes", "short", "int", "long", "float", "double", "boolean", "uuid", "void",
		"json", "list<int>", "list<string>", "list<uuid>", "list<list<boolean>>",
	}
	for i := range names {
		f.Add(uint8(i), []byte{0, 0, 0, 1})
		f.Add(uint8(i), []byte{0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 7})
		f.Add(uint8(i), []byte("\x01\x00\x00\x00\x02\xff\xff\xff\xff\x00\x00\x00\x01a"))
		f.Add(uint8(i), []byte("123e4567-e89b-12d3-a456-426614174000"))
		f.Add(uint8(i), []byte(`{"a": [1, null]}`))
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		name := names[int(which)%len(names)]
		s, d := must(ByName(name)), must(DeserializerByName(name))
		v, err := d.Deserialize("t", nil, data)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrNull) {
				t.Fatalf("%s: %x: %v is none of the package's errors", name, data, err)
			}
			return
		}
		written, err := s.Serialize([]byte{}, "t", nil, v)
		if err != nil {
			t.Fatalf("%s: %x read as %v is not written: %v", name, data, v, err)
		}
		again, err := d.Deserialize("t", nil, written)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(v) {
			t.Fatalf("%s: %x read as %v, then as %v, %v", name, data, v, again, err)
		}
	})
}

// Text in any character set is read as something that is written and read again
// as the same, whatever the bytes were.
func FuzzCharset(f *testing.F) {
	for c := range charsets {
		f.Add(uint8(c), []byte("größe"))
		f.Add(uint8(c), []byte{0xfe, 0xff, 0xd8, 0x3d, 0xdd, 0x11, 0xd8, 0x00, 0x61})
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		c := Charset(int(which) % len(charsets))
		text := c.decode(data)
		written := c.append([]byte{}, text)
		if c == UTF8 && !bytes.Equal(written, data) {
			t.Fatalf("UTF-8 is not kept: %x became %x", data, written)
		}
		again := c.decode(written)
		if c != ASCII && again != text { // ASCII has no U+FFFD and writes '?'
			t.Fatalf("%v: %x read as %+q, then as %+q", c, data, text, again)
		}
	})
}
