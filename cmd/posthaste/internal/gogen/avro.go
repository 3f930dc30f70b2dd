package gogen

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/avro"
)

// Avro makes one Go file of each Avro schema. Named types of one source may be
// used in the others, in any order; each is written once, in the file of the
// source that defines it.
//
//	record               struct, with a method AvroSchema that returns its schema
//	enum                 string type with a constant of each symbol
//	fixed                array of bytes
//	["null", T]          *T; of arrays, maps and bytes T itself, whose nil is null
//	other unions         any, with getters and setters for the records in it
//	date, timestamp-*    time.Time
//	time-*               time.Duration
//	decimal              *big.Rat
//	duration             avro.Duration
//	uuid                 string; of fixed, [16]byte
//
// Fields have tags as the Avro serializer reads them. Where a field has a
// default, New… makes a record with all defaults set.
func Avro(sources []Source, o Options) ([]File, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	roots, order, err := parseAvro(sources)
	if err != nil {
		return nil, err
	}
	g := &avroGen{types: map[string]*avroType{}, names: scope{}}
	for _, i := range order {
		g.collect(roots[i], "", sources[i].Name)
	}
	if len(g.order) == 0 {
		return nil, fmt.Errorf("%s: no record, enum or fixed type to make a Go type of",
			sources[0].Name)
	}
	g.nameTypes()
	for i, root := range roots {
		if t := g.types[fullName(root)]; t != nil && root.Type == "record" {
			t.schema = wholeSchema(sources[i].Text)
		}
	}
	var files []File
	for _, s := range sources {
		code, err := g.file(s.Name, o.Package)
		if err != nil {
			return nil, err
		}
		if code != nil {
			files = append(files, File{goFile(s.Name, ".avro.go"), code})
		}
	}
	return files, nil
}

// parseAvro parses the sources. order has their indexes such that each stands
// behind those that it refers to; in a tree that refers to another one the
// library repeats what the other one defines.
func parseAvro(sources []Source) (roots []*avro.SchemaNode, order []int, err error) {
	var cache avro.SchemaCache
	roots = make([]*avro.SchemaNode, len(sources))
	for left := len(sources); left > 0; {
		var failures []error
		for i, s := range sources {
			if roots[i] != nil {
				continue
			}
			parsed, err := cache.Parse(s.Text)
			if err != nil {
				failures = append(failures, fmt.Errorf("%s: not an Avro schema: %w", s.Name, err))
				continue
			}
			roots[i] = parsed.Root()
			order = append(order, i)
		}
		if len(failures) == left {
			return nil, nil, errors.Join(failures...)
		}
		left = len(failures)
	}
	return roots, order, nil
}

// wholeSchema is text on one line if it is a schema by itself, and otherwise "".
func wholeSchema(text string) string {
	var b bytes.Buffer
	if _, err := avro.Parse(text); err != nil || json.Compact(&b, []byte(text)) != nil {
		return ""
	}
	return b.String()
}

// avroType is a named type that becomes a Go type.
type avroType struct {
	node   *avro.SchemaNode
	full   string // name with namespace
	goName string
	source string // the file that defines it
	schema string // as its file has it, if it is all of it; otherwise ""

	constants map[string]string // of an enum: names by symbol
}

type avroGen struct {
	types map[string]*avroType // by full name
	order []*avroType
	names scope // of the package

	b       bytes.Buffer // of the file at hand
	imports map[string]bool
}

func fullName(n *avro.SchemaNode) string {
	if n.Namespace == "" || strings.Contains(n.Name, ".") {
		return n.Name
	}
	return n.Namespace + "." + n.Name
}

// namespace is the one that names inside n's definition are looked up in.
func namespace(n *avro.SchemaNode) string {
	full := fullName(n)
	return full[:max(0, strings.LastIndexByte(full, '.'))]
}

// collect notes the types that n defines, outer ones first.
func (g *avroGen) collect(n *avro.SchemaNode, ns, source string) {
	switch n.Type {
	case "record", "error", "enum", "fixed":
		full := fullName(n)
		if g.types[full] != nil {
			return
		}
		t := &avroType{node: n, full: full, source: source}
		g.types[full] = t
		g.order = append(g.order, t)
		ns = namespace(n)
	}
	for i := range n.Fields {
		g.collect(&n.Fields[i].Type, ns, source)
	}
	for i := range n.Branches {
		g.collect(&n.Branches[i], ns, source)
	}
	for _, inner := range []*avro.SchemaNode{n.Items, n.Values} {
		if inner != nil {
			g.collect(inner, ns, source)
		}
	}
}

// nameTypes gives each type a Go name; of two that would have the same, both get
// the last part of their namespace in front.
func (g *avroGen) nameTypes() {
	count := map[string]int{}
	for _, t := range g.order {
		count[exported(shortName(t.full))]++
	}
	for _, t := range g.order {
		name := exported(shortName(t.full))
		if parent := shortName(namespace(t.node)); count[name] > 1 && parent != "" {
			name = exported(parent) + name
		}
		t.goName = g.names.name(name)
	}
	for _, t := range g.order {
		t.constants = map[string]string{}
		for _, symbol := range t.node.Symbols {
			t.constants[symbol] = g.names.name(t.goName + exported(symbol))
		}
	}
}

func shortName(full string) string { return full[strings.LastIndexByte(full, '.')+1:] }

// resolve finds the type that name refers to inside namespace ns, or nil.
func (g *avroGen) resolve(name, ns string) *avroType {
	if !strings.Contains(name, ".") && ns != "" {
		if t := g.types[ns+"."+name]; t != nil {
			return t
		}
	}
	return g.types[name]
}

// file writes the types of one source, or returns nil if it defines none.
func (g *avroGen) file(source, pkg string) ([]byte, error) {
	g.b.Reset()
	g.imports = map[string]bool{}
	defines := false
	for _, t := range g.order {
		if t.source != source {
			continue
		}
		defines = true
		if err := g.declare(t); err != nil {
			return nil, fmt.Errorf("%s: %w", source, err)
		}
	}
	if !defines {
		return nil, nil
	}
	var out bytes.Buffer
	header(&out, source, pkg)
	var standard, others []string
	for path := range g.imports {
		if strings.Contains(path, ".") {
			others = append(others, path)
		} else {
			standard = append(standard, path)
		}
	}
	slices.Sort(standard)
	slices.Sort(others)
	if len(standard)+len(others) > 0 {
		out.WriteString("import (\n")
		for _, path := range standard {
			fmt.Fprintf(&out, "\t%q\n", path)
		}
		out.WriteString("\n")
		for _, path := range others {
			fmt.Fprintf(&out, "\t%q\n", path)
		}
		out.WriteString(")\n\n")
	}
	out.Write(g.b.Bytes())
	return formatted(source, out.Bytes())
}

func (g *avroGen) declare(t *avroType) error {
	switch t.node.Type {
	case "enum":
		g.enum(t)
	case "fixed":
		g.describe(t, "%s is the fixed type %s of %d bytes.", t.goName, t.full, t.node.Size)
		fmt.Fprintf(&g.b, "type %s [%d]byte\n\n", t.goName, t.node.Size)
	default:
		return g.record(t)
	}
	return nil
}

// describe writes the comment of a type: the schema's own words behind what it
// is, and the names it had before.
func (g *avroGen) describe(t *avroType, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if doc := strings.TrimSpace(t.node.Doc); doc != "" {
		text += "\n\n" + doc
	}
	if len(t.node.Aliases) > 0 {
		text += "\n\nAliases: " + strings.Join(t.node.Aliases, ", ") + "."
	}
	comment(&g.b, "", text)
}

func (g *avroGen) enum(t *avroType) {
	g.describe(t, "%s is the enum %s.", t.goName, t.full)
	fmt.Fprintf(&g.b, "type %s string\n\n", t.goName)
	fmt.Fprintf(&g.b, "// The symbols of %s.", t.goName)
	if t.node.HasEnumDefault {
		fmt.Fprintf(&g.b, " A reader takes %s for one that it does not know.", t.node.EnumDefault)
	}
	g.b.WriteString("\nconst (\n")
	for _, symbol := range t.node.Symbols {
		fmt.Fprintf(&g.b, "\t%s %s = %q\n", t.constants[symbol], t.goName, symbol)
	}
	g.b.WriteString(")\n\n")
}

// goType returns the Go type of values of n, which stands inside namespace ns.
func (g *avroGen) goType(n *avro.SchemaNode, ns string) string {
	if logical := g.logicalType(n); logical != "" {
		return logical
	}
	switch n.Type {
	case "boolean":
		return "bool"
	case "int":
		return "int32"
	case "long":
		return "int64"
	case "float":
		return "float32"
	case "double":
		return "float64"
	case "string":
		return "string"
	case "bytes":
		return "[]byte"
	case "array":
		return "[]" + g.goType(n.Items, ns)
	case "map":
		return "map[string]" + g.goType(n.Values, ns)
	case "union":
		return g.unionType(n, ns)
	case "record", "error", "enum", "fixed":
		return g.types[fullName(n)].goName
	}
	if t := g.resolve(n.Type, ns); t != nil {
		if logical := g.logicalType(t.node); logical != "" {
			return logical
		}
		return t.goName
	}
	return "any" // null
}

// logicalType returns the Go type of a logical type, or "" where the Avro type
// decides.
func (g *avroGen) logicalType(n *avro.SchemaNode) string {
	is := n.Type + " " + n.LogicalType
	switch {
	case is == "int date", n.Type == "long" && strings.Contains(n.LogicalType, "timestamp-"):
		g.imports["time"] = true
		return "time.Time"
	case is == "int time-millis", is == "long time-micros":
		g.imports["time"] = true
		return "time.Duration"
	case is == "bytes decimal", is == "fixed decimal":
		g.imports["math/big"] = true
		return "*big.Rat"
	case is == "fixed duration" && n.Size == 12:
		g.imports["github.com/twmb/avro"] = true
		return "avro.Duration"
	}
	return ""
}

// nullable returns the branch of a union of null and one other, or nil.
func nullable(n *avro.SchemaNode) *avro.SchemaNode {
	if n.Type != "union" || len(n.Branches) != 2 {
		return nil
	}
	for i := range n.Branches {
		if n.Branches[i].Type == "null" {
			return &n.Branches[1-i]
		}
	}
	return nil
}

func (g *avroGen) unionType(n *avro.SchemaNode, ns string) string {
	if len(n.Branches) == 1 {
		return g.goType(&n.Branches[0], ns)
	}
	inner := nullable(n)
	if inner == nil {
		return "any"
	}
	t := g.goType(inner, ns)
	if t == "any" || t[0] == '*' || t[0] == '[' && t[1] == ']' || strings.HasPrefix(t, "map[") {
		return t // its nil is null
	}
	return "*" + t
}
