package gogen

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/atombender/go-jsonschema/pkg/generator"
	"github.com/atombender/go-jsonschema/pkg/schemas"
)

// JSONSchema makes one Go file of each JSON Schema, with structs for its objects
// and constants for its enums. References lead to other files beside the
// source, never to the network. The structs hold data; it is the serializer
// that checks it against the schema.
func JSONSchema(sources []Source, o Options) ([]File, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	loader := schemas.NewCachedLoader(schemas.MultiLoader{
		schemas.RefTypeFile: schemas.NewFileLoader([]string{".json"}, nil)},
		map[string]*schemas.Schema{})
	var files []File
	for _, s := range sources {
		code, err := jsonSchemaFile(s, o.Package, loader)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		files = append(files, File{goFile(s.Name, ".go"), code})
	}
	return files, nil
}

func jsonSchemaFile(s Source, pkg string, loader schemas.Loader) ([]byte, error) {
	parsed, err := schemas.FromJSONReader(strings.NewReader(s.Text))
	if err != nil {
		return nil, fmt.Errorf("not a JSON Schema: %w", err)
	}
	const output = "schema.go"
	g, err := generator.New(generator.Config{DefaultPackageName: pkg, DefaultOutputName: output,
		Tags: []string{"json"}, StructNameFromTitle: true, OnlyModels: true,
		DisableOmitZero: true, DisableCustomTypesForMaps: true, Loader: loader,
		ResolveExtensions: []string{".json"}, Warner: func(string) {}})
	if err != nil {
		return nil, err
	}
	if err := g.AddFile(s.Name, parsed); err != nil {
		return nil, err
	}
	made, err := g.Sources()
	if err != nil {
		return nil, err
	}
	_, body, found := bytes.Cut(made[output], []byte("package "+pkg+"\n"))
	if !found {
		return nil, fmt.Errorf("it describes no object or enum to make a Go type of")
	}
	var b bytes.Buffer
	header(&b, s.Name, pkg)
	b.Write(body)
	return formatted(s.Name, b.Bytes())
}
