package serializer

// Nullable gives null to a type without a nil of its own: the codec takes a
// pointer, and nil is null.
//
//	codec := serializer.Nullable(serializer.Int32{}) // a Serde[*int32]
//
// Bytes, lists and JSON of pointers, maps and slices have null already.
func Nullable[T any](of Serde[T]) Serde[*T] { return nullable[T]{of} }

type nullable[T any] struct{ of Serde[T] }

func (n nullable[T]) Serialize(
	dst []byte, topic string, headers *[]Header, v *T,
) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	return n.of.Serialize(dst, topic, headers, *v)
}

func (n nullable[T]) Deserialize(topic string, headers []Header, data []byte) (*T, error) {
	if data == nil {
		return nil, nil
	}
	v, err := n.of.Deserialize(topic, headers, data)
	if err != nil {
		return nil, err
	}
	return &v, nil
}

func (n nullable[T]) fixedSize() int { return sizeOf(n.of) }

// Configure implements [Configurer] for what it wraps.
func (n nullable[T]) Configure(settings map[string]string, isKey bool) error {
	if c, ok := n.of.(Configurer); ok {
		return c.Configure(settings, isKey)
	}
	return nil
}

// fixedSizer is implemented by codecs whose values all have one size, as far as
// Kafka's ListSerializer treats them so.
type fixedSizer interface{ fixedSize() int }

// sizeOf is the fixed size of a codec's values in bytes, or 0 if there is none.
func sizeOf(codec any) int {
	if f, ok := codec.(fixedSizer); ok {
		return f.fixedSize()
	}
	return 0
}
