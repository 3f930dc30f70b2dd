package wireformat

import (
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/serializer"
)

const guid = "89791762-2336-4186-9674-299b90a802e2"

func mustGUID(t testing.TB) GUID {
	t.Helper()
	g, err := ParseGUID(guid)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestAppendIDIsMagicByteAndBigEndianID(t *testing.T) {
	if got := hex.EncodeToString(AppendID([]byte{0xff}, 0x01020304)); got != "ff0001020304" {
		t.Errorf("AppendID wrote %s", got)
	}
}

func TestGUIDsAreReadAndWrittenAsText(t *testing.T) {
	if got := mustGUID(t).String(); got != guid {
		t.Errorf("String = %s, want %s", got, guid)
	}
	for _, bad := range []string{"", guid[1:], guid + "0", strings.ReplaceAll(guid, "-", "x"),
		"z" + guid[1:], strings.ReplaceAll(guid, "-", "")} {
		if _, err := ParseGUID(bad); err == nil {
			t.Errorf("ParseGUID(%q) found no fault", bad)
		}
	}
}

func TestParseFindsTheIDInHeadersFirst(t *testing.T) {
	g := mustGUID(t)
	inHeader := serializer.Header{Key: ValueHeader, Value: AppendGUID(nil, g)}
	idInHeader := serializer.Header{Key: ValueHeader, Value: AppendID(nil, 9)}
	other := serializer.Header{Key: KeyHeader, Value: []byte("not for values")}
	framed := append(AppendID(nil, 7), "abc"...)
	tests := []struct {
		name    string
		headers []serializer.Header
		data    []byte
		want    Message
	}{
		{"prefix", nil, framed, Message{ID: ID{ID: 7}, Rest: []byte("abc"), Payload: []byte("abc")}},
		{"the other side's header does not count", []serializer.Header{other}, framed,
			Message{ID: ID{ID: 7}, Rest: []byte("abc"), Payload: []byte("abc")}},
		{"GUID in a header leaves the value alone", []serializer.Header{other, inHeader}, framed,
			Message{ID: ID{GUID: g}, InHeader: true, Rest: []byte{}, Payload: framed}},
		{"id in a header", []serializer.Header{idInHeader}, []byte("x"),
			Message{ID: ID{ID: 9}, InHeader: true, Rest: []byte{}, Payload: []byte("x")}},
		{"the last header counts", []serializer.Header{idInHeader, inHeader}, []byte{},
			Message{ID: ID{GUID: g}, InHeader: true, Rest: []byte{}, Payload: []byte{}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.headers, tt.data, false)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("Parse = %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestParseSaysWhyThereIsNoID(t *testing.T) {
	tests := []struct{ name, data, want string }{
		{"empty", "", "no bytes"},
		{"short", "00000000", "too few"},
		{"JSON", "7b7d", "0x7b"},
		{"GUID in front", "01" + strings.Repeat("ab", 16), "headers only"},
		{"negative id", "00ffffffff", "negative"},
		{"zero GUID", "01" + strings.Repeat("00", 16), "zeros"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			data, err := hex.DecodeString(tt.data)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse(nil, data, false)
			if !errors.Is(err, ErrNoSchemaID) || !errors.Is(err, serializer.ErrMalformed) ||
				!strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse: %v, want %q", err, tt.want)
			}
		})
	}
}

// The bytes are those of Confluent's documentation: [1, 0] is 4, 2, 0.
func TestIndexes(t *testing.T) {
	tests := []struct {
		indexes []int
		bytes   string
	}{
		{[]int{0}, "00"},
		{[]int{1}, "0202"},
		{[]int{1, 0}, "040200"},
		{[]int{0, 3, 70}, "0600068c01"},
	}
	for _, tt := range tests {
		written := AppendIndexes(nil, tt.indexes)
		if got := hex.EncodeToString(written); got != tt.bytes {
			t.Errorf("%v is written as %s, want %s", tt.indexes, got, tt.bytes)
		}
		got, rest, err := ParseIndexes(nil, append(written, 'x'))
		if err != nil || !slices.Equal(got, tt.indexes) || string(rest) != "x" {
			t.Errorf("%s is read as %v, %q, %v", tt.bytes, got, rest, err)
		}
	}
	// 0 written in the long form is read too: some writers do not shorten it.
	if got, _, err := ParseIndexes(nil, []byte{2, 0}); err != nil || fmt.Sprint(got) != "[0]" {
		t.Errorf("0200 is read as %v, %v", got, err)
	}
	for _, bad := range []string{"", "01", "02", "0201", "ffffffffffffffffff7f", "42", "0280"} {
		b, _ := hex.DecodeString(bad)
		if got, _, err := ParseIndexes(nil, b); !errors.Is(err, ErrIndexes) {
			t.Errorf("%s is read as %v, %v", bad, got, err)
		}
	}
}

// Whatever the bytes are, nothing panics, errors are the package's, and what is
// read is written and read again as the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte(nil), AppendIndexes(AppendID(nil, 7), []int{1, 0}))
	f.Add(AppendGUID(nil, mustGUID(f)), []byte("abc"))
	f.Add([]byte{0, 0, 0}, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, header, data []byte) {
		var headers []serializer.Header
		if header != nil {
			headers = []serializer.Header{{Key: KeyHeader, Value: header}}
		}
		m, err := Parse(headers, data, true)
		if err != nil {
			if !errors.Is(err, ErrNoSchemaID) {
				t.Fatalf("Parse: %v", err)
			}
			return
		}
		again := AppendID(nil, m.ID.ID)
		if m.ID.ByGUID() {
			again = AppendGUID(nil, m.ID.GUID)
		}
		if id, _, err := parseID(again); err != nil || id != m.ID {
			t.Fatalf("id %v is read again as %v, %v", m.ID, id, err)
		}
		indexes, _, err := ParseIndexes(nil, m.Rest)
		if err != nil {
			if !errors.Is(err, ErrIndexes) {
				t.Fatalf("ParseIndexes: %v", err)
			}
			return
		}
		read, _, err := ParseIndexes(nil, AppendIndexes(nil, indexes))
		if err != nil || !slices.Equal(read, indexes) {
			t.Fatalf("indexes %v are read again as %v, %v", indexes, read, err)
		}
	})
}
