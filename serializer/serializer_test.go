package serializer

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// roundTrip writes v behind a prefix and reads it back.
func roundTrip[T any](t *testing.T, codec Serde[T], v T, want []byte) {
	t.Helper()
	const prefix = "before"
	got, err := codec.Serialize([]byte(prefix), "t", nil, v)
	if err != nil {
		t.Fatalf("%T: Serialize(%v): %v", codec, v, err)
	}
	if got == nil || want == nil {
		if got != nil || want != nil {
			t.Fatalf("%T: Serialize(%v) = %#v, want %#v", codec, v, got, want)
		}
	} else if !bytes.Equal(got, append([]byte(prefix), want...)) {
		t.Fatalf("%T: Serialize(%v) = %x, want %x behind the prefix", codec, v, got, want)
	}
	back, err := codec.Deserialize("t", nil, want)
	if err != nil {
		t.Fatalf("%T: Deserialize(%x): %v", codec, want, err)
	}
	if diff := cmp.Diff(v, back); diff != "" {
		t.Errorf("%T: read back otherwise (-written +read):\n%s", codec, diff)
	}
}

func TestTypedCodecsReadWhatTheyWrite(t *testing.T) {
	seven := int32(7)
	text := "é"
	type order struct {
		ID   int64  `json:"id"`
		Item string `json:"item"`
	}
	roundTrip(t, Int16{}, -2, []byte{0xff, 0xfe})
	roundTrip(t, Int32{}, 7, []byte{0, 0, 0, 7})
	roundTrip(t, Int64{}, math.MinInt64, []byte{0x80, 0, 0, 0, 0, 0, 0, 0})
	roundTrip(t, Float32{}, 1, []byte{0x3f, 0x80, 0, 0})
	roundTrip(t, Float64{}, -1.5, []byte{0xbf, 0xf8, 0, 0, 0, 0, 0, 0})
	roundTrip(t, Bool{}, true, []byte{1})
	roundTrip(t, Void{}, struct{}{}, nil)
	roundTrip(t, String{}, text, []byte("é"))
	roundTrip(t, String{UTF16LE}, text, []byte{0xe9, 0})
	roundTrip(t, UUID[[16]byte]{}, [16]byte{15: 1}, []byte("00000000-0000-0000-0000-000000000001"))
	roundTrip(t, Bytes{}, []byte{0, 1}, []byte{0, 1})
	roundTrip(t, JSON[order]{}, order{1, "<tea>"}, []byte(`{"id":1,"item":"<tea>"}`))
	roundTrip(t, List(String{}), []string{"a", ""},
		[]byte("\x01\x00\x00\x00\x02\x00\x00\x00\x01a\x00\x00\x00\x00"))
	roundTrip(t, List(Nullable(Int32{})), []*int32{nil, &seven, nil},
		[]byte{0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 7})
	roundTrip(t, List(Nullable(String{})), []*string{nil, &text},
		[]byte("\x01\x00\x00\x00\x02\xff\xff\xff\xff\x00\x00\x00\x02é"))
	roundTrip(t, List(List(Bool{})), [][]bool{nil, {true}},
		[]byte("\x01\x00\x00\x00\x02\xff\xff\xff\xff"+
			"\x00\x00\x00\x0a\x01\x00\x00\x00\x01\x00\x00\x00\x01\x01"))
}

func TestNullAndEmptyDiffer(t *testing.T) {
	roundTrip(t, Bytes{}, nil, nil)
	roundTrip(t, Bytes{}, []byte{}, []byte{})
	roundTrip(t, String{}, "", []byte{})
	roundTrip(t, String{UTF16}, "", []byte{})
	roundTrip[*string](t, Nullable(String{}), nil, nil)
	roundTrip[*int64](t, Nullable(Int64{}), nil, nil)
	roundTrip[[]int32](t, List(Int32{}), nil, nil)
	roundTrip(t, List(Int32{}), []int32{}, make([]byte, 9))
	roundTrip[map[string]int](t, JSON[map[string]int]{}, nil, nil)
	roundTrip(t, JSON[map[string]int]{}, map[string]int{}, []byte("{}"))
	roundTrip[*int](t, JSON[*int]{}, nil, nil)
	roundTrip[any](t, JSON[any]{}, nil, nil)
}

// A caller may append to nil; empty must not become null by that.
func TestEmptyBehindNilIsNotNull(t *testing.T) {
	for name, got := range map[string][]byte{
		"bytes":  must(Bytes{}.Serialize(nil, "t", nil, []byte{})),
		"string": must(String{}.Serialize(nil, "t", nil, "")),
		"latin1": must(String{Latin1}.Serialize(nil, "t", nil, "")),
	} {
		if got == nil {
			t.Errorf("%s: empty became null", name)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestReadingNullIntoATypeWithoutNullFails(t *testing.T) {
	_, i16 := Int16{}.Deserialize("t", nil, nil)
	_, i32 := Int32{}.Deserialize("t", nil, nil)
	_, i64 := Int64{}.Deserialize("t", nil, nil)
	_, f32 := Float32{}.Deserialize("t", nil, nil)
	_, f64 := Float64{}.Deserialize("t", nil, nil)
	_, boolean := Bool{}.Deserialize("t", nil, nil)
	_, text := String{}.Deserialize("t", nil, nil)
	_, uuid := UUID[[16]byte]{}.Deserialize("t", nil, nil)
	_, jsonNull := JSON[int]{}.Deserialize("t", nil, nil)
	_, jsonText := JSON[int]{}.Deserialize("t", nil, []byte(" null "))
	_, entry := List(String{}).Deserialize("t", nil, []byte("\x01\x00\x00\x00\x01\xff\xff\xff\xff"))
	for i, err := range []error{
		i16, i32, i64, f32, f64, boolean, text, uuid, jsonNull, jsonText, entry,
	} {
		if !errors.Is(err, ErrNull) || !strings.Contains(err.Error(), "Nullable") {
			t.Errorf("%d: %v, want ErrNull that names Nullable", i, err)
		}
	}
}

func TestMalformedBytesAreRefused(t *testing.T) {
	tests := []struct {
		name, class string
		data        string
	}{
		{"an integer of 3 bytes", "int", "\x00\x00\x01"},
		{"a long of no bytes", "long", ""},
		{"a boolean that is neither 0 nor 1", "bool", "\x02"},
		{"text that is no UUID", "uuid", "not-a-uuid"},
		{"text that is no JSON", "json", "{"},
		{"void that is not null", "void", ""},
		{"a list of no bytes", "list<int>", ""},
		{"a list of an unknown layout", "list<int>", "\x02"},
		{
			"a list with entries of one size, which strings have not", "list<string>",
			"\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		},
		{
			"a list that promises more than it has", "list<int>",
			"\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x07",
		},
		{"a list with four billion nulls", "list<int>", "\x00\xff\xff\xff\xff\xff\xff\xff\xff"},
		{
			"a list with more nulls than entries", "list<int>",
			"\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00",
		},
		{
			"a list with the same null twice", "list<int>",
			"\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02",
		},
		{"a list with four billion entries", "list<string>", "\x01\xff\xff\xff\xff"},
		{"a list entry of a negative length", "list<string>", "\x01\x00\x00\x00\x01\xff\xff\xff\xfe"},
		{"a list entry cut short", "list<string>", "\x01\x00\x00\x00\x01\x00\x00\x00\x05tea"},
		{"a list with a malformed entry", "list<bool>", "\x01\x00\x00\x00\x01\x00\x00\x00\x01\x09"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, err := DeserializerByName(tt.class)
			if err != nil {
				t.Fatal(err)
			}
			if v, err := d.Deserialize("t", nil, []byte(tt.data)); !errors.Is(err, ErrMalformed) {
				t.Errorf("Deserialize = %v, %v; want ErrMalformed", v, err)
			}
		})
	}
}

func TestDeserializedBytesAreACopy(t *testing.T) {
	data := []byte("tea")
	got := must(Bytes{}.Deserialize("t", nil, data))
	number := []byte("123")
	raw := must(must(DeserializerByName("json")).Deserialize("t", nil, number))
	data[0], number[0] = 'p', '9'
	if string(got) != "tea" || string(raw.(json.RawMessage)) != "123" {
		t.Errorf("read %q and %s", got, raw)
	}
}

func TestJSONReportsWhatIsWrong(t *testing.T) {
	_, err := JSON[chan int]{}.Serialize(nil, "t", nil, make(chan int))
	if !errors.Is(err, ErrValue) {
		t.Errorf("a channel: %v, want ErrValue", err)
	}
	_, err = JSON[map[string]int]{}.Deserialize("t", nil, []byte(`{"a":"b"}`))
	var typeError *json.UnmarshalTypeError
	if !errors.Is(err, ErrMalformed) || !errors.As(err, &typeError) {
		t.Errorf("wrong type: %v, want ErrMalformed and the cause", err)
	}
}

func TestConfigureChoosesTheCharset(t *testing.T) {
	tests := []struct {
		name     string
		settings map[string]string
		isKey    bool
		want     Charset
	}{
		{"none given", nil, false, UTF8},
		{"for both sides", map[string]string{"serializer.encoding": "utf-16be"}, true, UTF16BE},
		{"for keys", map[string]string{"key.serializer.encoding": "latin1"}, true, Latin1},
		{"not for values", map[string]string{"key.serializer.encoding": "latin1"}, false, UTF8},
		{"one side beats both", map[string]string{
			"value.serializer.encoding": "ASCII", "serializer.encoding": "UTF-16",
		}, false, ASCII},
		{"not those of the deserializer", map[string]string{
			"deserializer.encoding": "UTF-16",
		}, false, UTF8},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s String
			var u UUID[[16]byte]
			for _, c := range []Configurer{&s, &u, Nullable(&s).(Configurer), List(&u).(Configurer)} {
				if err := c.Configure(tt.settings, tt.isKey); err != nil {
					t.Fatal(err)
				}
			}
			if s.Charset != tt.want || u.Charset != tt.want {
				t.Errorf("string in %v, UUID in %v; want %v", s.Charset, u.Charset, tt.want)
			}
		})
	}
}

func TestDeserializerByNameHasItsOwnCharsetSetting(t *testing.T) {
	d := must(DeserializerByName("string"))
	settings := map[string]string{
		"serializer.encoding": "UTF-16", "deserializer.encoding": "ISO-8859-1",
	}
	if err := d.(Configurer).Configure(settings, true); err != nil {
		t.Fatal(err)
	}
	if got := must(d.Deserialize("t", nil, []byte{0xe9})); got != "é" {
		t.Errorf("read %q, want é", got)
	}
}

func TestUUIDsInAListHaveTheirCharsetsSize(t *testing.T) {
	ids := [][16]byte{{1}, {2}}
	for c := range charsets {
		codec := List(UUID[[16]byte]{Charset(c)})
		data := must(codec.Serialize([]byte{}, "t", nil, ids))
		back, err := codec.Deserialize("t", nil, data)
		if err != nil || !reflect.DeepEqual(back, ids) {
			t.Errorf("%v: read back %v, %v", Charset(c), back, err)
		}
	}
}

func TestUUIDTakesAnyArrayOfSixteenBytes(t *testing.T) {
	type libraryUUID [16]byte
	roundTrip(t, UUID[libraryUUID]{}, libraryUUID{0: 0xab},
		[]byte("ab000000-0000-0000-0000-000000000000"))
}

func TestSerializersByNameConvertText(t *testing.T) {
	type status int8
	nine := int32(9)
	tests := []struct {
		class string
		value any
		want  string
	}{
		{"string", "tea", "tea"},
		{"string", []byte("tea"), "tea"},
		{"string", 42, "42"},
		{"string", json.Number("1.50"), "1.50"},
		{"bytes", "tea", "tea"},
		{"short", "-2", "\xff\xfe"},
		{"int", "7", "\x00\x00\x00\x07"},
		{"int", int64(7), "\x00\x00\x00\x07"},
		{"int", uint8(7), "\x00\x00\x00\x07"},
		{"int", status(7), "\x00\x00\x00\x07"},
		{"int", 5e6, "\x00\x4c\x4b\x40"},
		{"int", &nine, "\x00\x00\x00\x09"},
		{"long", time.Duration(1), "\x00\x00\x00\x00\x00\x00\x00\x01"},
		{"float", "1", "\x3f\x80\x00\x00"},
		{"double", "-Infinity", "\xff\xf0\x00\x00\x00\x00\x00\x00"},
		{"boolean", "true", "\x01"},
		{"boolean", false, "\x00"},
		{"uuid", "00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000001"},
		{"void", struct{}{}, "null"},
		{"json", ` {"a": 1} `, ` {"a": 1} `},
		{"json", json.RawMessage("[]"), "[]"},
		{"json", map[string]any{"a": 1}, `{"a":1}`},
		{"list<int>", "[1]", "\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01"},
		{"list<int>", `["1"]`, "\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x01"},
		{"list<string>", []byte(`["a"]`), "\x01\x00\x00\x00\x01\x00\x00\x00\x01a"},
		{"list<json>", `["a"]`, "\x01\x00\x00\x00\x01\x00\x00\x00\x03\"a\""},
		{"list<bool>", []any{true, nil}, "\x01\x00\x00\x00\x02\x00\x00\x00\x01\x01\xff\xff\xff\xff"},
		{"list<list<bool>>", "[[]]", "\x01\x00\x00\x00\x01\x00\x00\x00\x05\x01\x00\x00\x00\x00"},
	}
	for _, tt := range tests {
		s := must(ByName(tt.class))
		got, err := s.Serialize([]byte{}, "t", nil, tt.value)
		if got == nil {
			got = []byte("null")
		}
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %#v becomes %q, %v; want %q", tt.class, tt.value, got, err, tt.want)
		}
	}
}

func TestEverySerializerByNameWritesNull(t *testing.T) {
	for _, name := range append(Names(), "list<int>", "list<json>") {
		if name == "list<…>" {
			continue // stands for the two below
		}
		s := must(ByName(name))
		for _, null := range []any{nil, []byte(nil)} {
			if got, err := s.Serialize([]byte("x"), "t", nil, null); got != nil || err != nil {
				t.Errorf("%s: %#v becomes %q, %v; want null", name, null, got, err)
			}
		}
		v, err := must(DeserializerByName(name)).Deserialize("t", nil, nil)
		if v != nil || err != nil {
			t.Errorf("%s: null is read as %v, %v", name, v, err)
		}
	}
}

func TestErrorsNameTheValueAndTheExpectedType(t *testing.T) {
	tests := []struct {
		class string
		value any
		want  string
	}{
		{"int", "12x", `"12x" is not a whole number of 32 bits (-2147483648 to 2147483647)`},
		{"short", 40000, `"40000" is not a whole number of 16 bits (-32768 to 32767)`},
		{"long", 1.5, `"1.5" is not a whole number of 64 bits`},
		{"long", []int{1}, `[]int is not a whole number of 64 bits`},
		{"float", "one", `"one" is not a floating-point number of 32 bits`},
		{"float", "1e99", `"1e99" is not a floating-point number of 32 bits`},
		{"boolean", "yes", `"yes" is not a boolean (true or false)`},
		{"uuid", "1234", `"1234" is not a UUID (such as 123e4567-e89b-12d3-a456-426614174000)`},
		{"void", "x", `"x" is not null`},
		{"json", "{a}", `"{a}" is not JSON: invalid character 'a'`},
		{"list<int>", "1,2", `"1,2" is not a list, a JSON array such as [1, null, 3]`},
		{"list<int>", "null", `"null" is not a list`},
		{"list<int>", `[1, "x"]`, `list entry 1: ` + ErrValue.Error() + `: "x" is not a whole`},
		{"list<int>", []int{1}, `[]int is not a list`},
		{"int", strings.Repeat("é", 100), `"` + strings.Repeat("é", 30) + `…" is not`},
	}
	for _, tt := range tests {
		_, err := must(ByName(tt.class)).Serialize([]byte{}, "t", nil, tt.value)
		if !errors.Is(err, ErrValue) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s of %v: %v, want %q", tt.class, tt.value, err, tt.want)
		}
	}
}

func TestByNameKnowsKafkasClasses(t *testing.T) {
	for _, name := range []string{
		"org.apache.kafka.common.serialization.StringSerializer",
		"org.apache.kafka.common.serialization.ByteArraySerializer",
		"org.apache.kafka.common.serialization.ByteBufferSerializer",
		"org.apache.kafka.common.serialization.Serdes$LongSerde",
		"org.apache.kafka.connect.json.JsonSerializer",
		"io.confluent.kafka.serializers.KafkaJsonSerializer",
		"UUIDDeserializer", "stringserializer", "INT64", " string ", "list<Integer>", "ListSerializer",
	} {
		if _, err := ByName(name); err != nil {
			t.Errorf("ByName(%q): %v", name, err)
		}
	}
	for _, name := range []string{
		"", "com.acme.StringSerializer", "io.confluent.kafka.serializers.KafkaAvroSerializer",
		"list<>", "list<nonsense>", "Serdes$",
	} {
		_, err := DeserializerByName(name)
		const known = "known are string, bytes, short"
		if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), known) {
			t.Errorf("DeserializerByName(%q): %v, want ErrUnknown and %q", name, err, known)
		}
	}
}

func TestListByClassNameNeedsItsElements(t *testing.T) {
	s := must(ByName("ListSerializer"))
	if _, err := s.Serialize([]byte{}, "t", nil, "[]"); !errors.Is(err, ErrUnknown) {
		t.Errorf("unconfigured: %v, want ErrUnknown", err)
	}
	configure := s.(Configurer).Configure
	err := configure(map[string]string{"default.list.value.serde.inner": "int"}, true)
	if err == nil || !strings.Contains(err.Error(), "default.list.key.serde.inner") {
		t.Errorf("configured for the other side: %v, want an error that names the setting", err)
	}
	err = configure(map[string]string{"default.list.key.serde.inner": "nonsense"}, true)
	if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "key.serde.inner: ") {
		t.Errorf("unknown elements: %v, want ErrUnknown that names the setting", err)
	}
	settings := map[string]string{
		"default.list.key.serde.inner": serdeOf("String"), "serializer.encoding": "UTF-16LE",
	}
	if err := configure(settings, true); err != nil {
		t.Fatal(err)
	}
	got := must(s.Serialize([]byte{}, "t", nil, `["a"]`))
	if want := "\x01\x00\x00\x00\x01\x00\x00\x00\x02a\x00"; string(got) != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
}

func TestParseCharsetTakesJavasNames(t *testing.T) {
	for c, names := range charsets {
		for _, name := range names {
			if got, err := ParseCharset(strings.ToLower(name)); err != nil || got != Charset(c) {
				t.Errorf("ParseCharset(%q) = %v, %v; want %v", name, got, err, Charset(c))
			}
		}
	}
	_, err := ParseCharset("EBCDIC")
	const want = `"EBCDIC"; known are UTF-8, UTF-16`
	if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), want) {
		t.Errorf("ParseCharset: %v, want ErrUnknown and %s", err, want)
	}
	if got := Charset(99).String(); got != "unknown charset" {
		t.Errorf("Charset(99) prints %q", got)
	}
}

func TestScalarsDoNotAllocate(t *testing.T) {
	doesNotAllocate(t, Bytes{}, []byte("customer-17"))
	doesNotAllocate(t, String{}, "customer-17")
	doesNotAllocate(t, &String{UTF16}, "customer-17")
	doesNotAllocate(t, Int16{}, 1)
	doesNotAllocate(t, Int32{}, 1)
	doesNotAllocate(t, Int64{}, 1)
	doesNotAllocate(t, Float32{}, 1)
	doesNotAllocate(t, Float64{}, 1)
	doesNotAllocate(t, Bool{}, true)
	doesNotAllocate(t, UUID[[16]byte]{}, [16]byte{1, 2, 3})
	doesNotAllocate(t, Void{}, struct{}{})
	doesNotAllocate(t, Nullable(Int32{}), new(int32))
	doesNotAllocate(t, List(Int32{}), []int32{1, 2, 3})
}

func doesNotAllocate[T any](t *testing.T, s Serializer[T], v T) {
	t.Helper()
	buf := make([]byte, 0, 256)
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := s.Serialize(buf, "t", nil, v); err != nil {
			t.Error(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%T allocates %v times, want 0", s, allocs)
	}
}

func BenchmarkSerialize(b *testing.B) {
	buf := make([]byte, 0, 256)
	b.Run("int64", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = Int64{}.Serialize(buf, "t", nil, 42)
		}
	})
	b.Run("string", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = String{}.Serialize(buf, "t", nil, "customer-17")
		}
	})
	b.Run("uuid", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = UUID[[16]byte]{}.Serialize(buf, "t", nil, [16]byte{1, 2, 3})
		}
	})
}
