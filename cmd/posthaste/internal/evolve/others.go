package evolve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/posthaste-go/posthaste/serializer/protobuf"
)

// applyJSON changes the properties of a JSON Schema. A property without
// Nullable and Default is required.
func applyJSON(text string, c Changes) (string, error) {
	root, err := parseObject([]byte(text))
	at := root.index("properties")
	if err != nil || at < 0 {
		return "", errors.New("the JSON Schema has no properties")
	}
	properties, err := parseObject(root[at].value)
	if err != nil {
		return "", fmt.Errorf("the properties of the JSON Schema: %w", err)
	}
	var required []string
	if i := root.index("required"); i >= 0 {
		if err := json.Unmarshal(root[i].value, &required); err != nil {
			return "", fmt.Errorf("required of the JSON Schema: %w", err)
		}
	}
	if len(c.Rename) > 0 {
		return "", errors.New("JSON Schema has no aliases: add the new name, and remove the old one later")
	}
	for _, name := range c.Remove {
		i := properties.index(name)
		if i < 0 {
			return "", noField(name, properties.names())
		}
		properties = slices.Delete(properties, i, i+1)
		required = slices.DeleteFunc(required, func(s string) bool { return s == name })
	}
	for _, f := range c.Add {
		if properties.index(f.Name) >= 0 {
			return "", fmt.Errorf("the schema has a property %s already", f.Name)
		}
		property, err := jsonProperty(f)
		if err != nil {
			return "", err
		}
		properties.set(f.Name, property)
		if !f.Nullable && f.Default == "" {
			required = append(required, f.Name)
		}
	}
	root.set("properties", properties)
	if root.index("required") >= 0 || len(required) > 0 {
		root.set("required", append([]string{}, required...))
	}
	return string(mustJSON(root)), nil
}

func (o object) names() (all []string) {
	for _, m := range o {
		all = append(all, m.name)
	}
	return all
}

func jsonProperty(f Field) (o object, err error) {
	name, format := "", ""
	switch f.Type {
	case "string", "boolean", "number", "integer", "object", "array":
		name = f.Type
	case "int", "long":
		name = "integer"
	case "float", "double":
		name = "number"
	case "date", "uuid", "date-time":
		name, format = "string", f.Type
	default:
		if o, err = parseObject([]byte(f.Type)); err != nil {
			return nil, fmt.Errorf("%q is no type to add: give string, integer, number, boolean, object, "+
				"array, date, date-time, uuid or JSON", f.Type)
		}
		return o, nil
	}
	if f.Nullable {
		o.set("type", []string{name, "null"})
	} else {
		o.set("type", name)
	}
	if format != "" {
		o.set("format", format)
	}
	if f.Default != "" {
		o.set("default", defaultJSON(f.Default, f.Type))
	}
	return o, nil
}

// applyProto changes the first message of a Protobuf file. A field that is
// removed leaves its number and name reserved; one that is renamed keeps its
// number, which is all that the bytes have.
func applyProto(ctx context.Context, text string, imports map[string]string, c Changes) (string,
	error) {
	file, err := protobuf.Compile(ctx, text, imports)
	if err != nil {
		return "", err
	}
	description := protodesc.ToFileDescriptorProto(file)
	if len(description.MessageType) == 0 {
		return "", errors.New("the Protobuf schema has no message")
	}
	m := description.MessageType[0]
	for _, name := range c.Remove {
		i := protoField(m, name)
		if i < 0 {
			return "", noField(name, protoNames(m))
		}
		n := m.Field[i].GetNumber()
		if m.Field[i].GetProto3Optional() {
			dropOneof(m, m.Field[i].GetOneofIndex())
		}
		m.Field = slices.Delete(m.Field, i, i+1)
		m.ReservedName = append(m.ReservedName, name)
		m.ReservedRange = append(m.ReservedRange, &descriptorpb.DescriptorProto_ReservedRange{
			Start: proto.Int32(n), End: proto.Int32(n + 1)})
	}
	for _, text := range c.Rename {
		old, renamed, err := oldNew(text)
		if err != nil {
			return "", err
		}
		i := protoField(m, old)
		if i < 0 {
			return "", noField(old, protoNames(m))
		}
		m.Field[i].Name, m.Field[i].JsonName = proto.String(renamed), nil
	}
	for _, f := range c.Add {
		if err := addProto(m, f, description.GetSyntax() == "proto3"); err != nil {
			return "", err
		}
	}
	files := &protoregistry.Files{}
	if err := register(files, file.Imports()); err != nil {
		return "", err
	}
	changed, err := protodesc.NewFile(description, files)
	if err != nil {
		return "", fmt.Errorf("the new version is not legal: %w", err)
	}
	return protobuf.Text(changed)
}

// dropOneof removes the oneof that only stands for a field being optional.
func dropOneof(m *descriptorpb.DescriptorProto, index int32) {
	m.OneofDecl = slices.Delete(m.OneofDecl, int(index), int(index)+1)
	for _, f := range m.Field {
		if f.OneofIndex != nil && f.GetOneofIndex() > index {
			f.OneofIndex = proto.Int32(f.GetOneofIndex() - 1)
		}
	}
}

// register makes imports known, with what they import.
func register(files *protoregistry.Files, imports protoreflect.FileImports) error {
	for i := range imports.Len() {
		f := imports.Get(i).FileDescriptor
		if _, err := files.FindFileByPath(f.Path()); err == nil {
			continue
		}
		if err := register(files, f.Imports()); err != nil {
			return err
		}
		if err := files.RegisterFile(f); err != nil {
			return err
		}
	}
	return nil
}

func protoField(m *descriptorpb.DescriptorProto, name string) int {
	return slices.IndexFunc(m.Field, func(f *descriptorpb.FieldDescriptorProto) bool {
		return f.GetName() == name
	})
}

func protoNames(m *descriptorpb.DescriptorProto) (all []string) {
	for _, f := range m.Field {
		all = append(all, f.GetName())
	}
	return all
}

var protoTypes = map[string]descriptorpb.FieldDescriptorProto_Type{
	"string":  descriptorpb.FieldDescriptorProto_TYPE_STRING,
	"int":     descriptorpb.FieldDescriptorProto_TYPE_INT32,
	"int32":   descriptorpb.FieldDescriptorProto_TYPE_INT32,
	"long":    descriptorpb.FieldDescriptorProto_TYPE_INT64,
	"int64":   descriptorpb.FieldDescriptorProto_TYPE_INT64,
	"float":   descriptorpb.FieldDescriptorProto_TYPE_FLOAT,
	"double":  descriptorpb.FieldDescriptorProto_TYPE_DOUBLE,
	"boolean": descriptorpb.FieldDescriptorProto_TYPE_BOOL,
	"bool":    descriptorpb.FieldDescriptorProto_TYPE_BOOL,
	"bytes":   descriptorpb.FieldDescriptorProto_TYPE_BYTES,
}

// addProto adds a field with the next number that was never used.
func addProto(m *descriptorpb.DescriptorProto, f Field, proto3 bool) error {
	kind, ok := protoTypes[f.Type]
	switch {
	case !ok:
		return fmt.Errorf("%q is no type to add: give string, int32, int64, float, double, bool or bytes",
			f.Type)
	case f.Default != "":
		return errors.New("proto3 has no defaults: a missing field is 0, false or empty")
	case protoField(m, f.Name) >= 0:
		return fmt.Errorf("the schema has a field %s already", f.Name)
	}
	next := int32(1)
	for _, have := range m.Field {
		next = max(next, have.GetNumber()+1)
	}
	for _, r := range m.ReservedRange {
		if r.GetEnd() < 1<<28 { // a range up to max leaves no number behind it
			next = max(next, r.GetEnd())
		}
	}
	if next >= 19000 && next < 20000 {
		next = 20000
	}
	added := &descriptorpb.FieldDescriptorProto{Name: proto.String(f.Name), Number: proto.Int32(next),
		Type: kind.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
	if f.Nullable && proto3 {
		added.Proto3Optional = proto.Bool(true)
		added.OneofIndex = proto.Int32(int32(len(m.OneofDecl)))
		m.OneofDecl = append(m.OneofDecl, &descriptorpb.OneofDescriptorProto{
			Name: proto.String("_" + f.Name)})
	}
	m.Field = append(m.Field, added)
	return nil
}
