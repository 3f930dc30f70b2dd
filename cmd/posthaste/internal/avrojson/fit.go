package avrojson

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/jsontext"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/misfit"
	"github.com/posthaste-go/posthaste/serializer"
)

// Fit reads the JSON text b as a value of the schema, as serializer/avro takes
// it. Errors are a *serializer.FieldError, or say why b is no JSON.
func (s *Schema) Fit(b []byte) (any, error) {
	f := fitter{Options: s.options}
	f.p.Reset(b)
	v, err := f.value(s.root)
	if err == nil {
		err = f.p.End()
	}
	return v, err
}

// FitText reads text that is no JSON, such as a key of a line, as a value of
// the schema; of types that text cannot spell it must be JSON after all.
func (s *Schema) FitText(text []byte) (any, error) {
	switch n := s.root; n.kind {
	case "record", "array", "map":
		return s.Fit(text)
	case "union":
		if len(text) > 0 && (text[0] == '{' || text[0] == '[') {
			return s.Fit(text)
		}
	}
	f := fitter{Options: Options{Text: true, Base64: s.options.Base64}}
	f.p.Reset(jsontext.AppendString(nil, text))
	return f.value(s.root)
}

type fitter struct {
	Options
	p jsontext.Parser
}

// wrong is a value that does not fit.
func wrong(v any, n *node, cause error) error {
	return &serializer.FieldError{Value: v, Want: n.String(), Err: cause}
}

// value reads the next value as one of n.
func (f *fitter) value(n *node) (any, error) {
	switch n.kind {
	case "union":
		return f.union(n)
	case "record":
		return f.record(n)
	case "array":
		return f.array(n)
	case "map":
		return f.mapping(n)
	}
	switch f.p.Kind() {
	case '{', '[':
		return f.container(n)
	case '"':
		text, err := f.p.String()
		if err != nil {
			return nil, err
		}
		return f.text(n, string(text))
	case 't', 'f':
		raw, err := f.p.Skip()
		if err != nil {
			return nil, err
		}
		return f.boolean(n, raw[0] == 't')
	case 'n':
		if _, err := f.p.Skip(); err != nil {
			return nil, err
		}
		if n.kind == "null" {
			return nil, nil
		}
		return nil, wrong(nil, n, nil)
	}
	raw, err := f.p.Number()
	if err != nil {
		return nil, err
	}
	return f.number(n, string(raw))
}

// container is an object or array where a scalar must be.
func (f *fitter) container(n *node) (any, error) {
	raw, err := f.p.Skip()
	if err != nil {
		return nil, err
	}
	if f.Text && n.kind == "string" && n.logical == "" {
		return string(raw), nil
	}
	return nil, wrong(misfit.JSON(raw), n, nil)
}

func (f *fitter) boolean(n *node, v bool) (any, error) {
	if n.kind == "boolean" {
		return v, nil
	}
	if f.Text && n.kind == "string" && n.logical == "" {
		return strconv.FormatBool(v), nil
	}
	return nil, wrong(v, n, nil)
}

func (f *fitter) record(n *node) (any, error) {
	if f.p.Kind() != '{' {
		raw, err := f.p.Skip()
		if err != nil {
			return nil, err
		}
		return nil, wrong(misfit.JSON(raw), n, nil)
	}
	v := make(map[string]any, len(n.fields))
	err := f.p.Object(func(name []byte) error {
		field := n.find(name)
		if field == nil {
			path, v := string(name), f.rest()
			if f.SkipUnknown {
				return nil
			}
			return &serializer.FieldError{Path: path, Value: v, Err: errors.New(n.known())}
		}
		inner, err := f.value(field.node)
		if err != nil {
			return misfit.At(field.name, err)
		}
		v[field.name] = inner
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, field := range n.fields {
		if _, ok := v[field.name]; !ok && !field.optional {
			return nil, &serializer.FieldError{Path: field.name, Want: field.node.String(),
				Err: errors.New("the field is missing and has no default")}
		}
	}
	return v, nil
}

// rest is the next value, for an error.
func (f *fitter) rest() any {
	raw, err := f.p.Skip()
	if err != nil {
		return nil
	}
	return misfit.JSON(raw)
}

// known says what fields a record has.
func (n *node) known() string {
	var names []string
	for _, field := range n.fields {
		names = append(names, field.name)
	}
	return fmt.Sprintf("record %s has no such field; it has %s", n.name, strings.Join(names, ", "))
}

func (f *fitter) array(n *node) (any, error) {
	if f.p.Kind() != '[' {
		return nil, wrong(f.rest(), n, nil)
	}
	v := []any{}
	err := f.p.Array(func() error {
		inner, err := f.value(n.item)
		if err != nil {
			return misfit.At(fmt.Sprintf("[%d]", len(v)), err)
		}
		v = append(v, inner)
		return nil
	})
	return v, err
}

func (f *fitter) mapping(n *node) (any, error) {
	if f.p.Kind() != '{' {
		return nil, wrong(f.rest(), n, nil)
	}
	v := map[string]any{}
	err := f.p.Object(func(name []byte) error {
		key := string(name)
		inner, err := f.value(n.item)
		if err != nil {
			return misfit.At(fmt.Sprintf("[%q]", key), err)
		}
		v[key] = inner
		return nil
	})
	return v, err
}

// union tries the branches that the next value could be of, best first, on its
// text. With more than one branch beside null, the value is tagged with the
// branch that was taken.
func (f *fitter) union(n *node) (any, error) {
	kind := f.p.Kind()
	raw, err := f.p.Skip()
	if err != nil {
		return nil, err
	}
	empty := f.Text && string(raw) == `""`
	if (kind == 'n' || empty && !n.takesText()) && n.nullable() {
		return nil, nil
	}
	var failure error
	for _, b := range n.branches {
		if b.kind == "null" {
			continue
		}
		v, err := f.branch(n, b, raw)
		if err == nil {
			return v, nil
		}
		if failure == nil || plausible(b, kind) {
			failure = err
		}
	}
	if n.single() || failure == nil {
		return nil, failure
	}
	if fe, ok := failure.(*serializer.FieldError); ok && fe.Path != "" {
		return nil, fe // inside the one branch that could be meant
	}
	return nil, wrong(misfit.JSON(raw), n, nil)
}

// single reports whether a union has one branch beside null.
func (n *node) single() bool {
	return len(n.branches) == 1 || len(n.branches) == 2 && n.nullable()
}

func (n *node) takesText() bool {
	for _, b := range n.branches {
		if b.kind == "string" && b.logical == "" {
			return true
		}
	}
	return false
}

// branch reads raw as a value of branch b of n, with or without its name.
func (f *fitter) branch(n, b *node, raw []byte) (any, error) {
	inner := fitter{Options: f.Options}
	if f.Text && !n.single() {
		inner.Text = false // else a number would be text
	}
	var v any
	var tagged bool
	if raw[0] == '{' && b.kind != "map" {
		inner.p.Reset(raw)
		err := inner.p.Object(func(name []byte) (err error) {
			if string(name) != b.branchName() || tagged {
				tagged = false
				return errNotTagged
			}
			v, err = inner.value(b)
			tagged = err == nil
			return err
		})
		tagged = tagged && err == nil
	}
	if !tagged {
		inner.p.Reset(raw)
		var err error
		if v, err = inner.value(b); err != nil {
			return nil, err
		}
	}
	if n.single() {
		return v, nil
	}
	return map[string]any{b.branchName(): v}, nil
}

var errNotTagged = errors.New("not a value with its branch's name")

// plausible reports whether JSON that starts with kind can be of type n at all.
func plausible(n *node, kind byte) bool {
	switch kind {
	case '{':
		return n.kind == "record" || n.kind == "map"
	case '[':
		return n.kind == "array"
	case '"':
		return n.kind == "string" || n.kind == "enum"
	case 't', 'f':
		return n.kind == "boolean"
	}
	return n.kind == "int" || n.kind == "long" || n.kind == "float" || n.kind == "double"
}
