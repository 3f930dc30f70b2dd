package main

import (
	"errors"
	"fmt"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/infer"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/input"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/misfit"
	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/serializer"
)

// schemaFlags say what keys and values are encoded as.
type schemaFlags struct {
	ValueFormat   string `name:"value-format" placeholder:"FORMAT" help:"Encode values as avro, protobuf or json-schema, with a schema of the registry."`
	ValueSchema   string `name:"value-schema" placeholder:"FILE" help:"Their schema: a file, which is registered, or infer, which makes one of the input. Default: the subject's latest."`
	ValueSchemaID int    `name:"value-schema-id" placeholder:"N" help:"Their schema: one of the registry, by its id."`
	ValueMessage  string `name:"value-message" placeholder:"NAME" help:"Protobuf: the message of the schema (default: its first)."`
	KeyFormat     string `name:"key-format" placeholder:"FORMAT" help:"Encode keys likewise."`
	KeySchema     string `name:"key-schema" placeholder:"FILE" help:"Their schema: a file, or a type such as string or long."`
	KeySchemaID   int    `name:"key-schema-id" placeholder:"N" help:"Their schema: one of the registry, by its id."`
	KeyMessage    string `name:"key-message" placeholder:"NAME" help:"Protobuf: the message of the keys' schema."`

	SubjectStrategy string   `name:"subject-strategy" placeholder:"NAME" help:"How subjects are named: topic (default), record or topic-record."`
	References      []string `name:"reference" sep:"none" placeholder:"NAME=SUBJECT:VERSION" help:"A schema that --value-schema uses. Repeatable."`
	SkipUnknown     bool     `name:"ignore-unknown-fields" help:"Leave out fields that the schema does not have, rather than refuse the record."`

	registryFlags
}

// sideFlags are the flags of keys or of values.
type sideFlags struct {
	side, format, schema, message string
	id                            int
}

func (f *schemaFlags) sides() (key, value sideFlags) {
	return sideFlags{"key", f.KeyFormat, f.KeySchema, f.KeyMessage, f.KeySchemaID},
		sideFlags{"value", f.ValueFormat, f.ValueSchema, f.ValueMessage, f.ValueSchemaID}
}

// given reports whether there is a schema.
func (s sideFlags) given() bool { return s.format != "" || s.schema != "" || s.id != 0 }

// inferred is what --value-schema says for a schema made of the input.
const inferred = "infer"

// kind is the type that the flags say, or "" if the registry will tell.
func (s sideFlags) kind() (schemaregistry.Type, error) {
	flag := "--" + s.side + "-format"
	switch {
	case s.schema != "" && s.id != 0:
		return "", usagef("--%s-schema and --%[1]s-schema-id exclude each other", s.side)
	case s.format != "":
		return parseSchemaType(flag, s.format)
	case s.schema == inferred, avroPrimitives[s.schema]:
		return schemaregistry.Avro, nil
	case s.schema != "":
		return schemaTypeOf(flag, "", s.schema)
	}
	return "", nil
}

// avroPrimitives are schemas that need no file.
var avroPrimitives = map[string]bool{"string": true, "long": true, "int": true, "bytes": true,
	"double": true, "float": true, "boolean": true}

// check refuses flags that mean nothing together, before anything is connected.
func (f *schemaFlags) check(c *produceCmd) error {
	key, value := f.sides()
	for _, s := range []sideFlags{key, value} {
		if _, err := s.kind(); err != nil {
			return err
		}
		if s.message != "" && !s.given() {
			return usagef("--%s-message goes with --%[1]s-format protobuf", s.side)
		}
		if s.schema != "" && s.schema != inferred && !avroPrimitives[s.schema] {
			if err := mustExist([]string{s.schema}); err != nil {
				return err
			}
		}
	}
	if key.schema == inferred {
		return usagef("--key-schema infer: give a file, or a type such as string")
	}
	if value.schema == inferred {
		for _, path := range c.inputs() {
			if path == "-" {
				return usagef("--value-schema infer reads the input twice, which standard input does not " +
					"allow; make the schema with posthaste schema infer first")
			}
		}
	}
	if f.SubjectStrategy != "" {
		if _, err := schemaregistry.StrategyByName(f.SubjectStrategy); err != nil {
			return usagef("--subject-strategy %s: there are topic, record and topic-record",
				f.SubjectStrategy)
		}
	}
	if _, err := parseReferences(f.References); err != nil {
		return err
	}
	if !key.given() && !value.given() && f.SchemaRegistry+f.LockFile+f.SubjectStrategy != "" {
		return usagef("what is to be encoded? Give --value-format avro, protobuf or json-schema")
	}
	return nil
}

// encoding is how a production's keys and values become bytes.
type encoding struct {
	registry   *registryClient
	key, value encoder // nil leaves them as they are
	headers    []serializer.Header
	keyBytes   []byte
	valueBytes []byte
}

// encoder makes a record's bytes of JSON or, for keys, of text.
type encoder interface {
	// prepare asks the registry for what is needed.
	prepare(e *env, topic string) (schemaregistry.Registered, error)
	// encode appends the bytes of the JSON text in.
	encode(dst []byte, headers *[]serializer.Header, in []byte) ([]byte, error)
	// encodeText appends the bytes of a text that may be no JSON.
	encodeText(dst []byte, headers *[]serializer.Header, in []byte) ([]byte, error)
}

// openEncoding finds the schemas that the flags ask for and registers what is
// new. It returns nil if they ask for none.
func (c *produceCmd) openEncoding(e *env, cl *cluster) (enc *encoding, err error) {
	key, value := c.sides()
	if !key.given() && !value.given() {
		return nil, nil
	}
	r, err := c.openRegistry(e, &c.connection, cl)
	if err != nil {
		return nil, err
	}
	enc = &encoding{registry: r}
	if key.given() {
		enc.key, err = c.encoder(e, enc, key)
	}
	if value.given() && err == nil {
		enc.value, err = c.encoder(e, enc, value)
	}
	if err != nil {
		return nil, errors.Join(err, enc.close(e))
	}
	return enc, nil
}

func (x *encoding) close(e *env) error { return x.registry.close(e) }

// encoder finds one side's schema.
func (c *produceCmd) encoder(e *env, enc *encoding, side sideFlags) (encoder, error) {
	s, err := c.sideSchema(e, enc, side)
	if err != nil {
		return nil, err
	}
	target := encoderOf{client: enc.registry.Client, schema: s, topic: c.Topic,
		message: side.message, text: c.takesText(side), base64: c.hasParquet(),
		skipUnknown: c.SkipUnknown}
	target.options = append(target.options, func(to *schemaregistry.Settings) {
		to.Key = side.side == "key"
		to.UseSchemaID = side.id
	})
	if c.SubjectStrategy != "" {
		strategy, err := schemaregistry.StrategyByName(c.SubjectStrategy)
		if err != nil {
			return nil, err
		}
		target.options = append(target.options, schemaregistry.Subject(strategy))
	}
	made, err := target.make(e.ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", side.what(), err)
	}
	registered, err := made.prepare(e, c.Topic)
	if err != nil {
		return nil, enc.registry.explain(e, registered.Subject, s, err)
	}
	if side.schema != "" {
		e.note("%ss have schema id %d, version %d of %s", side.side, registered.ID,
			registered.Version, registered.Subject)
	}
	return made, nil
}

// what names the source of a side's schema in errors.
func (s sideFlags) what() string {
	switch {
	case s.id != 0:
		return fmt.Sprintf("schema id %d", s.id)
	case s.schema != "":
		return s.schema
	}
	return "the " + s.side + "s' schema"
}

// sideSchema is the schema for one side: of a file, of the input, by its id, or
// the latest one.
func (c *produceCmd) sideSchema(e *env, enc *encoding, side sideFlags) (s schemaregistry.Schema,
	err error) {
	kind, err := side.kind()
	if err != nil {
		return s, err
	}
	switch {
	case side.schema == inferred:
		return c.inferSchema(e, kind)
	case avroPrimitives[side.schema]:
		return schemaregistry.Schema{Type: kind, Text: `"` + side.schema + `"`}, nil
	case side.schema != "":
		if side.side == "value" {
			if s.References, err = parseReferences(c.References); err != nil {
				return s, err
			}
		}
		s.Type = kind
		s.Text, err = readSchemaFile(side.schema)
		return s, err
	}
	var found schemaregistry.Registered
	if side.id != 0 {
		found, err = enc.registry.ByID(e.ctx, "", side.id)
		if errors.Is(err, schemaregistry.ErrNotFound) {
			return s, fmt.Errorf("no schema has id %d in %s; posthaste schema list shows ids", side.id,
				enc.registry.where)
		}
	} else if found, err = c.latest(e, enc, side); err != nil {
		return s, err
	}
	if t := found.Type.OrAvro(); err == nil && kind != "" && t != kind {
		err = usagef("--%s-format %s: %s is %s", side.side, side.format, side.what(), schemaTypes[t])
	}
	return found.Schema, err
}

// latest is the schema that a side has if no flag names one.
func (c *produceCmd) latest(e *env, enc *encoding, side sideFlags) (schemaregistry.Registered,
	error) {
	settings := enc.registry.Settings()
	settings.Key = side.side == "key"
	if c.SubjectStrategy != "" {
		strategy, err := schemaregistry.StrategyByName(c.SubjectStrategy)
		if err != nil {
			return schemaregistry.Registered{}, err
		}
		schemaregistry.Subject(strategy)(&settings)
	}
	subject, err := settings.SubjectName(c.Topic, "")
	if err != nil {
		return schemaregistry.Registered{}, usagef("the subject's name depends on the record: give "+
			"--%s-schema or --%[1]s-schema-id", side.side)
	}
	found, err := enc.registry.CachedLatest(e.ctx, subject)
	if errors.Is(err, schemaregistry.ErrNotFound) {
		err = fmt.Errorf("subject %s has no schema yet; give --%s-schema FILE (posthaste schema infer "+
			"makes one) or --%[2]s-schema-id", subject, side.side)
	}
	return found, err
}

// inferSchema makes a schema of the input.
func (c *produceCmd) inferSchema(e *env, kind schemaregistry.Type) (s schemaregistry.Schema,
	err error) {
	o, err := c.inputOptions()
	if err != nil {
		return s, err
	}
	var t *infer.Type
	if t, err = (&inference{e: e, options: o}).all(c.inputs()); err != nil {
		return s, err
	}
	for _, note := range t.Notes() {
		e.note("%s", note)
	}
	return schemaregistry.Schema{Type: kind,
		Text: schemaText(t, kind, recordName(c.inputs()[0]), "")}, nil
}

// takesText reports whether rows have no types of their own.
func (c *produceCmd) takesText(side sideFlags) bool {
	if side.schema == inferred {
		return true
	}
	for _, path := range c.inputs() {
		if f := c.formatOf(path); f == input.CSV || f == input.TSV {
			return true
		}
	}
	return false
}

func (c *produceCmd) hasParquet() bool {
	for _, path := range c.inputs() {
		if c.formatOf(path) == input.Parquet {
			return true
		}
	}
	return false
}

func (c *produceCmd) formatOf(path string) input.Format {
	if c.Format != "" {
		return input.Format(c.Format)
	}
	return input.FormatOf(path)
}

// apply encodes rec's key and value in place. What it puts there is good until
// the next call. An error is an *input.RowError if it is rec that is at fault.
func (x *encoding) apply(rec *input.Record, file string) (err error) {
	x.headers = append(x.headers[:0], rec.Headers...)
	if x.key != nil && rec.Key != nil {
		if x.keyBytes, err = x.key.encodeText(x.keyBytes[:0], &x.headers, rec.Key); err != nil {
			return misfitting(err, rec, file, "key")
		}
		rec.Key = x.keyBytes
	}
	if x.value != nil && rec.Value != nil {
		if x.valueBytes, err = x.value.encode(x.valueBytes[:0], &x.headers, rec.Value); err != nil {
			return misfitting(err, rec, file, "value")
		}
		rec.Value = x.valueBytes
	}
	rec.Headers = append(rec.Headers[:0], x.headers...)
	return nil
}

// misfitting words a record that does not fit its schema.
func misfitting(err error, rec *input.Record, file, side string) error {
	row := &input.RowError{File: file, Line: rec.Line, Problem: err.Error(),
		Remedy: "correct the record"}
	if fe, ok := errors.AsType[*serializer.FieldError](err); ok {
		row.Problem = fmt.Sprintf("the %s does not fit its schema: %s", side, misfit.Explain(fe))
		row.Remedy = "correct the record, or its schema"
		return row
	}
	if _, ok := errors.AsType[*schemaregistry.Error](err); ok {
		return err
	}
	return row
}
