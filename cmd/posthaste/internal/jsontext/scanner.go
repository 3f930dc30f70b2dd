package jsontext

import (
	"bytes"
	"fmt"
	"strings"
)

// maxDepth is how deep JSON may nest, as in encoding/json.
const maxDepth = 10000

// SyntaxError is where and why a text is not JSON.
type SyntaxError struct {
	At   int    // byte, from 0
	What string // in words
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("not JSON: %s at byte %d", e.What, e.At+1)
}

// Scanner checks that a text is one JSON value and notes where the members
// at some paths are, in one pass and without allocating.
//
// A path is a member's name, or names with dots between them for a member
// inside a member. A member whose own name has the dots goes before one found
// by descending; of two members with one name the last counts.
type Scanner struct {
	b     []byte
	i     int
	depth int

	paths  []string
	found  [][]byte   // the raw value at each path; nil if there is none
	whole  []bool     // found by the path as one name
	active []pathPart // a stack: what the objects being scanned may lead to
	ending []pathPart // a stack: the paths that the member being scanned is the end of
	name   []byte     // scratch for a member name with escapes
}

// pathPart is what is left of a path inside the object being scanned.
type pathPart struct {
	path int
	rest string
}

// NewScanner returns a Scanner that looks for the members at paths.
func NewScanner(paths []string) *Scanner {
	return &Scanner{paths: paths, found: make([][]byte, len(paths)),
		whole: make([]bool, len(paths))}
}

// Found returns, for each path, the JSON of the member there in the text scanned
// last, and nil for a member that it lacks. It points into that text.
func (s *Scanner) Found() [][]byte { return s.found }

// Scan checks b and notes its members. An error is a *SyntaxError.
func (s *Scanner) Scan(b []byte) error {
	s.b, s.i, s.depth = b, 0, 0
	clear(s.found)
	clear(s.whole)
	s.active, s.ending = s.active[:0], s.ending[:0]
	for i, p := range s.paths {
		s.active = append(s.active, pathPart{i, p})
	}
	s.space()
	if err := s.value(0, len(s.active)); err != nil {
		return err
	}
	if s.space(); s.i < len(b) {
		return s.errorf("%s after the end of the value", s.here())
	}
	return nil
}

func (s *Scanner) errorf(format string, args ...any) error {
	return &SyntaxError{At: s.i, What: fmt.Sprintf(format, args...)}
}

// here describes the byte at i for an error.
func (s *Scanner) here() string {
	if s.i >= len(s.b) {
		return "the line ends"
	}
	return fmt.Sprintf("unexpected %q", s.b[s.i])
}

func (s *Scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

// value scans one value. active[from:to] are the paths that may lead into it.
func (s *Scanner) value(from, to int) error {
	if s.i >= len(s.b) {
		return s.errorf("%s where a value must be", s.here())
	}
	switch c := s.b[s.i]; c {
	case '{':
		return s.object(from, to)
	case '[':
		return s.array()
	case '"':
		return s.str()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		n := numberLength(s.b[s.i:])
		if n == 0 {
			return s.errorf("%s where a value must be", s.here())
		}
		s.i += n
		return nil
	}
}

func (s *Scanner) literal(word string) error {
	if !bytes.HasPrefix(s.b[s.i:], []byte(word)) {
		return s.errorf("%s where a value must be", s.here())
	}
	s.i += len(word)
	return nil
}

// str scans a string, whose opening quote is at i.
func (s *Scanner) str() error {
	b, i := s.b, s.i+1
	for {
		for i < len(b) && plain[b[i]] {
			i++
		}
		switch {
		case i >= len(b):
			s.i = i
			return s.errorf("the line ends inside a string")
		case b[i] == '"':
			s.i = i + 1
			return nil
		case b[i] != '\\':
			s.i = i
			return s.errorf("control character 0x%02x inside a string", b[i])
		}
		n := escapeLength(b[i:])
		if n == 0 {
			s.i = i
			return s.errorf("a bad escape inside a string")
		}
		i += n
	}
}

// escapeLength returns the length of the escape that b starts with, or 0.
func escapeLength(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if len(b) < 6 {
			return 0
		}
		for _, c := range b[2:6] {
			if hexValue(c) > 15 {
				return 0
			}
		}
		return 6
	}
	return 0
}

func (s *Scanner) enter() error {
	if s.depth++; s.depth > maxDepth {
		return s.errorf("more than %d levels of nesting", maxDepth)
	}
	s.i++
	s.space()
	return nil
}

func (s *Scanner) array() error {
	if err := s.enter(); err != nil {
		return err
	}
	defer func() { s.depth-- }()
	if s.i < len(s.b) && s.b[s.i] == ']' {
		s.i++
		return nil
	}
	for {
		if err := s.value(0, 0); err != nil {
			return err
		}
		if done, err := s.separator(']'); done || err != nil {
			return err
		}
	}
}

// separator takes the comma between two elements, or the bracket at the end.
func (s *Scanner) separator(closing byte) (done bool, err error) {
	s.space()
	switch {
	case s.i < len(s.b) && s.b[s.i] == ',':
		s.i++
		s.space()
		return false, nil
	case s.i < len(s.b) && s.b[s.i] == closing:
		s.i++
		return true, nil
	}
	return false, s.errorf("%s where ',' or '%c' must be", s.here(), closing)
}

func (s *Scanner) object(from, to int) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer func() { s.depth-- }()
	if s.i < len(s.b) && s.b[s.i] == '}' {
		s.i++
		return nil
	}
	for {
		if err := s.member(from, to); err != nil {
			return err
		}
		if done, err := s.separator('}'); done || err != nil {
			return err
		}
	}
}

func (s *Scanner) member(from, to int) error {
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		return s.errorf("%s where a member's name must be", s.here())
	}
	start := s.i
	if err := s.str(); err != nil {
		return err
	}
	name := s.b[start+1 : s.i-1]
	s.space()
	if s.i >= len(s.b) || s.b[s.i] != ':' {
		return s.errorf("%s where ':' must be", s.here())
	}
	s.i++
	s.space()
	if from == to {
		return s.value(0, 0)
	}
	return s.wanted(name, from, to)
}

// wanted scans the value of the member called name and notes it for the paths
// of active[from:to] that end here.
func (s *Scanner) wanted(name []byte, from, to int) error {
	if bytes.IndexByte(name, '\\') >= 0 {
		s.name = AppendUnescaped(s.name[:0], name)
		name = s.name // only until value, which may use the scratch space again
	}
	below, ending := len(s.active), len(s.ending)
	for k := from; k < to; k++ {
		part := s.active[k]
		if string(name) == part.rest {
			s.ending = append(s.ending, part)
		} else if len(part.rest) > len(name) && part.rest[len(name)] == '.' &&
			strings.HasPrefix(part.rest, string(name)) {
			s.active = append(s.active, pathPart{part.path, part.rest[len(name)+1:]})
		}
	}
	start := s.i
	if err := s.value(below, len(s.active)); err != nil {
		return err
	}
	for _, part := range s.ending[ending:] {
		whole := len(part.rest) == len(s.paths[part.path])
		if whole || !s.whole[part.path] {
			s.found[part.path], s.whole[part.path] = s.b[start:s.i], whole
		}
	}
	s.active, s.ending = s.active[:below], s.ending[:ending]
	return nil
}
