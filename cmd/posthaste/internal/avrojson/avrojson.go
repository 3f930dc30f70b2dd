// Package avrojson turns JSON into the values that an Avro schema describes, and
// values back into JSON.
//
//	row of a file ─ Fit ─▶ value ─▶ serializer/avro
//	serializer/avro's bytes ─▶ value ─ AppendJSON ─▶ what consume prints
//
// The JSON is that of everyday data rather than Avro's own encoding, which is
// read too: unions need no branch's name, dates and times are written as
// 2026-01-31 and 2026-01-31T08:00:00Z, decimals as numbers. Bytes are, as in
// Avro's encoding, one character a byte. A value that does not fit is a
// *serializer.FieldError, which names the field's path, the value and the type.
package avrojson

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/avro"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/infer"
)

// Options says how values are taken.
type Options struct {
	// Text means that values come from text without types, such as CSV, or from
	// rows that the schema was inferred from: a number is a text where the schema
	// wants text, a text is a number where it is one, and an empty text is null
	// where null is allowed and text is not.
	Text bool

	// SkipUnknown passes over members that the schema has no field for.
	SkipUnknown bool

	// Base64 reads bytes as base64, as rows of Parquet have them.
	Base64 bool
}

// Schema reads and writes JSON of one Avro schema.
type Schema struct {
	root    *node
	options Options
}

// node is a part of a schema, with references resolved.
type node struct {
	kind    string // Avro's name of the type
	logical string
	name    string // full, of record, enum and fixed

	fields   []*field // of a record
	byName   map[string]*field
	item     *node // of an array, and the values of a map
	branches []*node
	symbols  []string
	size     int
	scale    int

	precision int
}

// field is one field of a record.
type field struct {
	name     string
	label    []byte // `"name":`
	node     *node
	optional bool // has a default, or is nullable
}

// Parse reads a schema's text. references are texts of schemas that it uses,
// those first that others need.
func Parse(text string, references []string, o Options) (*Schema, error) {
	var cache avro.SchemaCache
	types := map[string]*node{}
	var root *node
	for _, t := range append(references[:len(references):len(references)], text) {
		parsed, err := cache.Parse(t)
		if err != nil {
			return nil, fmt.Errorf("not an Avro schema: %w", err)
		}
		if root, err = compile(parsed.Root(), "", types); err != nil {
			return nil, err
		}
	}
	return &Schema{root: root, options: o}, nil
}

// compile makes a node of n, which stands inside namespace ns.
func compile(n *avro.SchemaNode, ns string, types map[string]*node) (*node, error) {
	made := &node{kind: n.Type, logical: n.LogicalType, symbols: n.Symbols, size: n.Size,
		precision: n.Precision, scale: n.Scale}
	var err error
	switch n.Type {
	case "null", "boolean", "int", "long", "float", "double", "bytes", "string":
	case "array":
		made.item, err = compile(n.Items, ns, types)
	case "map":
		made.item, err = compile(n.Values, ns, types)
	case "union":
		for i := range n.Branches {
			branch, err := compile(&n.Branches[i], ns, types)
			if err != nil {
				return nil, err
			}
			made.branches = append(made.branches, branch)
		}
	case "record", "error", "enum", "fixed":
		made.name = n.Name
		if n.Namespace != "" && !strings.Contains(n.Name, ".") {
			made.name = n.Namespace + "." + n.Name
		}
		if made.kind == "error" {
			made.kind = "record"
		}
		types[made.name] = made
		err = made.compileFields(n, types)
	default:
		if found := types[ns+"."+n.Type]; found != nil {
			return found, nil
		}
		if found := types[n.Type]; found != nil {
			return found, nil
		}
		err = fmt.Errorf("not an Avro schema: unknown type %q", n.Type)
	}
	return made, err
}

func (n *node) compileFields(s *avro.SchemaNode, types map[string]*node) error {
	n.byName = map[string]*field{}
	ns := n.name[:max(0, strings.LastIndexByte(n.name, '.'))]
	for i := range s.Fields {
		f := &s.Fields[i]
		inner, err := compile(&f.Type, ns, types)
		if err != nil {
			return err
		}
		made := &field{name: f.Name, label: fmt.Appendf(nil, "%q:", f.Name), node: inner,
			optional: f.HasDefault || inner.nullable()}
		n.fields = append(n.fields, made)
		n.byName[f.Name] = made
		if original, ok := f.Props[infer.SourceName].(string); ok && n.byName[original] == nil {
			n.byName[original] = made
		}
	}
	for i := range s.Fields { // aliases do not hide names
		for _, alias := range s.Fields[i].Aliases {
			if n.byName[alias] == nil {
				n.byName[alias] = n.fields[i]
			}
		}
	}
	return nil
}

// find is the field for a member of this name: one that is called so, was, or
// is if what is illegal in the name is replaced.
func (n *node) find(name []byte) *field {
	if f := n.byName[string(name)]; f != nil {
		return f
	}
	return n.byName[infer.Legal(string(name))]
}

func (n *node) nullable() bool {
	return n.kind == "null" ||
		slices.ContainsFunc(n.branches, func(b *node) bool { return b.kind == "null" })
}

// branchName is how a value's branch is named in Avro's JSON encoding.
func (n *node) branchName() string {
	if n.name != "" {
		return n.name
	}
	return n.kind
}

// String is the type in a few words.
func (n *node) String() string {
	switch {
	case n.kind == "union":
		var names []string
		for _, b := range n.branches {
			names = append(names, b.String())
		}
		return strings.Join(names, " or ")
	case n.logical == "decimal":
		return fmt.Sprintf("decimal(%d,%d)", n.precision, n.scale)
	case n.logical != "":
		return n.kind + " (" + n.logical + ")"
	case n.kind == "enum":
		return fmt.Sprintf("enum %s (%s)", n.name, strings.Join(n.symbols, ", "))
	case n.kind == "fixed":
		return fmt.Sprintf("fixed %s of %d bytes", n.name, n.size)
	case n.kind == "record":
		return "record " + n.name
	case n.kind == "array", n.kind == "map":
		return n.kind + " of " + n.item.String()
	}
	return n.kind
}
