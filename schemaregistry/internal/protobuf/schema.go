// Package protobuf is the model of Protobuf schemas that a registry needs:
// compiled with what they import, and written back without comments in the
// order in which Confluent's registry writes them.
package protobuf

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/linker"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Schema is a compiled .proto file.
type Schema struct {
	file protoreflect.FileDescriptor
	// written has types and options as the file spells them.
	written *descriptorpb.FileDescriptorProto
	syntax  bool // the file says which syntax it has
}

// Import is a file under the name by which others import it.
type Import struct{ Name, Text string }

// main is the name of the file itself. No import can have it.
const main = "schema registry main.proto"

// Parse compiles a file, which is a .proto text or a FileDescriptorProto in
// base64, as some clients send it. Errors have line and column.
func Parse(text string, imports []Import) (*Schema, error) {
	parsed, syntax, err := read(main, text)
	if err != nil {
		return nil, err
	}
	written := parsed.Proto
	if written == nil {
		written = parsed.ParseResult.FileDescriptorProto()
	}
	written, _ = proto.Clone(written).(*descriptorpb.FileDescriptorProto) // compiling changes it
	results := map[string]protocompile.SearchResult{main: parsed}
	for _, i := range imports {
		p, _, err := read(i.Name, i.Text)
		if err != nil {
			return nil, fmt.Errorf("import %s: %w", i.Name, err)
		}
		results[i.Name] = p
	}
	for name, source := range wellKnown {
		if _, given := results[name]; !given {
			results[name] = protocompile.SearchResult{Source: strings.NewReader(source)}
		}
	}
	c := protocompile.Compiler{MaxParallelism: 1, Resolver: protocompile.WithStandardImports(
		protocompile.ResolverFunc(func(name string) (protocompile.SearchResult, error) {
			if r, ok := results[name]; ok {
				return r, nil
			}
			return protocompile.SearchResult{}, fmt.Errorf("%s is no reference of the schema", name)
		}))}
	files, err := c.Compile(context.Background(), main)
	if err != nil {
		return nil, clean(err)
	}
	return &Schema{file: files[0], written: written, syntax: syntax}, nil
}

// clean takes the file's name, which only we know, out of an error.
func clean(err error) error {
	return errors.New(strings.ReplaceAll(err.Error(), main+":", ""))
}

// read parses one file without its imports, and says whether it names its
// syntax.
func read(name, text string) (protocompile.SearchResult, bool, error) {
	var none protocompile.SearchResult
	if d := decode(text); d != nil {
		d.Name = proto.String(name)
		return protocompile.SearchResult{Proto: d}, d.GetSyntax() != "" || d.Edition != nil, nil
	}
	handler := reporter.NewHandler(nil)
	file, err := parse(name, text, handler)
	if err != nil {
		return none, false, clean(err)
	}
	if len(file.Decls) == 0 && file.Syntax == nil {
		return none, false, errors.New("the file is empty")
	}
	result, err := parser.ResultFromAST(file, true, handler)
	if err != nil {
		return none, false, clean(err)
	}
	return protocompile.SearchResult{ParseResult: result},
		file.Syntax != nil || file.Edition != nil, nil
}

// parse is parser.Parse without its panics: it has one for an escape sequence with
// a byte that is no UTF-8, at the start of a file.
func parse(name, text string, handler *reporter.Handler) (file *ast.FileNode, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the file cannot be parsed: %v", r)
		}
	}()
	return parser.Parse(name, strings.NewReader(text), handler)
}

// decode reads a descriptor in base64, or returns nil.
func decode(text string) *descriptorpb.FileDescriptorProto {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) == 0 {
		return nil
	}
	var d descriptorpb.FileDescriptorProto
	if err := proto.Unmarshal(b, &d); err != nil || d.Name == nil ||
		len(d.MessageType)+len(d.EnumType)+len(d.Service)+len(d.Extension) == 0 {
		return nil
	}
	return &d
}

// Serialized is the compiled file as a FileDescriptorProto in base64.
func (s *Schema) Serialized() (string, error) {
	result, ok := s.file.(linker.Result)
	if !ok {
		return "", errors.New("the file has no descriptor")
	}
	d, _ := proto.Clone(result.FileDescriptorProto()).(*descriptorpb.FileDescriptorProto)
	d.Name = proto.String("default")
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(d)
	if err != nil {
		return "", err
	}
	return base64.StdEncoding.EncodeToString(b), nil
}

// HasField reports whether the first message has a field of that name.
func (s *Schema) HasField(name string) bool {
	messages := s.file.Messages()
	return messages.Len() > 0 && messages.Get(0).Fields().ByName(protoreflect.Name(name)) != nil
}

// Imports lists the names of files that the schema imports directly.
func (s *Schema) Imports() []string { return slices.Clone(s.written.GetDependency()) }

// wellKnown are files that need no reference, besides those of Protobuf itself.
var wellKnown = map[string]string{
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
extend google.protobuf.EnumValueOptions { Meta enum_value_meta = 1088; }
`,
	"confluent/type/decimal.proto": `syntax = "proto3";
package confluent.type;
message Decimal {
  bytes value = 1;
  uint32 precision = 2;
  int32 scale = 3;
}
`,
	"google/type/date.proto": `syntax = "proto3";
package google.type;
message Date {
  int32 year = 1;
  int32 month = 2;
  int32 day = 3;
}
`,
	"google/type/timeofday.proto": `syntax = "proto3";
package google.type;
message TimeOfDay {
  int32 hours = 1;
  int32 minutes = 2;
  int32 seconds = 3;
  int32 nanos = 4;
}
`,
}
