package serializer

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Charset is how [String] and [UUID] turn text into bytes: one of the character
// sets that every Java has. The zero value is UTF-8.
type Charset uint8

const (
	UTF8    Charset = iota // bytes as they are in the Go string, valid or not
	UTF16                  // big-endian after a byte order mark; reads both orders
	UTF16BE                // big-endian without a mark
	UTF16LE                // little-endian without a mark
	Latin1                 // ISO-8859-1; other characters become '?'
	ASCII                  // US-ASCII; other characters become '?'
)

// charsets holds Java's names: the canonical one first, then aliases.
var charsets = [...][]string{
	UTF8:    {"UTF-8", "UTF8", "unicode-1-1-utf-8"},
	UTF16:   {"UTF-16", "UTF16", "UTF_16", "unicode", "UnicodeBig"},
	UTF16BE: {"UTF-16BE", "UTF_16BE", "X-UTF-16BE", "ISO-10646-UCS-2", "UnicodeBigUnmarked"},
	UTF16LE: {"UTF-16LE", "UTF_16LE", "X-UTF-16LE", "UnicodeLittleUnmarked"},
	Latin1: {
		"ISO-8859-1", "ISO8859-1", "ISO8859_1", "ISO_8859-1", "ISO_8859_1", "8859_1",
		"ISO_8859-1:1987", "iso-ir-100", "latin1", "l1", "cp819", "819", "IBM819", "IBM-819",
		"csISOLatin1",
	},
	ASCII: {
		"US-ASCII", "ASCII", "ascii7", "ISO646-US", "ISO_646.irv:1983", "ISO_646.irv:1991",
		"ANSI_X3.4-1968", "ANSI_X3.4-1986", "iso-ir-6", "cp367", "IBM367", "646", "us",
		"csASCII", "default",
	},
}

// String is Java's canonical name of c.
func (c Charset) String() string {
	if int(c) >= len(charsets) {
		return "unknown charset"
	}
	return charsets[c][0]
}

// ParseCharset finds a character set by Java's name or alias, in any case.
func ParseCharset(name string) (Charset, error) {
	for c, names := range charsets {
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			return Charset(c), nil
		}
	}
	var known []string
	for c := range charsets {
		known = append(known, Charset(c).String())
	}
	return 0, fmt.Errorf("%w: character set %q; known are %s",
		ErrUnknown, name, strings.Join(known, ", "))
}

// append encodes s behind dst. What a character set cannot express is replaced
// as in Java: by '?', or by U+FFFD in the UTF-16 family.
func (c Charset) append(dst []byte, s string) []byte {
	switch c {
	case UTF16:
		if s != "" { // Java writes no mark for an empty string
			dst = append(dst, 0xfe, 0xff)
		}
		return appendUTF16(dst, s, false)
	case UTF16BE:
		return appendUTF16(dst, s, false)
	case UTF16LE:
		return appendUTF16(dst, s, true)
	case Latin1:
		return appendBelow(dst, s, 0x100)
	case ASCII:
		return appendBelow(dst, s, 0x80)
	default:
		return append(dst, s...)
	}
}

// decode is the text of data. Bytes that are none become U+FFFD, except that
// UTF-8 is kept as it is.
func (c Charset) decode(data []byte) string {
	switch c {
	case UTF16:
		if len(data) >= 2 && data[0] == 0xff && data[1] == 0xfe {
			return decodeUTF16(data[2:], true)
		}
		if len(data) >= 2 && data[0] == 0xfe && data[1] == 0xff {
			data = data[2:]
		}
		return decodeUTF16(data, false)
	case UTF16BE:
		return decodeUTF16(data, false)
	case UTF16LE:
		return decodeUTF16(data, true)
	case Latin1:
		return decodeBelow(data, 0x100)
	case ASCII:
		return decodeBelow(data, 0x80)
	default:
		return string(data)
	}
}

// appendBelow writes each character below limit as one byte.
func appendBelow(dst []byte, s string, limit rune) []byte {
	for _, r := range s {
		if r >= limit {
			r = '?'
		}
		dst = append(dst, byte(r))
	}
	return dst
}

func decodeBelow(data []byte, limit rune) string {
	text := make([]byte, 0, len(data))
	for _, b := range data {
		if r := rune(b); r < limit {
			text = utf8.AppendRune(text, r)
		} else {
			text = utf8.AppendRune(text, utf8.RuneError)
		}
	}
	return string(text)
}

func appendUTF16(dst []byte, s string, little bool) []byte {
	for _, r := range s {
		if r < 0x10000 {
			dst = appendUnit(dst, uint16(r), little)
			continue
		}
		high, low := utf16.EncodeRune(r)
		dst = appendUnit(appendUnit(dst, uint16(high), little), uint16(low), little)
	}
	return dst
}

func appendUnit(dst []byte, u uint16, little bool) []byte {
	if little {
		return append(dst, byte(u), byte(u>>8))
	}
	return append(dst, byte(u>>8), byte(u))
}

func unit(data []byte, little bool) rune {
	if little {
		return rune(data[1])<<8 | rune(data[0])
	}
	return rune(data[0])<<8 | rune(data[1])
}

// decodeUTF16 replaces as Java does: a high surrogate takes the unit behind it
// along, whatever that is.
func decodeUTF16(data []byte, little bool) string {
	text := make([]byte, 0, len(data))
	for len(data) >= 2 {
		r := unit(data, little)
		data = data[2:]
		if 0xd800 <= r && r < 0xdc00 {
			if len(data) < 2 {
				data = nil
				r = utf8.RuneError
			} else {
				r = utf16.DecodeRune(r, unit(data, little))
				data = data[2:]
			}
		}
		text = utf8.AppendRune(text, r) // a lone low surrogate becomes U+FFFD
	}
	if len(data) == 1 {
		text = utf8.AppendRune(text, utf8.RuneError)
	}
	return string(text)
}
