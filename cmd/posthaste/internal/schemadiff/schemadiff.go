// Package schemadiff tells field by field in what two schemas differ: Avro,
// Protobuf or JSON Schema.
package schemadiff

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/avro"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/posthaste-go/posthaste/serializer/protobuf"
)

// Schema is a schema to compare.
type Schema struct {
	Type string // AVRO, PROTOBUF or JSON
	Text string

	// References are what it refers to, those first that others need, and their
	// names as it spells them.
	References     []string
	ReferenceNames []string
}

// Change is one difference. Old or New is empty where a field is added or gone.
type Change struct {
	Kind string `json:"change"` // added, removed or changed
	Path string `json:"path"`   // address.zip; array items are [], map values {}
	Old  string `json:"old,omitempty"`
	New  string `json:"new,omitempty"`
}

// Compare lists what the new schema has otherwise than the old one, in the order
// of the new one, what is gone last.
func Compare(ctx context.Context, old, new Schema) ([]Change, error) {
	before, err := flatten(ctx, old)
	if err != nil {
		return nil, err
	}
	after, err := flatten(ctx, new)
	if err != nil {
		return nil, err
	}
	changes := []Change{}
	for _, path := range after.paths {
		was, ok := before.what[path]
		switch is := after.what[path]; {
		case !ok:
			changes = append(changes, Change{"added", path, "", is})
		case was != is:
			changes = append(changes, Change{"changed", path, was, is})
		}
	}
	for _, path := range before.paths {
		if _, ok := after.what[path]; !ok {
			changes = append(changes, Change{"removed", path, before.what[path], ""})
		}
	}
	return changes, nil
}

// flat is a schema as a list of its fields.
type flat struct {
	paths []string
	what  map[string]string
}

func (f *flat) add(path, what string) {
	if _, ok := f.what[path]; !ok {
		f.paths = append(f.paths, path)
	}
	f.what[path] = what
}

func flatten(ctx context.Context, s Schema) (*flat, error) {
	f := &flat{what: map[string]string{}}
	switch s.Type {
	case "PROTOBUF":
		imports := map[string]string{}
		for i, text := range s.References {
			imports[s.ReferenceNames[i]] = text
		}
		file, err := protobuf.Compile(ctx, s.Text, imports)
		if err != nil {
			return nil, err
		}
		f.messages(file.Messages(), file.Enums())
	case "JSON":
		var root any
		if err := json.Unmarshal([]byte(s.Text), &root); err != nil {
			return nil, fmt.Errorf("not a JSON Schema: %w", err)
		}
		f.json("", root, false)
	default:
		var cache avro.SchemaCache
		for _, text := range s.References {
			if _, err := cache.Parse(text); err != nil {
				return nil, fmt.Errorf("not an Avro schema: %w", err)
			}
		}
		parsed, err := cache.Parse(s.Text)
		if err != nil {
			return nil, fmt.Errorf("not an Avro schema: %w", err)
		}
		f.avro("", parsed.Root(), "")
	}
	return f, nil
}

func join(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }

// avro adds a type and what is in it. more is said of the field that has it.
func (f *flat) avro(path string, n *avro.SchemaNode, more string) {
	at := path
	if at == "" {
		at = "(schema)"
	}
	f.add(at, describeAvro(n)+more)
	f.inside(path, n)
}

func (f *flat) inside(path string, n *avro.SchemaNode) {
	for i := range n.Fields {
		field := &n.Fields[i]
		more := ""
		if field.HasDefault {
			text, err := json.Marshal(field.Default)
			if err != nil {
				text = fmt.Append(nil, field.Default)
			}
			more = ", default " + string(text)
		}
		if len(field.Aliases) > 0 {
			more += ", aliases " + strings.Join(field.Aliases, " ")
		}
		if field.Doc != "" {
			more += fmt.Sprintf(", doc %q", field.Doc)
		}
		f.avro(join(path, field.Name), &field.Type, more)
	}
	for i := range n.Branches {
		f.inside(path, &n.Branches[i])
	}
	if n.Items != nil {
		f.inside(path+"[]", n.Items)
	}
	if n.Values != nil {
		f.inside(path+"{}", n.Values)
	}
}

func describeAvro(n *avro.SchemaNode) string {
	name := n.Name
	if n.Namespace != "" {
		name = n.Namespace + "." + n.Name
	}
	switch {
	case n.Type == "union":
		var all []string
		for i := range n.Branches {
			all = append(all, describeAvro(&n.Branches[i]))
		}
		return "[" + strings.Join(all, ", ") + "]"
	case n.LogicalType == "decimal":
		return fmt.Sprintf("%s decimal(%d,%d)", n.Type, n.Precision, n.Scale)
	case n.LogicalType != "":
		return n.Type + " " + n.LogicalType
	case n.Type == "enum":
		return fmt.Sprintf("enum %s (%s)", name, strings.Join(n.Symbols, ", "))
	case n.Type == "fixed":
		return fmt.Sprintf("fixed %s of %d bytes", name, n.Size)
	case n.Type == "array":
		return "array of " + describeAvro(n.Items)
	case n.Type == "map":
		return "map of " + describeAvro(n.Values)
	case n.Type == "record" && len(n.Aliases) > 0:
		return "record " + name + ", aliases " + strings.Join(n.Aliases, " ")
	case name != "":
		return n.Type + " " + name
	}
	return n.Type
}

// messages adds messages and enums with all that is in them.
func (f *flat) messages(messages protoreflect.MessageDescriptors,
	enums protoreflect.EnumDescriptors) {
	for i := range enums.Len() {
		for j := range enums.Get(i).Values().Len() {
			v := enums.Get(i).Values().Get(j)
			f.add(string(enums.Get(i).FullName())+"."+string(v.Name()), fmt.Sprintf("= %d", v.Number()))
		}
	}
	for i := range messages.Len() {
		md := messages.Get(i)
		if md.IsMapEntry() {
			continue
		}
		f.add(string(md.FullName()), "message")
		for j := range md.Fields().Len() {
			fd := md.Fields().Get(j)
			f.add(string(fd.FullName()), describeProto(fd))
		}
		f.messages(md.Messages(), md.Enums())
	}
}

func describeProto(fd protoreflect.FieldDescriptor) string {
	typed := func(fd protoreflect.FieldDescriptor) string {
		switch {
		case fd.Message() != nil:
			return string(fd.Message().FullName())
		case fd.Enum() != nil:
			return string(fd.Enum().FullName())
		}
		return fd.Kind().String()
	}
	text := typed(fd)
	switch {
	case fd.IsMap():
		text = fmt.Sprintf("map<%s, %s>", typed(fd.MapKey()), typed(fd.MapValue()))
	case fd.IsList():
		text = "repeated " + text
	case fd.HasOptionalKeyword():
		text = "optional " + text
	case fd.ContainingOneof() != nil:
		text += " in oneof " + string(fd.ContainingOneof().Name())
	}
	return fmt.Sprintf("%s = %d", text, fd.Number())
}

// json adds a JSON Schema and what is in it.
func (f *flat) json(path string, v any, required bool) {
	at := path
	if at == "" {
		at = "(schema)"
	}
	object, ok := v.(map[string]any)
	if !ok { // true and false are schemas
		f.add(at, fmt.Sprint(v))
		return
	}
	inner := map[string]any{}
	for key, value := range object {
		switch key {
		case "properties", "required", "definitions", "$defs", "items", "$schema", "$id":
		default:
			inner[key] = value
		}
	}
	text, err := json.Marshal(inner) // by names in order
	if err != nil {
		text = fmt.Append(nil, inner)
	}
	what := string(text)
	if required {
		what = "required " + what
	}
	f.add(at, what)
	names, _ := object["required"].([]any)
	f.members(path, object["properties"], names)
	f.members(path+"#", object["definitions"], nil)
	f.members(path+"#", object["$defs"], nil)
	if items, ok := object["items"]; ok {
		f.json(path+"[]", items, false)
	}
}

func (f *flat) members(path string, v any, required []any) {
	members, _ := v.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(members)) {
		f.json(join(path, name), members[name], slices.Contains(required, any(name)))
	}
}
