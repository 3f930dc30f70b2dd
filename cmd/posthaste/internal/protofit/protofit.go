// Package protofit reads JSON as Protobuf messages whose types are only known
// at run time.
//
// What it takes is Protobuf's JSON mapping, where a field may be called by its
// JSON name or its own; rows of files that have no types, such as CSV, may
// spell numbers as text and text as numbers. A value that does not fit is a
// *serializer.FieldError, which names the field's path, the value and the type.
package protofit

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/infer"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/jsontext"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/misfit"
	"github.com/posthaste-go/posthaste/serializer"
)

// Options says how values are taken.
type Options struct {
	// Text means that values come from text without types: a number is a text
	// where the schema wants text and the other way round, and an empty text is
	// null where text is not allowed.
	Text bool

	// SkipUnknown passes over members that the message has no field for.
	SkipUnknown bool
}

// Fit reads the JSON object b as a message of type md.
func Fit(md protoreflect.MessageDescriptor, b []byte, o Options) (*dynamicpb.Message, error) {
	f := fitter{Options: o}
	f.p.Reset(b)
	m := dynamicpb.NewMessage(md)
	if err := f.message(m); err != nil {
		return nil, err
	}
	return m, f.p.End()
}

type fitter struct {
	Options
	p jsontext.Parser
}

func wrong(v any, want string, cause error) error {
	return &serializer.FieldError{Value: v, Want: want, Err: cause}
}

// take is the next value's text.
func (f *fitter) take() ([]byte, error) { return f.p.Skip() }

// message fills m from the next value.
func (f *fitter) message(m *dynamicpb.Message) error {
	md := m.Descriptor()
	if strings.HasPrefix(string(md.FullName()), "google.protobuf.") {
		return f.wellKnown(m)
	}
	if f.p.Kind() != '{' {
		raw, err := f.take()
		if err != nil {
			return err
		}
		return wrong(misfit.JSON(raw), "message "+string(md.FullName()), nil)
	}
	return f.p.Object(func(name []byte) error {
		fd := find(md, string(name))
		if fd == nil {
			path := string(name)
			if _, err := f.take(); err != nil || f.SkipUnknown {
				return err
			}
			return &serializer.FieldError{Path: path, Err: errors.New(known(md))}
		}
		return misfit.At(string(fd.Name()), f.field(m, fd))
	})
}

func known(md protoreflect.MessageDescriptor) string {
	var names []string
	for i := range md.Fields().Len() {
		names = append(names, string(md.Fields().Get(i).Name()))
	}
	return fmt.Sprintf("message %s has no such field; it has %s", md.FullName(),
		strings.Join(names, ", "))
}

// find is the field of a JSON name, of its own name, or of its own name made of
// one that is not legal.
func find(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if fd := md.Fields().ByJSONName(name); fd != nil {
		return fd
	}
	if fd := md.Fields().ByTextName(name); fd != nil {
		return fd
	}
	return md.Fields().ByName(protoreflect.Name(infer.Legal(name)))
}

// wellKnown reads a message that has a JSON of its own, such as a timestamp.
func (f *fitter) wellKnown(m *dynamicpb.Message) error {
	raw, err := f.take()
	if err != nil {
		return err
	}
	if err := protojson.Unmarshal(spaced(raw), m); err != nil {
		name := string(m.Descriptor().FullName())
		if raw[0] == '"' {
			return wrong(string(raw[1:len(raw)-1]), name, nil)
		}
		return wrong(misfit.JSON(raw), name, nil)
	}
	return nil
}

// spaced takes "2026-01-31 08:00:00Z" for "2026-01-31T08:00:00Z".
func spaced(raw []byte) []byte {
	const at = len(`"2026-01-31`)
	if len(raw) > at && raw[0] == '"' && raw[at] == ' ' && raw[5] == '-' {
		raw = append([]byte(nil), raw...)
		raw[at] = 'T'
	}
	return raw
}

// field sets one field of m from the next value; null leaves it unset.
func (f *fitter) field(m *dynamicpb.Message, fd protoreflect.FieldDescriptor) error {
	if f.p.Kind() == 'n' && !takesNull(fd) {
		_, err := f.take()
		return err
	}
	switch {
	case fd.IsMap():
		return f.mapping(m.Mutable(fd).Map(), fd)
	case fd.IsList():
		return f.list(m.Mutable(fd).List(), fd)
	}
	v, err := f.value(fd, func() protoreflect.Value { return m.NewField(fd) })
	if err != nil || !v.IsValid() {
		return err
	}
	m.Set(fd, v)
	return nil
}

// takesNull reports whether null is a value of a field's type.
func takesNull(fd protoreflect.FieldDescriptor) bool {
	if fd.IsList() || fd.IsMap() {
		return false
	}
	return fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Value"
}

func (f *fitter) list(l protoreflect.List, fd protoreflect.FieldDescriptor) error {
	if f.p.Kind() != '[' {
		raw, err := f.take()
		if err != nil {
			return err
		}
		return wrong(misfit.JSON(raw), "array of "+typeName(fd), nil)
	}
	return f.p.Array(func() error {
		at := fmt.Sprintf("[%d]", l.Len())
		v, err := f.value(fd, l.NewElement)
		if err == nil && !v.IsValid() {
			err = wrong("", typeName(fd), nil)
		}
		if err != nil {
			return misfit.At(at, err)
		}
		l.Append(v)
		return nil
	})
}

func (f *fitter) mapping(m protoreflect.Map, fd protoreflect.FieldDescriptor) error {
	if f.p.Kind() != '{' {
		raw, err := f.take()
		if err != nil {
			return err
		}
		return wrong(misfit.JSON(raw), "map of "+typeName(fd.MapValue()), nil)
	}
	return f.p.Object(func(name []byte) error {
		text := string(name)
		at := fmt.Sprintf("[%q]", text)
		key, err := fromText(fd.MapKey(), text)
		if err != nil {
			return misfit.At(at, err)
		}
		v, err := f.value(fd.MapValue(), m.NewValue)
		if err == nil && !v.IsValid() {
			err = wrong("", typeName(fd.MapValue()), nil)
		}
		if err != nil {
			return misfit.At(at, err)
		}
		m.Set(key.MapKey(), v)
		return nil
	})
}

// value reads a single value. An invalid one is an empty text that stands for
// nothing.
func (f *fitter) value(fd protoreflect.FieldDescriptor, empty func() protoreflect.Value) (
	v protoreflect.Value, err error) {
	if fd.Message() != nil {
		v = empty()
		return v, f.message(v.Message().Interface().(*dynamicpb.Message))
	}
	switch f.p.Kind() {
	case '"':
		s, err := f.p.String()
		if err != nil {
			return v, err
		}
		return f.text(fd, string(s))
	case '{', '[':
		raw, err := f.take()
		if err != nil {
			return v, err
		}
		if f.Text && fd.Kind() == protoreflect.StringKind {
			return protoreflect.ValueOfString(string(raw)), nil
		}
		return v, wrong(misfit.JSON(raw), typeName(fd), nil)
	}
	raw, err := f.take()
	if err != nil {
		return v, err
	}
	bare := raw[0] == 't' || raw[0] == 'f'
	switch {
	case bare && fd.Kind() == protoreflect.BoolKind:
		return protoreflect.ValueOfBool(raw[0] == 't'), nil
	case f.Text && fd.Kind() == protoreflect.StringKind && raw[0] != 'n':
		return protoreflect.ValueOfString(string(raw)), nil
	case bare, raw[0] == 'n', fd.Kind() == protoreflect.StringKind,
		fd.Kind() == protoreflect.BytesKind, fd.Kind() == protoreflect.BoolKind:
		return v, wrong(misfit.JSON(raw), typeName(fd), nil)
	}
	if v, err = fromText(fd, string(raw)); err != nil {
		err.(*serializer.FieldError).Value = misfit.JSON(raw)
	}
	return v, err
}

// text reads a JSON string.
func (f *fitter) text(fd protoreflect.FieldDescriptor, s string) (v protoreflect.Value, err error) {
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(s), nil
	case protoreflect.BytesKind:
		b, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			return v, wrong(s, typeName(fd), errors.New("it is not base64"))
		}
		return protoreflect.ValueOfBytes(b), nil
	case protoreflect.BoolKind:
		if !f.Text || s == "" {
			break
		}
		return fromText(fd, strings.ToLower(s))
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		if special, ok := map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1),
			"-Infinity": math.Inf(-1)}[s]; ok {
			return float(fd, special), nil
		}
	}
	if f.Text && s == "" {
		return v, nil
	}
	return fromText(fd, s)
}

func float(fd protoreflect.FieldDescriptor, v float64) protoreflect.Value {
	if fd.Kind() == protoreflect.FloatKind {
		return protoreflect.ValueOfFloat32(float32(v))
	}
	return protoreflect.ValueOfFloat64(v)
}

// fromText reads a number, a boolean, an enum's name or number, or the key of a
// map.
func fromText(fd protoreflect.FieldDescriptor, s string) (v protoreflect.Value, err error) {
	bits := 64
	switch fd.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(s), nil
	case protoreflect.BoolKind:
		if s == "true" || s == "false" {
			return protoreflect.ValueOfBool(s == "true"), nil
		}
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		bits = 32
		fallthrough
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		if n, err := strconv.ParseInt(whole(s), 10, bits); err == nil {
			if bits == 32 {
				return protoreflect.ValueOfInt32(int32(n)), nil
			}
			return protoreflect.ValueOfInt64(n), nil
		}
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		bits = 32
		fallthrough
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		if n, err := strconv.ParseUint(whole(s), 10, bits); err == nil {
			if bits == 32 {
				return protoreflect.ValueOfUint32(uint32(n)), nil
			}
			return protoreflect.ValueOfUint64(n), nil
		}
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		n, err := strconv.ParseFloat(s, 64)
		fits := fd.Kind() == protoreflect.DoubleKind || math.Abs(n) <= math.MaxFloat32
		if err == nil && jsontext.IsNumber([]byte(s)) && fits {
			return float(fd, n), nil
		}
	case protoreflect.EnumKind:
		if e := fd.Enum().Values().ByName(protoreflect.Name(s)); e != nil {
			return protoreflect.ValueOfEnum(e.Number()), nil
		}
		if n, err := strconv.ParseInt(s, 10, 32); err == nil {
			return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n)), nil
		}
	}
	return v, wrong(s, typeName(fd), nil)
}

// whole takes 1.0 for 1, as JSON does.
func whole(s string) string {
	before, after, ok := strings.Cut(s, ".")
	if ok && before != "" && after != "" && strings.Trim(after, "0") == "" {
		return before
	}
	return s
}

// typeName is a field's type as a .proto file has it.
func typeName(fd protoreflect.FieldDescriptor) string {
	switch fd.Kind() {
	case protoreflect.EnumKind:
		var names []string
		for i := range fd.Enum().Values().Len() {
			names = append(names, string(fd.Enum().Values().Get(i).Name()))
		}
		return fmt.Sprintf("enum %s (%s)", fd.Enum().FullName(), strings.Join(names, ", "))
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return "message " + string(fd.Message().FullName())
	default:
		return fd.Kind().String()
	}
}
