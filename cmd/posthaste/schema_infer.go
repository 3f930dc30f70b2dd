package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/infer"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/input"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
	"github.com/posthaste-go/posthaste/schemaregistry"
)

type schemaInferCmd struct {
	Files []string `arg:"" optional:"" name:"file" help:"Files to look at, also gzipped (.gz), of rows of one kind; none, or -, is standard input."`

	Type      string `default:"avro" placeholder:"TYPE" help:"avro (default), protobuf or json-schema."`
	Name      string `placeholder:"NAME" help:"Name of the record or message (default: from the file's name)."`
	Namespace string `placeholder:"NAMESPACE" help:"Avro's namespace, Protobuf's package."`
	Sample    string `default:"all" placeholder:"N" help:"Rows to look at, or all (default). After a sample every field is nullable."`
	Out       string `placeholder:"FILE" help:"Where to write the schema (default: standard output)."`

	Format     string `placeholder:"FORMAT" group:"Input:" help:"${formats} (default: by the file's extension)."`
	Strings    bool   `name:"strings" group:"Input:" help:"CSV and TSV: every field is text, also a number."`
	NullMarker string `name:"null-marker" placeholder:"TEXT" group:"Input:" help:"CSV and TSV: a field with this text is null."`
}

// Help is what --help adds.
func (*schemaInferCmd) Help() string {
	return withExample(`Reads rows and writes the schema that they fit. Columns of CSV and members of JSON that are not
always there or sometimes null become nullable; texts that all look like dates, times or UUIDs
get these types; whole numbers are 64 bits wide. Parquet says its types itself. Names that the
schema's language does not allow are changed, and the original is kept beside them. What does
not agree is told on standard error.`,
		"posthaste schema infer --name Airport --out airport.avsc airports.csv")
}

// Run writes the schema.
func (c *schemaInferCmd) Run(e *env) error {
	kind, err := parseSchemaType("--type", c.Type)
	if err != nil {
		return err
	}
	limit, err := c.limit()
	if err != nil {
		return err
	}
	if err := checkFormat(c.Format); err != nil {
		return err
	}
	if len(c.Files) == 0 {
		c.Files = []string{"-"}
	}
	if err := mustExist(c.Files); err != nil {
		return err
	}
	o := input.Options{Format: input.Format(c.Format), Strings: c.Strings, NullMarker: c.NullMarker}
	in := &inference{e: e, options: o, limit: limit}
	t, err := in.all(c.Files)
	if err != nil {
		return err
	}
	for _, note := range t.Notes() {
		e.note("%s", note)
	}
	name := c.Name
	if name == "" {
		name = recordName(c.Files[0])
	}
	return writeOut(e, c.Out, []byte(schemaText(t, kind, name, c.Namespace)))
}

// limit reads --sample; 0 is all.
func (c *schemaInferCmd) limit() (int, error) {
	if c.Sample == "all" {
		return 0, nil
	}
	n, err := strconv.Atoi(c.Sample)
	if err != nil || n < 1 {
		return 0, usagef("--sample %s: give a number of rows, or all", c.Sample)
	}
	return n, nil
}

// schemaText writes an inferred type in a schema language.
func schemaText(t *infer.Type, kind schemaregistry.Type, name, namespace string) string {
	switch kind {
	case schemaregistry.Protobuf:
		return t.Protobuf(infer.TypeName(name), namespace)
	case schemaregistry.JSON:
		return t.JSONSchema(name)
	default:
		return t.Avro(infer.TypeName(name), namespace)
	}
}

// recordName makes a record's name of a file's.
func recordName(path string) string {
	if path == "-" {
		return "Row"
	}
	base := strings.TrimSuffix(filepath.Base(path), ".gz")
	return infer.TypeName(strings.TrimSuffix(base, filepath.Ext(base)))
}

// inference looks at the rows of inputs.
type inference struct {
	e       *env
	options input.Options
	limit   int // rows; 0 is all
}

// all is the type of the rows of all files together.
func (i *inference) all(files []string) (*infer.Type, error) {
	if len(files) == 1 && files[0] != "-" && i.formatOf(files[0]) == input.Parquet &&
		!strings.HasSuffix(strings.ToLower(files[0]), ".gz") {
		return parquetType(files[0])
	}
	var rows *infer.Rows
	whole := true
	for _, path := range files {
		format := i.formatOf(path)
		if format == input.Lines {
			return nil, usagef("%s: lines are text and have no fields; give --format ndjson, json, csv, "+
				"tsv or parquet", nameOf(path))
		}
		if rows == nil {
			rows = infer.NewRows(infer.Options{Text: format == input.CSV || format == input.TSV})
		}
		done, err := i.one(path, rows)
		if err != nil {
			return nil, err
		}
		whole = whole && done
	}
	if rows.Len() == 0 {
		return nil, fmt.Errorf("%s: no rows to infer a schema from", nameOf(files[0]))
	}
	if !whole {
		i.e.note("looked at %s; every field is nullable, as rows behind them may lack it",
			report.Plural(int64(rows.Len()), "row"))
	}
	return rows.Type(whole), nil
}

func (i *inference) formatOf(path string) input.Format {
	if i.options.Format != "" {
		return i.options.Format
	}
	return input.FormatOf(path)
}

// one shows the rows of one input. It reports whether these were all.
func (i *inference) one(path string, rows *infer.Rows) (whole bool, err error) {
	r, err := openInput(i.e, path, i.options)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var rec input.Record
	for {
		err := r.Read(&rec)
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if i.limit > 0 && rows.Len() == i.limit {
			return false, nil
		}
		if err := rows.Add(rec.Value); err != nil {
			return false, fmt.Errorf("%s:%d: %w", nameOf(path), rec.Line, err)
		}
		if rows.Len()%1024 == 0 && i.e.interrupted() {
			return false, errInterrupted
		}
	}
}

// parquetType is the type that a Parquet file says its rows have.
func parquetType(path string) (*infer.Type, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, openFailure(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, openFailure(path, err)
	}
	t, err := infer.Parquet(f, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}
