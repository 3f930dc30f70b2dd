package serializer

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// String writes text in a character set, UTF-8 unless told otherwise (Kafka's
// StringSerializer). A Go string has no null: see [Nullable].
//
// In UTF-8 the bytes of the string are written and read as they are, also if
// they are not valid UTF-8; Java would replace invalid ones.
type String struct{ Charset Charset }

// Serialize implements [Serializer].
func (s String) Serialize(dst []byte, _ string, _ *[]Header, v string) ([]byte, error) {
	return s.Charset.append(notNil(dst), v), nil
}

// Deserialize implements [Deserializer].
func (s String) Deserialize(_ string, _ []Header, data []byte) (string, error) {
	if data == nil {
		return "", nullError("string")
	}
	return s.Charset.decode(data), nil
}

// Configure implements [Configurer]: the character set comes from
// key.serializer.encoding or value.serializer.encoding, else from
// serializer.encoding.
func (s *String) Configure(settings map[string]string, isKey bool) error {
	return s.configure(settings, isKey, serializing)
}

func (s *String) configure(settings map[string]string, isKey bool, as role) error {
	return s.Charset.configure(settings, isKey, as)
}

// UUID writes the 36 characters of a UUID, lower case, in a character set
// (Kafka's UUIDSerializer). T is any array of 16 bytes, such as [16]byte or the
// UUID type of a library:
//
//	serializer.UUID[uuid.UUID]{}
//
// Reading takes what Java's UUID.fromString takes: five groups of hexadecimal
// digits of any length, of which the last ones of each group count.
type UUID[T ~[16]byte] struct{ Charset Charset }

const uuidLength = 36

// Serialize implements [Serializer].
func (u UUID[T]) Serialize(dst []byte, _ string, _ *[]Header, v T) ([]byte, error) {
	text := formatUUID(v)
	if u.Charset == UTF8 {
		return append(dst, text[:]...), nil
	}
	return u.Charset.append(dst, string(text[:])), nil
}

// Deserialize implements [Deserializer].
func (u UUID[T]) Deserialize(_ string, _ []Header, data []byte) (T, error) {
	if data == nil {
		return T{}, nullError("UUID")
	}
	var id [16]byte
	var ok bool
	if u.Charset == UTF8 {
		id, ok = parseUUID(data)
	} else {
		id, ok = parseUUID([]byte(u.Charset.decode(data)))
	}
	if !ok {
		return T{}, fmt.Errorf("UUID: %w: %q is none", ErrMalformed, excerpt(string(data)))
	}
	return T(id), nil
}

// Configure implements [Configurer], see [String.Configure].
func (u *UUID[T]) Configure(settings map[string]string, isKey bool) error {
	return u.configure(settings, isKey, serializing)
}

func (u *UUID[T]) configure(settings map[string]string, isKey bool, as role) error {
	return u.Charset.configure(settings, isKey, as)
}

func (u UUID[T]) fixedSize() int {
	switch u.Charset {
	case UTF16:
		return 2 + 2*uuidLength
	case UTF16BE, UTF16LE:
		return 2 * uuidLength
	default:
		return uuidLength
	}
}

func formatUUID(id [16]byte) (text [uuidLength]byte) {
	hex.Encode(text[0:8], id[0:4])
	hex.Encode(text[9:13], id[4:6])
	hex.Encode(text[14:18], id[6:8])
	hex.Encode(text[19:23], id[8:10])
	hex.Encode(text[24:36], id[10:16])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return text
}

// uuidGroups are the bytes of each group of a UUID.
var uuidGroups = [5]int{4, 2, 2, 2, 6}

func parseUUID(text []byte) (id [16]byte, ok bool) {
	if len(text) > uuidLength {
		return id, false
	}
	at := 0
	for i, size := range uuidGroups {
		group, rest, more := bytes.Cut(text, []byte{'-'})
		if last := i == len(uuidGroups)-1; more == last {
			return id, false // too few groups, or too many
		}
		n, err := strconv.ParseInt(string(group), 16, 64)
		if err != nil {
			return id, false
		}
		for j := size - 1; j >= 0; j-- {
			id[at+j] = byte(n)
			n >>= 8
		}
		at += size
		text = rest
	}
	return id, true
}

// role says which settings apply: Kafka has "…serializer.encoding" and
// "…deserializer.encoding".
type role string

const (
	serializing   role = "serializer"
	deserializing role = "deserializer"
)

func side(isKey bool) string {
	if isKey {
		return "key"
	}
	return "value"
}

func (c *Charset) configure(settings map[string]string, isKey bool, as role) error {
	setting := side(isKey) + "." + string(as) + ".encoding"
	name, ok := settings[setting]
	if !ok {
		setting = string(as) + ".encoding"
		name, ok = settings[setting]
	}
	if !ok {
		return nil
	}
	charset, err := ParseCharset(name)
	if err != nil {
		return fmt.Errorf("%s: %w", setting, err)
	}
	*c = charset
	return nil
}

// excerpt shortens a value for an error message.
func excerpt(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
