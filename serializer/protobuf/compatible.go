package protobuf

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// differences are the fields that other would read wrongly from what own wrote.
//
// Source: Protobuf's language guide, on updating a message type.
func differences(
	own, other protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool,
) (faults []string) {
	if seen == nil {
		seen = map[protoreflect.FullName]bool{}
	}
	if seen[own.FullName()] {
		return nil
	}
	seen[own.FullName()] = true
	for i := range own.Fields().Len() {
		f := own.Fields().Get(i)
		g := other.Fields().ByNumber(f.Number())
		switch {
		case g == nil: // kept as unknown
		case encoding(f) != encoding(g) || f.IsList() != g.IsList() && encoding(f) != "bytes" &&
			encoding(f) != "message":
			faults = append(faults, fmt.Sprintf("field %s (%d) is %s there, not %s",
				f.FullName(), f.Number(), describe(g), describe(f)))
		case f.Message() != nil:
			faults = append(faults, differences(f.Message(), g.Message(), seen)...)
		}
	}
	for _, n := range all(other.RequiredNumbers()) {
		if own.Fields().ByNumber(n) == nil {
			faults = append(faults, fmt.Sprintf("field %s (%d) is required there and missing here",
				other.Fields().ByNumber(n).FullName(), n))
		}
	}
	return faults
}

// encoding is the same for kinds that read each other's bytes.
func encoding(f protoreflect.FieldDescriptor) string {
	switch f.Kind() {
	case protoreflect.Int32Kind, protoreflect.Int64Kind, protoreflect.Uint32Kind,
		protoreflect.Uint64Kind, protoreflect.BoolKind, protoreflect.EnumKind:
		return "varint"
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return "zigzag"
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return "fixed32"
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return "fixed64"
	case protoreflect.StringKind, protoreflect.BytesKind:
		return "bytes"
	}
	return f.Kind().String()
}
