// Package serializer turns keys and values into the bytes of a record and back.
//
// Every type here writes exactly the bytes that the class of the same name in
// Kafka's Java client writes (org.apache.kafka.common.serialization), so that
// services in both languages can share a topic. A codec is one small value that
// works in both directions:
//
//	codec := serializer.Int64{}
//	b, err := codec.Serialize([]byte{}, "orders", nil, 42) // 8 bytes, big-endian
//	n, err := codec.Deserialize("orders", nil, b)          // 42
//
// # Null and empty
//
// Kafka tells a null key or value (a tombstone on a compacted topic) from an
// empty one. A nil result of Serialize is null, an empty result that is not nil
// is empty. Types without a nil of their own, such as int32 and string, get one
// from [Nullable]: the codec then takes a pointer. Reading null into a type that
// cannot hold it fails with [ErrNull] rather than inventing a zero.
//
// # Names
//
// [ByName] and [DeserializerByName] find a codec by Kafka's class name or by a
// short word ("string", "long", "json") and convert text to its type, which is
// what properties files and command lines need.
//
// Who calls this package: the producer, on the goroutine that sends. It imports
// nothing of the module.
package serializer

import "errors"

// Header is one header of a record. Headers are ordered and their keys may
// repeat; a nil Value is null on the wire and differs from an empty one.
type Header struct {
	Key   string
	Value []byte
}

// Serializer turns a T into bytes of a record's key or value. An implementation
// must be safe for concurrent use: one instance serves all senders.
type Serializer[T any] interface {
	// Serialize appends the bytes of v to dst and returns the extended slice.
	//
	//	dst      never nil when the producer calls; its first len(dst) bytes stay as they are
	//	topic    where the record goes; several topics may share a serializer
	//	headers  the record's headers so far, to read or extend; may be nil
	//	result   nil means null; dst itself, unextended, means empty
	//
	// The result must not alias v, since v belongs to the caller again once
	// Serialize has returned. With an error the result is ignored.
	Serialize(dst []byte, topic string, headers *[]Header, v T) ([]byte, error)
}

// Deserializer turns bytes of a record's key or value into a T. An
// implementation must be safe for concurrent use.
type Deserializer[T any] interface {
	// Deserialize reads all of data; nil means null. It must not keep data,
	// whose memory may be used again after the call.
	Deserialize(topic string, headers []Header, data []byte) (T, error)
}

// Configurer is implemented by serializers that have settings, such as the
// character set of [String]. A serializer found by name is configured once,
// before its first use, with all settings of the client; isKey says which side
// it serves. An instance that the program made itself is not configured, as in
// Java.
type Configurer interface {
	Configure(settings map[string]string, isKey bool) error
}

// Errors of this package match one of these with errors.Is. They are what Java
// reports as SerializationException.
var (
	// ErrNull means that null was read into a type that cannot hold it.
	ErrNull = errors.New("null cannot be read into this type")
	// ErrMalformed means that bytes are not what the type's serializer writes.
	ErrMalformed = errors.New("malformed data")
	// ErrValue means that a value does not fit the serializer's type.
	ErrValue = errors.New("value does not fit the serializer")
	// ErrUnknown means that a name is neither a known class nor a short word,
	// or that a setting names an unknown character set.
	ErrUnknown = errors.New("unknown name")
)
