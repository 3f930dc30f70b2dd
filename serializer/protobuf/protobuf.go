// Package protobuf serializes and deserializes records as Protobuf, with
// schemas from a schema registry.
//
//	orders, err := protobuf.For[*shop.Order](client)
//	b, err := orders.Serialize(nil, "orders", nil, order) // registers orders-value
//	order, err := orders.Deserialize("orders", nil, b)
//
// shop.Order is what protoc-gen-go generated. [Generic] does without generated
// types: values are map[string]any, and the messages' descriptors are made of
// the .proto text that the registry has.
//
// Files that the schema's file imports are registered as well, under their own
// names, and referred to. The wire format is that of Confluent's
// KafkaProtobufSerializer: behind the id stands the path to the message in its
// file.
package protobuf

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/schemaregistry/wireformat"
	"github.com/posthaste-go/posthaste/serializer"
	"github.com/posthaste-go/posthaste/serializer/internal/framed"
)

// Serde writes and reads values of type T. It implements
// serializer.Serializer[T], serializer.Deserializer[T] and
// serializer.Configurer, and is safe for concurrent use.
type Serde[T any] struct {
	client *schemaregistry.Client
	writer framed.Writer[*chosen]
	reader framed.Reader[protoreflect.FileDescriptor]

	message protoreflect.MessageDescriptor // of T, or of a given schema; nil if there is none
	name    string                         // the message to write, if message is nil

	toMessage   func(protoreflect.MessageDescriptor, T) (proto.Message, error)
	fromPayload func(protoreflect.MessageDescriptor, []byte) (T, error)
	nilled      bool // a T can be nil, which is null
}

// chosen is a message of the schema that is written with.
type chosen struct {
	message protoreflect.MessageDescriptor
	indexes []byte
}

// Option changes how one Serde deals with schemas, as schemaregistry.ForKey
// does. What is not changed is as the client's Config says.
type Option = func(*schemaregistry.Settings)

// ErrOtherMessage means that a record holds another message than the reader's.
var ErrOtherMessage = errors.New("the record holds another message")

// For makes a Serde of a generated message type, a pointer.
func For[T proto.Message](client *schemaregistry.Client, opts ...Option) (*Serde[T], error) {
	t := reflect.TypeFor[T]()
	if t.Kind() != reflect.Pointer {
		return nil, fmt.Errorf("%w: %v is not a generated message; use Generic", ErrSchema, t)
	}
	var zero T
	desc := zero.ProtoReflect().Descriptor()
	d := newSerde[T](client, opts)
	if err := d.own(desc); err != nil {
		return nil, err
	}
	d.nilled = true
	d.toMessage = func(_ protoreflect.MessageDescriptor, v T) (proto.Message, error) { return v, nil }
	d.fromPayload = func(m protoreflect.MessageDescriptor, payload []byte) (v T, err error) {
		if m.FullName() != desc.FullName() {
			return v, fmt.Errorf("%w: %s, not %s", ErrOtherMessage, m.FullName(), desc.FullName())
		}
		v, ok := zero.ProtoReflect().New().Interface().(T)
		if !ok {
			return v, fmt.Errorf("%w: %v makes other messages", ErrSchema, t)
		}
		return v, unmarshal(payload, v)
	}
	return d, nil
}

// Generic makes a Serde of values without a Go type: map[string]any by the
// names of fields, or any proto.Message. message names what is written, fully or
// within the file's package; empty means the file's first. Reading makes a
// map[string]any of whatever message a record holds: enums are their names,
// bytes []byte, google.protobuf.Timestamp time.Time, Duration time.Duration.
//
// It writes with the subject's latest schema, or the one of use.schema.id; with
// [Of] it is one that is given.
func Generic(
	client *schemaregistry.Client, message string, opts ...Option,
) (*Serde[any], error) {
	d := newSerde[any](client, opts)
	d.generic(message)
	if s := &d.writer.Settings; s.UseSchemaID == 0 && len(s.UseLatestWithMetadata) == 0 {
		s.UseLatestVersion = true
	}
	return d, nil
}

// Of is Generic with a schema that is given.
func Of(
	client *schemaregistry.Client, s schemaregistry.Schema, message string, opts ...Option,
) (*Serde[any], error) {
	d := newSerde[any](client, opts)
	d.generic(message)
	file, err := d.compile(context.Background(), s)
	if err != nil {
		return nil, err
	}
	if d.message, err = messageNamed(file, message); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSchema, err)
	}
	s.Type = schemaregistry.Protobuf
	d.writer.Own, d.writer.Record = s, string(d.message.FullName())
	return d, nil
}

func newSerde[T any](client *schemaregistry.Client, opts []Option) *Serde[T] {
	d := &Serde[T]{client: client}
	d.writer.Client, d.writer.Settings = client, client.Settings()
	for _, o := range opts {
		o(&d.writer.Settings)
	}
	d.reader.Client, d.reader.Key = client, d.writer.Settings.Key
	d.writer.Compile = d.choose
	d.writer.Compatible = d.compatible
	d.reader.Compile = func(
		ctx context.Context, r schemaregistry.Registered,
	) (protoreflect.FileDescriptor, error) {
		return d.compile(ctx, r.Schema)
	}
	return d
}

// own takes the schema of a message's file.
func (d *Serde[T]) own(m protoreflect.MessageDescriptor) error {
	text, err := Text(m.ParentFile())
	if err != nil {
		return err
	}
	d.message = m
	d.writer.Own = schemaregistry.Schema{Type: schemaregistry.Protobuf, Text: text}
	d.writer.Record = string(m.FullName())
	d.writer.Before = func(ctx context.Context, topic string) (schemaregistry.Schema, error) {
		s := d.writer.Own
		var err error
		s.References, err = d.register(ctx, topic, m.ParentFile(), map[string]schemaregistry.Reference{})
		return s, err
	}
	return nil
}

// register registers, or looks up, what file imports, and refers to it.
func (d *Serde[T]) register(
	ctx context.Context, topic string, file protoreflect.FileDescriptor,
	done map[string]schemaregistry.Reference,
) (refs []schemaregistry.Reference, err error) {
	for i := range file.Imports().Len() {
		dep := file.Imports().Get(i)
		if builtIn(dep.Path()) {
			continue
		}
		ref, ok := done[dep.Path()]
		if !ok {
			if ref, err = d.reference(ctx, topic, dep.FileDescriptor, done); err != nil {
				return nil, fmt.Errorf("import %q: %w", dep.Path(), err)
			}
			done[dep.Path()] = ref
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

func (d *Serde[T]) reference(
	ctx context.Context, topic string, file protoreflect.FileDescriptor,
	done map[string]schemaregistry.Reference,
) (ref schemaregistry.Reference, err error) {
	s := schemaregistry.Schema{Type: schemaregistry.Protobuf}
	if s.References, err = d.register(ctx, topic, file, done); err != nil {
		return ref, err
	}
	if s.Text, err = Text(file); err != nil {
		return ref, err
	}
	settings := &d.writer.Settings
	ref = schemaregistry.Reference{Name: file.Path(), Subject: file.Path()}
	if settings.References != nil {
		ref.Subject = settings.References(ref.Name, topic, settings.Key)
	}
	if !settings.NoAutoRegister {
		r, err := d.client.Register(ctx, ref.Subject, s,
			schemaregistry.RegisterOptions{Normalize: settings.Normalize})
		if err != nil || r.Version > 0 { // older registries tell the id only
			ref.Version = r.Version
			return ref, err
		}
	}
	r, err := d.client.Lookup(ctx, ref.Subject, s,
		schemaregistry.LookupOptions{Normalize: settings.Normalize})
	ref.Version = r.Version
	return ref, err
}

func (d *Serde[T]) generic(message string) {
	d.name, d.nilled = message, true
	set := func(v T, err error) (T, error) { return v, err }
	d.toMessage = func(m protoreflect.MessageDescriptor, v T) (proto.Message, error) {
		switch v := any(v).(type) {
		case map[string]any:
			return dynamic(m, v)
		case proto.Message:
			return v, nil
		default:
			return nil, misfit("", v, "message "+string(m.FullName())+" as a map[string]any", nil)
		}
	}
	d.fromPayload = func(m protoreflect.MessageDescriptor, payload []byte) (zero T, err error) {
		msg := dynamicpb.NewMessage(m)
		if err := unmarshal(payload, msg); err != nil {
			return zero, err
		}
		v, ok := any(toMap(msg)).(T)
		if !ok {
			return zero, fmt.Errorf("a map is not a %T", zero)
		}
		return set(v, nil)
	}
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

// Serialize implements serializer.Serializer. A nil message, map or interface is
// null. A value that does not fit is a *serializer.FieldError; errors of the
// registry are a *schemaregistry.Error.
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
	m, err := d.toMessage(c.Compiled.message, v)
	if err != nil {
		return nil, err
	}
	if name := m.ProtoReflect().Descriptor().FullName(); name != c.Compiled.message.FullName() {
		return nil, misfit("", name, "message "+string(c.Compiled.message.FullName()), nil)
	}
	if dst, err = d.writer.Begin(dst, headers, c, c.Compiled.indexes); err != nil {
		return nil, err
	}
	out, err := proto.MarshalOptions{}.MarshalAppend(dst, m)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", serializer.ErrValue, err)
	}
	return out, nil
}

func isNil(v any) bool {
	if v == nil {
		return true
	}
	rv := reflect.ValueOf(v)
	return (rv.Kind() == reflect.Pointer || rv.Kind() == reflect.Map) && rv.IsNil()
}

// Deserialize implements serializer.Deserializer. Null is nil. Errors match
// serializer.ErrMalformed or ErrOtherMessage, or are those of the registry.
func (d *Serde[T]) Deserialize(
	_ string, headers []serializer.Header, data []byte,
) (zero T, err error) {
	if data == nil {
		return zero, nil
	}
	read, file, err := d.reader.Read(headers, data)
	if err != nil {
		return zero, err
	}
	indexes, rest, err := wireformat.ParseIndexes(nil, read.Rest)
	if err != nil {
		return zero, fmt.Errorf("schema %v: %w", read.ID, err)
	}
	payload := read.Payload
	if !read.InHeader {
		payload = rest
	}
	m, err := messageAt(file, indexes)
	if err != nil {
		return zero, fmt.Errorf("schema %v: %w: %w", read.ID, serializer.ErrMalformed, err)
	}
	v, err := d.fromPayload(m, payload)
	if err != nil {
		return zero, fmt.Errorf("schema %v: %w", read.ID, err)
	}
	return v, nil
}

// unmarshal keeps fields that m does not know, as other clients do.
func unmarshal(payload []byte, m proto.Message) error {
	if err := (proto.UnmarshalOptions{RecursionLimit: maxDepth}).Unmarshal(payload, m); err != nil {
		return fmt.Errorf("%w: %w", serializer.ErrMalformed, err)
	}
	return nil
}

func (d *Serde[T]) compile(
	ctx context.Context, s schemaregistry.Schema,
) (protoreflect.FileDescriptor, error) {
	if t := s.Type.OrAvro(); t != schemaregistry.Protobuf {
		return nil, fmt.Errorf("its type is %s: use the serializer for that", t)
	}
	refs, err := d.client.References(ctx, s)
	if err != nil {
		return nil, err
	}
	imports := map[string]string{}
	for _, r := range refs {
		imports[r.Name] = r.Schema.Text
	}
	return Compile(ctx, s.Text, imports)
}

// choose finds the message to write in a schema of the registry.
func (d *Serde[T]) choose(
	ctx context.Context, r schemaregistry.Registered,
) (*chosen, error) {
	m := d.message
	if m == nil || r.Text != d.writer.Own.Text {
		file, err := d.compile(ctx, r.Schema)
		if err != nil {
			return nil, err
		}
		name := d.name
		if d.message != nil {
			name = string(d.message.FullName())
		}
		if m, err = messageNamed(file, name); err != nil {
			return nil, err
		}
	}
	return &chosen{message: m, indexes: wireformat.AppendIndexes(nil, indexesOf(m))}, nil
}

// compatible reports why messages of the own type cannot be read with r.
func (d *Serde[T]) compatible(
	ctx context.Context, _ schemaregistry.Schema, r schemaregistry.Registered,
) error {
	file, err := d.compile(ctx, r.Schema)
	if err != nil {
		return err
	}
	m, err := messageNamed(file, string(d.message.FullName()))
	if err != nil {
		return err
	}
	if faults := differences(d.message, m, nil); len(faults) > 0 {
		slices.Sort(faults)
		return errors.New(faults[0])
	}
	return nil
}
