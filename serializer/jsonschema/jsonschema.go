// Package jsonschema serializes and deserializes records as JSON that fits a
// JSON Schema of a schema registry.
//
//	type Order struct {
//		ID   int64  `json:"id"`
//		Item string `json:"item,omitempty" jsonschema:"what was bought"`
//	}
//
//	orders, err := jsonschema.For[Order](client)
//	b, err := orders.Serialize(nil, "orders", nil, order) // registers orders-value
//	order, err := orders.Deserialize("orders", nil, b)
//
// The schema of a Go type comes from its fields and their json tags, or from its
// own JSONSchema method, which generated types have; [Of] takes one that is
// given, and [Generic] does without a Go type. Values are checked against the
// schema when they are written and when they are read.
//
// The wire format is that of Confluent's KafkaJsonSchemaSerializer, which by
// default does not check; json.fail.invalid.schema=false switches it off here.
package jsonschema

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"

	model "github.com/posthaste-go/posthaste/internal/jsonschema"
	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/serializer"
	"github.com/posthaste-go/posthaste/serializer/internal/framed"
)

// Serde writes and reads values of type T. It implements
// serializer.Serializer[T], serializer.Deserializer[T] and
// serializer.Configurer, and is safe for concurrent use.
type Serde[T any] struct {
	client *schemaregistry.Client
	writer framed.Writer[*Schema]
	reader framed.Reader[*Schema]
}

// Option changes how one Serde deals with schemas, as schemaregistry.ForKey
// does. What is not changed is as the client's Config says.
type Option = func(*schemaregistry.Settings)

// Typed is implemented by types that know their schema, such as those that
// posthaste schema generate makes.
type Typed interface{ JSONSchema() string }

// For makes a Serde of a Go type.
func For[T any](client *schemaregistry.Client, opts ...Option) (*Serde[T], error) {
	s, err := SchemaFor[T]()
	if err != nil {
		return nil, err
	}
	return Of[T](client, s, opts...)
}

// SchemaFor is the schema of a Go type, of draft 7. Fields are named by their
// json tags; those without omitempty or omitzero are required, and others than
// those of the type are not allowed. A jsonschema tag is the description. Types
// that hold themselves need a JSONSchema method.
func SchemaFor[T any]() (s schemaregistry.Schema, err error) {
	s.Type = schemaregistry.JSON
	t := reflect.TypeFor[T]()
	var zero T
	typed, ok := any(zero).(Typed)
	if !ok {
		typed, ok = any(&zero).(Typed)
	}
	if ok {
		if t.Kind() == reflect.Pointer {
			typed = reflect.New(t.Elem()).Interface().(Typed) // its method may use the receiver
		}
		s.Text = typed.JSONSchema()
		return s, nil
	}
	s.Text, err = textFor(t)
	return s, err
}

// Of makes a Serde of a Go type with a schema that is given: a struct that has
// its properties, a map[string]any, or any.
func Of[T any](
	client *schemaregistry.Client, s schemaregistry.Schema, opts ...Option,
) (*Serde[T], error) {
	if s.Type != schemaregistry.JSON && s.Type != "" {
		return nil, fmt.Errorf("%w: its type is %s", ErrSchema, s.Type)
	}
	s.Type = schemaregistry.JSON
	d := newSerde[T](client, opts)
	parsed, err := d.compile(context.Background(), schemaregistry.Registered{Schema: s})
	if err != nil {
		return nil, err
	}
	d.writer.Own, d.writer.Record = s, parsed.Title()
	return d, nil
}

// Generic makes a Serde of values without a Go type: objects are
// map[string]any, and numbers that are read are json.Number, so that none loses
// digits. It writes with the subject's latest schema, or the one of
// use.schema.id; with [Of] it is one that is given.
func Generic(client *schemaregistry.Client, opts ...Option) (*Serde[any], error) {
	d := newSerde[any](client, opts)
	if s := &d.writer.Settings; s.UseSchemaID == 0 && len(s.UseLatestWithMetadata) == 0 {
		s.UseLatestVersion = true
	}
	return d, nil
}

func newSerde[T any](client *schemaregistry.Client, opts []Option) *Serde[T] {
	d := &Serde[T]{client: client}
	d.writer.Client, d.writer.Settings = client, client.Settings()
	for _, o := range opts {
		o(&d.writer.Settings)
	}
	d.reader.Client, d.reader.Key = client, d.writer.Settings.Key
	d.writer.Compile, d.reader.Compile = d.compile, d.compile
	d.writer.Compatible = d.compatible
	return d
}

// compatible reports why what fits own may not fit r.
func (d *Serde[T]) compatible(
	ctx context.Context, own schemaregistry.Schema, r schemaregistry.Registered,
) error {
	if t := r.Type.OrAvro(); t != schemaregistry.JSON {
		return fmt.Errorf("its type is %s: use the serializer for that", t)
	}
	reader, err := d.model(ctx, r.Schema)
	if err != nil {
		return err
	}
	writer, err := d.model(ctx, own)
	if err != nil {
		return err
	}
	if found := model.Incompatibilities(reader, writer); len(found) > 0 {
		return fmt.Errorf("%s at %s", found[0].Type, found[0].Path)
	}
	return nil
}

// model is a schema as a registry compares it.
func (d *Serde[T]) model(ctx context.Context, s schemaregistry.Schema) (*model.Schema, error) {
	refs, err := d.client.References(ctx, s)
	if err != nil {
		return nil, err
	}
	var texts []model.Reference
	for _, ref := range refs {
		texts = append(texts, model.Reference{Name: ref.Name, Text: ref.Schema.Text})
	}
	return model.Parse(s.Text, texts)
}

func (d *Serde[T]) compile(
	ctx context.Context, r schemaregistry.Registered,
) (*Schema, error) {
	if t := r.Type.OrAvro(); t != schemaregistry.JSON {
		return nil, fmt.Errorf("its type is %s: use the serializer for that", t)
	}
	refs, err := d.client.References(ctx, r.Schema)
	if err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for _, ref := range refs {
		texts[ref.Name] = ref.Schema.Text
	}
	return Compile(r.Text, texts)
}

// Configure implements serializer.Configurer: isKey says which side it serves.
func (d *Serde[T]) Configure(settings map[string]string, isKey bool) error {
	err := schemaregistry.ConfigureSettings(&d.writer.Settings, settings, isKey)
	d.reader.Key = isKey
	return err
}

// Prepare asks the registry for what writing to a topic needs, so that the
// first record does not wait for it.
func (d *Serde[T]) Prepare(ctx context.Context, topic string) error {
	return d.writer.Prepare(ctx, topic)
}

// Serialize implements serializer.Serializer. A nil pointer, map, slice or
// interface is null. A value that does not fit is a *serializer.FieldError;
// errors of the registry are a *schemaregistry.Error.
func (d *Serde[T]) Serialize(
	dst []byte, topic string, headers *[]serializer.Header, v T,
) ([]byte, error) {
	if isNil(v) {
		return nil, nil
	}
	c, err := d.writer.For(topic)
	if err != nil {
		return nil, err
	}
	if dst, err = d.writer.Begin(dst, headers, c, nil); err != nil {
		return nil, err
	}
	before := len(dst)
	out, err := serializer.JSON[T]{}.Serialize(dst, topic, headers, v)
	if err != nil {
		return nil, err
	}
	if !d.writer.Settings.NoValidation {
		if err := c.Compiled.Validate(out[before:]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func isNil(v any) bool {
	if v == nil {
		return true
	}
	switch rv := reflect.ValueOf(v); rv.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Slice:
		return rv.IsNil()
	default:
		return false
	}
}

// Deserialize implements serializer.Deserializer. Null is nil, if a T can be
// nil. Errors match serializer.ErrNull, serializer.ErrMalformed or, if a record
// does not fit its own schema, serializer.ErrValue; or are those of the registry.
func (d *Serde[T]) Deserialize(
	_ string, headers []serializer.Header, data []byte,
) (v T, err error) {
	if data == nil {
		switch t := reflect.TypeFor[T](); t.Kind() {
		case reflect.Pointer, reflect.Map, reflect.Slice, reflect.Interface:
			return v, nil
		default:
			return v, fmt.Errorf("JSON of %v: %w; use a pointer", t, serializer.ErrNull)
		}
	}
	m, schema, err := d.reader.Read(headers, data)
	if err != nil {
		return v, err
	}
	if !d.writer.Settings.NoValidation {
		if err := schema.Validate(m.Payload); err != nil {
			return v, fmt.Errorf("schema %v: %w", m.ID, err)
		}
	}
	dec := json.NewDecoder(bytes.NewReader(m.Payload))
	dec.UseNumber()
	err = dec.Decode(&v)
	if err == nil {
		if _, more := dec.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("there is more behind the value")
		}
	}
	if err != nil {
		var zero T
		return zero, fmt.Errorf("schema %v: %w: %w", m.ID, serializer.ErrMalformed, err)
	}
	return v, nil
}
