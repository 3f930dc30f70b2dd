package protobuf

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/posthaste-go/posthaste/serializer"
)

// maxDepth bounds how deep messages hold messages, as Java's reader does.
const maxDepth = 100

// misfit is why a value cannot be a field's.
func misfit(path string, v any, want string, cause error) error {
	return &serializer.FieldError{Path: path, Value: v, Want: want, Err: cause}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// fill sets the fields of m from a map: by their name in the schema or in JSON.
func fill(m protoreflect.Message, values map[string]any, path string, depth int) error {
	if depth > maxDepth {
		return misfit(path, values, "", fmt.Errorf("messages are nested more than %d deep", maxDepth))
	}
	fields := m.Descriptor().Fields()
	oneofs := map[protoreflect.Name]string{}
	for name, v := range values {
		f := fields.ByName(protoreflect.Name(name))
		if f == nil {
			f = fields.ByJSONName(name)
		}
		at := join(path, name)
		if f == nil {
			return misfit(at, v, "", fmt.Errorf("message %s has no field %s",
				m.Descriptor().FullName(), name))
		}
		if v == nil {
			continue
		}
		if o := f.ContainingOneof(); o != nil && !o.IsSynthetic() {
			if other, both := oneofs[o.Name()]; both {
				return misfit(at, v, "", fmt.Errorf("oneof %s has %s already", o.Name(), other))
			}
			oneofs[o.Name()] = name
		}
		if err := setField(m, f, v, at, depth); err != nil {
			return err
		}
	}
	return requiredFields(m, path)
}

func requiredFields(m protoreflect.Message, path string) error {
	for _, n := range all(m.Descriptor().RequiredNumbers()) {
		if f := m.Descriptor().Fields().ByNumber(n); !m.Has(f) {
			return misfit(join(path, string(f.Name())), nil, describe(f),
				errors.New("the field is required"))
		}
	}
	return nil
}

func all(numbers protoreflect.FieldNumbers) (list []protoreflect.FieldNumber) {
	for i := range numbers.Len() {
		list = append(list, numbers.Get(i))
	}
	return list
}

func setField(
	m protoreflect.Message, f protoreflect.FieldDescriptor, v any, path string, depth int,
) error {
	switch {
	case f.IsMap():
		return setMap(m, f, v, path, depth)
	case f.IsList():
		items, ok := listOf(v)
		if !ok {
			return misfit(path, v, describe(f), nil)
		}
		to := m.Mutable(f).List()
		for i, item := range items {
			pv, err := toValue(f, to.NewElement, item, fmt.Sprintf("%s[%d]", path, i), depth)
			if err != nil {
				return err
			}
			to.Append(pv)
		}
		return nil
	}
	pv, err := toValue(f, func() protoreflect.Value { return m.NewField(f) }, v, path, depth)
	if err != nil {
		return err
	}
	m.Set(f, pv)
	return nil
}

func setMap(
	m protoreflect.Message, f protoreflect.FieldDescriptor, v any, path string, depth int,
) error {
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Map {
		return misfit(path, v, describe(f), nil)
	}
	to := m.Mutable(f).Map()
	for _, key := range rv.MapKeys() {
		at := fmt.Sprintf("%s[%q]", path, fmt.Sprint(key.Interface()))
		var given any = key.Interface()
		if text, ok := given.(string); ok && f.MapKey().Kind() != protoreflect.StringKind {
			given = json.Number(text) // JSON has text keys only
			if f.MapKey().Kind() == protoreflect.BoolKind {
				given = text == "true"
			}
		}
		k, err := scalar(f.MapKey(), given, at)
		if err != nil {
			return err
		}
		pv, err := toValue(f.MapValue(), to.NewValue, rv.MapIndex(key).Interface(), at, depth)
		if err != nil {
			return err
		}
		to.Set(k.MapKey(), pv)
	}
	return nil
}

// listOf is v as a slice; bytes are none.
func listOf(v any) ([]any, bool) {
	if items, ok := v.([]any); ok {
		return items, true
	}
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Slice || rv.Type().Elem().Kind() == reflect.Uint8 {
		return nil, false
	}
	items := make([]any, rv.Len())
	for i := range items {
		items[i] = rv.Index(i).Interface()
	}
	return items, true
}

// toValue is v as one value of f; fresh makes an empty message.
func toValue(
	f protoreflect.FieldDescriptor, fresh func() protoreflect.Value, v any, path string, depth int,
) (protoreflect.Value, error) {
	if f.Message() == nil {
		return scalar(f, v, path)
	}
	to := fresh()
	if pm, ok := v.(proto.Message); ok && pm.ProtoReflect().Descriptor().FullName() ==
		f.Message().FullName() {
		b, err := proto.Marshal(pm)
		if err == nil {
			err = proto.Unmarshal(b, to.Message().Interface())
		}
		return to, err
	}
	if wellKnown(f.Message()) {
		return to, setWellKnown(to.Message(), v, path)
	}
	values, ok := v.(map[string]any)
	if !ok {
		return to, misfit(path, v, describe(f), nil)
	}
	return to, fill(to.Message(), values, path, depth+1)
}

// wellKnown reports whether JSON has a form of its own for a message.
func wellKnown(m protoreflect.MessageDescriptor) bool {
	if m.FullName().Parent() != "google.protobuf" {
		return false
	}
	switch m.Name() {
	case "Timestamp", "Duration", "Struct", "Value", "ListValue", "FieldMask", "Any", "Empty",
		"DoubleValue", "FloatValue", "Int64Value", "UInt64Value", "Int32Value", "UInt32Value",
		"BoolValue", "StringValue", "BytesValue":
		return true
	}
	return false
}

// setWellKnown takes Go's own types and what JSON writes for the message.
func setWellKnown(m protoreflect.Message, v any, path string) error {
	name := m.Descriptor().Name()
	set := func(seconds int64, nanos int) {
		fields := m.Descriptor().Fields()
		m.Set(fields.ByName("seconds"), protoreflect.ValueOfInt64(seconds))
		m.Set(fields.ByName("nanos"), protoreflect.ValueOfInt32(int32(nanos)))
	}
	switch given := v.(type) {
	case time.Time:
		if name == "Timestamp" {
			set(given.Unix(), given.Nanosecond())
			return nil
		}
	case time.Duration:
		if name == "Duration" {
			set(int64(given/time.Second), int(given%time.Second))
			return nil
		}
	}
	text, err := json.Marshal(v)
	if err == nil {
		err = protojson.Unmarshal(text, m.Interface())
	}
	if err != nil {
		return misfit(path, v, string(m.Descriptor().FullName()), nil)
	}
	return nil
}

// scalar is v as a value that is no message.
func scalar(
	f protoreflect.FieldDescriptor, v any, path string,
) (out protoreflect.Value, err error) {
	bad := misfit(path, v, describe(f), nil)
	switch f.Kind() {
	case protoreflect.StringKind:
		if s, ok := v.(string); ok {
			return protoreflect.ValueOfString(s), nil
		}
	case protoreflect.BoolKind:
		if b, ok := v.(bool); ok {
			return protoreflect.ValueOfBool(b), nil
		}
	case protoreflect.BytesKind:
		switch b := v.(type) {
		case []byte:
			return protoreflect.ValueOfBytes(slices.Clone(b)), nil
		case string: // as JSON has it
			if decoded, err := base64.StdEncoding.DecodeString(b); err == nil {
				return protoreflect.ValueOfBytes(decoded), nil
			}
			return out, misfit(path, v, describe(f), errors.New("text must be base64"))
		}
	case protoreflect.EnumKind:
		return enumValue(f, v, bad)
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		n, ok := float(v)
		switch {
		case !ok:
		case f.Kind() == protoreflect.DoubleKind:
			return protoreflect.ValueOfFloat64(n), nil
		case math.Abs(n) <= math.MaxFloat32 || math.IsInf(n, 0) || math.IsNaN(n):
			return protoreflect.ValueOfFloat32(float32(n)), nil
		}
	default:
		return integer(f.Kind(), v, bad)
	}
	return out, bad
}

func enumValue(
	f protoreflect.FieldDescriptor, v any, bad error,
) (out protoreflect.Value, err error) {
	if name, ok := v.(string); ok {
		if e := f.Enum().Values().ByName(protoreflect.Name(name)); e != nil {
			return protoreflect.ValueOfEnum(e.Number()), nil
		}
		return out, bad
	}
	n, ok := whole(v)
	if !ok || n != int64(int32(n)) {
		return out, bad
	}
	if f.Enum().IsClosed() && f.Enum().Values().ByNumber(protoreflect.EnumNumber(n)) == nil {
		return out, bad
	}
	return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n)), nil
}

func integer(kind protoreflect.Kind, v any, bad error) (out protoreflect.Value, err error) {
	switch kind {
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind,
		protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		n, ok := unsigned(v)
		switch {
		case !ok:
		case kind == protoreflect.Uint64Kind || kind == protoreflect.Fixed64Kind:
			return protoreflect.ValueOfUint64(n), nil
		case n <= math.MaxUint32:
			return protoreflect.ValueOfUint32(uint32(n)), nil
		}
		return out, bad
	}
	n, ok := whole(v)
	switch {
	case !ok:
	case kind == protoreflect.Int64Kind || kind == protoreflect.Sint64Kind ||
		kind == protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(n), nil
	case n == int64(int32(n)):
		return protoreflect.ValueOfInt32(int32(n)), nil
	}
	return out, bad
}

func float(v any) (float64, bool) {
	switch n := v.(type) {
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	case string: // as JSON has what no number is
		switch n {
		case "NaN", "Infinity", "-Infinity":
			f, err := strconv.ParseFloat(strings.TrimSuffix(n, "inity"), 64)
			return f, err == nil
		}
		return 0, false
	}
	switch rv := reflect.ValueOf(v); {
	case rv.CanFloat():
		return rv.Float(), true
	case rv.CanInt():
		return float64(rv.Int()), true
	case rv.CanUint():
		return float64(rv.Uint()), true
	}
	return 0, false
}

func whole(v any) (int64, bool) {
	if n, ok := v.(json.Number); ok {
		i, err := n.Int64()
		return i, err == nil
	}
	if s, ok := v.(string); ok { // JSON of Protobuf has 64-bit numbers as text
		i, err := strconv.ParseInt(s, 10, 64)
		return i, err == nil
	}
	switch rv := reflect.ValueOf(v); {
	case rv.CanInt():
		return rv.Int(), true
	case rv.CanUint() && rv.Uint() <= math.MaxInt64:
		return int64(rv.Uint()), true
	case rv.CanFloat():
		f := rv.Float()
		return int64(f), f == math.Trunc(f) && math.Abs(f) <= 1<<53
	}
	return 0, false
}

func unsigned(v any) (uint64, bool) {
	if n, ok := v.(json.Number); ok {
		v = string(n)
	}
	if s, ok := v.(string); ok {
		u, err := strconv.ParseUint(s, 10, 64)
		return u, err == nil
	}
	if rv := reflect.ValueOf(v); rv.CanUint() {
		return rv.Uint(), true
	}
	n, ok := whole(v)
	return uint64(n), ok && n >= 0
}

// describe is a field's type in a few words.
func describe(f protoreflect.FieldDescriptor) string {
	switch {
	case f.IsMap():
		return "map of " + describe(f.MapKey()) + " to " + describe(f.MapValue())
	case f.Message() != nil:
		return listed(f, "message "+string(f.Message().FullName()))
	case f.Enum() != nil:
		var names []string
		for i := range min(f.Enum().Values().Len(), 20) {
			names = append(names, string(f.Enum().Values().Get(i).Name()))
		}
		return listed(f, "enum "+string(f.Enum().Name())+" ("+strings.Join(names, ", ")+")")
	}
	return listed(f, f.Kind().String())
}

func listed(f protoreflect.FieldDescriptor, what string) string {
	if f.IsList() {
		return "list of " + what
	}
	return what
}

// toMap is a message as a map: fields by their name in the schema. Fields
// without presence are there with their default, others only if they are set.
func toMap(m protoreflect.Message) map[string]any {
	out := map[string]any{}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if m.Has(f) || !f.HasPresence() {
			out[string(f.Name())] = fromField(f, m.Get(f))
		}
	}
	return out
}

func fromField(f protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch {
	case f.IsMap():
		out := map[string]any{}
		v.Map().Range(func(k protoreflect.MapKey, item protoreflect.Value) bool {
			out[k.String()] = fromValue(f.MapValue(), item)
			return true
		})
		return out
	case f.IsList():
		out := make([]any, v.List().Len())
		for i := range out {
			out[i] = fromValue(f, v.List().Get(i))
		}
		return out
	}
	return fromValue(f, v)
}

func fromValue(f protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch {
	case f.Enum() != nil:
		if e := f.Enum().Values().ByNumber(v.Enum()); e != nil {
			return string(e.Name())
		}
		return int32(v.Enum())
	case f.Message() == nil:
		if f.Kind() == protoreflect.BytesKind {
			return slices.Clone(v.Bytes())
		}
		return v.Interface()
	case wellKnown(f.Message()):
		return fromWellKnown(v.Message())
	}
	return toMap(v.Message())
}

// fromWellKnown is a time.Time, a time.Duration, a wrapped value, or what JSON
// has for the message.
func fromWellKnown(m protoreflect.Message) any {
	fields := m.Descriptor().Fields()
	switch name := m.Descriptor().Name(); name {
	case "Timestamp":
		return time.Unix(m.Get(fields.ByName("seconds")).Int(),
			m.Get(fields.ByName("nanos")).Int()).UTC()
	case "Duration":
		seconds, nanos := m.Get(fields.ByName("seconds")).Int(), m.Get(fields.ByName("nanos")).Int()
		const most = math.MaxInt64 / int64(time.Second)
		if seconds < most && seconds > -most {
			return time.Duration(seconds)*time.Second + time.Duration(nanos)
		}
	default:
		if strings.HasSuffix(string(name), "Value") && fields.Len() == 1 && !fields.Get(0).IsList() {
			return fromValue(fields.Get(0), m.Get(fields.Get(0)))
		}
	}
	text, err := protojson.Marshal(m.Interface())
	if err != nil {
		return toMap(m) // an Any of a type that is not linked
	}
	var out any
	if json.Unmarshal(text, &out) != nil {
		return toMap(m)
	}
	return out
}

// dynamic makes a message of a map.
func dynamic(m protoreflect.MessageDescriptor, values map[string]any) (proto.Message, error) {
	out := dynamicpb.NewMessage(m)
	return out, fill(out, values, "", 0)
}
