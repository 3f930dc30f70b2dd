package avro

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	avro "github.com/twmb/avro"

	"github.com/posthaste-go/posthaste/serializer"
)

// golden is testdata/avro.json: what Apache Avro 1.12.2 for Java made of each
// input.
type golden struct {
	Encode []struct {
		Name   string
		Schema json.RawMessage
		CRC64  string
		Exact  *bool
		Data   []struct {
			JSON          json.RawMessage
			Binary        []byte
			BinaryBlocked []byte
			SingleObject  []byte
			Exact         *bool
		}
	}
	Logical   []logicalRow
	Canonical []struct {
		Name, SchemaText, Canonical, CRC64, CRC64LittleEndian, MD5, SHA256 string
	}
	Parse []struct {
		Name, SchemaText string
		Accepted         bool
		Canonical        string
		LogicalType      *string
	}
	Evolution []struct {
		Name           string
		Writer, Reader json.RawMessage
		Data           []struct {
			Written    json.RawMessage
			Binary     []byte
			Read       json.RawMessage
			ReadBinary []byte
			Error      string
		}
	}
	Decode []struct {
		Name      string
		Schema    json.RawMessage
		Hex       string
		Read      json.RawMessage
		BytesLeft *bool
		Error     string
	}
}

type logicalRow struct {
	Schema     json.RawMessage
	Conversion string
	Value      string
	Binary     []byte
	Back       string
	Error      string
}

func readGolden(t *testing.T) *golden {
	t.Helper()
	b, err := os.ReadFile("testdata/avro.json")
	if err != nil {
		t.Fatal(err)
	}
	g := &golden{}
	if err := json.Unmarshal(b, g); err != nil {
		t.Fatal(err)
	}
	return g
}

func mustParse(t testing.TB, text string) *Schema {
	t.Helper()
	s, err := Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

// mustParseRaw parses without logical types: the golden bytes are those of Java's
// generic API without conversions, and what a decimal holds need not be one.
func mustParseRaw(t testing.TB, text string) *Schema {
	t.Helper()
	var opts []avro.SchemaOpt
	for _, logical := range []string{
		"decimal", "big-decimal", "uuid", "date", "time-millis", "time-micros",
		"timestamp-millis", "timestamp-micros", "timestamp-nanos", "local-timestamp-millis",
		"local-timestamp-micros", "local-timestamp-nanos", "duration",
	} {
		opts = append(opts, avro.CustomType{LogicalType: logical})
	}
	s, err := parse(text, nil, opts...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return s
}

// sameJSON compares Avro's JSON encodings: numbers by value, keys in any order.
func sameJSON(t *testing.T, got, want []byte) bool {
	t.Helper()
	read := func(b []byte) (v any) {
		if err := json.Unmarshal(b, &v); err != nil {
			t.Errorf("%s: %v", b, err)
		}
		return v
	}
	return bytes.Equal(got, want) || sameValue(read(got), read(want))
}

// sameValue compares numbers by the float32 they stand for too: Java writes more
// digits than the shortest that do.
func sameValue(x, y any) bool {
	switch x := x.(type) {
	case float64:
		y, ok := y.(float64)
		return ok && (x == y || float32(x) == float32(y))
	case []any:
		y, ok := y.([]any)
		return ok && slices.EqualFunc(x, y, sameValue)
	case map[string]any:
		y, ok := y.(map[string]any)
		return ok && maps.EqualFunc(x, y, sameValue)
	}
	return x == y
}

func TestGoldenEncoding(t *testing.T) {
	g := readGolden(t)
	if len(g.Encode) != 83 {
		t.Fatalf("%d rows, want 83", len(g.Encode))
	}
	for _, row := range g.Encode {
		t.Run(row.Name, func(t *testing.T) {
			s := mustParseRaw(t, string(row.Schema))
			if got := fmt.Sprintf("%016x", s.Fingerprint()); got != row.CRC64 {
				t.Errorf("fingerprint %s, want %s", got, row.CRC64)
			}
			for _, d := range row.Data {
				var v any
				if err := s.DecodeJSON(d.JSON, &v); err != nil {
					t.Fatalf("%s: %v", d.JSON, err)
				}
				written, err := s.Append([]byte{}, v)
				if err != nil {
					t.Fatalf("%s: %v", d.JSON, err)
				}
				exact := (row.Exact == nil || *row.Exact) && (d.Exact == nil || *d.Exact)
				if exact && !bytes.Equal(written, d.Binary) {
					t.Errorf("%s is written as %x, want %x", d.JSON, written, d.Binary)
				}
				forms := map[string][]byte{"own": written, "Java's": d.Binary}
				if d.BinaryBlocked != nil {
					forms["blocked"] = d.BinaryBlocked
				}
				if single, ok := bytes.CutPrefix(d.SingleObject, []byte{0xc3, 1}); ok {
					forms["single object"] = single[8:]
				}
				for form, b := range forms {
					var back any
					rest, err := s.decode(b, &back, avro.TaggedUnions())
					if err != nil || len(rest) > 0 {
						t.Errorf("%s: %x: %v, %d bytes left", form, b, err, len(rest))
						continue
					}
					text, err := s.AppendJSON(nil, back)
					if err != nil || !sameJSON(t, text, d.JSON) {
						t.Errorf("%s: %x is read as %s, %v; want %s", form, b, text, err, d.JSON)
					}
				}
			}
		})
	}
}

func TestGoldenCanonicalFormsAndFingerprints(t *testing.T) {
	g := readGolden(t)
	if len(g.Canonical) != 74 {
		t.Fatalf("%d rows, want 74", len(g.Canonical))
	}
	for _, row := range g.Canonical {
		t.Run(row.Name, func(t *testing.T) {
			s := mustParse(t, row.SchemaText)
			if got := s.Canonical(); got != row.Canonical {
				t.Errorf("canonical form %s\nwant %s", got, row.Canonical)
			}
			for _, f := range [][2]string{
				{fmt.Sprintf("%016x", s.Fingerprint()), row.CRC64},
				{fmt.Sprintf("%x", s.MD5()), row.MD5},
				{fmt.Sprintf("%x", s.SHA256()), row.SHA256},
			} {
				if f[0] != f[1] {
					t.Errorf("fingerprint %s, want %s", f[0], f[1])
				}
			}
		})
	}
}

func TestGoldenParsing(t *testing.T) {
	g := readGolden(t)
	if len(g.Parse) != 43 {
		t.Fatalf("%d rows, want 43", len(g.Parse))
	}
	for _, row := range g.Parse {
		t.Run(row.Name, func(t *testing.T) {
			s, err := Parse(row.SchemaText)
			if (err == nil) != row.Accepted {
				t.Fatalf("%s: %v, want accepted %t", row.SchemaText, err, row.Accepted)
			}
			if err != nil {
				if !errors.Is(err, ErrSchema) {
					t.Errorf("%v does not match ErrSchema", err)
				}
				return
			}
			if got := s.Canonical(); got != row.Canonical {
				t.Errorf("canonical form %s, want %s", got, row.Canonical)
			}
			if row.LogicalType != nil && s.node.LogicalType != *row.LogicalType {
				t.Errorf("logical type %q, want %q", s.node.LogicalType, *row.LogicalType)
			}
			if row.LogicalType == nil && s.node.LogicalType != "" {
				// The annotation is kept as text; values must not be converted by it.
				var v any
				if _, err := s.Decode([]byte{2}, &v); err != nil || fmt.Sprintf("%T %v", v, v) != "int32 1" {
					t.Errorf("02 is read as %T %v, %v; the logical type does not count", v, v, err)
				}
			}
		})
	}
}

func TestGoldenEvolution(t *testing.T) {
	g := readGolden(t)
	if len(g.Evolution) != 143 {
		t.Fatalf("%d rows, want 143", len(g.Evolution))
	}
	for _, row := range g.Evolution {
		t.Run(row.Name, func(t *testing.T) {
			writer := mustParseRaw(t, string(row.Writer))
			reader := mustParseRaw(t, string(row.Reader))
			for _, d := range row.Data {
				var v any
				resolved, err := resolve(writer, reader, false)
				if err == nil {
					_, err = resolved.decode(d.Binary, &v, avro.TaggedUnions())
				}
				if d.Error != "" {
					if err == nil {
						t.Errorf("%s is read as %v, want %s", d.Written, v, d.Error)
					}
					continue
				}
				if err != nil {
					t.Errorf("%s: %v, want %s", d.Written, err, d.Read)
					continue
				}
				text, err := reader.AppendJSON(nil, v)
				if err != nil || !sameJSON(t, text, d.Read) {
					t.Errorf("%s is read as %s, %v; want %s", d.Written, text, err, d.Read)
				}
				again, err := reader.Append([]byte{}, v)
				if err != nil || !bytes.Equal(again, d.ReadBinary) {
					t.Errorf("%s is written again as %x, %v; want %x", d.Written, again, err, d.ReadBinary)
				}
			}
		})
	}
}

func TestGoldenDamagedBytes(t *testing.T) {
	g := readGolden(t)
	if len(g.Decode) != 22 {
		t.Fatalf("%d rows, want 22", len(g.Decode))
	}
	for _, row := range g.Decode {
		t.Run(row.Name, func(t *testing.T) {
			s := mustParse(t, string(row.Schema))
			b, err := hex.DecodeString(row.Hex)
			if err != nil {
				t.Fatal(err)
			}
			var v any
			rest, err := s.Decode(b, &v)
			if row.Error != "" {
				if !errors.Is(err, serializer.ErrMalformed) {
					t.Errorf("%s is read as %v, %v; want %s", row.Hex, v, err, row.Error)
				}
				return
			}
			text, jsonErr := s.AppendJSON(nil, v)
			if err != nil || jsonErr != nil || !sameJSON(t, text, row.Read) ||
				row.BytesLeft != nil && (len(rest) > 0) != *row.BytesLeft {
				t.Errorf("%s is read as %s, %v, %d bytes left; want %s, %v",
					row.Hex, text, err, len(rest), row.Read, row.BytesLeft)
			}
		})
	}
}
