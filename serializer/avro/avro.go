// Package avro serializes and deserializes records as Avro, with schemas from a
// schema registry.
//
//	type Order struct {
//		ID    int64     `avro:"id"`
//		Item  string    `avro:"item"`
//		Price *float64  `avro:"price"` // ["null", "double"]
//		At    time.Time `avro:"at"`    // timestamp-millis
//	}
//
//	orders, err := avro.For[Order](client)
//	b, err := orders.Serialize(nil, "orders", nil, order) // registers orders-value
//	order, err := orders.Deserialize("orders", nil, b)
//
// The schema of a Go type comes from its fields and their avro tags, or from its
// own AvroSchema method, which generated types have; [Of] takes one from a file
// or the registry instead, and [Generic] does without a Go type. What a record
// was written with is found by its id; it is then resolved to the reader's
// schema, so that old readers read new records and new readers old ones.
//
// The bytes behind the id are made by github.com/twmb/avro, which nothing but
// Schema knows of. The wire format is that of Confluent's KafkaAvroSerializer,
// but for bare bytes: a schema "bytes" is encoded as Avro says, with its length.
package avro

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	avro "github.com/twmb/avro"

	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/serializer"
	"github.com/posthaste-go/posthaste/serializer/internal/framed"
)

// Serde writes and reads values of type T. It implements
// serializer.Serializer[T], serializer.Deserializer[T] and
// serializer.Configurer, and is safe for concurrent use.
type Serde[T any] struct {
	client *schemaregistry.Client
	own    schemaregistry.Schema // without Text if there is none
	parsed *Schema               // own; nil if there is none
	writer framed.Writer[*chosen]
	reader framed.Reader[*Schema]
	direct bool      // a T is handed to the library as it is
	nilled bool      // a T can be nil, which is null
	boxes  sync.Pool // *T, so that a struct in an any costs no allocation
}

// chosen is a schema to write with.
type chosen struct {
	schema *Schema
	from   *action // makes its bytes of the own schema's; nil if values are encoded with schema
}

// Option changes how one Serde deals with schemas, as schemaregistry.ForKey
// does. What is not changed is as the client's Config says.
type Option = func(*schemaregistry.Settings)

// Typed is implemented by types that know their schema, such as those that
// posthaste schema generate makes.
type Typed interface{ AvroSchema() string }

// For makes a Serde of a Go type: a struct or a pointer to one.
func For[T any](client *schemaregistry.Client, opts ...Option) (*Serde[T], error) {
	s, err := SchemaFor[T]("")
	if err != nil {
		return nil, err
	}
	return Of[T](client, s, opts...)
}

// SchemaFor is the schema of a Go type. The namespace goes in front of the
// names of types that have no AvroSchema method; it may be empty.
//
//	avro:"name"                 the field's name; "-" leaves it out
//	avro:",default=value"       a default, for scalars; the last option
//	avro:",alias=old_name"      a name that the field had
//	avro:",decimal(10,2)"       of a *big.Rat
//	avro:",timestamp-micros"    or another logical type of time.Time, time.Duration
//	avro:",uuid"                of a [16]byte or string
//	avro:",inline"              a struct's fields instead of a record
func SchemaFor[T any](namespace string) (schemaregistry.Schema, error) {
	var zero T
	typed, ok := any(zero).(Typed)
	if !ok {
		typed, ok = any(&zero).(Typed)
	}
	if ok {
		if t := reflect.TypeFor[T](); t.Kind() == reflect.Pointer {
			typed = reflect.New(t.Elem()).Interface().(Typed) // its method may use the receiver
		}
		return schemaregistry.Schema{Type: schemaregistry.Avro, Text: typed.AvroSchema()}, nil
	}
	s, err := avro.SchemaFor[T](avro.WithNamespace(namespace))
	if err != nil {
		return schemaregistry.Schema{}, fmt.Errorf("schema of %v in Avro: %w: %w",
			reflect.TypeFor[T](), ErrSchema, err)
	}
	return schemaregistry.Schema{Type: schemaregistry.Avro, Text: s.String()}, nil
}

// Of makes a Serde of a Go type with a schema that is given: a struct that has
// its fields, a map[string]any, or any. The schema may refer to others of the
// registry.
func Of[T any](
	client *schemaregistry.Client, s schemaregistry.Schema, opts ...Option,
) (*Serde[T], error) {
	if t := s.Type.OrAvro(); t != schemaregistry.Avro {
		return nil, fmt.Errorf("%w: its type is %s", ErrSchema, t)
	}
	s.Type = schemaregistry.Avro
	d, err := newSerde[T](client, opts)
	if err != nil {
		return nil, err
	}
	if d.parsed, err = d.parse(context.Background(), s); err != nil {
		return nil, err
	}
	d.own = s
	d.writer.Own, d.writer.Record = s, d.parsed.Name()
	return d, nil
}

// Generic makes a Serde of values without a Go type: records are
// map[string]any. It reads with the schema that a record was written with, and
// writes with the subject's latest, or the one of use.schema.id; with [Of] it
// is one that is given.
func Generic(client *schemaregistry.Client, opts ...Option) (*Serde[any], error) {
	latest := func(s *schemaregistry.Settings) {
		if s.UseSchemaID == 0 && len(s.UseLatestWithMetadata) == 0 {
			s.UseLatestVersion = true
		}
	}
	return newSerde[any](client, append(opts[:len(opts):len(opts)], latest))
}

func newSerde[T any](client *schemaregistry.Client, opts []Option) (*Serde[T], error) {
	d := &Serde[T]{client: client}
	d.writer.Client, d.writer.Settings = client, client.Settings()
	for _, o := range opts {
		o(&d.writer.Settings)
	}
	d.reader.Client, d.reader.Key = client, d.writer.Settings.Key
	d.writer.Compile = d.choose
	d.writer.Compatible = d.compatible
	d.reader.Compile = d.resolve
	kind := reflect.TypeFor[T]().Kind()
	d.nilled = kind == reflect.Pointer || kind == reflect.Map || kind == reflect.Interface
	d.direct = d.nilled
	d.boxes.New = func() any { return new(T) }
	return d, nil
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

// Serialize implements serializer.Serializer. A nil pointer, map or interface is
// null. A value that does not fit is a *serializer.FieldError; errors of the
// registry are a *schemaregistry.Error.
func (d *Serde[T]) Serialize(
	dst []byte, topic string, headers *[]serializer.Header, v T,
) ([]byte, error) {
	if d.nilled && isNil(v) {
		return nil, nil
	}
	c, err := d.writer.For(topic)
	if err != nil {
		return nil, err
	}
	if dst, err = d.writer.Begin(dst, headers, c, nil); err != nil {
		return nil, err
	}
	if d.direct {
		return d.append(dst, c.Compiled, v)
	}
	box := d.boxes.Get().(*T)
	*box = v
	out, err := d.append(dst, c.Compiled, box)
	d.boxes.Put(box) // what it refers to stays until the pool is cleared, two collections on
	return out, err
}

// append encodes v with the chosen schema: directly, or by way of the own schema.
func (d *Serde[T]) append(dst []byte, c *chosen, v any) ([]byte, error) {
	if c.from == nil {
		return c.schema.Append(dst, v)
	}
	own, err := d.parsed.Append(nil, v)
	if err != nil {
		return nil, err
	}
	t := transcoder{in: own, out: dst}
	if err := c.from.run(&t); err != nil {
		return nil, fmt.Errorf("%w: %w", serializer.ErrValue, err)
	}
	return t.out, nil
}

// isNil does without reflection for what is common.
func isNil[T any](v T) bool {
	switch v := any(v).(type) {
	case nil:
		return true
	case map[string]any:
		return v == nil
	}
	rv := reflect.ValueOf(v)
	switch rv.Kind() {
	case reflect.Pointer, reflect.Map:
		return rv.IsNil()
	default:
		return false
	}
}

// Deserialize implements serializer.Deserializer. Null is nil, if a T can be
// nil. Errors match serializer.ErrNull or serializer.ErrMalformed, ErrResolution,
// or are those of the registry.
func (d *Serde[T]) Deserialize(
	_ string, headers []serializer.Header, data []byte,
) (v T, err error) {
	if data == nil {
		if !d.nilled {
			return v, fmt.Errorf("null in Avro for %T: %w; use a pointer", v, serializer.ErrNull)
		}
		return v, nil
	}
	m, schema, err := d.reader.Read(headers, data)
	if err != nil {
		return v, err
	}
	rest, err := schema.Decode(m.Payload, &v)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%w: %d bytes are left behind the value", serializer.ErrMalformed, len(rest))
	}
	if err != nil {
		var zero T
		return zero, fmt.Errorf("schema %v: %w", m.ID, err)
	}
	return v, nil
}

// parse reads s with what it refers to.
func (d *Serde[T]) parse(ctx context.Context, s schemaregistry.Schema) (*Schema, error) {
	if t := s.Type.OrAvro(); t != schemaregistry.Avro {
		return nil, fmt.Errorf("its type is %s: use the serializer for that", t)
	}
	refs, err := d.client.References(ctx, s)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, r := range refs {
		texts = append(texts, r.Schema.Text)
	}
	return Parse(s.Text, texts...)
}

// choose makes a schema of the registry ready for writing. What the own type
// lacks of another schema gets its default, if the two resolve.
func (d *Serde[T]) choose(
	ctx context.Context, r schemaregistry.Registered,
) (*chosen, error) {
	s, err := d.parse(ctx, r.Schema)
	if err != nil || d.parsed == nil || r.Text == d.own.Text {
		return &chosen{schema: s}, err
	}
	resolved, err := Resolve(d.parsed, s)
	if err != nil { // with latest.compatibility.strict=false
		return &chosen{schema: s}, nil
	}
	return &chosen{schema: s, from: resolved.from}, nil
}

// resolve makes a record's schema ready for reading as d's.
func (d *Serde[T]) resolve(
	ctx context.Context, r schemaregistry.Registered,
) (*Schema, error) {
	writer, err := d.parse(ctx, r.Schema)
	if err != nil || d.parsed == nil {
		return writer, err
	}
	return Resolve(writer, d.parsed)
}

// compatible reports why what own writes cannot be read with r.
func (d *Serde[T]) compatible(
	ctx context.Context, _ schemaregistry.Schema, r schemaregistry.Registered,
) error {
	chosen, err := d.parse(ctx, r.Schema)
	if err != nil {
		return err
	}
	_, err = Resolve(d.parsed, chosen)
	return err
}
