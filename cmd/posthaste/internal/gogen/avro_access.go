package gogen

import (
	"fmt"
	"strings"

	"github.com/twmb/avro"
)

// accessors writes Get… and Set… where a field alone is unhandy: where it is a
// pointer, and where it is a union with records in it.
func (g *avroGen) accessors(t *avroType, f avroField, taken scope) {
	if f.goType == "any" && f.Type.Type == "union" {
		g.unionAccessors(t, f, taken)
		return
	}
	inner := nullable(&f.Type)
	getter, setter := "Get"+f.goName, "Set"+f.goName
	if inner == nil || !strings.HasPrefix(f.goType, "*") || f.goType == "*big.Rat" ||
		taken[getter] || taken[setter] {
		return
	}
	taken[getter], taken[setter] = true, true
	if g.recordOf(inner, namespace(t.node)) != nil {
		fmt.Fprintf(&g.b, `// %[1]s returns the field, or nil if x or the field is null.
func (x *%[2]s) %[1]s() %[3]s {
	if x == nil {
		return nil
	}
	return x.%[4]s
}

`, getter, t.goName, f.goType, f.goName)
		return
	}
	fmt.Fprintf(&g.b, `// %[1]s returns the field, or the zero value if x or the field is null.
func (x *%[2]s) %[1]s() (v %[3]s) {
	if x != nil && x.%[4]s != nil {
		v = *x.%[4]s
	}
	return v
}

// %[5]s makes the field v; null is a nil %[4]s.
func (x *%[2]s) %[5]s(v %[3]s) { x.%[4]s = &v }

`, getter, t.goName, f.goType[1:], f.goName, setter)
}

// recordOf is the record that n is or refers to, or nil.
func (g *avroGen) recordOf(n *avro.SchemaNode, ns string) *avroType {
	t := g.resolve(n.Type, ns)
	if n.Type == "record" || n.Type == "error" {
		t = g.types[fullName(n)]
	}
	if t == nil || t.node.Type != "record" && t.node.Type != "error" {
		return nil
	}
	return t
}

// unionAccessors writes a getter and a setter for each record of a union. The
// decoder leaves a record in a union as a map, which the getter makes the
// struct by its schema; the setter names the branch, which records of equal
// shape do not tell.
func (g *avroGen) unionAccessors(t *avroType, f avroField, taken scope) {
	ns := namespace(t.node)
	for i := range f.Type.Branches {
		of := g.recordOf(&f.Type.Branches[i], ns)
		if of == nil {
			continue
		}
		getter, setter := "Get"+f.goName+of.goName, "Set"+f.goName+of.goName
		if taken[getter] || taken[setter] {
			continue
		}
		taken[getter], taken[setter] = true, true
		g.imports["github.com/twmb/avro"] = true
		fmt.Fprintf(&g.b, `// %[1]s returns the field if it is a %[3]s, and otherwise nil.
func (x *%[2]s) %[1]s() *%[3]s {
	if x == nil {
		return nil
	}
	v := x.%[4]s
	if tagged, ok := v.(map[string]any); ok && len(tagged) == 1 {
		if named, ok := tagged[%[5]q]; ok {
			v = named
		}
	}
	switch v := v.(type) {
	case %[3]s:
		return &v
	case *%[3]s:
		return v
	case map[string]any:
		schema := avro.MustParse(%[3]s{}.AvroSchema())
		b, err := schema.Encode(v)
		if err != nil {
			return nil // another branch
		}
		made := &%[3]s{}
		if _, err := schema.Decode(b, made); err != nil {
			return nil
		}
		return made
	}
	return nil
}

// %[6]s makes the field v.
func (x *%[2]s) %[6]s(v *%[3]s) { x.%[4]s = map[string]any{%[5]q: v} }

`, getter, t.goName, of.goName, f.goName, of.full, setter)
	}
}
