package infer

import (
	"fmt"
	"strconv"
	"strings"
)

// Protobuf writes t, which is a Record, as a proto3 file with a message of this
// name. Nullable fields are optional. What Protobuf has no type for is text:
// dates as 2026-01-31, times of day as 08:00:00, local times without a zone,
// decimals with all their digits.
func (t *Type) Protobuf(name, pkg string) string {
	w := &protoWriter{imports: map[string]bool{}}
	w.message(t, name, "")
	var head strings.Builder
	head.WriteString("syntax = \"proto3\";\n\n")
	if pkg != "" {
		fmt.Fprintf(&head, "package %s;\n\n", pkg)
	}
	for _, path := range []string{"google/protobuf/struct.proto", "google/protobuf/timestamp.proto"} {
		if w.imports[path] {
			fmt.Fprintf(&head, "import %q;\n", path)
		}
	}
	if len(w.imports) > 0 {
		head.WriteString("\n")
	}
	return head.String() + w.b.String()
}

type protoWriter struct {
	b       strings.Builder
	imports map[string]bool
}

// message writes a message and, inside it, those of its fields.
func (w *protoWriter) message(t *Type, name, indent string) {
	fmt.Fprintf(&w.b, "%smessage %s {\n", indent, name)
	taken, types := names{}, names{}
	for i, f := range t.Fields {
		w.field(f, i+1, taken.pick(protoName(f.Name)), types, indent+"  ")
	}
	w.b.WriteString(indent + "}\n")
}

// protoName is Legal without a leading _, which JSON names lose.
func protoName(name string) string {
	s := strings.TrimLeft(Legal(name), "_")
	if s == "" || s[0] >= '0' && s[0] <= '9' {
		s = "f_" + s
	}
	return s
}

func (w *protoWriter) field(f *Field, number int, name string, types names, indent string) {
	label, element := "", f.Type
	switch {
	case f.Type.Kind == Array && f.Type.Items.Kind != Array && f.Type.Items.Kind != Map:
		label, element = "repeated ", f.Type.Items
	case f.Type.Nullable && f.Type.Kind != Map && f.Type.Kind != Array:
		label = "optional "
	}
	protoType := w.typeOf(element)
	if element.Kind == Record {
		protoType = types.pick(TypeName(f.Name))
		w.message(element, protoType, indent)
	}
	if f.Type.Kind == Map {
		value := w.typeOf(f.Type.Items)
		if f.Type.Items.Kind == Record {
			value = types.pick(TypeName(f.Name))
			w.message(f.Type.Items, value, indent)
		}
		protoType = "map<string, " + value + ">"
	}
	option := ""
	if f.Name != name {
		option = fmt.Sprintf(" [json_name = %s]", protoString(f.Name))
	}
	fmt.Fprintf(&w.b, "%s%s%s %s = %d%s;\n", indent, label, protoType, name, fieldNumber(number),
		option)
}

// fieldNumber passes over the numbers that Protobuf keeps for itself.
func fieldNumber(n int) int {
	if n >= 19000 {
		return n + 1000
	}
	return n
}

// protoString quotes s; Protobuf knows the escapes that Go writes for ASCII.
func protoString(s string) string { return strconv.Quote(s) }

func (w *protoWriter) typeOf(t *Type) string {
	switch t.Kind {
	case Boolean:
		return "bool"
	case Int:
		return "int32"
	case Long:
		return "int64"
	case Float:
		return "float"
	case Double:
		return "double"
	case Bytes:
		return "bytes"
	case TimestampMillis, TimestampMicros, TimestampNanos:
		w.imports["google/protobuf/timestamp.proto"] = true
		return "google.protobuf.Timestamp"
	case Array:
		w.imports["google/protobuf/struct.proto"] = true
		return "google.protobuf.ListValue"
	case Map:
		w.imports["google/protobuf/struct.proto"] = true
		return "google.protobuf.Struct"
	}
	return "string"
}
