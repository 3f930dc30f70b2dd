package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/input"
	"github.com/posthaste-go/posthaste/schemaregistry"
)

// schemaCmd is what concerns schemas and their registry.
type schemaCmd struct {
	Generate schemaGenerateCmd `cmd:"" help:"Make Go types from schemas."`
	Infer    schemaInferCmd    `cmd:"" help:"Make a schema from data."`
	Register schemaRegisterCmd `cmd:"" help:"Register a schema as a subject's next version."`
	List     schemaListCmd     `cmd:"" help:"List subjects, or a subject's versions."`
	Show     schemaShowCmd     `cmd:"" help:"Print a registered schema."`
	Check    schemaCheckCmd    `cmd:"" help:"Check whether a schema could be registered."`
	Diff     schemaDiffCmd     `cmd:"" help:"Compare two schemas field by field."`
	Evolve   schemaEvolveCmd   `cmd:"" help:"Make the next version of a schema, and check it."`
	Delete   schemaDeleteCmd   `cmd:"" help:"Delete a subject or a version of it."`
	Lock     schemaLockCmd     `cmd:"" help:"Pin schemas in a file, to start without the registry."`
}

// Help is what --help adds.
func (*schemaCmd) Help() string {
	return withExample("",
		"posthaste schema infer --out airports.avsc airports.csv")
}

// schemaTypes are the words of --type by the registry's names.
var schemaTypes = map[schemaregistry.Type]string{schemaregistry.Avro: "avro",
	schemaregistry.Protobuf: "protobuf", schemaregistry.JSON: "json-schema"}

// parseSchemaType reads a flag's word for a schema type.
func parseSchemaType(flag, word string) (schemaregistry.Type, error) {
	t, err := schemaregistry.ParseType(strings.ReplaceAll(word, "-", ""))
	if err != nil {
		return "", usagef("%s %s: there are avro, protobuf and json-schema", flag, word)
	}
	return t, nil
}

// schemaTypeOf tells a schema file's type: by its flag, or by the file's name.
func schemaTypeOf(flag, word, path string) (schemaregistry.Type, error) {
	if word != "" {
		return parseSchemaType(flag, word)
	}
	switch strings.ToLower(filepath.Ext(path)) {
	case ".avsc", ".avro":
		return schemaregistry.Avro, nil
	case ".proto":
		return schemaregistry.Protobuf, nil
	case ".json", ".jsonschema":
		return schemaregistry.JSON, nil
	}
	return "", usagef("%s: the name does not tell the type of the schema; give %s avro, protobuf or "+
		"json-schema", path, flag)
}

// readSchemaFile reads the text of a schema.
func readSchemaFile(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", openFailure(path, err)
	}
	return string(text), nil
}

// writeOut writes content to the file at path, or to standard output if path is
// empty or "-".
func writeOut(e *env, path string, content []byte) error {
	if path == "" || path == "-" {
		_, err := e.out.Write(content)
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	if err := os.WriteFile(path, content, 0o666); err != nil {
		return fmt.Errorf("cannot write: %w", err)
	}
	return nil
}

// readSchemaText reads the text of a schema from a file or, for "-", from
// standard input.
func readSchemaText(e *env, path string) (string, error) {
	if path != "-" {
		return readSchemaFile(path)
	}
	text, err := io.ReadAll(input.Interruptible(e.ctx, e.in))
	return string(text), err
}
