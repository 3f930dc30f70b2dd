package protobuf

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Text is the file without comments and blank lines of its own. Names of types
// are as they were written.
func (s *Schema) Text() string {
	w := &writer{syntax: s.syntax}
	w.file(s.written)
	return w.out.String()
}

// Normalized is the text that normalize=true stores: types by their full names,
// fields in the order of their numbers, imports and options sorted.
func (s *Schema) Normalized() string {
	d, _ := proto.Clone(s.written).(*descriptorpb.FileDescriptorProto)
	if linked, ok := s.file.(linker.Result); ok {
		qualify(d, linked.FileDescriptorProto())
	}
	order(d)
	w := &writer{syntax: d.GetSyntax() == "proto3" || d.Edition != nil, sorted: true}
	w.file(d)
	return w.out.String()
}

type writer struct {
	out    strings.Builder
	depth  int
	syntax bool // say which syntax the file has
	sorted bool
	proto3 bool
	opened bool // the last thing written is an opening brace
}

// line writes one line at the present depth.
func (w *writer) line(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	for part := range strings.SplitSeq(text, "\n") {
		w.out.WriteString(strings.Repeat("  ", w.depth))
		w.out.WriteString(part)
		w.out.WriteByte('\n')
	}
}

// gap is the empty line between groups of declarations of one kind, or the end
// of the line that opens them all. Blanks are in it as Confluent's registry has
// them: the text's MD5 is the schema's GUID.
func (w *writer) gap() {
	if !w.opened {
		w.out.WriteString(strings.Repeat("  ", max(w.depth-1, 0)))
	}
	w.opened = false
	w.out.WriteByte('\n')
}

func (w *writer) file(d *descriptorpb.FileDescriptorProto) {
	w.proto3 = d.GetSyntax() == "proto3"
	switch {
	case !w.syntax:
	case d.Edition != nil:
		w.line("edition = \"%s\";", strings.TrimPrefix(d.GetEdition().String(), "EDITION_"))
	case w.proto3:
		w.line("syntax = \"proto3\";")
	default:
		w.line("syntax = \"proto2\";")
	}
	if d.Package != nil {
		w.line("package %s;", d.GetPackage())
	}
	w.imports(d)
	if options := w.options(d.GetOptions()); len(options) > 0 {
		w.gap()
		w.optionLines(options)
	}
	if len(d.GetMessageType())+len(d.GetEnumType()) > 0 {
		w.gap()
	}
	for _, m := range d.GetMessageType() {
		w.message(m)
	}
	for _, e := range d.GetEnumType() {
		w.enum(e)
	}
	if len(d.GetExtension()) > 0 {
		w.gap()
		w.extensions(d.GetExtension(), nil)
	}
	if len(d.GetService()) > 0 {
		w.gap()
	}
	for _, s := range d.GetService() {
		w.service(s)
	}
}

func (w *writer) imports(d *descriptorpb.FileDescriptorProto) {
	if len(d.GetDependency()) == 0 {
		return
	}
	var plain, public []string
	for i, name := range d.GetDependency() {
		if slices.Contains(d.GetPublicDependency(), int32(i)) {
			public = append(public, name)
		} else {
			plain = append(plain, name)
		}
	}
	if w.sorted {
		slices.Sort(plain)
		slices.Sort(public)
	}
	w.gap()
	for _, name := range plain {
		w.line("import \"%s\";", name)
	}
	for _, name := range public {
		w.line("import public \"%s\";", name)
	}
}

func (w *writer) optionLines(options []string) {
	for _, o := range options {
		w.line("option %s;", o)
	}
}

func (w *writer) message(m *descriptorpb.DescriptorProto) {
	w.open("message "+m.GetName(), func() {
		w.reserved(messageRanges(m), m.GetReservedName())
		if options := w.options(m.GetOptions()); len(options) > 0 {
			w.gap()
			w.optionLines(options)
		}
		w.fields(m)
		w.oneofs(m)
		if len(m.GetExtensionRange()) > 0 {
			w.gap()
			for _, r := range m.GetExtensionRange() {
				w.line("extensions %s%s;", span(r.GetStart(), r.GetEnd()-1, maxTag),
					brackets(w.options(r.GetOptions())))
			}
		}
		if len(m.GetExtension()) > 0 {
			w.gap()
			w.extensions(m.GetExtension(), m.GetNestedType())
		}
		w.nested(m)
	})
}

// open writes a declaration in braces; an empty one stays on its line.
func (w *writer) open(head string, body func()) {
	w.out.WriteString(strings.Repeat("  ", w.depth) + head + " {")
	start := w.out.Len()
	w.depth++
	w.opened = true
	body()
	w.opened = false
	w.depth--
	if w.out.Len() == start {
		w.out.WriteString("}\n")
		return
	}
	w.line("}")
}

func (w *writer) nested(m *descriptorpb.DescriptorProto) {
	first := true
	for _, n := range m.GetNestedType() {
		if n.GetOptions().GetMapEntry() || isGroup(m, n) {
			continue
		}
		if first {
			w.gap()
			first = false
		}
		w.message(n)
	}
	for _, e := range m.GetEnumType() {
		if first {
			w.gap()
			first = false
		}
		w.enum(e)
	}
}

// isGroup reports whether a nested message is the body of a group of m.
func isGroup(m, n *descriptorpb.DescriptorProto) bool {
	return slices.ContainsFunc(slices.Concat(m.GetField(), m.GetExtension()),
		func(f *descriptorpb.FieldDescriptorProto) bool {
			return f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_GROUP &&
				last(f.GetTypeName()) == n.GetName()
		})
}

func last(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// fields writes the fields that are in no oneof.
func (w *writer) fields(m *descriptorpb.DescriptorProto) {
	first := true
	for _, f := range m.GetField() {
		if f.OneofIndex != nil && !f.GetProto3Optional() {
			continue
		}
		if first {
			w.gap()
			first = false
		}
		w.field(f, m.GetNestedType())
	}
}

func (w *writer) oneofs(m *descriptorpb.DescriptorProto) {
	first := true
	for i, o := range m.GetOneofDecl() {
		var members []*descriptorpb.FieldDescriptorProto
		for _, f := range m.GetField() {
			if f.OneofIndex != nil && int(f.GetOneofIndex()) == i && !f.GetProto3Optional() {
				members = append(members, f)
			}
		}
		if len(members) == 0 {
			continue // made for an optional field of proto3
		}
		if first {
			w.gap()
			first = false
		}
		w.open("oneof "+o.GetName(), func() {
			w.gap()
			w.optionLines(w.options(o.GetOptions()))
			for _, f := range members {
				w.field(f, m.GetNestedType())
			}
		})
	}
}

const maxTag = 1<<29 - 1

// span is a range of numbers, with both ends.
func span(from, to, most int32) string {
	switch {
	case from == to:
		return strconv.Itoa(int(from))
	case to >= most:
		return fmt.Sprintf("%d to max", from)
	}
	return fmt.Sprintf("%d to %d", from, to)
}

func messageRanges(m *descriptorpb.DescriptorProto) []string {
	var list []string
	for _, r := range m.GetReservedRange() {
		list = append(list, span(r.GetStart(), r.GetEnd()-1, maxTag))
	}
	return list
}

func (w *writer) reserved(ranges, names []string) {
	if len(ranges)+len(names) == 0 {
		return
	}
	w.gap()
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = strconv.Quote(n)
	}
	for _, list := range [][]string{ranges, quoted} {
		if w.sorted {
			for _, item := range list {
				w.line("reserved %s;", item)
			}
		} else if len(list) > 0 {
			w.line("reserved %s;", strings.Join(list, ", "))
		}
	}
}

func (w *writer) enum(e *descriptorpb.EnumDescriptorProto) {
	w.open("enum "+e.GetName(), func() {
		var ranges []string
		for _, r := range e.GetReservedRange() {
			ranges = append(ranges, span(r.GetStart(), r.GetEnd(), math.MaxInt32))
		}
		w.reserved(ranges, e.GetReservedName())
		if len(ranges)+len(e.GetReservedName()) == 0 {
			w.gap()
		}
		w.optionLines(w.options(e.GetOptions()))
		for _, v := range e.GetValue() {
			w.line("%s = %d%s;", v.GetName(), v.GetNumber(), brackets(w.options(v.GetOptions())))
		}
	})
}

func (w *writer) field(f *descriptorpb.FieldDescriptorProto,
	nested []*descriptorpb.DescriptorProto) {
	if f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_GROUP {
		w.group(f, nested)
		return
	}
	options := w.options(f.GetOptions())
	if f.DefaultValue != nil {
		options = append(options, "default = "+defaultText(f))
	}
	if f.JsonName != nil && f.GetJsonName() != jsonName(f.GetName()) {
		options = append(options, "json_name = "+strconv.Quote(f.GetJsonName()))
	}
	if w.sorted {
		slices.Sort(options)
		options = slices.Compact(options)
	}
	label, kind := w.label(f), typeText(f)
	if entry := mapEntry(f, nested); entry != nil {
		label = ""
		kind = fmt.Sprintf("map<%s, %s>", typeText(entry.GetField()[0]), typeText(entry.GetField()[1]))
	}
	w.line("%s%s %s = %d%s;", label, kind, f.GetName(), f.GetNumber(), brackets(options))
}

// group writes a proto2 group, whose body is a nested message.
func (w *writer) group(f *descriptorpb.FieldDescriptorProto,
	nested []*descriptorpb.DescriptorProto) {
	i := slices.IndexFunc(nested, func(m *descriptorpb.DescriptorProto) bool {
		return m.GetName() == last(f.GetTypeName())
	})
	if i < 0 {
		return
	}
	w.open(fmt.Sprintf("%sgroup %s = %d", w.label(f), nested[i].GetName(), f.GetNumber()), func() {
		w.fields(nested[i])
		w.nested(nested[i])
	})
}

func mapEntry(f *descriptorpb.FieldDescriptorProto,
	nested []*descriptorpb.DescriptorProto) *descriptorpb.DescriptorProto {
	for _, m := range nested {
		if m.GetOptions().GetMapEntry() && m.GetName() == last(f.GetTypeName()) &&
			f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REPEATED && len(m.GetField()) == 2 {
			return m
		}
	}
	return nil
}

func (w *writer) label(f *descriptorpb.FieldDescriptorProto) string {
	switch {
	case f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REPEATED:
		return "repeated "
	case f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REQUIRED:
		return "required "
	case f.GetProto3Optional(), w.plainOptional() && f.OneofIndex == nil && f.Label != nil:
		return "optional "
	}
	return ""
}

// plainOptional reports whether a field that may be missing is written optional:
// in proto2.
func (w *writer) plainOptional() bool { return !w.proto3 && !w.edition() }

func (w *writer) edition() bool { return strings.HasPrefix(w.out.String(), "edition") }

func typeText(f *descriptorpb.FieldDescriptorProto) string {
	if f.GetTypeName() != "" {
		return f.GetTypeName()
	}
	return strings.ToLower(strings.TrimPrefix(f.GetType().String(), "TYPE_"))
}

func defaultText(f *descriptorpb.FieldDescriptorProto) string {
	switch f.GetType() {
	case descriptorpb.FieldDescriptorProto_TYPE_STRING:
		return quote(f.GetDefaultValue())
	case descriptorpb.FieldDescriptorProto_TYPE_BYTES:
		return `"` + f.GetDefaultValue() + `"` // escaped already
	}
	return f.GetDefaultValue()
}

// extensions writes extend blocks: fields that follow each other and extend one
// message share one.
func (w *writer) extensions(list []*descriptorpb.FieldDescriptorProto,
	nested []*descriptorpb.DescriptorProto) {
	for len(list) > 0 {
		n := slices.IndexFunc(list, func(f *descriptorpb.FieldDescriptorProto) bool {
			return f.GetExtendee() != list[0].GetExtendee()
		})
		if n < 0 {
			n = len(list)
		}
		w.open("extend "+list[0].GetExtendee(), func() {
			w.gap()
			for _, f := range list[:n] {
				w.field(f, nested)
			}
		})
		list = list[n:]
	}
}

func (w *writer) service(s *descriptorpb.ServiceDescriptorProto) {
	w.open("service "+s.GetName(), func() {
		if options := w.options(s.GetOptions()); len(options) > 0 {
			w.gap()
			w.optionLines(options)
		}
		if len(s.GetMethod()) > 0 {
			w.gap()
		}
		for _, m := range s.GetMethod() {
			head := fmt.Sprintf("rpc %s (%s%s) returns (%s%s)", m.GetName(),
				stream(m.GetClientStreaming()), m.GetInputType(),
				stream(m.GetServerStreaming()), m.GetOutputType())
			options := w.options(m.GetOptions())
			if len(options) == 0 {
				w.line("%s;", head)
				continue
			}
			w.line("%s {", head)
			w.depth++
			w.optionLines(options)
			w.depth--
			w.line("};")
		}
	})
}

func stream(yes bool) string {
	if yes {
		return "stream "
	}
	return ""
}

// order sorts what may be sorted without another meaning.
func order(d *descriptorpb.FileDescriptorProto) {
	for _, m := range d.GetMessageType() {
		orderMessage(m)
	}
	for _, e := range d.GetEnumType() {
		orderEnum(e)
	}
}

func orderMessage(m *descriptorpb.DescriptorProto) {
	slices.SortStableFunc(m.Field, func(a, b *descriptorpb.FieldDescriptorProto) int {
		return cmp.Compare(a.GetNumber(), b.GetNumber())
	})
	slices.SortFunc(m.ReservedRange, func(a, b *descriptorpb.DescriptorProto_ReservedRange) int {
		return cmp.Compare(a.GetStart(), b.GetStart())
	})
	slices.Sort(m.ReservedName)
	orderOneofs(m)
	for _, n := range m.GetNestedType() {
		orderMessage(n)
	}
	for _, e := range m.GetEnumType() {
		orderEnum(e)
	}
}

// orderOneofs puts oneofs in the order of their first fields.
func orderOneofs(m *descriptorpb.DescriptorProto) {
	var list []*descriptorpb.OneofDescriptorProto
	to := map[int32]int32{}
	for _, f := range m.GetField() {
		if f.OneofIndex == nil {
			continue
		}
		from := f.GetOneofIndex()
		if _, ok := to[from]; !ok {
			to[from] = int32(len(list))
			list = append(list, m.OneofDecl[from])
		}
		f.OneofIndex = proto.Int32(to[from])
	}
	m.OneofDecl = list
}

func orderEnum(e *descriptorpb.EnumDescriptorProto) {
	slices.SortStableFunc(e.Value, func(a, b *descriptorpb.EnumValueDescriptorProto) int {
		return cmp.Or(cmp.Compare(a.GetNumber(), b.GetNumber()), cmp.Compare(a.GetName(), b.GetName()))
	})
	slices.Sort(e.ReservedName)
}
