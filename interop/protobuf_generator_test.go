package interop

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// protoGenerator makes random .proto files and changes them a little.
type protoGenerator struct{ *rand.Rand }

type protoFile struct {
	proto2, deep bool // deep: it imports a file that has messages of its own
	pkg          string
	messages     []*protoMessage
	enums        []protoEnum
	imported     *protoMessage // in the file that is imported
}

type protoMessage struct {
	name   string
	fields []protoField
	nested []*protoMessage
	enums  []protoEnum
}

type protoField struct {
	number            int
	name, label, kind string // kind is a type, "map K V" or the name of a message or an enum
	oneof             string
}

type protoEnum struct {
	name    string
	symbols int
}

// A protoVersion is a version of a subject.
type protoVersion struct {
	Text    string            `json:"text"`
	Imports map[string]string `json:"imports,omitempty"`
}

var scalars = []string{"int32", "int64", "uint32", "uint64", "sint32", "sint64", "bool", "string",
	"bytes", "fixed32", "fixed64", "sfixed32", "sfixed64", "float", "double"}

func pick[T any](g *protoGenerator, list []T) T { return list[g.IntN(len(list))] }

// chain makes the versions of a subject, each a change of the one before it.
func (g *protoGenerator) chain(n int) []protoVersion {
	f := &protoFile{proto2: g.IntN(4) == 0, deep: g.IntN(4) == 0,
		pkg: pick(g, []string{"", "shop", "a.b"})}
	for _, name := range []string{"A", "B", "C"}[:g.IntN(3)+1] {
		f.messages = append(f.messages, g.message(f, name, 2))
	}
	f.enums = append(f.enums, protoEnum{"E", g.IntN(3) + 1})
	f.imported = g.message(&protoFile{proto2: f.proto2}, "X", 0)
	versions := []protoVersion{f.version()}
	for len(versions) < n {
		for range g.IntN(3) + 1 {
			g.change(f)
		}
		versions = append(versions, f.version())
	}
	return versions
}

func (g *protoGenerator) message(f *protoFile, name string, depth int) *protoMessage {
	m := &protoMessage{name: name}
	if depth > 0 && g.IntN(3) == 0 {
		m.nested = append(m.nested, g.message(f, pick(g, []string{"N", "M"}), depth-1))
	}
	if g.IntN(4) == 0 {
		m.enums = append(m.enums, protoEnum{"F", g.IntN(3) + 1})
	}
	for i := range g.IntN(6) {
		field := protoField{number: i + 1, name: fmt.Sprintf("f%d", i+1)}
		g.retype(f, m, &field)
		if g.IntN(4) == 0 {
			field.oneof = pick(g, []string{"o", "p"})
		}
		m.fields = append(m.fields, field)
	}
	return m
}

// retype gives a field another type and label.
func (g *protoGenerator) retype(f *protoFile, m *protoMessage, field *protoField) {
	kinds := []string{"E"}
	for _, other := range f.messages {
		kinds = append(kinds, other.name)
		for _, n := range other.nested {
			kinds = append(kinds, other.name+"."+n.name)
		}
	}
	for _, n := range m.nested {
		kinds = append(kinds, n.name)
	}
	for _, e := range m.enums {
		kinds = append(kinds, e.name)
	}
	if f.deep {
		kinds = append(kinds, "ext.X", "ext.X")
	}
	kinds = append(kinds, "google.protobuf.Timestamp")
	switch n := g.IntN(10); {
	case n < 6:
		field.kind = pick(g, scalars)
	case n < 8:
		field.kind = pick(g, kinds)
	default:
		field.kind = "map " + pick(g, []string{"string", "int32", "fixed64"}) + " " +
			pick(g, append(slices.Clone(scalars), kinds...))
	}
	field.label = pick(g, []string{"", "", "optional", "repeated"})
	if f.proto2 {
		field.label = pick(g, []string{"optional", "optional", "repeated", "required"})
	}
}

// change does one thing to a file.
func (g *protoGenerator) change(f *protoFile) {
	switch g.IntN(16) {
	case 0:
		if g.IntN(3) == 0 {
			f.pkg = pick(g, []string{"", "shop", "other"})
		}
	case 1:
		g.Shuffle(len(f.messages), func(i, j int) {
			f.messages[i], f.messages[j] = f.messages[j], f.messages[i]
		})
	case 2:
		if len(f.messages) > 1 {
			f.messages = slices.Delete(f.messages, 0, 1)
		}
	case 3:
		name := fmt.Sprintf("D%d", g.IntN(1000))
		f.messages = append(f.messages, g.message(f, name, 1))
	case 4:
		f.enums[0].symbols = g.IntN(4) + 1
	case 5:
		g.changeMessage(&protoFile{proto2: f.proto2}, f.imported)
	default:
		g.changeMessage(f, pick(g, f.messages))
	}
}

func (g *protoGenerator) changeMessage(f *protoFile, m *protoMessage) {
	if len(m.nested) > 0 && g.IntN(3) == 0 {
		if g.IntN(4) == 0 {
			m.nested = nil
			return
		}
		g.changeMessage(f, m.nested[0])
		return
	}
	if len(m.fields) == 0 || g.IntN(5) == 0 {
		field := protoField{number: g.IntN(20) + 1}
		field.name = fmt.Sprintf("g%d", field.number)
		g.retype(f, m, &field)
		field.oneof = pick(g, []string{"", "", "o"})
		taken := func(old protoField) bool { return old.number == field.number }
		if !slices.ContainsFunc(m.fields, taken) {
			m.fields = append(m.fields, field)
		}
		return
	}
	i := g.IntN(len(m.fields))
	field := &m.fields[i]
	switch g.IntN(8) {
	case 0:
		m.fields = slices.Delete(m.fields, i, i+1)
	case 1:
		field.name = "r" + field.name
	case 2, 3:
		label := field.label
		g.retype(f, m, field)
		field.label = label
	case 4:
		kind := field.kind
		g.retype(f, m, field)
		field.kind = kind
	case 5:
		field.oneof = pick(g, []string{"", "o", "p"})
	case 6:
		for j := range m.fields {
			if m.fields[j].oneof == "o" {
				m.fields[j].oneof = "q"
			}
		}
	default:
		g.Shuffle(len(m.fields), func(i, j int) { m.fields[i], m.fields[j] = m.fields[j], m.fields[i] })
	}
}

// version writes a file.
func (f *protoFile) version() protoVersion {
	var b strings.Builder
	syntax := "proto3"
	if f.proto2 {
		syntax = "proto2"
	}
	fmt.Fprintf(&b, "syntax = %q;\n", syntax)
	if f.pkg != "" {
		fmt.Fprintf(&b, "package %s;\n", f.pkg)
	}
	b.WriteString("import \"google/protobuf/timestamp.proto\";\n")
	v := protoVersion{}
	if f.deep {
		b.WriteString("import \"ext.proto\";\n")
		var ext strings.Builder
		fmt.Fprintf(&ext, "syntax = %q;\npackage ext;\n", syntax)
		ext.WriteString("import \"google/protobuf/timestamp.proto\";\n")
		writeEnum(&ext, protoEnum{"E", 1}, "")
		f.imported.write(&ext, f, "", map[string]bool{"E": true})
		v.Imports = map[string]string{"ext.proto": ext.String()}
	}
	known := map[string]bool{}
	for _, e := range f.enums {
		writeEnum(&b, e, "")
		known[e.name] = true
	}
	for _, m := range f.messages {
		known[m.name] = true
		for _, n := range m.nested {
			known[m.name+"."+n.name] = true
		}
	}
	known["ext.X"] = f.deep
	for _, m := range f.messages {
		m.write(&b, f, "", known)
	}
	v.Text = b.String()
	return v
}

func writeEnum(b *strings.Builder, e protoEnum, indent string) {
	fmt.Fprintf(b, "%senum %s { ", indent, e.name)
	for i := range e.symbols {
		fmt.Fprintf(b, "%s_%d = %d; ", e.name, i, i)
	}
	b.WriteString("}\n")
}

// write writes a message whose fields may be of the known types; one of a type
// that is gone is an int32.
func (m *protoMessage) write(b *strings.Builder, f *protoFile, indent string,
	known map[string]bool) {
	fmt.Fprintf(b, "%smessage %s {\n", indent, m.name)
	known = maps.Clone(known)
	known["google.protobuf.Timestamp"] = true
	for _, n := range m.nested {
		known[n.name] = true
	}
	for _, e := range m.enums {
		known[e.name] = true
		writeEnum(b, e, indent+"  ")
	}
	oneofs := map[string][]protoField{}
	for _, field := range m.fields {
		mapping := strings.HasPrefix(field.kind, "map ")
		if field.oneof != "" && !mapping {
			oneofs[field.oneof] = append(oneofs[field.oneof], field)
			continue
		}
		label := field.label
		if label == "" && f.proto2 {
			label = "optional"
		}
		if mapping {
			label = ""
		}
		fmt.Fprintf(b, "%s  %s\n", indent, strings.TrimSpace(label+" "+field.line(known)))
	}
	for _, name := range slices.Sorted(maps.Keys(oneofs)) {
		fmt.Fprintf(b, "%s  oneof %s {\n", indent, name)
		for _, field := range oneofs[name] {
			fmt.Fprintf(b, "%s    %s\n", indent, field.line(known))
		}
		fmt.Fprintf(b, "%s  }\n", indent)
	}
	for _, n := range m.nested {
		n.write(b, f, indent+"  ", known)
	}
	fmt.Fprintf(b, "%s}\n", indent)
}

func (f protoField) line(known map[string]bool) string {
	valid := func(kind string) string {
		if known[kind] || slices.Contains(scalars, kind) {
			return kind
		}
		return "int32"
	}
	kind := valid(f.kind)
	if parts := strings.Fields(f.kind); parts[0] == "map" {
		kind = fmt.Sprintf("map<%s, %s>", parts[1], valid(parts[2]))
	}
	return fmt.Sprintf("%s %s = %d;", kind, f.name, f.number)
}
