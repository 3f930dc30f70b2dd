package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	twmb "github.com/twmb/avro"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/avrojson"
	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/schemaregistry/wireformat"
	"github.com/posthaste-go/posthaste/serializer"
	"github.com/posthaste-go/posthaste/serializer/protobuf"
)

// decodeFlags say how keys and values are read.
type decodeFlags struct {
	ValueFormat string `name:"value-format" default:"auto" placeholder:"FORMAT" help:"auto (default) decodes values that carry the id of a schema; avro, protobuf or json-schema takes no others; string takes them as they are."`
	KeyFormat   string `name:"key-format" default:"auto" placeholder:"FORMAT" help:"Likewise, for keys."`

	registryFlags
}

// formats of decodeFlags beside those of schemas.
const (
	autoFormat   = "auto"
	stringFormat = "string"
)

// check refuses formats that are none.
func (f *decodeFlags) check() error {
	for flag, word := range map[string]string{"--value-format": f.ValueFormat,
		"--key-format": f.KeyFormat} {
		if word == autoFormat || word == stringFormat {
			continue
		}
		if _, err := parseSchemaType(flag, word); err != nil {
			return usagef("%s %s: there are auto, avro, protobuf, json-schema and string", flag, word)
		}
	}
	return nil
}

// decoder makes JSON of keys and values that carry the id of a schema. It opens
// the registry when it meets the first.
type decoder struct {
	e       *env
	open    func() (*registryClient, error)
	key     string // format
	value   string
	schemas map[wireformat.ID]*readSchema

	registry *registryClient
	failed   error // of open; nil while it has not been tried
}

// readSchema is a schema that records are read with. A nil render means that
// the registry does not know it.
type readSchema struct {
	kind   schemaregistry.Type
	render func(m *wireformat.Message) ([]byte, error)
}

// newDecoder returns nil if keys and values are to be taken as they are.
func (c *consumeCmd) newDecoder(e *env, cl *cluster) *decoder {
	if c.Base64 || c.ValueFormat == stringFormat && c.KeyFormat == stringFormat {
		return nil
	}
	return &decoder{e: e, key: c.KeyFormat, value: c.ValueFormat,
		schemas: map[wireformat.ID]*readSchema{},
		open:    func() (*registryClient, error) { return c.openRegistry(e, &c.connection, cl) }}
}

func (d *decoder) close() error {
	if d == nil || d.registry == nil {
		return nil
	}
	return d.registry.close(d.e)
}

// errAsItIs means that a key or value is to be printed as it is.
var errAsItIs = errors.New("not encoded with a schema")

// decode makes JSON of a key or value. The error is errAsItIs if it carries no
// id and need not.
func (d *decoder) decode(headers []serializer.Header, data []byte, isKey bool) ([]byte, error) {
	format := d.value
	if isKey {
		format = d.key
	}
	if data == nil || format == stringFormat {
		return nil, errAsItIs
	}
	m, err := wireformat.Parse(headers, data, isKey)
	if err != nil {
		if format == autoFormat {
			return nil, errAsItIs
		}
		return nil, fmt.Errorf("it carries no schema id; print it as it is with --%s-format string",
			side(isKey))
	}
	s, err := d.find(&m, format)
	if err != nil {
		return nil, err
	}
	if format != autoFormat {
		if want, err := parseSchemaType("", format); err != nil || s.kind.OrAvro() != want {
			return nil, fmt.Errorf("schema %v is %s, not %s", m.ID, schemaTypes[s.kind.OrAvro()], format)
		}
	}
	text, err := s.render(&m)
	if err != nil && format == autoFormat && !m.InHeader {
		return nil, errAsItIs // bytes that only look as if they had an id
	}
	return text, err
}

func side(isKey bool) string {
	if isKey {
		return "key"
	}
	return "value"
}

// find is the schema of a message.
func (d *decoder) find(m *wireformat.Message, format string) (*readSchema, error) {
	s, ok := d.schemas[m.ID]
	if !ok {
		var err error
		if s, err = d.ask(m.ID); err != nil {
			if format == autoFormat && !m.InHeader && d.registry == nil {
				return nil, errAsItIs // nobody said that there is a registry
			}
			return nil, err
		}
		d.schemas[m.ID] = s
	}
	if s.render == nil {
		if format == autoFormat && !m.InHeader {
			return nil, errAsItIs
		}
		return nil, fmt.Errorf("schema %v is not in %s; is it the registry that the producer used?",
			m.ID, d.registry.where)
	}
	return s, nil
}

// ask gets a schema from the registry and makes it ready for reading.
func (d *decoder) ask(id wireformat.ID) (*readSchema, error) {
	if d.failed != nil {
		return nil, d.failed
	}
	if d.registry == nil {
		if d.registry, d.failed = d.open(); d.failed != nil {
			return nil, d.failed
		}
	}
	ctx := d.e.ctx
	var found schemaregistry.Registered
	var err error
	if id.ByGUID() {
		found.Schema, err = d.registry.SchemaByGUID(ctx, id.GUID.String())
	} else {
		found, err = d.registry.ByID(ctx, "", id.ID)
	}
	if errors.Is(err, schemaregistry.ErrNotFound) {
		return &readSchema{}, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := newReadSchema(ctx, d.registry.Client, found.Schema)
	if err != nil {
		return nil, fmt.Errorf("schema %v: %w", id, err)
	}
	return s, nil
}

func newReadSchema(ctx context.Context, client *schemaregistry.Client, s schemaregistry.Schema) (
	*readSchema, error) {
	refs, err := referencesOf(ctx, client, s)
	if err != nil {
		return nil, err
	}
	read := &readSchema{kind: s.Type.OrAvro()}
	switch read.kind {
	case schemaregistry.Protobuf:
		read.render, err = renderProtobuf(ctx, s.Text, importsOf(refs))
	case schemaregistry.JSON:
		read.render = renderJSON
	default:
		read.render, err = renderAvro(s.Text, textsOf(refs))
	}
	return read, err
}

func renderAvro(text string, refs []string) (func(*wireformat.Message) ([]byte, error), error) {
	writing, err := avrojson.Parse(text, refs, avrojson.Options{})
	if err != nil {
		return nil, err
	}
	var cache twmb.SchemaCache
	for _, ref := range refs {
		if _, err := cache.Parse(ref); err != nil {
			return nil, err
		}
	}
	schema, err := cache.Parse(text)
	if err != nil {
		return nil, err
	}
	return func(m *wireformat.Message) ([]byte, error) {
		var v any
		rest, err := schema.Decode(m.Payload, &v)
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("%d bytes are left behind the value", len(rest))
		}
		if err != nil {
			return nil, err
		}
		return writing.AppendJSON(nil, v), nil
	}, nil
}

func renderProtobuf(ctx context.Context, text string, imports map[string]string) (
	func(*wireformat.Message) ([]byte, error), error) {
	file, err := protobuf.Compile(ctx, text, imports)
	if err != nil {
		return nil, err
	}
	return func(m *wireformat.Message) ([]byte, error) {
		indexes, rest, err := wireformat.ParseIndexes(nil, m.Rest)
		if err != nil {
			return nil, err
		}
		payload := rest
		if m.InHeader {
			payload = m.Payload
		}
		md, err := messageAt(file, indexes)
		if err != nil {
			return nil, err
		}
		v := dynamicpb.NewMessage(md)
		if err := proto.Unmarshal(payload, v); err != nil {
			return nil, err
		}
		spaced, err := protojson.MarshalOptions{EmitDefaultValues: true}.Marshal(v)
		if err != nil {
			return nil, err
		}
		var b bytes.Buffer // without the spaces that protojson puts in at random
		err = json.Compact(&b, spaced)
		return b.Bytes(), err
	}, nil
}

// messageAt is the message at a path of indexes in a file.
func messageAt(file protoreflect.FileDescriptor, indexes []int) (protoreflect.MessageDescriptor,
	error) {
	all := file.Messages()
	var md protoreflect.MessageDescriptor
	for _, i := range indexes {
		if i < 0 || i >= all.Len() {
			return nil, fmt.Errorf("the schema has no message %v", indexes)
		}
		md = all.Get(i)
		all = md.Messages()
	}
	if md == nil {
		return nil, errors.New("the record names no message of the schema")
	}
	return md, nil
}

func renderJSON(m *wireformat.Message) ([]byte, error) {
	var b bytes.Buffer
	err := json.Compact(&b, m.Payload)
	return b.Bytes(), err
}
