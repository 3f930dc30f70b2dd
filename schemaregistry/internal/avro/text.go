package avro

import (
	"slices"
	"strconv"
	"strings"

	"github.com/posthaste-go/posthaste/internal/ordered"
)

// Text is the schema as Apache Avro's Schema.toString writes it: compact,
// attributes in a fixed order, doc and properties kept. References are the
// schemas of Options.References: their names stay names. With Format
// "resolved" in the REST API they are given as nil, and types stand in full.
func (s *Schema) Text(references []*Schema) string {
	w := writer{known: map[string]*Schema{}}
	for _, r := range references {
		if r.named() {
			w.known[r.Name.Full()] = r
		}
	}
	w.schema(s)
	return string(w.out)
}

// ParseAll is Parse that also returns the references, for Text.
func ParseAll(text string, o Options) (*Schema, []*Schema, error) {
	p := &parser{strict: o.Strict, names: map[string]*Schema{}}
	var references []*Schema
	for _, reference := range o.References {
		r, err := p.parseText(reference)
		if err != nil {
			return nil, nil, err
		}
		references = append(references, r)
	}
	s, err := p.parseText(text)
	return s, references, err
}

type writer struct {
	out   []byte
	space string
	known map[string]*Schema
}

func (w *writer) raw(s string)                { w.out = append(w.out, s...) }
func (w *writer) quoted(s string)             { w.out = ordered.AppendString(w.out, s) }
func (w *writer) value(v *ordered.Value)      { w.out = v.Append(w.out) }
func (w *writer) member(name, value string)   { w.key(name); w.quoted(value) }
func (w *writer) props(list []ordered.Member) { w.members(list) }
func (w *writer) members(list []ordered.Member) {
	for _, p := range list {
		w.key(p.Name)
		w.value(p.Value)
	}
}

// key writes a member's name, and the comma before it.
func (w *writer) key(name string) {
	if w.out[len(w.out)-1] != '{' {
		w.raw(",")
	}
	w.quoted(name)
	w.raw(":")
}

func (w *writer) schema(s *Schema) {
	switch s.Type {
	case Record, Enum, Fixed:
		w.named(s)
	case Array, Map:
		w.raw("{")
		w.member("type", s.Type.String())
		w.key(map[Type]string{Array: "items", Map: "values"}[s.Type])
		w.schema(s.Items)
		w.props(s.Props)
		w.raw("}")
	case Union:
		w.raw("[")
		for i, branch := range s.Types {
			if i > 0 {
				w.raw(",")
			}
			w.schema(branch)
		}
		w.raw("]")
	default:
		if len(s.Props) == 0 {
			w.quoted(s.Type.String())
			return
		}
		w.raw("{")
		w.member("type", s.Type.String())
		w.props(s.Props)
		w.raw("}")
	}
}

func (w *writer) named(s *Schema) {
	if w.known[s.Name.Full()] == s {
		w.quoted(s.Name.in(w.space))
		return
	}
	w.known[s.Name.Full()] = s
	w.raw("{")
	kind := s.Type.String()
	if s.Error {
		kind = "error"
	}
	w.member("type", kind)
	w.member("name", s.Name.Local)
	if s.Name.Space != w.space {
		w.member("namespace", s.Name.Space)
	}
	if s.Doc != nil {
		w.member("doc", *s.Doc)
	}
	switch s.Type {
	case Record:
		w.fields(s)
	case Enum:
		w.key("symbols")
		w.list(s.Symbols)
		if s.HasDefault {
			w.member("default", s.Default)
		}
	default:
		w.key("size")
		w.raw(strconv.Itoa(s.Size))
	}
	w.props(s.Props)
	if len(s.Aliases) > 0 {
		w.key("aliases")
		names := make([]string, len(s.Aliases))
		for i, a := range s.Aliases {
			names[i] = a.in(s.Name.Space)
		}
		w.list(names)
	}
	w.raw("}")
}

func (w *writer) list(items []string) {
	w.raw("[")
	for i, item := range items {
		if i > 0 {
			w.raw(",")
		}
		w.quoted(item)
	}
	w.raw("]")
}

func (w *writer) fields(s *Schema) {
	outer := w.space
	w.space = s.Name.Space
	w.key("fields")
	w.raw("[")
	for i, f := range s.Fields {
		if i > 0 {
			w.raw(",")
		}
		w.raw("{")
		w.member("name", f.Name)
		w.key("type")
		w.schema(f.Schema)
		if f.Doc != nil {
			w.member("doc", *f.Doc)
		}
		if f.Default != nil {
			w.key("default")
			w.value(f.Default)
		}
		if f.Order != "ascending" {
			w.member("order", f.Order)
		}
		if len(f.Aliases) > 0 {
			w.key("aliases")
			w.list(f.Aliases)
		}
		w.props(f.Props)
		w.raw("}")
	}
	w.raw("]")
	w.space = outer
}

// Normalized is the text that normalize=true stores: full names, properties and
// aliases sorted, references as names. Two schemas that differ in the order of
// attributes only have one.
func (s *Schema) Normalized(references []*Schema) string {
	w := writer{known: map[string]*Schema{}}
	for _, r := range references {
		w.known[r.FullName()] = r
	}
	w.normal(s)
	return string(w.out)
}

func (w *writer) normal(s *Schema) {
	switch s.Type {
	case Union:
		w.raw("[")
		for i, branch := range s.Types {
			if i > 0 {
				w.raw(",")
			}
			w.normal(branch)
		}
		w.raw("]")
	case Array, Map:
		w.raw("{")
		w.member("type", s.Type.String())
		w.key(map[Type]string{Array: "items", Map: "values"}[s.Type])
		w.normal(s.Items)
		w.members(s.sortedProps())
		w.raw("}")
	case Record, Enum, Fixed:
		w.normalNamed(s)
	default:
		list := s.sortedProps()
		if len(list) == 0 {
			w.quoted(s.Type.String())
			return
		}
		w.raw("{")
		w.member("type", s.Type.String())
		w.members(list)
		w.raw("}")
	}
}

func (w *writer) normalNamed(s *Schema) {
	full := s.Name.Full()
	if w.known[full] != nil {
		w.quoted(full)
		return
	}
	w.known[full] = s
	w.raw("{")
	w.member("name", full)
	if s.Name.Space == "" && w.space != "" {
		w.member("namespace", "") // else the reader would put it into the outer one
	}
	w.member("type", s.Type.String())
	switch s.Type {
	case Enum:
		w.key("symbols")
		w.list(s.Symbols)
	case Fixed:
		w.key("size")
		w.raw(strconv.Itoa(s.Size))
	default:
		w.normalFields(s)
	}
	list := s.sortedProps()
	logical := slices.IndexFunc(list, func(m ordered.Member) bool { return !s.logical(m.Name) })
	if logical < 0 {
		logical = len(list)
	}
	w.members(list[:logical])
	if s.Doc != nil && *s.Doc != "" {
		w.member("doc", *s.Doc)
	}
	if len(s.Aliases) > 0 {
		names := make([]string, len(s.Aliases))
		for i, a := range s.Aliases {
			names[i] = a.in(s.Name.Space)
		}
		slices.Sort(names)
		w.key("aliases")
		w.list(names)
	}
	if s.HasDefault {
		w.member("default", s.Default)
	}
	w.members(list[logical:])
	w.raw("}")
}

func (w *writer) normalFields(s *Schema) {
	outer := w.space
	w.space = s.Name.Space
	defer func() { w.space = outer }()
	w.key("fields")
	w.raw("[")
	for i, f := range s.Fields {
		if i > 0 {
			w.raw(",")
		}
		w.raw("{")
		w.member("name", f.Name)
		w.key("type")
		w.normal(f.Schema)
		w.member("order", f.Order)
		if f.Doc != nil {
			w.member("doc", *f.Doc)
		}
		if len(f.Aliases) > 0 {
			names := slices.Clone(f.Aliases)
			slices.Sort(names)
			w.key("aliases")
			w.list(slices.Compact(names))
		}
		if f.Default != nil {
			w.key("default")
			w.value(f.Default.Sorted())
		}
		w.members(sortProps(f.Props))
		w.raw("}")
	}
	w.raw("]")
}

func (s *Schema) logical(name string) bool {
	if !s.logicalTypeFits() {
		return false
	}
	return name == "logicalType" || s.prop("logicalType").Text == "decimal" &&
		(name == "precision" || name == "scale" && s.prop("scale").Text != "0")
}

// logicalTypes of the specification and what they may annotate.
var logicalTypes = map[string][]Type{
	"date": {Int}, "time-millis": {Int}, "time-micros": {Long}, "uuid": {String, Fixed},
	"timestamp-millis": {Long}, "timestamp-micros": {Long}, "timestamp-nanos": {Long},
	"local-timestamp-millis": {Long}, "local-timestamp-micros": {Long},
	"local-timestamp-nanos": {Long}, "duration": {Fixed}, "decimal": {Bytes, Fixed},
	"big-decimal": {Bytes},
}

// logicalTypeFits reports whether Avro knows the logical type and lets it stand
// on s. Others are properties like any other.
func (s *Schema) logicalTypeFits() bool {
	t := s.prop("logicalType")
	return t.Is(ordered.String) && slices.Contains(logicalTypes[t.Text], s.Type)
}

// sortedProps is the properties in order, those of the logical type first.
func (s *Schema) sortedProps() []ordered.Member {
	rank := func(m ordered.Member) int {
		if i := slices.Index([]string{"logicalType", "precision", "scale"}, m.Name); i >= 0 &&
			s.logical(m.Name) {
			return i
		}
		return 3
	}
	list := sortProps(s.Props)
	slices.SortStableFunc(list, func(a, b ordered.Member) int { return rank(a) - rank(b) })
	return list
}

func sortProps(props []ordered.Member) []ordered.Member {
	list := make([]ordered.Member, len(props))
	for i, p := range props {
		list[i] = ordered.Member{Name: p.Name, Value: p.Value.Sorted()}
	}
	slices.SortFunc(list, func(a, b ordered.Member) int { return strings.Compare(a.Name, b.Name) })
	return list
}
