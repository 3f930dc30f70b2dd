package protocol

import (
	"encoding/binary"
	"errors"
)

// ErrMalformed is matched by every error about bytes that are not the message
// they should be.
var ErrMalformed = errors.New("malformed message")

var (
	errShort  = malformed("it ends in the middle of a field")
	errLength = malformed("a length is negative or larger than what is left")
	errVarint = malformed("a number has more bytes than it may")
)

type malformedError string

func malformed(what string) error { return malformedError(what) }

func (e malformedError) Error() string        { return ErrMalformed.Error() + ": " + string(e) }
func (e malformedError) Is(target error) bool { return target == ErrMalformed }

// Reader reads a message field by field. After the first error every field is
// zero and Err says what was wrong. Byte slices alias the message.
type Reader struct {
	b   []byte
	err error
}

// NewReader starts at the first byte of b.
func NewReader(b []byte) Reader { return Reader{b: b} }

// Err is the first error, or nil.
func (r *Reader) Err() error { return r.err }

// Rest is what has not been read; nil after an error.
func (r *Reader) Rest() []byte { return r.b }

func (r *Reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

// Span reads n bytes.
func (r *Reader) Span(n int) []byte {
	if n < 0 || n > len(r.b) {
		if n < 0 || r.err != nil {
			r.fail(errLength)
		} else {
			r.fail(errShort)
		}
		return nil
	}
	s := r.b[:n:n]
	r.b = r.b[n:]
	return s
}

// Int8 reads one byte.
func (r *Reader) Int8() int8 {
	if s := r.Span(1); s != nil {
		return int8(s[0])
	}
	return 0
}

// Bool reads one byte; all but 0 is true.
func (r *Reader) Bool() bool { return r.Int8() != 0 }

// Int16 reads two bytes.
func (r *Reader) Int16() int16 {
	if s := r.Span(2); s != nil {
		return int16(binary.BigEndian.Uint16(s))
	}
	return 0
}

// Int32 reads four bytes.
func (r *Reader) Int32() int32 {
	if s := r.Span(4); s != nil {
		return int32(binary.BigEndian.Uint32(s))
	}
	return 0
}

// Int64 reads eight bytes.
func (r *Reader) Int64() int64 {
	if s := r.Span(8); s != nil {
		return int64(binary.BigEndian.Uint64(s))
	}
	return 0
}

// UUID reads sixteen bytes.
func (r *Reader) UUID() (id [16]byte) {
	copy(id[:], r.Span(16))
	return id
}

// Uvarint reads an unsigned number of at most five bytes (KIP-482).
func (r *Reader) Uvarint() uint32 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		x := uint32(r.b[0])
		r.b = r.b[1:]
		return x
	}
	x, n := binary.Uvarint(r.b)
	switch {
	case n == 0:
		r.fail(errShort)
	case n < 0 || x > 1<<32-1:
		r.fail(errVarint)
	default:
		r.b = r.b[n:]
		return uint32(x)
	}
	return 0
}

// NullableString reads a string with an int16 length; nil if it is null.
func (r *Reader) NullableString() []byte {
	n := r.Int16()
	if n == -1 || r.err != nil {
		return nil
	}
	return r.Span(int(n))
}

// CompactNullableString reads a string with a compact length; nil if null.
func (r *Reader) CompactNullableString() []byte {
	n := r.Uvarint()
	if n == 0 || r.err != nil {
		return nil
	}
	return r.Span(int(n - 1))
}

// NullableBytes reads bytes with an int32 length; nil if they are null.
func (r *Reader) NullableBytes() []byte {
	n := r.Int32()
	if n == -1 || r.err != nil {
		return nil
	}
	return r.Span(int(n))
}

// ArrayLen reads the int32 length of an array of elements of at least one byte
// each; null counts as empty. The length never exceeds the bytes that are left.
func (r *Reader) ArrayLen() int { return r.arrayLen(int64(r.Int32())) }

// CompactArrayLen is ArrayLen with a compact length.
func (r *Reader) CompactArrayLen() int { return r.arrayLen(int64(r.Uvarint()) - 1) }

func (r *Reader) arrayLen(n int64) int {
	if n == -1 || r.err != nil {
		return 0
	}
	if n < 0 || n > int64(len(r.b)) {
		r.fail(errLength)
		return 0
	}
	return int(n)
}

// Tags passes over tagged fields, none of which it knows.
func (r *Reader) Tags() {
	for n := r.Uvarint(); n > 0 && r.err == nil; n-- {
		r.Uvarint() // tag
		r.Span(int(r.Uvarint()))
	}
}

// AppendString appends a string with its int16 length.
func AppendString[S ~string | ~[]byte](dst []byte, s S) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(s)))
	return append(dst, s...)
}

// AppendCompactString appends a string with its compact length.
func AppendCompactString[S ~string | ~[]byte](dst []byte, s S) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s))+1)
	return append(dst, s...)
}

// AppendCompactLen appends the compact length of n elements or bytes.
func AppendCompactLen(dst []byte, n int) []byte {
	return binary.AppendUvarint(dst, uint64(n)+1)
}
