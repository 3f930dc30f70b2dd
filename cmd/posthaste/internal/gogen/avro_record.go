package gogen

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/twmb/avro"
)

// avroField is a field of a record as Go has it.
type avroField struct {
	*avro.SchemaField
	goName, goType string
}

// record writes a struct, its schema, its constructor and its accessors.
func (g *avroGen) record(t *avroType) error {
	ns := namespace(t.node)
	taken := scope{"AvroSchema": true}
	fields := make([]avroField, len(t.node.Fields))
	for i := range t.node.Fields {
		f := &t.node.Fields[i]
		fields[i] = avroField{f, taken.name(exported(f.Name)), g.goType(&f.Type, ns)}
	}
	g.describe(t, "%s is the record %s.", t.goName, t.full)
	fmt.Fprintf(&g.b, "type %s struct {\n", t.goName)
	for i, f := range fields {
		if i > 0 && f.Doc != "" {
			g.b.WriteString("\n")
		}
		comment(&g.b, "\t", f.Doc)
		note := ""
		if f.goType == "any" && f.Type.Type == "union" {
			note = " // one of " + g.branchTypes(&f.Type, ns)
		}
		fmt.Fprintf(&g.b, "\t%s %s %s%s\n", f.goName, f.goType, tag(f.SchemaField), note)
	}
	g.b.WriteString("}\n\n")
	if err := g.schemaMethod(t); err != nil {
		return err
	}
	g.constructor(t, fields)
	for _, f := range fields {
		g.accessors(t, f, taken)
	}
	return nil
}

// branchTypes lists the Go types of a union's values.
func (g *avroGen) branchTypes(n *avro.SchemaNode, ns string) string {
	var all []string
	for i := range n.Branches {
		goType := g.goType(&n.Branches[i], ns)
		if n.Branches[i].Type == "null" {
			goType = "nil"
		}
		all = append(all, goType)
	}
	return strings.Join(all, ", ")
}

// tag is a field's struct tag: its name for Avro and JSON, and what a schema
// made from the struct would need to know.
func tag(f *avro.SchemaField) string {
	avroTag := f.Name
	for _, alias := range f.Aliases {
		avroTag += ",alias=" + alias
	}
	inner := &f.Type
	if v := nullable(inner); v != nil {
		inner = v
	}
	switch inner.LogicalType {
	case "timestamp-millis", "timestamp-micros", "timestamp-nanos", "date", "time-millis",
		"time-micros":
		avroTag += "," + inner.LogicalType
	case "uuid":
		if inner.Type == "string" {
			avroTag += ",uuid"
		}
	case "decimal":
		if inner.Type == "bytes" {
			avroTag += fmt.Sprintf(",decimal(%d,%d)", inner.Precision, inner.Scale)
		}
	}
	return fmt.Sprintf("`avro:%q json:%q`", avroTag, f.Name)
}

// schemaMethod writes what the serializer registers.
func (g *avroGen) schemaMethod(t *avroType) error {
	text := t.schema
	if text == "" {
		schema, err := t.node.Schema()
		if err != nil {
			return fmt.Errorf("%s: %w", t.full, err)
		}
		text = schema.String()
	}
	literal := "`" + text + "`"
	if strings.Contains(text, "`") {
		literal = fmt.Sprintf("%q", text)
	}
	fmt.Fprintf(&g.b, "// AvroSchema returns the schema that %s was made from.\n", t.goName)
	fmt.Fprintf(&g.b, "func (%s) AvroSchema() string {\n\treturn %s\n}\n\n", t.goName, literal)
	return nil
}

// constructor writes New… if a field has a default that is not Go's zero value.
func (g *avroGen) constructor(t *avroType, fields []avroField) {
	var sets strings.Builder
	for _, f := range fields {
		if !f.HasDefault || f.Default == nil {
			continue
		}
		n := &f.Type
		if n.Type == "union" {
			n = &n.Branches[0] // by the specification a default is of the first
		}
		value := g.literal(n, namespace(t.node), f.Default)
		switch {
		case value == "":
		case strings.HasPrefix(f.goType, "*") && f.goType != "*big.Rat":
			name := "v" + f.goName
			fmt.Fprintf(&sets, "\t%s := %s\n\tx.%s = &%s\n", name, conversion(f.goType[1:], value),
				f.goName, name)
		case f.goType == "any":
			fmt.Fprintf(&sets, "\tx.%s = %s\n", f.goName,
				conversion(g.goType(n, namespace(t.node)), value))
		default:
			fmt.Fprintf(&sets, "\tx.%s = %s\n", f.goName, value)
		}
	}
	if sets.Len() == 0 {
		return
	}
	name := g.names.name("New" + t.goName)
	fmt.Fprintf(&g.b, "// %[1]s returns a record with the schema's defaults.\n"+
		"func %[1]s() *%[2]s {\n\tx := &%[2]s{}\n%[3]s\treturn x\n}\n\n", name, t.goName,
		sets.String())
}

// conversion gives a literal the type that it has not by itself.
func conversion(goType, literal string) string {
	switch goType {
	case "string", "bool", "float64":
		return literal
	case "int32", "int64", "float32":
		return goType + "(" + literal + ")"
	}
	return literal
}

// literal writes a default as Go, or returns "" for one that is Go's zero value
// or has no literal.
func (g *avroGen) literal(n *avro.SchemaNode, ns string, v any) string {
	switch v := v.(type) {
	case bool:
		if v {
			return "true"
		}
	case string:
		if v == "" {
			return ""
		}
		if t := g.enumOf(n, ns); t != nil {
			return t.constants[v]
		}
		return fmt.Sprintf("%q", v)
	case int32, int64:
		return g.integer(n, fmt.Sprint(v))
	case float32, float64:
		text, err := json.Marshal(v) // has no NaN or infinities, which stay 0
		if err == nil && string(text) != "0" {
			return string(text)
		}
	case []byte:
		if len(v) > 0 && n.Type == "bytes" && n.LogicalType == "" {
			return fmt.Sprintf("[]byte(%q)", v)
		}
	}
	return ""
}

// integer writes an int or long with the meaning of its logical type.
func (g *avroGen) integer(n *avro.SchemaNode, text string) string {
	if text == "0" && g.logicalType(n) != "time.Time" {
		return ""
	}
	switch {
	case n.LogicalType == "date":
		return fmt.Sprintf("time.Unix(%s*24*60*60, 0).UTC()", text)
	case strings.HasSuffix(n.LogicalType, "timestamp-millis"):
		return fmt.Sprintf("time.UnixMilli(%s).UTC()", text)
	case strings.HasSuffix(n.LogicalType, "timestamp-micros"):
		return fmt.Sprintf("time.UnixMicro(%s).UTC()", text)
	case strings.HasSuffix(n.LogicalType, "timestamp-nanos"):
		return fmt.Sprintf("time.Unix(0, %s).UTC()", text)
	case n.LogicalType == "time-millis":
		return text + " * time.Millisecond"
	case n.LogicalType == "time-micros":
		return text + " * time.Microsecond"
	}
	return text
}

// enumOf is the enum that n is or refers to, or nil.
func (g *avroGen) enumOf(n *avro.SchemaNode, ns string) *avroType {
	t := g.resolve(n.Type, ns)
	if n.Type == "enum" {
		t = g.types[fullName(n)]
	}
	if t == nil || t.node.Type != "enum" {
		return nil
	}
	return t
}
