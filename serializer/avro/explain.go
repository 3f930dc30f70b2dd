package avro

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	avro "github.com/twmb/avro"

	"github.com/posthaste-go/posthaste/serializer"
)

// explain finds the part of v that node cannot take. The library itself is
// asked about each part, so that there is one truth about what fits; cause is
// what it said of the whole.
func explain(node *avro.SchemaNode, v any, cause error) error {
	named := map[string]*avro.SchemaNode{}
	collect(node, named)
	e := explainer{named: named}
	if found := e.find(node, reflect.ValueOf(v), "", 0); found != nil {
		return found
	}
	return &serializer.FieldError{Value: v, Want: describe(node), Err: cause}
}

type explainer struct{ named map[string]*avro.SchemaNode }

// maxExplained bounds how deep a search goes in a value that holds itself.
const maxExplained = 64

// collect finds the definitions of named types.
func collect(n *avro.SchemaNode, named map[string]*avro.SchemaNode) {
	if n == nil {
		return
	}
	if n.Name != "" && (n.Fields != nil || n.Symbols != nil || n.Size > 0) {
		named[n.Name] = n
		if n.Namespace != "" {
			named[n.Namespace+"."+n.Name] = n
		}
	}
	for i := range n.Fields {
		collect(&n.Fields[i].Type, named)
	}
	for i := range n.Branches {
		collect(&n.Branches[i], named)
	}
	collect(n.Items, named)
	collect(n.Values, named)
}

func (e *explainer) fits(n *avro.SchemaNode, v reflect.Value) error {
	s, err := n.Schema()
	if err != nil {
		return nil // cannot be asked; the whole's error serves
	}
	_, err = s.Encode(value(v))
	return err
}

func value(v reflect.Value) any {
	if !v.IsValid() || !v.CanInterface() {
		return nil
	}
	return v.Interface()
}

// find is nil if v fits.
func (e *explainer) find(
	n *avro.SchemaNode, v reflect.Value, path string, depth int,
) *serializer.FieldError {
	if def := e.named[n.Type]; def != nil {
		n = def
	}
	cause := e.fits(n, v)
	if cause == nil {
		return nil
	}
	for v.IsValid() && (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) &&
		!v.IsNil() {
		v = v.Elem()
	}
	if depth < maxExplained {
		if found := e.descend(n, v, path, depth+1); found != nil {
			return found
		}
	}
	return &serializer.FieldError{Path: path, Value: value(v), Want: describe(n)}
}

// descend is what is wrong within v, or nil if v as a whole is.
func (e *explainer) descend(
	n *avro.SchemaNode, v reflect.Value, path string, depth int,
) *serializer.FieldError {
	switch {
	case !v.IsValid():
		return nil
	case len(n.Branches) > 0:
		return e.descendUnion(n, v, path, depth)
	case n.Type == "record" || n.Type == "error":
		return e.descendRecord(n, v, path, depth)
	case n.Items != nil && (v.Kind() == reflect.Slice || v.Kind() == reflect.Array):
		for i := range v.Len() {
			at := path + "[" + strconv.Itoa(i) + "]"
			if found := e.find(n.Items, v.Index(i), at, depth); found != nil {
				return found
			}
		}
	case n.Values != nil && v.Kind() == reflect.Map:
		for _, key := range v.MapKeys() {
			at := fmt.Sprintf("%s[%q]", path, fmt.Sprint(key))
			if found := e.find(n.Values, v.MapIndex(key), at, depth); found != nil {
				return found
			}
		}
	}
	return nil
}

func (e *explainer) descendRecord(
	n *avro.SchemaNode, v reflect.Value, path string, depth int,
) *serializer.FieldError {
	for i := range n.Fields {
		f := &n.Fields[i]
		at := strings.TrimPrefix(path+"."+f.Name, ".")
		part, ok := fieldOf(v, f.Name)
		switch {
		case !ok && v.Kind() != reflect.Map && v.Kind() != reflect.Struct:
			return nil
		case !ok && v.Kind() == reflect.Map && (f.HasDefault || nullable(&f.Type)):
			continue
		case !ok:
			return &serializer.FieldError{Path: at, Want: describe(&f.Type),
				Err: fmt.Errorf("the field is missing and has no default")}
		}
		if found := e.find(&f.Type, part, at, depth); found != nil {
			return found
		}
	}
	return nil
}

// descendUnion looks into the one branch that v can be meant for.
func (e *explainer) descendUnion(
	n *avro.SchemaNode, v reflect.Value, path string, depth int,
) *serializer.FieldError {
	var candidates []*avro.SchemaNode
	for i := range n.Branches {
		b := &n.Branches[i]
		if def := e.named[b.Type]; def != nil {
			b = def
		}
		compound := b.Fields != nil && (v.Kind() == reflect.Map || v.Kind() == reflect.Struct) ||
			b.Values != nil && v.Kind() == reflect.Map ||
			b.Items != nil && v.Kind() == reflect.Slice
		if compound {
			candidates = append(candidates, b)
		}
	}
	if len(candidates) != 1 {
		return nil
	}
	return e.descend(candidates[0], v, path, depth)
}

// fieldOf is the field of a map or struct, by its Avro name.
func fieldOf(v reflect.Value, name string) (reflect.Value, bool) {
	switch v.Kind() {
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			return reflect.Value{}, false
		}
		part := v.MapIndex(reflect.ValueOf(name).Convert(v.Type().Key()))
		return part, part.IsValid()
	case reflect.Struct:
		for _, f := range reflect.VisibleFields(v.Type()) {
			tag, _, _ := strings.Cut(f.Tag.Get("avro"), ",")
			if f.IsExported() && (tag == name || tag == "" && f.Name == name) {
				part, err := v.FieldByIndexErr(f.Index)
				return part, err == nil
			}
		}
	}
	return reflect.Value{}, false
}

func nullable(n *avro.SchemaNode) bool {
	for i := range n.Branches {
		if n.Branches[i].Type == "null" {
			return true
		}
	}
	return n.Type == "null"
}

// describe is a schema in a few words.
func describe(n *avro.SchemaNode) string {
	switch {
	case len(n.Branches) > 0:
		var names []string
		for i := range n.Branches {
			names = append(names, describe(&n.Branches[i]))
		}
		return "one of " + strings.Join(names, ", ")
	case n.LogicalType == "decimal":
		return fmt.Sprintf("%s (decimal of %d digits, %d behind the point)",
			n.Type, n.Precision, n.Scale)
	case n.LogicalType != "":
		return n.Type + " (" + n.LogicalType + ")"
	case n.Symbols != nil:
		return "enum " + n.Name + " (" + strings.Join(n.Symbols, ", ") + ")"
	case n.Type == "fixed":
		return fmt.Sprintf("fixed %s of %d bytes", n.Name, n.Size)
	case n.Type == "record":
		return "record " + n.Name
	case n.Items != nil:
		return "array of " + describe(n.Items)
	case n.Values != nil:
		return "map of " + describe(n.Values)
	}
	return n.Type
}
