// Package wireformat is how a record says which schema its key or value has.
//
// Two ways are in use, and readers here take both. In front of the value:
//
//	0, id (4 bytes, big-endian), [message indexes of Protobuf], value
//
// Or in a header of the record, __key_schema_id or __value_schema_id, with
// nothing in front of the value (Confluent Platform 8):
//
//	1, GUID (16 bytes), [message indexes of Protobuf]
//
// A header with 0 and an id is read too. Source: Confluent's documentation of
// the wire format; PrefixSchemaIdSerializer, HeaderSchemaIdSerializer and
// DualSchemaIdDeserializer of its Java serializers.
package wireformat

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/posthaste-go/posthaste/serializer"
)

// The first byte says what follows.
const (
	MagicID   = 0 // a 4-byte id
	MagicGUID = 1 // a 16-byte GUID; in headers only
)

// The headers that hold a schema's GUID.
const (
	KeyHeader   = "__key_schema_id"
	ValueHeader = "__value_schema_id"
)

// PrefixSize is the length of what [AppendID] writes, bytes.
const PrefixSize = 5

// ErrNoSchemaID means that a record does not say which schema it has. It
// matches serializer.ErrMalformed too.
var ErrNoSchemaID = fmt.Errorf("no schema id: %w", serializer.ErrMalformed)

// GUID identifies a schema in every registry.
type GUID [16]byte

// ParseGUID reads the text of a GUID: 8-4-4-4-12 hexadecimal digits.
func ParseGUID(text string) (g GUID, err error) {
	if len(text) != 36 {
		return g, fmt.Errorf("schema GUID %q is not of the form 8-4-4-4-12 hexadecimal digits", text)
	}
	var digits []byte
	for i := range len(text) {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if text[i] != '-' {
				return g, fmt.Errorf("schema GUID %q lacks a dash at %d", text, i)
			}
			continue
		}
		digits = append(digits, text[i])
	}
	if _, err := hex.Decode(g[:], digits); err != nil {
		return g, fmt.Errorf("schema GUID %q: %w", text, err)
	}
	return g, nil
}

// String is the text that ParseGUID reads, in lower case.
func (g GUID) String() string {
	h := hex.EncodeToString(g[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// ID is what a record says of its schema: one of the two.
type ID struct {
	ID   int  // valid if GUID is zero
	GUID GUID // from a header
}

// ByGUID reports whether the schema is named by its GUID.
func (id ID) ByGUID() bool { return id.GUID != GUID{} }

// String is the number or the GUID, for messages.
func (id ID) String() string {
	if id.ByGUID() {
		return id.GUID.String()
	}
	return fmt.Sprint(id.ID)
}

// AppendID appends what stands in front of a value: 0 and the id.
func AppendID(dst []byte, id int) []byte {
	return binary.BigEndian.AppendUint32(append(dst, MagicID), uint32(id))
}

// AppendGUID appends what a header holds: 1 and the GUID.
func AppendGUID(dst []byte, g GUID) []byte { return append(append(dst, MagicGUID), g[:]...) }

// HeaderName is the header that names the schema of a record's key or value.
func HeaderName(isKey bool) string {
	if isKey {
		return KeyHeader
	}
	return ValueHeader
}

// Message is a key or value taken apart.
type Message struct {
	ID       ID
	InHeader bool   // the id came from a header
	Rest     []byte // of the header or of the value, behind the id: indexes, if any
	Payload  []byte // the value; if InHeader is false it is Rest
}

// Parse finds the schema id of a key or value that is not null, in a header if
// there is one, else in front of data. Errors match ErrNoSchemaID.
func Parse(headers []serializer.Header, data []byte, isKey bool) (Message, error) {
	name := HeaderName(isKey)
	for i := len(headers) - 1; i >= 0; i-- { // the last one counts, as in Java
		if headers[i].Key != name {
			continue
		}
		id, rest, err := parseID(headers[i].Value)
		if err != nil {
			return Message{}, fmt.Errorf("header %s: %w", name, err)
		}
		return Message{ID: id, InHeader: true, Rest: rest, Payload: data}, nil
	}
	id, rest, err := parseID(data)
	if err == nil && id.ByGUID() {
		err = fmt.Errorf("%w: a GUID stands in headers only", ErrNoSchemaID)
	}
	if err != nil {
		return Message{}, err
	}
	return Message{ID: id, Rest: rest, Payload: rest}, nil
}

func parseID(b []byte) (id ID, rest []byte, err error) {
	switch {
	case len(b) >= PrefixSize && b[0] == MagicID:
		n := binary.BigEndian.Uint32(b[1:])
		if n > 1<<31-1 {
			return id, nil, fmt.Errorf("%w: id %d is negative in Java", ErrNoSchemaID, int32(n))
		}
		return ID{ID: int(n)}, b[PrefixSize:], nil
	case len(b) >= 17 && b[0] == MagicGUID:
		copy(id.GUID[:], b[1:17])
		if !id.ByGUID() {
			return id, nil, fmt.Errorf("%w: the GUID is all zeros", ErrNoSchemaID)
		}
		return id, b[17:], nil
	case len(b) == 0:
		return id, nil, fmt.Errorf("%w: there are no bytes", ErrNoSchemaID)
	case b[0] > MagicGUID:
		return id, nil, fmt.Errorf("%w: the first byte is 0x%02x, not 0; "+
			"it was written without a schema registry, or by another serializer", ErrNoSchemaID, b[0])
	}
	return id, nil, fmt.Errorf("%w: %d bytes are too few", ErrNoSchemaID, len(b))
}

// maxIndexes bounds the nesting of a Protobuf message in others, as the
// compiler of .proto files does.
const maxIndexes = 32

// ErrIndexes means that message indexes are not what a Protobuf serializer
// writes.
var ErrIndexes = errors.New("malformed message indexes")

// AppendIndexes appends the path to a Protobuf message in its file: which of the
// top-level messages, which of the messages nested in that, and so on, from 0.
// Numbers are zig-zag varints with their count in front; the first top-level
// message, which is nearly always meant, is the single byte 0.
func AppendIndexes(dst []byte, indexes []int) []byte {
	if len(indexes) == 1 && indexes[0] == 0 {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(dst, int64(len(indexes)))
	for _, n := range indexes {
		dst = binary.AppendVarint(dst, int64(n))
	}
	return dst
}

// ParseIndexes reads what AppendIndexes wrote, appending to dst. Errors match
// ErrIndexes and serializer.ErrMalformed.
func ParseIndexes(dst []int, b []byte) (indexes []int, rest []byte, err error) {
	count, n := binary.Varint(b)
	if n <= 0 || count < 0 || count > maxIndexes {
		return nil, nil, fmt.Errorf("%w: count: %w", ErrIndexes, serializer.ErrMalformed)
	}
	b = b[n:]
	if count == 0 {
		return append(dst, 0), b, nil
	}
	for range count {
		index, n := binary.Varint(b)
		if n <= 0 || index < 0 || index > 1<<31-1 {
			return nil, nil, fmt.Errorf("%w: index: %w", ErrIndexes, serializer.ErrMalformed)
		}
		dst, b = append(dst, int(index)), b[n:]
	}
	return dst, b, nil
}
