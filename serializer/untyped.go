package serializer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
)

// untyped is what a name stands for: both directions for values of any type.
type untyped interface {
	Serde[any]
	Configurer
	fixedSizer
}

// converting takes values of type T, pointers to them, text that parse
// understands and numbers and booleans as if they were text.
type converting[T any] struct {
	codec Serde[T]
	as    role
	want  string // the type, in words for errors: "is not a 32-bit number (…)"
	parse func(text string) (T, error)
}

func (c *converting[T]) Serialize(
	dst []byte, topic string, headers *[]Header, v any,
) ([]byte, error) {
	var typed T
	var err error
	switch v := v.(type) {
	case nil:
		return nil, nil
	case T:
		typed = v
	case *T:
		if v == nil {
			return nil, nil
		}
		typed = *v
	case string:
		typed, err = c.fromText(v)
	case []byte:
		if v == nil {
			return nil, nil
		}
		typed, err = c.fromText(string(v))
	default:
		text, ok := textOf(v)
		if !ok {
			return nil, fmt.Errorf("%w: %T is not %s", ErrValue, v, c.want)
		}
		typed, err = c.fromText(text)
	}
	if err != nil {
		return nil, err
	}
	return c.codec.Serialize(dst, topic, headers, typed)
}

func (c *converting[T]) fromText(text string) (T, error) {
	v, err := c.parse(text)
	if err != nil {
		return v, fmt.Errorf("%w: %q is not %s", ErrValue, excerpt(text), c.want)
	}
	return v, nil
}

// textOf is a number, boolean or string of whatever type as text.
func textOf(v any) (text string, ok bool) {
	switch rv := reflect.ValueOf(v); {
	case rv.CanInt():
		return strconv.FormatInt(rv.Int(), 10), true
	case rv.CanUint():
		return strconv.FormatUint(rv.Uint(), 10), true
	case rv.CanFloat(): // without exponent, so that whole numbers look whole
		return strconv.FormatFloat(rv.Float(), 'f', -1, rv.Type().Bits()), true
	case rv.Kind() == reflect.Bool:
		return strconv.FormatBool(rv.Bool()), true
	case rv.Kind() == reflect.String:
		return rv.String(), true
	default:
		return "", false
	}
}

func (c *converting[T]) Deserialize(topic string, headers []Header, data []byte) (any, error) {
	if data == nil {
		return nil, nil
	}
	v, err := c.codec.Deserialize(topic, headers, data)
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (c *converting[T]) Configure(settings map[string]string, isKey bool) error {
	type configurable interface {
		configure(settings map[string]string, isKey bool, as role) error
	}
	if codec, ok := c.codec.(configurable); ok {
		return codec.configure(settings, isKey, c.as)
	}
	return nil
}

func (c *converting[T]) fixedSize() int { return sizeOf(c.codec) }

// jsonText takes JSON as text, which must be valid and is written as it stands,
// and every other value through encoding/json.
type jsonText struct{}

func (jsonText) Serialize(dst []byte, topic string, headers *[]Header, v any) ([]byte, error) {
	var text []byte
	switch v := v.(type) {
	case string:
		text = []byte(v)
	case []byte:
		if v == nil {
			return nil, nil
		}
		text = v
	case json.RawMessage:
		if v == nil {
			return nil, nil
		}
		text = v
	default:
		return JSON[any]{}.Serialize(dst, topic, headers, v)
	}
	var parsed json.RawMessage
	if err := json.Unmarshal(text, &parsed); err != nil {
		return nil, fmt.Errorf("%w: %q is not JSON: %w", ErrValue, excerpt(string(text)), err)
	}
	return append(notNil(dst), text...), nil
}

// Deserialize returns a json.RawMessage, so that no number loses digits.
func (jsonText) Deserialize(topic string, headers []Header, data []byte) (any, error) {
	if data == nil {
		return nil, nil
	}
	if !json.Valid(data) {
		return JSON[any]{}.Deserialize(topic, headers, data) // for its error
	}
	return json.RawMessage(bytes.Clone(data)), nil
}

func (jsonText) Configure(map[string]string, bool) error { return nil }
func (jsonText) fixedSize() int                          { return 0 }

// listOf takes a []any, or a JSON array as text, whose elements it hands to the
// inner codec: strings as their text, null as nil, all else as JSON text. It has
// no inner codec until Configure finds it in the settings, unless its name has
// it: "list<int>".
type listOf struct {
	as    role
	inner untyped
}

func (l *listOf) Serialize(
	dst []byte, topic string, headers *[]Header, v any,
) ([]byte, error) {
	if err := l.ready(); err != nil {
		return nil, err
	}
	entries, err := l.entries(v)
	if err != nil {
		return nil, err
	}
	return List[any](l.inner).Serialize(dst, topic, headers, entries)
}

func (l *listOf) entries(v any) ([]any, error) {
	var text []byte
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []any:
		return v, nil
	case string:
		text = []byte(v)
	case []byte:
		if v == nil {
			return nil, nil
		}
		text = v
	default:
		return nil, fmt.Errorf("%w: %T is not a list", ErrValue, v)
	}
	var raw []json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil || raw == nil {
		return nil, fmt.Errorf("%w: %q is not a list, a JSON array such as [1, null, 3]",
			ErrValue, excerpt(string(text)))
	}
	_, innerIsJSON := l.inner.(jsonText)
	entries := make([]any, len(raw))
	for i, r := range raw {
		var unquoted string
		switch {
		case string(r) == "null":
		case !innerIsJSON && json.Unmarshal(r, &unquoted) == nil:
			entries[i] = unquoted
		default:
			entries[i] = string(r)
		}
	}
	return entries, nil
}

func (l *listOf) Deserialize(topic string, headers []Header, data []byte) (any, error) {
	if err := l.ready(); err != nil {
		return nil, err
	}
	if data == nil {
		return nil, nil
	}
	v, err := List[any](l.inner).Deserialize(topic, headers, data)
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (l *listOf) ready() error {
	if l.inner != nil {
		return nil
	}
	return fmt.Errorf("%w: list has no element type; name it as in list<int>, "+
		"or set default.list.value.serde.inner (for keys default.list.key.serde.inner)",
		ErrUnknown)
}

// Configure finds the element type in Kafka's setting, the class name of a
// Serde, and configures it.
func (l *listOf) Configure(settings map[string]string, isKey bool) error {
	if l.inner == nil {
		setting := "default.list." + side(isKey) + ".serde.inner"
		class, ok := settings[setting]
		if !ok {
			return l.ready()
		}
		inner, err := byName(class, l.as)
		if err != nil {
			return fmt.Errorf("%s: %w", setting, err)
		}
		l.inner = inner
	}
	return l.inner.Configure(settings, isKey)
}

func (l *listOf) fixedSize() int { return 0 }
