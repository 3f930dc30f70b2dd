package serializer

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Serde is a codec that works in both directions; all types of this package do.
type Serde[T any] interface {
	Serializer[T]
	Deserializer[T]
}

// Bytes passes bytes through: nil is null, an empty slice is empty. It stands
// for Kafka's ByteArraySerializer, BytesSerializer and ByteBufferSerializer; for
// the last one give it buffer[:limit], since Kafka rewinds a ByteBuffer and
// writes it up to its limit.
type Bytes struct{}

// Serialize implements [Serializer].
func (Bytes) Serialize(dst []byte, _ string, _ *[]Header, v []byte) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	return append(notNil(dst), v...), nil
}

// Deserialize implements [Deserializer]. The result is a copy.
func (Bytes) Deserialize(_ string, _ []Header, data []byte) ([]byte, error) {
	if data == nil {
		return nil, nil
	}
	return append([]byte{}, data...), nil
}

// notNil keeps an empty value from becoming null when a caller appends to nil.
func notNil(dst []byte) []byte {
	if dst == nil {
		return []byte{}
	}
	return dst
}

// Int16 writes 2 bytes, big-endian (Kafka's ShortSerializer).
type Int16 struct{}

// Serialize implements [Serializer].
func (Int16) Serialize(dst []byte, _ string, _ *[]Header, v int16) ([]byte, error) {
	return binary.BigEndian.AppendUint16(dst, uint16(v)), nil
}

// Deserialize implements [Deserializer].
func (Int16) Deserialize(_ string, _ []Header, data []byte) (int16, error) {
	if len(data) != 2 {
		return 0, sizeError("int16", data, 2)
	}
	return int16(binary.BigEndian.Uint16(data)), nil
}

func (Int16) fixedSize() int { return 2 }

// Int32 writes 4 bytes, big-endian (Kafka's IntegerSerializer).
type Int32 struct{}

// Serialize implements [Serializer].
func (Int32) Serialize(dst []byte, _ string, _ *[]Header, v int32) ([]byte, error) {
	return binary.BigEndian.AppendUint32(dst, uint32(v)), nil
}

// Deserialize implements [Deserializer].
func (Int32) Deserialize(_ string, _ []Header, data []byte) (int32, error) {
	if len(data) != 4 {
		return 0, sizeError("int32", data, 4)
	}
	return int32(binary.BigEndian.Uint32(data)), nil
}

func (Int32) fixedSize() int { return 4 }

// Int64 writes 8 bytes, big-endian (Kafka's LongSerializer).
type Int64 struct{}

// Serialize implements [Serializer].
func (Int64) Serialize(dst []byte, _ string, _ *[]Header, v int64) ([]byte, error) {
	return binary.BigEndian.AppendUint64(dst, uint64(v)), nil
}

// Deserialize implements [Deserializer].
func (Int64) Deserialize(_ string, _ []Header, data []byte) (int64, error) {
	if len(data) != 8 {
		return 0, sizeError("int64", data, 8)
	}
	return int64(binary.BigEndian.Uint64(data)), nil
}

func (Int64) fixedSize() int { return 8 }

// Float32 writes the 4 bytes of the IEEE 754 bits, big-endian (Kafka's
// FloatSerializer). Every NaN keeps its bits.
type Float32 struct{}

// Serialize implements [Serializer].
func (Float32) Serialize(dst []byte, _ string, _ *[]Header, v float32) ([]byte, error) {
	return binary.BigEndian.AppendUint32(dst, math.Float32bits(v)), nil
}

// Deserialize implements [Deserializer].
func (Float32) Deserialize(_ string, _ []Header, data []byte) (float32, error) {
	if len(data) != 4 {
		return 0, sizeError("float32", data, 4)
	}
	return math.Float32frombits(binary.BigEndian.Uint32(data)), nil
}

func (Float32) fixedSize() int { return 4 }

// Float64 writes the 8 bytes of the IEEE 754 bits, big-endian (Kafka's
// DoubleSerializer). Every NaN becomes 0x7ff8000000000000, as in Java.
type Float64 struct{}

// Serialize implements [Serializer].
func (Float64) Serialize(dst []byte, _ string, _ *[]Header, v float64) ([]byte, error) {
	bits := math.Float64bits(v)
	if v != v {
		bits = 0x7ff8000000000000 // Double.doubleToLongBits
	}
	return binary.BigEndian.AppendUint64(dst, bits), nil
}

// Deserialize implements [Deserializer].
func (Float64) Deserialize(_ string, _ []Header, data []byte) (float64, error) {
	if len(data) != 8 {
		return 0, sizeError("float64", data, 8)
	}
	return math.Float64frombits(binary.BigEndian.Uint64(data)), nil
}

func (Float64) fixedSize() int { return 8 }

// Bool writes one byte, 1 or 0, and reads no other (Kafka's BooleanSerializer).
type Bool struct{}

// Serialize implements [Serializer].
func (Bool) Serialize(dst []byte, _ string, _ *[]Header, v bool) ([]byte, error) {
	if v {
		return append(dst, 1), nil
	}
	return append(dst, 0), nil
}

// Deserialize implements [Deserializer].
func (Bool) Deserialize(_ string, _ []Header, data []byte) (bool, error) {
	if len(data) != 1 {
		return false, sizeError("bool", data, 1)
	}
	if data[0] > 1 {
		return false, fmt.Errorf("bool: %w: byte %#02x, want 0 or 1", ErrMalformed, data[0])
	}
	return data[0] == 1, nil
}

// Void writes null, whatever happens (Kafka's VoidSerializer): for keys that are
// never there. Reading anything but null fails.
type Void struct{}

// Serialize implements [Serializer].
func (Void) Serialize([]byte, string, *[]Header, struct{}) ([]byte, error) {
	return nil, nil
}

// Deserialize implements [Deserializer].
func (Void) Deserialize(_ string, _ []Header, data []byte) (struct{}, error) {
	if data != nil {
		return struct{}{}, fmt.Errorf("void: %w: %d bytes, want null", ErrMalformed, len(data))
	}
	return struct{}{}, nil
}

// sizeError says why data, whose length is not want, is no value of the type.
func sizeError(typ string, data []byte, want int) error {
	if data == nil {
		return nullError(typ)
	}
	return fmt.Errorf("%s: %w: %d bytes, want %d", typ, ErrMalformed, len(data), want)
}

func nullError(typ string) error {
	return fmt.Errorf("%s: %w; use serializer.Nullable", typ, ErrNull)
}
