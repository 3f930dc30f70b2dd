package protobuf

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Text is the schema of a file, for a registry: the .proto file if that says all
// that the descriptor does, which is tried; else the base64 of the descriptor.
// Comments are not part of a descriptor, and so are lost.
func Text(file protoreflect.FileDescriptor) (string, error) {
	fd := protodesc.ToFileDescriptorProto(file)
	fd.SourceCodeInfo = nil
	text := (&printer{}).file(fd)
	imports := map[string]string{}
	addImports(file, imports)
	if again, err := Compile(context.Background(), text, imports); err == nil &&
		sameFile(fd, protodesc.ToFileDescriptorProto(again)) {
		return text, nil
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(fd)
	if err != nil {
		return "", fmt.Errorf("schema of %s: %w", file.Path(), err)
	}
	return base64.StdEncoding.EncodeToString(b), nil
}

// addImports gives what file imports in the form that needs no printing.
func addImports(file protoreflect.FileDescriptor, to map[string]string) {
	for i := range file.Imports().Len() {
		dep := file.Imports().Get(i)
		if builtIn(dep.Path()) || to[dep.Path()] != "" || dep.IsPlaceholder() {
			continue
		}
		b, err := proto.Marshal(protodesc.ToFileDescriptorProto(dep.FileDescriptor))
		if err != nil {
			continue // the compiler will miss it
		}
		to[dep.Path()] = base64.StdEncoding.EncodeToString(b)
		addImports(dep.FileDescriptor, to)
	}
}

func sameFile(a, b *descriptorpb.FileDescriptorProto) bool {
	a, b = plain(a), plain(b)
	for _, fd := range []*descriptorpb.FileDescriptorProto{a, b} {
		fd.Name, fd.SourceCodeInfo = nil, nil
		if fd.GetSyntax() == "proto2" { // the default, which may be left out
			fd.Syntax = nil
		}
		forEachField(fd, func(f *descriptorpb.FieldDescriptorProto) {
			if f.GetJsonName() == jsonName(f.GetName()) {
				f.JsonName = nil
			}
			if f.Options != nil && proto.Size(f.Options) == 0 {
				f.Options = nil
			}
		})
	}
	return proto.Equal(a, b)
}

// plain is a copy of fd in which custom options are unknown fields, whatever
// this program knows of them.
func plain(fd *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	out := &descriptorpb.FileDescriptorProto{}
	b, err := proto.MarshalOptions{Deterministic: true, AllowPartial: true}.Marshal(fd)
	if err == nil {
		err = proto.UnmarshalOptions{
			AllowPartial: true, Resolver: new(protoregistry.Types),
		}.Unmarshal(b, out)
	}
	if err != nil { // what is a message already is written and read
		panic(err)
	}
	return out
}

func forEachField(
	fd *descriptorpb.FileDescriptorProto, do func(*descriptorpb.FieldDescriptorProto),
) {
	var walk func(m *descriptorpb.DescriptorProto)
	walk = func(m *descriptorpb.DescriptorProto) {
		for _, f := range slices.Concat(m.Field, m.Extension) {
			do(f)
		}
		for _, n := range m.NestedType {
			walk(n)
		}
	}
	for _, m := range fd.MessageType {
		walk(m)
	}
	for _, f := range fd.Extension {
		do(f)
	}
}

// jsonName is the JSON name that a field has unless it is told another.
func jsonName(name string) string {
	var b strings.Builder
	up := false
	for _, c := range name {
		switch {
		case c == '_':
			up = true
		case up && 'a' <= c && c <= 'z':
			b.WriteRune(c - 'a' + 'A')
			up = false
		default:
			b.WriteRune(c)
			up = false
		}
	}
	return b.String()
}

// printer writes a descriptor as a .proto file.
type printer struct {
	b      strings.Builder
	depth  int
	proto2 bool
}

func (p *printer) line(format string, args ...any) {
	p.b.WriteString(strings.Repeat("  ", p.depth))
	fmt.Fprintf(&p.b, format, args...)
	p.b.WriteByte('\n')
}

func (p *printer) block(head string, body func()) {
	p.line("%s {", head)
	p.depth++
	body()
	p.depth--
	p.line("}")
}

func (p *printer) file(fd *descriptorpb.FileDescriptorProto) string {
	switch syntax := fd.GetSyntax(); syntax {
	case "editions":
		p.line("edition = %q;", strings.TrimPrefix(fd.GetEdition().String(), "EDITION_"))
	case "", "proto2":
		p.proto2 = true
		p.line(`syntax = "proto2";`)
	default:
		p.line("syntax = %q;", syntax)
	}
	if fd.GetPackage() != "" {
		p.line("package %s;", fd.GetPackage())
	}
	for i, dep := range fd.Dependency {
		kind := ""
		if slices.Contains(fd.PublicDependency, int32(i)) {
			kind = "public "
		}
		if slices.Contains(fd.WeakDependency, int32(i)) {
			kind = "weak "
		}
		p.line("import %s%q;", kind, dep)
	}
	p.options(fd.Options)
	for _, m := range fd.MessageType {
		p.message(m)
	}
	for _, e := range fd.EnumType {
		p.enum(e)
	}
	p.extensions(fd.Extension)
	for _, s := range fd.Service {
		p.service(s)
	}
	return p.b.String()
}

// options prints set options one a line; optionList makes them for brackets.
func (p *printer) options(m proto.Message) {
	for _, o := range optionList(m) {
		p.line("option %s;", o)
	}
}

func optionList(m proto.Message) (all []string) {
	r := m.ProtoReflect()
	if !r.IsValid() {
		return nil
	}
	r.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.IsExtension() || f.IsList() || f.IsMap() || f.Name() == "uninterpreted_option" {
			return true // the comparison with what this says finds it missing
		}
		if f.Message() == nil {
			all = append(all, string(f.Name())+" = "+scalarText(f, v))
			return true
		}
		for _, o := range optionList(v.Message().Interface()) { // features of editions
			all = append(all, string(f.Name())+"."+o)
		}
		return true
	})
	sort.Strings(all)
	return all
}

func scalarText(f protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch f.Kind() {
	case protoreflect.StringKind:
		return strconv.Quote(v.String())
	case protoreflect.EnumKind:
		if e := f.Enum().Values().ByNumber(v.Enum()); e != nil {
			return string(e.Name())
		}
		return strconv.Itoa(int(v.Enum()))
	}
	return v.String()
}

func (p *printer) message(m *descriptorpb.DescriptorProto) {
	p.block("message "+m.GetName(), func() { p.messageBody(m) })
}

func (p *printer) messageBody(m *descriptorpb.DescriptorProto) {
	p.options(m.Options)
	maps := map[string]*descriptorpb.DescriptorProto{}
	groups := map[string]*descriptorpb.DescriptorProto{}
	for _, n := range m.NestedType {
		if n.GetOptions().GetMapEntry() {
			maps[n.GetName()] = n
		}
	}
	for _, f := range m.Field {
		if f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_GROUP {
			groups[last(f.GetTypeName())] = nil
		}
	}
	for _, n := range m.NestedType {
		if _, group := groups[n.GetName()]; group {
			groups[n.GetName()] = n
		} else if maps[n.GetName()] == nil {
			p.message(n)
		}
	}
	for _, e := range m.EnumType {
		p.enum(e)
	}
	p.fields(m, maps, groups)
	p.extensions(m.Extension)
	for _, r := range m.ExtensionRange {
		p.line("extensions %s;", numbers(int(r.GetStart()), int(r.GetEnd())-1, 1<<29-1))
	}
	for _, r := range m.ReservedRange {
		p.line("reserved %s;", numbers(int(r.GetStart()), int(r.GetEnd())-1, 1<<29-1))
	}
	for _, name := range m.ReservedName {
		p.line("reserved %q;", name)
	}
}

func last(name string) string { return name[strings.LastIndexByte(name, '.')+1:] }

// fields prints fields in their order, those of a oneof together.
func (p *printer) fields(
	m *descriptorpb.DescriptorProto, maps, groups map[string]*descriptorpb.DescriptorProto,
) {
	done := map[int32]bool{}
	for _, f := range m.Field {
		if f.OneofIndex == nil || f.GetProto3Optional() {
			p.field(f, maps, groups)
			continue
		}
		at := f.GetOneofIndex()
		if done[at] {
			continue
		}
		done[at] = true
		p.block("oneof "+m.OneofDecl[at].GetName(), func() {
			p.options(m.OneofDecl[at].Options)
			for _, part := range m.Field {
				if part.OneofIndex != nil && part.GetOneofIndex() == at {
					p.field(part, nil, groups)
				}
			}
		})
	}
}

func (p *printer) field(
	f *descriptorpb.FieldDescriptorProto, maps, groups map[string]*descriptorpb.DescriptorProto,
) {
	kind := typeName(f)
	label := ""
	entry := maps[last(f.GetTypeName())]
	switch {
	case entry != nil:
		kind = "map<" + typeName(entry.Field[0]) + ", " + typeName(entry.Field[1]) + ">"
	case f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REPEATED:
		label = "repeated "
	case f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REQUIRED:
		label = "required "
	case f.GetProto3Optional(), p.proto2 && f.OneofIndex == nil:
		label = "optional "
	}
	if f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_GROUP {
		if g := groups[last(f.GetTypeName())]; g != nil {
			p.block(fmt.Sprintf("%sgroup %s = %d", label, g.GetName(), f.GetNumber()),
				func() { p.messageBody(g) })
			return
		}
	}
	opts := optionList(f.Options)
	if f.DefaultValue != nil {
		opts = append(opts, "default = "+defaultText(f))
	}
	if name := f.GetJsonName(); name != "" && name != jsonName(f.GetName()) && f.Extendee == nil {
		opts = append(opts, "json_name = "+strconv.Quote(name))
	}
	tail := ""
	if len(opts) > 0 {
		tail = " [" + strings.Join(opts, ", ") + "]"
	}
	p.line("%s%s %s = %d%s;", label, kind, f.GetName(), f.GetNumber(), tail)
}

func typeName(f *descriptorpb.FieldDescriptorProto) string {
	if f.GetTypeName() != "" {
		return f.GetTypeName() // with a dot in front: no search through scopes
	}
	return strings.ToLower(strings.TrimPrefix(f.GetType().String(), "TYPE_"))
}

func defaultText(f *descriptorpb.FieldDescriptorProto) string {
	switch f.GetType() {
	case descriptorpb.FieldDescriptorProto_TYPE_STRING:
		return strconv.Quote(f.GetDefaultValue())
	case descriptorpb.FieldDescriptorProto_TYPE_BYTES: // escaped already
		return `"` + f.GetDefaultValue() + `"`
	}
	return f.GetDefaultValue()
}

func numbers(from, to, most int) string {
	switch {
	case from == to:
		return strconv.Itoa(from)
	case to >= most:
		return strconv.Itoa(from) + " to max"
	}
	return fmt.Sprintf("%d to %d", from, to)
}

func (p *printer) enum(e *descriptorpb.EnumDescriptorProto) {
	p.block("enum "+e.GetName(), func() {
		p.options(e.Options)
		for _, v := range e.Value {
			tail := ""
			if opts := optionList(v.Options); len(opts) > 0 {
				tail = " [" + strings.Join(opts, ", ") + "]"
			}
			p.line("%s = %d%s;", v.GetName(), v.GetNumber(), tail)
		}
		for _, r := range e.ReservedRange {
			p.line("reserved %s;", numbers(int(r.GetStart()), int(r.GetEnd()), 1<<31-1))
		}
		for _, name := range e.ReservedName {
			p.line("reserved %q;", name)
		}
	})
}

// extensions prints fields that extend other messages.
func (p *printer) extensions(all []*descriptorpb.FieldDescriptorProto) {
	for _, f := range all {
		p.block("extend "+f.GetExtendee(), func() { p.field(f, nil, nil) })
	}
}

func (p *printer) service(s *descriptorpb.ServiceDescriptorProto) {
	p.block("service "+s.GetName(), func() {
		p.options(s.Options)
		for _, m := range s.Method {
			in, out := m.GetInputType(), m.GetOutputType()
			if m.GetClientStreaming() {
				in = "stream " + in
			}
			if m.GetServerStreaming() {
				out = "stream " + out
			}
			p.block(fmt.Sprintf("rpc %s(%s) returns (%s)", m.GetName(), in, out),
				func() { p.options(m.Options) })
		}
	})
}
