package protobuf

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// uninterpreted is any of the messages *Options.
type uninterpreted interface {
	proto.Message
	GetUninterpretedOption() []*descriptorpb.UninterpretedOption
}

// options are the options of one element, each as "name = value": as the file
// spells them, and those that a compiler has already read.
func (w *writer) options(o uninterpreted) []string {
	if o == nil || !o.ProtoReflect().IsValid() {
		return nil
	}
	var list []string
	for _, u := range o.GetUninterpretedOption() {
		list = append(list, optionName(u)+" = "+optionValue(u))
	}
	fields := o.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		name := f.Name()
		if !o.ProtoReflect().Has(f) || name == "uninterpreted_option" || name == "map_entry" {
			continue
		}
		list = append(list, string(name)+" = "+known(f, o.ProtoReflect().Get(f)))
	}
	if w.sorted {
		slices.Sort(list)
	}
	return list
}

// known is the value of an option that Protobuf itself defines.
func known(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch {
	case f.Kind() == protoreflect.StringKind && !f.IsList():
		return quote(v.String())
	case f.Kind() == protoreflect.EnumKind && !f.IsList():
		if e := f.Enum().Values().ByNumber(v.Enum()); e != nil {
			return string(e.Name())
		}
	case f.Kind() == protoreflect.MessageKind && !f.IsList():
		text, err := prototext.MarshalOptions{}.Marshal(v.Message().Interface())
		if err == nil {
			return "{ " + string(text) + " }"
		}
	}
	return fmt.Sprint(v.Interface())
}

func optionName(u *descriptorpb.UninterpretedOption) string {
	var parts []string
	for _, p := range u.GetName() {
		if p.GetIsExtension() {
			parts = append(parts, "("+p.GetNamePart()+")")
		} else {
			parts = append(parts, p.GetNamePart())
		}
	}
	return strings.Join(parts, ".")
}

func optionValue(u *descriptorpb.UninterpretedOption) string {
	switch {
	case u.IdentifierValue != nil:
		return u.GetIdentifierValue()
	case u.PositiveIntValue != nil:
		return strconv.FormatUint(u.GetPositiveIntValue(), 10)
	case u.NegativeIntValue != nil:
		return strconv.FormatInt(u.GetNegativeIntValue(), 10)
	case u.DoubleValue != nil:
		return strconv.FormatFloat(u.GetDoubleValue(), 'g', -1, 64)
	case u.StringValue != nil:
		return quote(string(u.GetStringValue()))
	}
	return "{ " + u.GetAggregateValue() + " }"
}

// brackets is a list of options behind a field.
func brackets(options []string) string {
	switch len(options) {
	case 0:
		return ""
	case 1:
		return " [" + options[0] + "]"
	}
	return " [\n  " + strings.Join(options, ",\n  ") + "\n]"
}

// quote is a string literal of Protobuf.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := range len(s) {
		c := s[i]
		switch {
		case c == '\\' || c == '"' || c == '\'':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c >= 0x20 && c != 0x7f:
			b.WriteByte(c)
		case strings.IndexByte("\a\b\t\n\v\f\r", c) >= 0:
			b.WriteByte('\\')
			b.WriteByte("abtnvfr"[c-'\a'])
		default:
			fmt.Fprintf(&b, "\\%03o", c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// jsonName is the name in JSON that a field has by default.
func jsonName(name string) string {
	var b strings.Builder
	up := false
	for i := range len(name) {
		c := name[i]
		switch {
		case c == '_':
			up = true
			continue
		case up && c >= 'a' && c <= 'z':
			c -= 'a' - 'A'
		}
		up = false
		b.WriteByte(c)
	}
	return b.String()
}

// qualify puts the full names of types, which compiling has found, where d has
// them as written. Both have the same shape.
func qualify(d, linked *descriptorpb.FileDescriptorProto) {
	for i, m := range d.GetMessageType() {
		qualifyMessage(m, linked.GetMessageType()[i])
	}
	qualifyFields(d.GetExtension(), linked.GetExtension())
	for i, s := range d.GetService() {
		for j, m := range s.GetMethod() {
			with := linked.GetService()[i].GetMethod()[j]
			m.InputType, m.OutputType = with.InputType, with.OutputType
		}
	}
}

func qualifyMessage(m, linked *descriptorpb.DescriptorProto) {
	qualifyFields(m.GetField(), linked.GetField())
	qualifyFields(m.GetExtension(), linked.GetExtension())
	for i, n := range m.GetNestedType() {
		qualifyMessage(n, linked.GetNestedType()[i])
	}
}

func qualifyFields(list, linked []*descriptorpb.FieldDescriptorProto) {
	for i, f := range list {
		f.Type, f.TypeName, f.Extendee = linked[i].Type, linked[i].TypeName, linked[i].Extendee
	}
}

// Encoded reports whether a schema's text is a descriptor in base64.
func Encoded(text string) bool {
	_, err := base64.StdEncoding.DecodeString(text)
	return err == nil && decode(text) != nil
}
