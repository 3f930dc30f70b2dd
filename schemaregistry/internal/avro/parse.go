package avro

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/posthaste-go/posthaste/internal/ordered"
)

// Options say how strictly to parse.
type Options struct {
	// Strict refuses defaults that do not fit their field and namespaces that are
	// no names, as it is right for a new schema. What is registered already is
	// read without.
	Strict bool
	// References are the texts of schemas whose names may be used, each before
	// those that use it.
	References []string
}

// Parse reads a schema. Errors say which part is wrong, and how.
func Parse(text string, o Options) (*Schema, error) {
	p := &parser{strict: o.Strict, names: map[string]*Schema{}}
	for i, reference := range o.References {
		if _, err := p.parseText(reference); err != nil {
			return nil, fmt.Errorf("reference %d: %w", i+1, err)
		}
	}
	return p.parseText(text)
}

type parser struct {
	strict bool
	names  map[string]*Schema
	// defaults are checked when all names are known: a default may be of a type
	// that is defined further down.
	defaults []pendingDefault
}

type pendingDefault struct {
	field *Field
	where string
}

func (p *parser) parseText(text string) (*Schema, error) {
	v, err := ordered.Parse([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	s, err := p.parse(v, "", "schema")
	if err != nil {
		return nil, err
	}
	for _, d := range p.defaults {
		if err := fits(d.field.Schema, d.field.Default, d.where+": default"); err != nil {
			return nil, err
		}
	}
	p.defaults = nil
	return s, nil
}

// parse reads one schema inside of a namespace; where names it in errors.
func (p *parser) parse(v *ordered.Value, space, where string) (*Schema, error) {
	switch v.Kind {
	case ordered.String:
		return p.lookup(v.Text, space, where)
	case ordered.Array:
		return p.parseUnion(v, space, where)
	case ordered.Object:
		return p.parseObject(v, space, where)
	}
	return nil, fmt.Errorf("%s: a schema is a name, an object or an array, not %s", where, v.Kind)
}

func (p *parser) lookup(name, space, where string) (*Schema, error) {
	if t, ok := primitives[name]; ok {
		return &Schema{Type: t}, nil
	}
	if s := p.names[newName(name, space).Full()]; s != nil {
		return s, nil
	}
	if s := p.names[name]; s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("%s: undefined name %q", where, name)
}

func (p *parser) parseUnion(v *ordered.Value, space, where string) (*Schema, error) {
	s := &Schema{Type: Union}
	seen := map[string]bool{}
	for i, item := range v.Items {
		branch, err := p.parse(item, space, where+"["+strconv.Itoa(i)+"]")
		if err != nil {
			return nil, err
		}
		if branch.Type == Union {
			return nil, fmt.Errorf("%s[%d]: a union directly in a union", where, i)
		}
		if seen[branch.FullName()] {
			return nil, fmt.Errorf("%s[%d]: %s twice in a union", where, i, branch.FullName())
		}
		seen[branch.FullName()] = true
		s.Types = append(s.Types, branch)
	}
	return s, nil
}

func (p *parser) parseObject(v *ordered.Value, space, where string) (*Schema, error) {
	t := v.Get("type")
	if t == nil {
		return nil, fmt.Errorf("%s: no type", where)
	}
	if !t.Is(ordered.String) {
		return nil, fmt.Errorf("%s: type is %s, not a name", where, t.Kind)
	}
	if primitive, ok := primitives[t.Text]; ok {
		return &Schema{Type: primitive, Props: props(v, schemaReserved)}, nil
	}
	switch t.Text {
	case "record", "error", "enum", "fixed":
		return p.parseNamed(v, t.Text, space, where)
	case "array":
		return p.parseItems(v, Array, "items", space, where)
	case "map":
		return p.parseItems(v, Map, "values", space, where)
	}
	// A name in an object is a reference too: {"type": "Order"}.
	return p.lookup(t.Text, space, where)
}

func (p *parser) parseItems(v *ordered.Value, t Type, member, space, where string) (
	*Schema, error) {
	of := v.Get(member)
	if of == nil {
		return nil, fmt.Errorf("%s: %s without %q", where, t, member)
	}
	items, err := p.parse(of, space, where+"."+member)
	if err != nil {
		return nil, err
	}
	return &Schema{Type: t, Items: items, Props: props(v, schemaReserved)}, nil
}

func (p *parser) parseNamed(v *ordered.Value, kind, space, where string) (*Schema, error) {
	name := v.Get("name")
	if !name.Is(ordered.String) || name.Text == "" {
		return nil, fmt.Errorf("%s: %s without a name", where, kind)
	}
	if given := v.Get("namespace"); given.Is(ordered.String) {
		space = given.Text
	}
	s := &Schema{Name: newName(name.Text, space), Doc: text(v.Get("doc"))}
	where = s.Name.Full()
	if err := p.checkFullName(s.Name, where); err != nil {
		return nil, err
	}
	if err := p.define(s); err != nil {
		return nil, err
	}
	var err error
	if s.Aliases, err = typeAliases(v.Get("aliases"), s.Name.Space, where); err != nil {
		return nil, err
	}
	switch kind {
	case "enum":
		s.Type, s.Props = Enum, props(v, enumReserved)
		return s, p.parseEnum(s, v, where)
	case "fixed":
		s.Type, s.Props = Fixed, props(v, schemaReserved)
		return s, parseSize(s, v, where)
	}
	s.Type, s.Error, s.Props = Record, kind == "error", props(v, schemaReserved)
	return s, p.parseFields(s, v, where)
}

func (p *parser) checkFullName(n Name, where string) error {
	if err := checkName(n.Local, where); err != nil {
		return err
	}
	if !p.strict || n.Space == "" {
		return nil
	}
	for part := range splitDots(n.Space) {
		if err := checkName(part, where+": namespace"); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) define(s *Schema) error {
	full := s.Name.Full()
	if _, primitive := primitives[full]; primitive {
		return fmt.Errorf("%s is the name of a primitive type", full)
	}
	if p.names[full] != nil {
		return fmt.Errorf("%s is defined twice", full)
	}
	p.names[full] = s
	return nil
}

func (p *parser) parseFields(s *Schema, v *ordered.Value, where string) error {
	fields := v.Get("fields")
	if !fields.Is(ordered.Array) {
		return fmt.Errorf("%s: record without an array of fields", where)
	}
	seen := make(map[string]bool, len(fields.Items))
	for i, item := range fields.Items {
		name := item.Get("name")
		if !name.Is(ordered.String) {
			return fmt.Errorf("%s: field %d without a name", where, i)
		}
		at := where + "." + name.Text
		if err := checkName(name.Text, at); err != nil {
			return err
		}
		if seen[name.Text] {
			return fmt.Errorf("%s: two fields of one name", at)
		}
		seen[name.Text] = true
		f, err := p.parseField(item, s.Name.Space, at)
		if err != nil {
			return err
		}
		f.Name = name.Text
		s.Fields = append(s.Fields, f)
	}
	return nil
}

func (p *parser) parseField(v *ordered.Value, space, where string) (*Field, error) {
	t := v.Get("type")
	if t == nil {
		return nil, fmt.Errorf("%s: field without a type", where)
	}
	schema, err := p.parse(t, space, where)
	if err != nil {
		return nil, err
	}
	f := &Field{Schema: schema, Doc: text(v.Get("doc")), Order: "ascending",
		Default: v.Get("default"), Props: props(v, fieldReserved)}
	if order := v.Get("order"); order.Is(ordered.String) {
		f.Order = order.Text
		if !slices.Contains([]string{"ascending", "descending", "ignore"}, f.Order) {
			return nil, fmt.Errorf("%s: order %q: want ascending, descending or ignore", where, f.Order)
		}
	}
	if f.Default != nil && (schema.Type == Float || schema.Type == Double) &&
		f.Default.Kind == ordered.String {
		if err := numericText(f, where); err != nil {
			return nil, err
		}
	}
	if f.Aliases, err = texts(v.Get("aliases"), where+": aliases"); err != nil {
		return nil, err
	}
	if p.strict && f.Default != nil {
		p.defaults = append(p.defaults, pendingDefault{f, where})
	}
	return f, nil
}

// numericText turns a default in quotes into the number that Java reads in it.
func numericText(f *Field, where string) error {
	n, err := strconv.ParseFloat(f.Default.Text, 64)
	if err != nil {
		return fmt.Errorf("%s: default %q is not a number", where, f.Default.Text)
	}
	switch f.Default.Text {
	case "NaN", "Infinity", "-Infinity":
		return nil // stays text: JSON has no such number
	}
	f.Default = &ordered.Value{Kind: ordered.Number, Text: ordered.Double(n)}
	return nil
}

func (p *parser) parseEnum(s *Schema, v *ordered.Value, where string) error {
	var err error
	if !v.Get("symbols").Is(ordered.Array) {
		return fmt.Errorf("%s: enum without an array of symbols", where)
	}
	if s.Symbols, err = texts(v.Get("symbols"), where+": symbols"); err != nil {
		return err
	}
	seen := make(map[string]bool, len(s.Symbols))
	for _, symbol := range s.Symbols {
		if err := checkName(symbol, where+": symbol"); err != nil {
			return err
		}
		if seen[symbol] {
			return fmt.Errorf("%s: symbol %s twice", where, symbol)
		}
		seen[symbol] = true
	}
	if d := v.Get("default"); d.Is(ordered.String) {
		s.Default, s.HasDefault = d.Text, true
		if !seen[d.Text] {
			return fmt.Errorf("%s: default %q is none of the symbols", where, d.Text)
		}
	}
	return nil
}

func parseSize(s *Schema, v *ordered.Value, where string) error {
	size := v.Get("size")
	if !size.Is(ordered.Number) {
		return fmt.Errorf("%s: fixed without a size", where)
	}
	n, err := strconv.ParseInt(size.Text, 10, 32)
	if err != nil || n < 0 {
		return fmt.Errorf("%s: size %s: want a number of bytes, 0 to 2147483647", where, size.Text)
	}
	s.Size = int(n)
	return nil
}

func typeAliases(v *ordered.Value, space, where string) ([]Name, error) {
	list, err := texts(v, where+": aliases")
	if err != nil {
		return nil, err
	}
	var names []Name
	for _, text := range list {
		if n := newName(text, space); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	return names, nil
}

// texts reads an array of strings; nil is none.
func texts(v *ordered.Value, where string) ([]string, error) {
	if v == nil {
		return nil, nil
	}
	if v.Kind != ordered.Array {
		return nil, errors.New(where + ": want an array of strings")
	}
	list := make([]string, 0, len(v.Items))
	for _, item := range v.Items {
		if item.Kind != ordered.String {
			return nil, errors.New(where + ": want an array of strings")
		}
		list = append(list, item.Text)
	}
	return list, nil
}

func text(v *ordered.Value) *string {
	if !v.Is(ordered.String) {
		return nil
	}
	return &v.Text
}

// Attributes of the specification; everything else is a property.
var (
	schemaReserved = []string{"doc", "fields", "items", "name", "namespace", "size", "symbols",
		"values", "type", "aliases"}
	enumReserved  = append([]string{"default"}, schemaReserved...)
	fieldReserved = []string{"default", "doc", "name", "order", "type", "aliases"}
)

func props(v *ordered.Value, reserved []string) []ordered.Member {
	var out []ordered.Member
	for _, m := range v.Members {
		if !slices.Contains(reserved, m.Name) && m.Value.Kind != ordered.Null {
			out = append(out, m)
		}
	}
	return out
}
