package protobuf

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// ErrSchema means that a schema is not a legal .proto file.
var ErrSchema = errors.New("not a legal Protobuf schema")

// rootFile is what the schema itself is called among its imports.
const rootFile = "schema.proto"

// Compile makes a file of a schema's text: a .proto file, or the base64 of its
// FileDescriptorProto, which some clients register. imports holds the texts of
// what it imports, by the name in the import statement; google/protobuf/… and
// confluent/… need not be there. Errors match ErrSchema.
func Compile(
	ctx context.Context, text string, imports map[string]string,
) (protoreflect.FileDescriptor, error) {
	c := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(protocompile.ResolverFunc(
			func(path string) (protocompile.SearchResult, error) {
				switch {
				case path == rootFile:
					return source(path, text), nil
				case imports[path] != "":
					return source(path, imports[path]), nil
				case confluentFiles[path] != "":
					return source(path, confluentFiles[path]), nil
				}
				return protocompile.SearchResult{}, fmt.Errorf(
					"import %q is neither a reference of the schema nor known here", path)
			})),
		MaxParallelism: 1,
	}
	files, err := c.Compile(ctx, rootFile)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSchema, err)
	}
	return files[0], nil
}

// source is a file in either form.
func source(path, text string) protocompile.SearchResult {
	if fd := fromBase64(text); fd != nil {
		fd.Name = proto.String(path)
		return protocompile.SearchResult{Proto: fd}
	}
	return protocompile.SearchResult{Source: strings.NewReader(text)}
}

// fromBase64 is the descriptor that text is the base64 of, or nil. No .proto
// file is base64: it has a space.
func fromBase64(text string) *descriptorpb.FileDescriptorProto {
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) == 0 {
		return nil
	}
	fd := &descriptorpb.FileDescriptorProto{}
	if proto.Unmarshal(b, fd) != nil {
		return nil
	}
	return fd
}

// confluentFiles are those that Confluent's registry knows by itself.
var confluentFiles = map[string]string{
	"confluent/meta.proto": `syntax = "proto3";
		package confluent;
		import "google/protobuf/descriptor.proto";
		message Meta {
			string doc = 1;
			map<string, string> params = 2;
			repeated string tags = 3;
		}
		extend google.protobuf.FileOptions { Meta file_meta = 1088; }
		extend google.protobuf.MessageOptions { Meta message_meta = 1088; }
		extend google.protobuf.FieldOptions { Meta field_meta = 1088; }
		extend google.protobuf.EnumOptions { Meta enum_meta = 1088; }
		extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }`,
	"confluent/type/decimal.proto": `syntax = "proto3";
		package confluent.type;
		message Decimal {
			bytes value = 1;
			uint32 precision = 2;
			int32 scale = 3;
		}`,
}

// builtIn reports whether registries know a file without a reference.
func builtIn(path string) bool {
	return strings.HasPrefix(path, "google/protobuf/") || confluentFiles[path] != ""
}

// indexesOf is the path to a message in its file.
func indexesOf(m protoreflect.MessageDescriptor) []int {
	var path []int
	for d := protoreflect.Descriptor(m); ; d = d.Parent() {
		if _, file := d.(protoreflect.FileDescriptor); file {
			break
		}
		path = append([]int{d.Index()}, path...)
	}
	return path
}

// messageAt is the message that a path leads to.
func messageAt(
	file protoreflect.FileDescriptor, indexes []int,
) (protoreflect.MessageDescriptor, error) {
	messages := file.Messages()
	var m protoreflect.MessageDescriptor
	for _, i := range indexes {
		if i >= messages.Len() {
			return nil, fmt.Errorf("message indexes %v lead nowhere in its schema", indexes)
		}
		m = messages.Get(i)
		messages = m.Messages()
	}
	return m, nil
}

// messageNamed finds a message by its full name, or by its name within the
// package; an empty name is the first message.
func messageNamed(
	file protoreflect.FileDescriptor, name string,
) (protoreflect.MessageDescriptor, error) {
	if name == "" {
		if file.Messages().Len() == 0 {
			return nil, errors.New("the schema has no message")
		}
		return file.Messages().Get(0), nil
	}
	var all []string
	var find func(messages protoreflect.MessageDescriptors) protoreflect.MessageDescriptor
	find = func(messages protoreflect.MessageDescriptors) protoreflect.MessageDescriptor {
		for i := range messages.Len() {
			m := messages.Get(i)
			full := string(m.FullName())
			if full == name || full == string(file.Package())+"."+name {
				return m
			}
			if !m.IsMapEntry() {
				all = append(all, full)
			}
			if found := find(m.Messages()); found != nil {
				return found
			}
		}
		return nil
	}
	if m := find(file.Messages()); m != nil {
		return m, nil
	}
	return nil, fmt.Errorf("the schema has no message %s; it has %s", name, strings.Join(all, ", "))
}
