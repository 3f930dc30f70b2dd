// Package properties reads Java .properties files the way Java does.
//
// A producer.properties written for a Java service must mean the same here, down
// to escapes and continuations, and a wrong value must be reported with the line
// it stands on. So Parse keeps what java.util.Properties throws away: the line of
// every key, and the keys that are given twice.
//
//	bytes ─▶ natural lines ─continuations─▶ logical lines ─▶ key, value, line
//
// Resolver replaces ${provider:path:key} references in values, as Kafka's
// ConfigTransformer does. What a key means is none of this package's business:
// that is package config's.
package properties

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxFileBytes bounds what Parse reads, so that a wrong path (a log, a dump)
// fails instead of filling memory.
const maxFileBytes = 16 << 20

// Entry is one key and its value, unescaped.
type Entry struct {
	Key   string
	Value string
	Line  int // where the key stands, from 1
}

// File is what a .properties file says.
type File struct {
	Name string // as in messages; may be empty

	// Entries are in the order of the file. A key that is given twice is there
	// once, with its last value and line.
	Entries []Entry

	// Warnings name what is legal but hardly meant: duplicate keys, text that is
	// not UTF-8, half a surrogate pair. Each is one line with the file's position.
	Warnings []string
}

// SyntaxError is a line that is not legal in a .properties file.
type SyntaxError struct {
	File   string // may be empty
	Line   int    // from 1
	Reason string // what is wrong, and what to write instead
}

func (e *SyntaxError) Error() string { return position(e.File, e.Line) + ": " + e.Reason }

// position is how every message of this package names a place.
func position(file string, line int) string {
	if file == "" {
		return "line " + strconv.Itoa(line)
	}
	return file + ":" + strconv.Itoa(line)
}

// Parse reads r to its end, at most 16 MiB. The name only labels messages.
//
// Text is UTF-8, with or without a byte order mark; bytes that are not UTF-8 make
// the whole file Latin-1, which is what Java's Properties.load(InputStream)
// assumes, and give a warning. Errors are a *SyntaxError or r's own.
//
// Source: java.util.Properties.load(Reader).
func Parse(name string, r io.Reader) (*File, error) {
	raw, err := io.ReadAll(io.LimitReader(r, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read properties %s: %w", name, err)
	}
	if len(raw) > maxFileBytes {
		return nil, &SyntaxError{File: name, Line: 1,
			Reason: "the file is larger than 16 MiB; is it a .properties file?"}
	}
	f := &File{Name: name}
	s := scanner{src: f.decode(raw)}
	index := map[string]int{}
	for {
		text, line, ok := s.logical()
		if !ok {
			return f, nil
		}
		if err := f.add(index, text, line); err != nil {
			return nil, err
		}
	}
}

// decode makes text of raw and warns where Java would have read something else.
func (f *File) decode(raw []byte) string {
	text := strings.TrimPrefix(string(raw), "\ufeff")
	if utf8.ValidString(text) {
		return text
	}
	latin1 := make([]rune, len(raw))
	for i, b := range raw {
		latin1[i] = rune(b)
	}
	f.Warnings = append(f.Warnings,
		strings.TrimPrefix(f.Name+": not UTF-8, read as Latin-1; save it as UTF-8", ": "))
	return string(latin1)
}

func (f *File) add(index map[string]int, text string, line int) error {
	rawKey, rawValue := split(text)
	e := Entry{Line: line}
	for _, part := range []struct {
		to  *string
		raw string
	}{{&e.Key, rawKey}, {&e.Value, rawValue}} {
		plain, whole, err := unescape(part.raw)
		if err != nil {
			return &SyntaxError{File: f.Name, Line: line, Reason: err.Error()}
		}
		if !whole {
			f.Warnings = append(f.Warnings, position(f.Name, line)+
				`: half a surrogate pair reads as U+FFFD; write both halves, \uD83D\uDE00`)
		}
		*part.to = plain
	}
	i, twice := index[e.Key]
	if !twice {
		index[e.Key] = len(f.Entries)
		f.Entries = append(f.Entries, e)
		return nil
	}
	f.Warnings = append(f.Warnings, fmt.Sprintf("%s: %s is given again; line %d no longer counts",
		position(f.Name, line), e.Key, f.Entries[i].Line))
	f.Entries[i] = e
	return nil
}

// Position names the place of an entry as messages do: file:line, or line N.
func (f *File) Position(e Entry) string { return position(f.Name, e.Line) }

const blanks = " \t\f"

// scanner cuts text into logical lines: comments and blank lines left out,
// continued lines joined. Escapes are still in.
type scanner struct {
	src  string
	line int // natural lines taken so far
}

// natural takes the next natural line; end is what ended it: \n, \r, \r\n, or
// nothing at the end of the text.
func (s *scanner) natural() (text, end string) {
	s.line++
	i := strings.IndexAny(s.src, "\r\n")
	if i < 0 {
		text, s.src = s.src, ""
		return text, ""
	}
	size := 1
	if strings.HasPrefix(s.src[i:], "\r\n") {
		size = 2
	}
	text, end, s.src = s.src[:i], s.src[i:i+size], s.src[i+size:]
	return text, end
}

// logical returns the next logical line and the natural line it starts on.
func (s *scanner) logical() (text string, line int, ok bool) {
	var joined strings.Builder
	for s.src != "" {
		part, end := s.natural()
		part = strings.TrimLeft(part, blanks)
		// What follows a backslash is never a comment, unless nothing stood
		// before the backslash: Java takes that for a new line.
		if joined.Len() == 0 {
			if part == "" || part[0] == '#' || part[0] == '!' {
				continue
			}
			line = s.line
		}
		continued := oddBackslashes(part)
		if continued {
			part = part[:len(part)-1]
		}
		joined.WriteString(part)
		// A lone backslash at the very end is an empty key to Java, but not if \r\n
		// follows it.
		if !continued || s.src == "" && (joined.Len() > 0 || end != "\r\n") {
			return joined.String(), line, true
		}
	}
	return "", 0, false
}

// oddBackslashes reports whether s ends with a backslash that is not escaped.
func oddBackslashes(s string) bool {
	n := len(s) - len(strings.TrimRight(s, `\`))
	return n%2 == 1
}

// split cuts a logical line at the first =, : or blank that is not escaped.
// Blanks around one = or : belong to neither side.
func split(s string) (key, value string) {
	end := len(s)
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
			continue
		}
		if strings.IndexByte("=:"+blanks, s[i]) >= 0 {
			end = i
			break
		}
	}
	rest := strings.TrimLeft(s[end:], blanks)
	if rest != "" && (rest[0] == '=' || rest[0] == ':') {
		rest = strings.TrimLeft(rest[1:], blanks)
	}
	return s[:end], rest
}

var errEscape = errors.New(`\u needs four hexadecimal digits, as in \u00e9; ` +
	`write \\u for a backslash and a u`)

// unescape resolves backslashes; whole is false if a \u escape stood for half a
// character and was replaced.
func unescape(s string) (plain string, whole bool, err error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, true, nil
	}
	var out strings.Builder
	whole = true
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out.WriteByte(s[i])
			continue
		}
		i++
		if s[i] != 'u' {
			out.WriteByte(escaped(s[i]))
			continue
		}
		unit, err := hexUnit(s[i+1:])
		if err != nil {
			return "", false, err
		}
		i += 4
		// Java's text is UTF-16: two escapes may make one character.
		if next := s[i+1:]; utf16.IsSurrogate(unit) && strings.HasPrefix(next, `\u`) {
			low, err := hexUnit(next[2:])
			if err != nil {
				return "", false, err
			}
			if r := utf16.DecodeRune(unit, low); r != utf8.RuneError {
				out.WriteRune(r)
				i += 6
				continue
			}
		}
		whole = whole && !utf16.IsSurrogate(unit)
		out.WriteRune(unit) // a surrogate is written as U+FFFD
	}
	return out.String(), whole, nil
}

// escaped is what a backslash before c stands for; most characters for
// themselves, so that \: and \z are : and z.
func escaped(c byte) byte {
	switch c {
	case 't':
		return '\t'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 'f':
		return '\f'
	}
	return c
}

func hexUnit(s string) (rune, error) {
	if len(s) < 4 {
		return 0, errEscape
	}
	n := rune(0)
	for i := range 4 {
		d := strings.IndexByte("0123456789abcdef", s[i]|0x20)
		if d < 0 || (s[i] < '0') {
			return 0, errEscape
		}
		n = n<<4 | rune(d)
	}
	return n, nil
}
