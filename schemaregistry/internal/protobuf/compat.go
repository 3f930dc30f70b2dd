package protobuf

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Kinds of incompatibility, by the names of Confluent's registry.
const (
	PackageChanged            = "PACKAGE_CHANGED"
	MessageRemoved            = "MESSAGE_REMOVED"
	FieldKindChanged          = "FIELD_KIND_CHANGED"
	FieldScalarKindChanged    = "FIELD_SCALAR_KIND_CHANGED"
	FieldNamedTypeChanged     = "FIELD_NAMED_TYPE_CHANGED"
	FieldNumericLabelChanged  = "FIELD_NUMERIC_LABEL_CHANGED"
	RequiredFieldAdded        = "REQUIRED_FIELD_ADDED"
	RequiredFieldRemoved      = "REQUIRED_FIELD_REMOVED"
	OneofFieldRemoved         = "ONEOF_FIELD_REMOVED"
	MultipleFieldsMoved       = "MULTIPLE_FIELDS_MOVED_TO_ONEOF"
	FieldMovedToExistingOneof = "FIELD_MOVED_TO_EXISTING_ONEOF"
)

// Incompatibility is one reason why a reader cannot read what a writer wrote.
type Incompatibility struct {
	Type string // one of the constants
	Path string // such as #/Order/Line/3: messages, a oneof, a field's number
}

// Incompatibilities lists why reader cannot read data of writer; none means it
// can. Messages are compared by name, fields by number. The rules are those of
// the language guide on updating message types, with what a registry adds: the
// package, messages and oneofs may not go away, because readers in other
// languages have code that is made of them.
func Incompatibilities(reader, writer *Schema) []Incompatibility {
	c := &checker{visiting: map[protoreflect.FullName]bool{}}
	if reader.file.Package() != writer.file.Package() {
		c.add(PackageChanged)
	}
	c.messages(reader.file.Messages(), writer.file.Messages())
	return c.found
}

type checker struct {
	found    []Incompatibility
	path     []string
	visiting map[protoreflect.FullName]bool // messages of the writer that are under way
}

func (c *checker) add(kind string) {
	c.found = append(c.found, Incompatibility{kind, "#/" + strings.Join(c.path, "/")})
}

// at runs f with more behind the path.
func (c *checker) at(f func(), path ...string) {
	before := c.path
	c.path = append(slices.Clone(c.path), path...)
	f()
	c.path = before
}

func (c *checker) messages(reader, writer protoreflect.MessageDescriptors) {
	for i := range writer.Len() {
		old := writer.Get(i)
		if old.IsMapEntry() {
			continue
		}
		c.at(func() {
			if now := reader.ByName(old.Name()); now == nil {
				c.add(MessageRemoved)
			} else {
				c.message(now, old)
			}
		}, string(old.Name()))
	}
}

func (c *checker) message(reader, writer protoreflect.MessageDescriptor) {
	if c.visiting[writer.FullName()] {
		return
	}
	c.visiting[writer.FullName()] = true
	c.oneofs(reader, writer)
	c.fields(reader, writer)
	delete(c.visiting, writer.FullName())
	c.messages(reader.Messages(), writer.Messages())
}

// oneofOf is the oneof that a field is in, nil for one made for an optional
// field.
func oneofOf(f protoreflect.FieldDescriptor) protoreflect.OneofDescriptor {
	if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() {
		return o
	}
	return nil
}

// oneofs finds fields that could be set together and now exclude each other.
func (c *checker) oneofs(reader, writer protoreflect.MessageDescriptor) {
	for i := range reader.Oneofs().Len() {
		o := reader.Oneofs().Get(i)
		if o.IsSynthetic() {
			continue
		}
		groups, moved := map[string]bool{}, 0
		for j := range o.Fields().Len() {
			old := writer.Fields().ByNumber(o.Fields().Get(j).Number())
			switch {
			case old == nil: // no data has it
			case oneofOf(old) != nil:
				groups["oneof "+string(oneofOf(old).Name())] = true
			default:
				groups[fmt.Sprint("field ", old.Number())] = true
				moved++
			}
		}
		if len(groups) < 2 {
			continue
		}
		c.at(func() {
			if moved > 1 {
				c.add(MultipleFieldsMoved)
			} else {
				c.add(FieldMovedToExistingOneof)
			}
		}, string(o.Name()))
	}
}

func (c *checker) fields(reader, writer protoreflect.MessageDescriptor) {
	numbers := map[protoreflect.FieldNumber]bool{}
	for _, m := range []protoreflect.MessageDescriptor{reader, writer} {
		for i := range m.Fields().Len() {
			numbers[m.Fields().Get(i).Number()] = true
		}
	}
	sorted := make([]protoreflect.FieldNumber, 0, len(numbers))
	for n := range numbers {
		sorted = append(sorted, n)
	}
	slices.SortFunc(sorted, cmp.Compare)
	for _, n := range sorted {
		now, old := reader.Fields().ByNumber(n), writer.Fields().ByNumber(n)
		switch {
		case now == nil:
			c.removed(reader, old)
		case old == nil:
			if now.Cardinality() == protoreflect.Required {
				c.at(func() { c.add(RequiredFieldAdded) }, fmt.Sprint(n))
			}
		default:
			c.at(func() { c.field(now, old) }, place(now)...)
		}
	}
}

// place is a field's path in its message.
func place(f protoreflect.FieldDescriptor) []string {
	if o := oneofOf(f); o != nil {
		return []string{string(o.Name()), fmt.Sprint(f.Number())}
	}
	return []string{fmt.Sprint(f.Number())}
}

// removed reports a field that is gone, where that matters: a required one, or
// one of a oneof of which something is left.
func (c *checker) removed(reader protoreflect.MessageDescriptor, old protoreflect.FieldDescriptor) {
	o := oneofOf(old)
	if o == nil {
		if old.Cardinality() == protoreflect.Required {
			c.at(func() { c.add(RequiredFieldRemoved) }, fmt.Sprint(old.Number()))
		}
		return
	}
	left := reader.Oneofs().ByName(o.Name()) != nil
	for i := range o.Fields().Len() {
		left = left || reader.Fields().ByNumber(o.Fields().Get(i).Number()) != nil
	}
	if left {
		c.at(func() { c.add(OneofFieldRemoved) }, place(old)...)
	}
}

type kind uint8

const (
	scalar kind = iota
	message
	mapping
)

func kindOf(f protoreflect.FieldDescriptor) kind {
	switch {
	case f.IsMap():
		return mapping
	case f.Message() != nil:
		return message
	}
	return scalar
}

func (c *checker) field(reader, writer protoreflect.FieldDescriptor) {
	if kindOf(reader) != kindOf(writer) {
		c.add(FieldKindChanged)
		return
	}
	switch kindOf(reader) {
	case mapping:
		c.field(reader.MapKey(), writer.MapKey())
		c.field(reader.MapValue(), writer.MapValue())
	case message:
		c.named(reader.Message(), writer.Message())
	default:
		c.scalar(reader, writer)
	}
}

// encodings groups the scalars that are alike on the wire.
var encodings = map[protoreflect.Kind]string{
	protoreflect.Int32Kind: "varint", protoreflect.Int64Kind: "varint",
	protoreflect.Uint32Kind: "varint", protoreflect.Uint64Kind: "varint",
	protoreflect.BoolKind: "varint", protoreflect.EnumKind: "varint",
	protoreflect.Sint32Kind: "zigzag", protoreflect.Sint64Kind: "zigzag",
	protoreflect.StringKind: "bytes", protoreflect.BytesKind: "bytes",
	protoreflect.Fixed32Kind: "fixed32", protoreflect.Sfixed32Kind: "fixed32",
	protoreflect.Fixed64Kind: "fixed64", protoreflect.Sfixed64Kind: "fixed64",
	protoreflect.FloatKind: "float", protoreflect.DoubleKind: "double",
}

func (c *checker) scalar(reader, writer protoreflect.FieldDescriptor) {
	encoding := encodings[reader.Kind()]
	if encoding != encodings[writer.Kind()] {
		c.add(FieldScalarKindChanged)
		return
	}
	// Repeated numbers are packed, one number is not: neither reads the other.
	if encoding != "bytes" && (reader.IsList() != writer.IsList() ||
		labelled(reader) && labelled(writer) && reader.Cardinality() != writer.Cardinality()) {
		c.add(FieldNumericLabelChanged)
	}
}

// labelled reports whether a field's label is written.
func labelled(f protoreflect.FieldDescriptor) bool {
	return oneofOf(f) == nil && (f.ParentFile().Syntax() != protoreflect.Proto3 || f.IsList() ||
		f.HasOptionalKeyword())
}

// named compares fields of message types. What is in the file is compared with
// the file; what is imported is compared here.
func (c *checker) named(reader, writer protoreflect.MessageDescriptor) {
	if local(reader) != local(writer) {
		c.add(FieldNamedTypeChanged)
		return
	}
	if !imported(reader) && !imported(writer) {
		return
	}
	nested := &checker{visiting: c.visiting, path: strings.Split(local(writer), ".")}
	nested.message(reader, writer)
	if len(nested.found) > 0 {
		c.found = append(c.found, nested.found...)
		c.add(FieldNamedTypeChanged)
	}
}

// local is a message's name without its file's package.
func local(m protoreflect.MessageDescriptor) string {
	name := string(m.FullName())
	if p := string(m.ParentFile().Package()); p != "" {
		name = strings.TrimPrefix(name, p+".")
	}
	return name
}

func imported(m protoreflect.MessageDescriptor) bool {
	return m.ParentFile().Path() != main
}
