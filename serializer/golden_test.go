package serializer

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// goldenValue is a value in serializers.json; JSON null is Kafka's null.
type goldenValue struct {
	Text  *string         `json:"text"`
	Bits  string          `json:"bits"` // of a float, in hexadecimal
	Bytes *[]byte         `json:"bytes"`
	Bool  *bool           `json:"bool"`
	List  *[]*goldenValue `json:"list"`
}

type goldenRow struct {
	Serializer   string            `json:"serializer"`
	Deserializer string            `json:"deserializer"`
	Input        *goldenValue      `json:"input"`
	Config       map[string]string `json:"config"`
	ForKey       bool              `json:"forKey"`
	Inner        string            `json:"inner"` // of a list
	Error        string            `json:"error"`

	// Of a ByteBuffer, whose position plays no part: Kafka rewinds it.
	Buffer  string `json:"buffer"`
	Content []byte `json:"content"`
	Limit   int    `json:"limit"`

	Bytes  []byte          `json:"bytes"`  // to read
	Output json.RawMessage `json:"output"` // []byte when writing, goldenValue when reading
}

func readGolden(t *testing.T) (serialize, deserialize []goldenRow) {
	t.Helper()
	b, err := os.ReadFile("testdata/serializers.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct{ Serialize, Deserialize []goldenRow }
	if err := json.Unmarshal(b, &golden); err != nil {
		t.Fatal(err)
	}
	return golden.Serialize, golden.Deserialize
}

// native is the Go value that stands for a golden value: what a typed codec of
// the class takes and what DeserializerByName returns.
func native(t *testing.T, class string, v *goldenValue) any {
	t.Helper()
	switch {
	case v == nil:
		return nil
	case v.Bytes != nil:
		return *v.Bytes
	case v.Bool != nil:
		return *v.Bool
	case v.List != nil:
		entries := make([]any, len(*v.List))
		for i, entry := range *v.List {
			entries[i] = native(t, class, entry)
		}
		return entries
	case v.Bits != "":
		bits, err := strconv.ParseUint(v.Bits, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		if len(v.Bits) == 8 {
			return math.Float32frombits(uint32(bits))
		}
		return math.Float64frombits(bits)
	}
	switch class {
	case "Short", "Integer", "Long":
		bits := map[string]int{"Short": 16, "Integer": 32, "Long": 64}[class]
		n, err := strconv.ParseInt(*v.Text, 10, bits)
		if err != nil {
			t.Fatal(err)
		}
		switch bits {
		case 16:
			return int16(n)
		case 32:
			return int32(n)
		}
		return n
	case "UUID":
		id, ok := parseUUID([]byte(*v.Text))
		if !ok {
			t.Fatalf("%q is no UUID", *v.Text)
		}
		return id
	}
	return *v.Text
}

// Every row is what Kafka's own class wrote. Three kinds of rows need a mapping:
//
//   - ByteBuffer: what Java writes is buffer[:limit] as bytes; its position before
//     and after the call has no counterpart in a Go slice.
//   - An unknown character set fails in Configure; Java fails on first use.
//   - A value for Void, a ClassCastException in Java, is ErrValue here; with the
//     typed codec it does not compile.
func TestSerializeEqualsJava(t *testing.T) {
	rows, _ := readGolden(t)
	if len(rows) != 110 {
		t.Fatalf("%d rows, want 110", len(rows))
	}
	for i, row := range rows {
		value := native(t, row.Serializer, row.Input)
		if row.Inner != "" {
			value = native(t, row.Inner, row.Input)
		}
		if row.Buffer != "" && row.Content != nil {
			value = row.Content[:row.Limit]
		}
		t.Run(fmt.Sprintf("%d %s %.40v", i, row.Serializer, value), func(t *testing.T) {
			checkSerialize(t, row, value)
		})
	}
}

func checkSerialize(t *testing.T, row goldenRow, value any) {
	settings := row.Config
	if row.Inner != "" {
		settings = map[string]string{"default.list.value.serde.inner": serdeOf(row.Inner)}
	}
	s, err := ByName("org.apache.kafka.common.serialization." + row.Serializer + "Serializer")
	if err != nil {
		t.Fatal(err)
	}
	if err = s.(Configurer).Configure(settings, row.ForKey); err == nil {
		prefix := []byte("before")
		var got []byte
		got, err = s.Serialize(prefix, "topic", nil, value)
		if err == nil && got != nil {
			if !bytes.HasPrefix(got, prefix) {
				t.Fatalf("the bytes before were changed: %q", got)
			}
			got = got[len(prefix):]
		}
		if row.Error == "" && err == nil {
			var want []byte
			if err := json.Unmarshal(row.Output, &want); err != nil {
				t.Fatal(err)
			}
			if (got == nil) != (want == nil) || !bytes.Equal(got, want) {
				t.Errorf("Serialize(%v) = %#v, want %#v", value, got, want)
			}
			return
		}
	}
	if (err != nil) != (row.Error != "") {
		t.Errorf("Serialize(%v): %v, want error %q", value, err, row.Error)
	}
	if err != nil && !errors.Is(err, ErrValue) && !errors.Is(err, ErrUnknown) {
		t.Errorf("%v matches none of the package's errors", err)
	}
}

func serdeOf(class string) string {
	return "org.apache.kafka.common.serialization.Serdes$" + class + "Serde"
}

// Void's IllegalArgumentException is ErrMalformed, like all other refusals.
func TestDeserializeEqualsJava(t *testing.T) {
	_, rows := readGolden(t)
	if len(rows) != 21 {
		t.Fatalf("%d rows, want 21", len(rows))
	}
	for i, row := range rows {
		t.Run(fmt.Sprintf("%d %s %x", i, row.Deserializer, row.Bytes), func(t *testing.T) {
			d, err := DeserializerByName(row.Deserializer + "Deserializer")
			if err != nil {
				t.Fatal(err)
			}
			got, err := d.Deserialize("topic", nil, row.Bytes)
			if row.Error != "" {
				if !errors.Is(err, ErrMalformed) {
					t.Errorf("Deserialize = %v, %v; want ErrMalformed", got, err)
				}
				return
			}
			var output *goldenValue
			if err := json.Unmarshal(row.Output, &output); err != nil {
				t.Fatal(err)
			}
			if want := native(t, row.Deserializer, output); err != nil || got != want {
				t.Errorf("Deserialize = %v, %v; want %v", got, err, want)
			}
		})
	}
}

// What is written by name is read by name.
func TestGoldenRowsReadBack(t *testing.T) {
	rows, _ := readGolden(t)
	for i, row := range rows {
		if row.Error != "" || row.Config != nil {
			continue
		}
		name := row.Serializer
		if row.Inner != "" {
			name = "list<" + row.Inner + ">"
		}
		s, err := ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		d, err := DeserializerByName(name)
		if err != nil {
			t.Fatal(err)
		}
		var data []byte
		if err := json.Unmarshal(row.Output, &data); err != nil {
			t.Fatal(err)
		}
		v, err := d.Deserialize("topic", nil, data)
		if err != nil {
			t.Errorf("row %d: %v", i, err)
			continue
		}
		again, err := s.Serialize([]byte{}, "topic", nil, v)
		if err != nil || (again == nil) != (data == nil) || !bytes.Equal(again, data) {
			t.Errorf("row %d, %s: %x read as %v is written as %x, %v", i, name, data, v, again, err)
		}
	}
}

// testdata/java.txt has further facts that the golden file lacks: what Kafka
// 4.4.0 on OpenJDK 17 made of text in each character set, and of bytes. Its
// columns are kind, character set or element type, input, output; text is
// escaped as in Java, and "!" starts the name of an exception.
func TestCharsetsUUIDsAndListsEqualJava(t *testing.T) {
	b, err := os.ReadFile("testdata/java.txt")
	if err != nil {
		t.Fatal(err)
	}
	checked := map[string]int{}
	for line := range strings.Lines(string(b)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 4 {
			t.Fatalf("line %q has %d fields", line, len(f))
		}
		checked[f[0]]++
		switch f[0] {
		case "encode":
			checkEncode(t, f[1], f[2], f[3])
		case "decode":
			checkDecode(t, f[1], f[2], f[3])
		case "uuid":
			id, ok := parseUUID([]byte(f[2]))
			if text := formatUUID(id); ok == (f[3][0] == '!') || ok && string(text[:]) != f[3] {
				t.Errorf("UUID %q is read as %s, %t; want %s", f[2], text, ok, f[3])
			}
		case "list":
			checkList(t, f[2], f[3])
		}
	}
	if want := "map[decode:186 encode:54 list:11 uuid:18]"; fmt.Sprint(checked) != want {
		t.Errorf("checked %v, want %s", checked, want)
	}
}

func charsetOf(t *testing.T, name string) Charset {
	t.Helper()
	c, err := ParseCharset(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// unescape reads Java's escapes; a surrogate without its other half, which no Go
// string can hold, is an invalid byte in its place.
func unescape(t *testing.T, s string) string {
	t.Helper()
	for _, half := range []string{`\ud800`, `a\udc00b`} {
		if s == half {
			return strings.NewReplacer(`\ud800`, "\xff", `\udc00`, "\xff").Replace(s)
		}
	}
	var text string
	if err := json.Unmarshal([]byte(`"`+s+`"`), &text); err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return text
}

func checkEncode(t *testing.T, charset, escaped, want string) {
	s, text := String{charsetOf(t, charset)}, unescape(t, escaped)
	if s.Charset == UTF8 && !utf8.ValidString(text) {
		want = hex.EncodeToString([]byte(text)) // kept as it is, where Java replaces
	}
	got, err := s.Serialize([]byte{}, "t", nil, text)
	if err != nil || hex.EncodeToString(got) != want {
		t.Errorf("%s: %s becomes %x, %v; want %s", charset, escaped, got, err, want)
	}
}

func checkDecode(t *testing.T, charset, input, want string) {
	data, err := hex.DecodeString(input)
	if err != nil {
		t.Fatal(err)
	}
	s := String{charsetOf(t, charset)}
	text := unescape(t, want)
	if s.Charset == UTF8 && strings.Contains(want, `\ufffd`) {
		text = string(data) // kept as it is, see checkEncode
	}
	if got, err := s.Deserialize("t", nil, data); err != nil || got != text {
		t.Errorf("%s: %s becomes %+q, %v; want %+q", charset, input, got, err, text)
	}
}

func checkList(t *testing.T, input, want string) {
	data, err := hex.DecodeString(input)
	if err != nil {
		t.Fatal(err)
	}
	// Java passes over these; see List.
	refusedHere := map[string]bool{
		"0000000000000000010000000199":       true, // a byte is left
		"000000000100000005000000010000000a": true, // null at index 5 of 1
	}
	got, err := List(Nullable(Int32{})).Deserialize("t", nil, data)
	if refusedHere[input] || strings.HasPrefix(want, "!") {
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("list %s: %v, want ErrMalformed", input, err)
		}
		return
	}
	var words []string
	for _, n := range got {
		if n == nil {
			words = append(words, "null")
		} else {
			words = append(words, strconv.Itoa(int(*n)))
		}
	}
	if text := "[" + strings.Join(words, ", ") + "]"; err != nil || text != want {
		t.Errorf("list %s is read as %s, %v; want %s", input, text, err, want)
	}
}
