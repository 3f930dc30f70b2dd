package serializer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ByName finds the serializer that a properties file or a command line names: by
// Kafka's class, with or without its package
// ("org.apache.kafka.common.serialization.LongSerializer", "LongSerializer"), or
// by a short word in any case ("long", "int64", "json"; see [Names]). It takes
// values of any type:
//
//	nil                     null
//	the type itself         for instance an int64 for "long"
//	string, []byte          text that is converted; "42" for "long"
//	numbers and booleans    if they fit
//
// A value that is none of these fails with [ErrValue]; the error has the value
// and what was expected. For "json", text must be JSON; for "list<int>" and the
// like it must be a JSON array.
//
// Each call makes a new instance, which is also a [Configurer]. ListSerializer
// by its class name needs the setting default.list.value.serde.inner (or
// …key…) for its elements.
func ByName(class string) (Serializer[any], error) {
	return byName(class, serializing)
}

// DeserializerByName finds a deserializer as [ByName] does. It returns nil for
// null, else the type itself: for instance an int64 for "long", a [16]byte for
// "uuid", a json.RawMessage for "json" and a []any for lists. The character set
// comes from the settings deserializer.encoding and the like.
func DeserializerByName(class string) (Deserializer[any], error) {
	return byName(class, deserializing)
}

// Names lists the short words that [ByName] takes, for error messages and help.
func Names() []string {
	var names []string
	for _, row := range named {
		names = append(names, row.words[0])
	}
	return names
}

type nameRow struct {
	classes []string // Kafka's, without Serializer, Deserializer or Serde
	words   []string // the first is the one to show
	make    func(as role) untyped
}

var named = []nameRow{
	{[]string{"String"}, []string{"string", "str", "text"}, newString},
	{[]string{"ByteArray", "Bytes", "ByteBuffer"}, []string{"bytes", "binary"}, newBytes},
	{[]string{"Short"}, []string{"short", "int16"}, newInt16},
	{[]string{"Integer"}, []string{"int", "int32"}, newInt32},
	{[]string{"Long"}, []string{"long", "int64"}, newInt64},
	{[]string{"Float"}, []string{"float", "float32"}, newFloat32},
	{[]string{"Double"}, []string{"double", "float64"}, newFloat64},
	{[]string{"Boolean"}, []string{"boolean", "bool"}, newBool},
	{[]string{"UUID"}, []string{"uuid"}, newUUID},
	{[]string{"Void"}, []string{"void", "null"}, newVoid},
	{[]string{"Json", "KafkaJson"}, []string{"json"}, newJSON},
	{[]string{"List"}, []string{"list<…>", "list"}, newList},
}

// packages are those whose classes named stands for. A class of another package
// may do anything under the same simple name.
var packages = []string{
	"org.apache.kafka.common.serialization.",
	"org.apache.kafka.connect.json.",  // JsonSerializer
	"io.confluent.kafka.serializers.", // KafkaJsonSerializer, which has no schema
}

func byName(class string, as role) (untyped, error) {
	name := strings.TrimSpace(class)
	for _, p := range packages {
		name = strings.TrimPrefix(name, p)
	}
	name = strings.TrimPrefix(name, "Serdes$") // Serdes$LongSerde
	lower := strings.ToLower(name)
	if inner, ok := strings.CutPrefix(lower, "list<"); ok && strings.HasSuffix(inner, ">") {
		element, err := byName(inner[:len(inner)-1], as)
		if err != nil {
			return nil, err
		}
		return &listOf{as: as, inner: element}, nil
	}
	for _, row := range named {
		if row.matches(lower) {
			return row.make(as), nil
		}
	}
	return nil, fmt.Errorf("%w: %s %q; known are %s, and Kafka's classes for them",
		ErrUnknown, as, class, strings.Join(Names(), ", "))
}

func (row nameRow) matches(lower string) bool {
	for _, w := range row.words {
		if w == lower {
			return true
		}
	}
	for _, c := range row.classes {
		c = strings.ToLower(c)
		for _, kind := range []string{"", "serializer", "deserializer", "serde"} {
			if c+kind == lower {
				return true
			}
		}
	}
	return false
}

func newString(as role) untyped {
	return &converting[string]{new(String), as, "text", func(text string) (string, error) {
		return text, nil
	}}
}

func newBytes(as role) untyped {
	return &converting[[]byte]{Bytes{}, as, "bytes", func(text string) ([]byte, error) {
		return []byte(text), nil
	}}
}

func newInt16(as role) untyped { return newInteger(Int16{}, as, 16) }
func newInt32(as role) untyped { return newInteger(Int32{}, as, 32) }
func newInt64(as role) untyped { return newInteger(Int64{}, as, 64) }

func newInteger[T int16 | int32 | int64](codec Serde[T], as role, bits int) untyped {
	highest := int64(1)<<(bits-1) - 1
	want := fmt.Sprintf("a whole number of %d bits (%d to %d)", bits, -highest-1, highest)
	return &converting[T]{codec, as, want, func(text string) (T, error) {
		n, err := strconv.ParseInt(text, 10, bits)
		return T(n), err
	}}
}

func newFloat32(as role) untyped { return newFloat(Float32{}, as, 32) }
func newFloat64(as role) untyped { return newFloat(Float64{}, as, 64) }

func newFloat[T float32 | float64](codec Serde[T], as role, bits int) untyped {
	want := fmt.Sprintf("a floating-point number of %d bits", bits)
	return &converting[T]{codec, as, want, func(text string) (T, error) {
		f, err := strconv.ParseFloat(text, bits)
		return T(f), err
	}}
}

func newBool(as role) untyped {
	return &converting[bool]{Bool{}, as, "a boolean (true or false)", strconv.ParseBool}
}

func newUUID(as role) untyped {
	want := "a UUID (such as 123e4567-e89b-12d3-a456-426614174000)"
	codec := new(UUID[[16]byte])
	return &converting[[16]byte]{codec, as, want, func(text string) ([16]byte, error) {
		id, ok := parseUUID([]byte(text))
		if !ok {
			return id, errNotParsed
		}
		return id, nil
	}}
}

func newVoid(as role) untyped {
	return &converting[struct{}]{Void{}, as, "null", func(string) (struct{}, error) {
		return struct{}{}, errNotParsed
	}}
}

func newJSON(role) untyped    { return jsonText{} }
func newList(as role) untyped { return &listOf{as: as} }

// errNotParsed makes converting report a value; its text is not shown.
var errNotParsed = errors.New("not parsed")
