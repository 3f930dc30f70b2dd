package gogen

import (
	"context"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

// wellKnown are the packages of the files that come with Protobuf; they are
// imported, not made anew.
const wellKnown = "google/protobuf/"

// Protobuf makes one Go file of each .proto source, exactly as protoc-gen-go
// does. Imports are looked for among the sources, below o.Include and beside
// the sources; messages of imported files that name no go_package of their own
// are taken to be in o.Package too, so give those files as sources as well.
func Protobuf(sources []Source, o Options) ([]File, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	files, err := compileProto(sources, o)
	if err != nil {
		return nil, err
	}
	request := &pluginpb.CodeGeneratorRequest{}
	var parameters []string
	for _, f := range files {
		addFile(request, f, map[string]bool{})
		request.FileToGenerate = append(request.FileToGenerate, f.Path())
	}
	for _, f := range request.ProtoFile {
		if f.GetOptions().GetGoPackage() == "" || contains(request.FileToGenerate, f.GetName()) {
			parameters = append(parameters, fmt.Sprintf("M%s=./%s;%s", f.GetName(), o.Package,
				o.Package))
		}
	}
	parameters = append(parameters, "paths=source_relative")
	request.Parameter = proto.String(strings.Join(parameters, ","))
	plugin, err := protogen.Options{}.New(request)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", sources[0].Name, err)
	}
	for _, f := range plugin.Files {
		if f.Generate {
			internal_gengo.GenerateFile(plugin, f)
		}
	}
	response := plugin.Response()
	if response.Error != nil {
		return nil, fmt.Errorf("%s: %s", sources[0].Name, response.GetError())
	}
	var made []File
	for _, f := range response.File {
		made = append(made, File{path.Base(f.GetName()), []byte(f.GetContent())})
	}
	return made, nil
}

func contains(list []string, want string) bool {
	for _, s := range list {
		if s == want {
			return true
		}
	}
	return false
}

// compileProto compiles the sources; errors name file, line and column.
func compileProto(sources []Source, o Options) (linker.Files, error) {
	texts := map[string]string{}
	var names []string
	include := append([]string(nil), o.Include...)
	for _, s := range sources {
		name := filepath.ToSlash(s.Name)
		for _, dir := range o.Include {
			if rel, err := filepath.Rel(dir, s.Name); err == nil && !strings.HasPrefix(rel, "..") {
				name = filepath.ToSlash(rel) // the name that imports use
				break
			}
		}
		if len(o.Include) == 0 {
			name = path.Base(name)
		}
		texts[name] = s.Text
		names = append(names, name)
		include = append(include, filepath.Dir(s.Name))
	}
	compiler := protocompile.Compiler{
		SourceInfoMode: protocompile.SourceInfoStandard,
		Resolver: protocompile.WithStandardImports(protocompile.CompositeResolver{
			&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(texts)},
			&protocompile.SourceResolver{ImportPaths: include},
		}),
	}
	files, err := compiler.Compile(context.Background(), names...)
	if err != nil {
		return nil, fmt.Errorf("not a Protobuf schema: %w", err)
	}
	return files, nil
}

// addFile adds f behind what it imports, as the order of a request must be.
func addFile(request *pluginpb.CodeGeneratorRequest, f protoreflect.FileDescriptor,
	seen map[string]bool) {
	for _, have := range request.ProtoFile {
		seen[have.GetName()] = true
	}
	if seen[f.Path()] {
		return
	}
	seen[f.Path()] = true
	imports := f.Imports()
	for i := range imports.Len() {
		addFile(request, imports.Get(i).FileDescriptor, seen)
	}
	request.ProtoFile = append(request.ProtoFile, fileProto(f))
}

// fileProto is f as a message, with its comments if it was compiled here.
func fileProto(f protoreflect.FileDescriptor) *descriptorpb.FileDescriptorProto {
	if r, ok := f.(linker.Result); ok && !strings.HasPrefix(f.Path(), wellKnown) {
		return r.FileDescriptorProto()
	}
	return protodesc.ToFileDescriptorProto(f)
}
