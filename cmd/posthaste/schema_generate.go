package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/gogen"
	"github.com/posthaste-go/posthaste/schemaregistry"
)

type schemaGenerateCmd struct {
	Files []string `arg:"" name:"file" help:"Schema files of one type: .avsc, .proto or .json. Files that refer to each other go into one command."`

	Package string   `placeholder:"NAME" help:"Package of the generated files (default: the name of --out's directory, or of the file)."`
	Out     string   `placeholder:"PATH" help:"A directory, where each schema gets a file of its own, or a .go file (default: standard output)."`
	Type    string   `placeholder:"TYPE" help:"avro, protobuf or json-schema (default: by the file's extension)."`
	Include []string `name:"include" short:"I" placeholder:"DIR" help:"Where imports of .proto files are looked for. Repeatable."`
}

// Help is what --help adds.
func (*schemaGenerateCmd) Help() string {
	return withExample(`Avro records become structs with tags as serializer/avro reads them, enums become constants,
unions with null pointers. Protobuf files become what protoc-gen-go makes of them, and objects
of JSON Schemas structs. The same schemas give the same files.`,
		"posthaste schema generate --out orders/ order.avsc")
}

// Run writes the files.
func (c *schemaGenerateCmd) Run(e *env) error {
	var sources []gogen.Source
	var kind schemaregistry.Type
	for _, path := range c.Files {
		t, err := schemaTypeOf("--type", c.Type, path)
		if err != nil {
			return err
		}
		if kind != "" && t != kind {
			return usagef("%s is %s and %s is %s: generate from one type of schema at a time", path,
				schemaTypes[t], c.Files[0], schemaTypes[kind])
		}
		kind = t
		text, err := readSchemaFile(path)
		if err != nil {
			return err
		}
		sources = append(sources, gogen.Source{Name: path, Text: text})
	}
	generate := map[schemaregistry.Type]func([]gogen.Source, gogen.Options) ([]gogen.File, error){
		schemaregistry.Avro: gogen.Avro, schemaregistry.Protobuf: gogen.Protobuf,
		schemaregistry.JSON: gogen.JSONSchema}[kind]
	files, err := generate(sources, gogen.Options{Package: c.packageName(), Include: c.Include})
	if err != nil {
		return err
	}
	return c.write(e, files)
}

// packageName is the package for which no flag is given.
func (c *schemaGenerateCmd) packageName() string {
	switch {
	case c.Package != "":
		return c.Package
	case c.Out == "" || c.Out == "-":
		return gogen.PackageName(c.Files[0])
	}
	dir := c.Out
	if c.toFile() {
		dir = filepath.Dir(dir)
	}
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return gogen.PackageName(dir)
}

// toFile reports whether --out is a file and no directory.
func (c *schemaGenerateCmd) toFile() bool { return strings.HasSuffix(c.Out, ".go") }

// write puts the files where --out says.
func (c *schemaGenerateCmd) write(e *env, files []gogen.File) error {
	if c.Out == "" || c.Out == "-" || c.toFile() {
		if len(files) > 1 {
			return usagef("%d files are to be written: give --out a directory", len(files))
		}
		return writeOut(e, c.Out, files[0].Code)
	}
	for _, f := range files {
		path := filepath.Join(c.Out, f.Name)
		if old, err := os.ReadFile(path); err == nil && string(old) == string(f.Code) {
			continue // keeps the file's time, and with it what was built from it
		}
		if err := writeOut(e, path, f.Code); err != nil {
			return err
		}
		e.note("wrote %s", path)
	}
	return nil
}
