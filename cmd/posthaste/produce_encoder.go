package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/avrojson"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/jsontext"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/protofit"
	"github.com/posthaste-go/posthaste/schemaregistry"
	"github.com/posthaste-go/posthaste/serializer"
	"github.com/posthaste-go/posthaste/serializer/avro"
	"github.com/posthaste-go/posthaste/serializer/jsonschema"
	"github.com/posthaste-go/posthaste/serializer/protobuf"
)

// encoderOf is what an encoder is made of.
type encoderOf struct {
	client  *schemaregistry.Client
	schema  schemaregistry.Schema
	topic   string
	message string // of Protobuf
	options []func(*schemaregistry.Settings)

	text, base64, skipUnknown bool
}

// serde is what the serializers of all formats have in common.
type serde[T any] interface {
	Serialize(dst []byte, topic string, headers *[]serializer.Header, v T) ([]byte, error)
	Prepare(ctx context.Context, topic string) error
}

// schemaEncoder fits JSON to a schema and hands it to the format's serializer.
type schemaEncoder[T any] struct {
	serde   serde[T]
	topic   string
	client  *schemaregistry.Client
	schema  schemaregistry.Schema
	subject string

	fit     func(json []byte) (T, error)
	fitText func(text []byte) (T, error)
}

func (s *schemaEncoder[T]) encode(dst []byte, headers *[]serializer.Header, in []byte) ([]byte,
	error) {
	v, err := s.fit(in)
	if err != nil {
		return nil, err
	}
	return s.serde.Serialize(dst, s.topic, headers, v)
}

func (s *schemaEncoder[T]) encodeText(dst []byte, headers *[]serializer.Header, in []byte) ([]byte,
	error) {
	v, err := s.fitText(in)
	if err != nil {
		return nil, err
	}
	return s.serde.Serialize(dst, s.topic, headers, v)
}

// prepare registers the schema, or finds it; the subject is set also with an
// error.
func (s *schemaEncoder[T]) prepare(e *env, topic string) (schemaregistry.Registered, error) {
	r := schemaregistry.Registered{Subject: s.subject}
	if err := s.serde.Prepare(e.ctx, topic); err != nil {
		return r, err
	}
	found, err := s.client.Lookup(e.ctx, s.subject, s.schema, schemaregistry.LookupOptions{})
	if err != nil {
		return r, nil // only for the report
	}
	return found, nil
}

// make makes an encoder for the schema's type.
func (o encoderOf) make(ctx context.Context) (encoder, error) {
	settings := o.client.Settings()
	for _, option := range o.options {
		option(&settings)
	}
	texts, err := o.references(ctx)
	if err != nil {
		return nil, err
	}
	switch o.schema.Type.OrAvro() {
	case schemaregistry.Protobuf:
		return o.protobuf(ctx, &settings, texts)
	case schemaregistry.JSON:
		return o.json(&settings)
	default:
		return o.avro(&settings, texts)
	}
}

// reference is a schema that another one uses, with the name it uses.
type reference struct{ name, text string }

func (o encoderOf) references(ctx context.Context) (all []reference, err error) {
	return referencesOf(ctx, o.client, o.schema)
}

// referencesOf is the schemas that s uses, those first that others need.
func referencesOf(ctx context.Context, client *schemaregistry.Client, s schemaregistry.Schema) (
	all []reference, err error) {
	used, err := client.References(ctx, s)
	for _, r := range used {
		all = append(all, reference{r.Name, r.Schema.Text})
	}
	return all, err
}

func textsOf(refs []reference) (texts []string) {
	for _, r := range refs {
		texts = append(texts, r.text)
	}
	return texts
}

func importsOf(refs []reference) map[string]string {
	imports := map[string]string{}
	for _, r := range refs {
		imports[r.name] = r.text
	}
	return imports
}

func (o encoderOf) avro(settings *schemaregistry.Settings, refs []reference) (encoder, error) {
	parsed, err := avro.Parse(o.schema.Text, textsOf(refs)...)
	if err != nil {
		return nil, err
	}
	fitting, err := avrojson.Parse(o.schema.Text, textsOf(refs), avrojson.Options{Text: o.text,
		Base64: o.base64, SkipUnknown: o.skipUnknown})
	if err != nil {
		return nil, err
	}
	made, err := avro.Of[any](o.client, o.schema, o.options...)
	if err != nil {
		return nil, err
	}
	subject, err := settings.SubjectName(o.topic, parsed.Name())
	return &schemaEncoder[any]{serde: made, topic: o.topic, client: o.client, schema: o.schema,
		subject: subject, fit: fitting.Fit, fitText: fitting.FitText}, err
}

func (o encoderOf) protobuf(ctx context.Context, settings *schemaregistry.Settings,
	refs []reference) (encoder, error) {
	file, err := protobuf.Compile(ctx, o.schema.Text, importsOf(refs))
	if err != nil {
		return nil, err
	}
	md, err := messageOf(file, o.message)
	if err != nil {
		return nil, err
	}
	made, err := protobuf.Of(o.client, o.schema, string(md.FullName()), o.options...)
	if err != nil {
		return nil, err
	}
	fit := func(in []byte) (any, error) {
		return protofit.Fit(md, in, protofit.Options{Text: o.text, SkipUnknown: o.skipUnknown})
	}
	subject, err := settings.SubjectName(o.topic, string(md.FullName()))
	return &schemaEncoder[any]{serde: made, topic: o.topic, client: o.client, schema: o.schema,
		subject: subject, fit: fit, fitText: fit}, err
}

// messageOf finds a message of a file by its name, with or without the package;
// no name means the first.
func messageOf(file protoreflect.FileDescriptor, name string) (protoreflect.MessageDescriptor,
	error) {
	all := file.Messages()
	if all.Len() == 0 {
		return nil, errors.New("the Protobuf schema has no message")
	}
	if name == "" {
		return all.Get(0), nil
	}
	var names []string
	for i := range all.Len() {
		if md := findMessage(all.Get(i), name, &names); md != nil {
			return md, nil
		}
	}
	return nil, usagef("the Protobuf schema has no message %s; it has %v", name, names)
}

func findMessage(md protoreflect.MessageDescriptor, name string, seen *[]string,
) protoreflect.MessageDescriptor {
	full := string(md.FullName())
	local := full
	if pkg := string(md.ParentFile().Package()); pkg != "" {
		local = full[len(pkg)+1:]
	}
	if name == full || name == local {
		return md
	}
	*seen = append(*seen, local)
	for i := range md.Messages().Len() {
		if inner := findMessage(md.Messages().Get(i), name, seen); inner != nil {
			return inner
		}
	}
	return nil
}

func (o encoderOf) json(settings *schemaregistry.Settings) (encoder, error) {
	made, err := jsonschema.Of[json.RawMessage](o.client, o.schema, o.options...)
	if err != nil {
		return nil, err
	}
	var head struct {
		Title string `json:"title"`
	}
	if err := json.Unmarshal([]byte(o.schema.Text), &head); err != nil {
		return nil, fmt.Errorf("not a JSON Schema: %w", err)
	}
	fit := func(in []byte) (json.RawMessage, error) { return in, nil }
	if o.text {
		rows, err := newRowText(o.schema.Text)
		if err != nil {
			return nil, err
		}
		fit = rows.fit
	}
	subject, err := settings.SubjectName(o.topic, head.Title)
	return &schemaEncoder[json.RawMessage]{serde: made, topic: o.topic, client: o.client,
		schema: o.schema, subject: subject, fit: fit,
		fitText: func(text []byte) (json.RawMessage, error) {
			if json.Valid(text) {
				return text, nil
			}
			return jsontext.AppendString(nil, text), nil
		}}, err
}
