package gogen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"strings"

	"github.com/atombender/go-jsonschema/pkg/generator"
	"github.com/atombender/go-jsonschema/pkg/schemas"
)

// JSONSchema makes one Go file of each JSON Schema, with structs for its objects
// and constants for its enums; the type of the schema itself has a
// method JSONSchema that returns it. References lead to other files beside the
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
	if root := rootType(b.Bytes()); root != "" {
		var text bytes.Buffer
		if err := json.Compact(&text, []byte(s.Text)); err != nil {
			return nil, fmt.Errorf("not a JSON Schema: %w", err)
		}
		literal := "`" + text.String() + "`"
		if strings.Contains(text.String(), "`") {
			literal = fmt.Sprintf("%q", text.String())
		}
		fmt.Fprintf(&b, "\n// JSONSchema returns the schema that %[1]s was made from.\n"+
			"func (%[1]s) JSONSchema() string {\n\treturn %[2]s\n}\n", root, literal)
	}
	return formatted(s.Name, b.Bytes())
}

// rootType is the struct of the schema itself: the one that no other type of
// the file uses, or "" if there is none or several.
func rootType(code []byte) string {
	file, err := parser.ParseFile(token.NewFileSet(), "", code, 0)
	if err != nil {
		return ""
	}
	structs, used := map[string]bool{}, map[string]bool{}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.TYPE {
			continue
		}
		for _, spec := range g.Specs {
			t := spec.(*ast.TypeSpec)
			if _, ok := t.Type.(*ast.StructType); ok {
				structs[t.Name.Name] = true
			}
			ast.Inspect(t.Type, func(n ast.Node) bool {
				if field, ok := n.(*ast.Field); ok {
					n = field.Type
				}
				if id, ok := n.(*ast.Ident); ok {
					used[id.Name] = true
				}
				return true
			})
		}
	}
	maps.DeleteFunc(structs, func(name string, _ bool) bool { return used[name] })
	if len(structs) != 1 {
		return ""
	}
	for name := range structs {
		return name
	}
	return ""
}
