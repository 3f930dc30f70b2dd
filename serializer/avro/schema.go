package avro

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	avro "github.com/twmb/avro"

	"github.com/posthaste-go/posthaste/serializer"
)

// ErrSchema means that a schema is not legal Avro.
var ErrSchema = errors.New("not a legal Avro schema")

// ErrResolution means that what one schema writes cannot be read with another.
var ErrResolution = errors.New("schemas do not resolve")

// Schema is a parsed Avro schema: what this package needs of an Avro library.
// It is immutable and safe for concurrent use.
type Schema struct {
	impl *avro.Schema
	node *avro.SchemaNode // of impl
	text string           // as it was given

	// from makes bytes of this schema of those that another one wrote; nil if
	// they are the same.
	from *action

	// If there are arrays, count passes over a value and counts blocks, and merge
	// makes one of them in each array.
	count, merge *action
}

func newSchema(s *avro.Schema, text string) *Schema {
	out := &Schema{impl: s, node: s.Root(), text: text}
	if hasArray(out.node) {
		b := newResolver(out.node, out.node)
		out.count, out.merge = b.skip(out.node), b.build(out.node, out.node, "")
	}
	return out
}

func hasArray(n *avro.SchemaNode) bool {
	switch {
	case n == nil:
		return false
	case n.Items != nil || hasArray(n.Values):
		return true
	}
	return slices.ContainsFunc(n.Branches, func(b avro.SchemaNode) bool { return hasArray(&b) }) ||
		slices.ContainsFunc(n.Fields, func(f avro.SchemaField) bool { return hasArray(&f.Type) })
}

// Parse reads a schema: JSON, or the bare name of a primitive type.
// references are the texts of schemas whose named types it uses, those first
// that others need. Errors match ErrSchema.
func Parse(text string, references ...string) (*Schema, error) {
	return parse(text, references)
}

func parse(text string, references []string, opts ...avro.SchemaOpt) (*Schema, error) {
	var cache avro.SchemaCache
	for i, ref := range references {
		if _, err := parseOne(&cache, ref, opts); err != nil {
			return nil, fmt.Errorf("%w: reference %d: %w", ErrSchema, i+1, err)
		}
	}
	s, err := parseOne(&cache, text, opts)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSchema, err)
	}
	return newSchema(s, text), nil
}

// parseOne reads what Java reads: it passes over an annotation as a decimal that
// cannot be one, which the library refuses.
func parseOne(
	cache *avro.SchemaCache, text string, opts []avro.SchemaOpt,
) (*avro.Schema, error) {
	text = quoted(text)
	s, err := cache.Parse(text, opts...)
	if err == nil {
		return s, nil
	}
	plain, changed := withoutBadDecimals(text)
	if !changed {
		return nil, err
	}
	if s, again := cache.Parse(plain, opts...); again == nil {
		return s, nil
	}
	return nil, err
}

// quoted makes JSON of a bare name such as string, which Java's parser takes.
func quoted(text string) string {
	for _, c := range text {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') &&
			c != '_' && c != '.' {
			return text
		}
	}
	return `"` + text + `"`
}

// Name is the full name of the schema's record, enum or fixed; that of a
// primitive type is empty.
func (s *Schema) Name() string {
	switch s.node.Type {
	case "record", "error", "enum", "fixed":
	default:
		return ""
	}
	if s.node.Namespace == "" {
		return s.node.Name
	}
	return s.node.Namespace + "." + s.node.Name
}

// Text is the schema as it was given.
func (s *Schema) Text() string { return s.text }

// Canonical is the schema's parsing canonical form: what determines its bytes.
func (s *Schema) Canonical() string { return string(s.impl.Canonical()) }

// Fingerprint is the CRC-64-AVRO of the canonical form, which stands in front of
// single objects.
func (s *Schema) Fingerprint() uint64 {
	return binary.BigEndian.Uint64(s.impl.Fingerprint(avro.NewRabin()))
}

// SHA256 is the SHA-256 of the canonical form.
func (s *Schema) SHA256() [32]byte { return sha256.Sum256(s.impl.Canonical()) }

// MD5 is the MD5 of the canonical form.
func (s *Schema) MD5() [16]byte { return md5.Sum(s.impl.Canonical()) }

// Append appends the bytes of v to dst, without an id in front.
//
//	null             nil
//	boolean          bool
//	int, long        any integer that fits, json.Number
//	float, double    any number
//	string           string, encoding.TextMarshaler; enum: its symbol
//	bytes, fixed     []byte, [N]byte
//	array            slices
//	map              map[string]T
//	record           structs by their avro tags, map[string]any
//	union            the value itself, *T for ["null", T], or map[string]any{"branch": v}
//	date, timestamp  time.Time, integers
//	time             time.Duration, integers
//	decimal          *big.Rat, numbers as text
//	uuid             [16]byte, string
//	duration         twmb/avro's Duration
//
// A value that does not fit is a *serializer.FieldError.
func (s *Schema) Append(dst []byte, v any) ([]byte, error) {
	out, err := s.impl.AppendEncode(dst, v)
	if err != nil {
		return nil, explain(s.node, v, err)
	}
	return out, nil
}

// Decode reads one value into the pointer v and returns the bytes behind it. In
// an any, records are map[string]any and numbers int32, int64, float32 and
// float64; logical types are what Append's comment lists first. Fields that a
// struct lacks are passed over. Errors match serializer.ErrMalformed.
func (s *Schema) Decode(data []byte, v any) (rest []byte, err error) {
	return s.decode(data, v, avro.SkipUnknown())
}

func (s *Schema) decode(data []byte, v any, opts ...avro.Opt) (rest []byte, err error) {
	if s.from == nil && s.count == nil {
		return s.decodeOwn(data, v, opts)
	}
	t := transcoders.Get().(*transcoder)
	defer t.release()
	t.in = data
	how := s.from
	if how == nil {
		if err := s.count.run(t); err != nil {
			return nil, err
		}
		if t.blocks == 0 {
			return s.decodeOwn(data, v, opts)
		}
		how, t.in, t.out, t.empty = s.merge, data, t.out[:0], 0
	}
	if err := how.run(t); err != nil {
		return nil, err
	}
	if _, err := s.decodeOwn(t.out, v, opts); err != nil {
		return nil, err
	}
	return t.in, nil
}

func (s *Schema) decodeOwn(data []byte, v any, opts []avro.Opt) (rest []byte, err error) {
	rest, err = s.impl.Decode(data, v, opts...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", serializer.ErrMalformed, err)
	}
	return rest, nil
}

// AppendJSON appends v in Avro's JSON encoding, where values of unions are
// wrapped as {"branch": value}.
func (s *Schema) AppendJSON(dst []byte, v any) ([]byte, error) {
	out, err := s.impl.AppendEncodeJSON(dst, v, avro.TaggedUnions())
	if err != nil {
		return nil, explain(s.node, v, err)
	}
	return out, nil
}

// DecodeJSON reads Avro's JSON encoding into the pointer v. Values of unions may
// stand there with or without their branch's name.
func (s *Schema) DecodeJSON(data []byte, v any) error {
	if err := s.impl.DecodeJSON(data, v, avro.TaggedUnions(), avro.SkipUnknown()); err != nil {
		return fmt.Errorf("%w: %w", serializer.ErrMalformed, err)
	}
	return nil
}

// Resolve makes a schema that reads what writer wrote as reader wants it: fields
// are added with their defaults, dropped, reordered, renamed by aliases, and
// promoted. As in Java, what cannot be read fails when it is met: a writer's
// union may hold a branch that the reader lacks, as long as no record uses it.
// Errors match ErrResolution and say where the two disagree.
//
// Decimals of different scale do not resolve, as the specification wants it;
// Java would read a value that is wrong by a power of ten.
//
// Source: Avro specification, schema resolution; Resolver of Apache Avro for
// Java.
func Resolve(writer, reader *Schema) (*Schema, error) { return resolve(writer, reader, true) }

func resolve(writer, reader *Schema, decimals bool) (*Schema, error) {
	if writer.Text() == reader.Text() {
		return reader, nil
	}
	s := &Schema{impl: reader.impl, node: reader.node, text: reader.text}
	b := newResolver(writer.node, reader.node)
	b.decimals = decimals
	s.from = b.build(writer.node, reader.node, "")
	if s.from.always != nil {
		return nil, s.from.always
	}
	return s, nil
}
