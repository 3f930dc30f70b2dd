package input

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// LineProperties are the properties of the reader of Kafka's console producer.
// The zero value is not Kafka's default; see ParseLineProperties.
//
// A line is then [headers headers.delimiter] [key key.separator] value.
// Source: Kafka's LineMessageReader (KIP-798 headers, KIP-810 null marker).
type LineProperties struct {
	ParseKey            bool   // parse.key
	KeySeparator        string // key.separator
	ParseHeaders        bool   // parse.headers
	HeadersDelimiter    string // headers.delimiter, behind the headers
	HeadersSeparator    string // headers.separator, between headers: a regular expression
	HeadersKeySeparator string // headers.key.separator
	IgnoreError         bool   // ignore.error
	NullMarker          string // null.marker; "" is none
	hasNullMarker       bool
	separator           *regexp.Regexp // nil if HeadersSeparator is plain text
}

// linePropertyNames lists every property that ParseLineProperties knows.
var linePropertyNames = []string{"parse.key", "key.separator", "parse.headers",
	"headers.delimiter", "headers.separator", "headers.key.separator", "ignore.error",
	"null.marker"}

// ParseLineProperties reads properties by the names that Kafka's console
// producer gives them. A nil map means its defaults. Separators may not be
// equal to each other or to the null marker, as in Kafka; a name that is not
// known is an error, where Kafka passes over it.
func ParseLineProperties(props map[string]string) (LineProperties, error) {
	p := LineProperties{KeySeparator: "\t", HeadersDelimiter: "\t", HeadersSeparator: ",",
		HeadersKeySeparator: ":"}
	for name := range props {
		if !slices.Contains(linePropertyNames, name) {
			return p, unknownProperty(name)
		}
	}
	p.ParseKey = isTrue(props["parse.key"])
	p.ParseHeaders = isTrue(props["parse.headers"])
	p.IgnoreError = isTrue(props["ignore.error"])
	p.NullMarker, p.hasNullMarker = props["null.marker"], has(props, "null.marker")
	for name, field := range map[string]*string{
		"key.separator":         &p.KeySeparator,
		"headers.delimiter":     &p.HeadersDelimiter,
		"headers.separator":     &p.HeadersSeparator,
		"headers.key.separator": &p.HeadersKeySeparator,
	} {
		if v, ok := props[name]; ok {
			*field = v
		}
	}
	if err := p.check(); err != nil {
		return p, err
	}
	if regexp.QuoteMeta(p.HeadersSeparator) != p.HeadersSeparator {
		re, err := regexp.Compile(p.HeadersSeparator)
		if err != nil {
			return p, fmt.Errorf("headers.separator=%s is no regular expression: %w",
				p.HeadersSeparator, err)
		}
		p.separator = re
	}
	return p, nil
}

func has(props map[string]string, name string) bool { _, ok := props[name]; return ok }

func isTrue(s string) bool { return strings.EqualFold(strings.TrimSpace(s), "true") }

func unknownProperty(name string) error {
	if near := nearest(name, linePropertyNames); near != "" {
		return fmt.Errorf("unknown reader property %q: did you mean %q?", name, near)
	}
	return fmt.Errorf("unknown reader property %q: there are %s", name,
		strings.Join(linePropertyNames, ", "))
}

// check refuses separators that could not be told apart.
func (p *LineProperties) check() error {
	type named struct{ name, text string }
	key := named{"key.separator", p.KeySeparator}
	delimiter := named{"headers.delimiter", p.HeadersDelimiter}
	separator := named{"headers.separator", p.HeadersSeparator}
	inner := named{"headers.key.separator", p.HeadersKeySeparator}
	pairs := [][2]named{{delimiter, separator}, {delimiter, inner}, {separator, inner}}
	if p.hasNullMarker {
		null := named{"null.marker", p.NullMarker}
		for _, n := range []named{key, separator, delimiter, inner} {
			pairs = append(pairs, [2]named{null, n})
		}
	}
	for _, pair := range pairs {
		if pair[0].text == pair[1].text {
			return fmt.Errorf("%s and %s are both %q: they must differ",
				pair[0].name, pair[1].name, pair[0].text)
		}
	}
	return nil
}

// lineReader reads one record a line.
type lineReader struct {
	*source
	lines *lineScanner
	p     LineProperties
	pairs [][]byte
}

func (l *lineReader) Read(r *Record) error {
	line, err := l.lines.next()
	if err != nil {
		return l.lines.rowError(l.name, err)
	}
	r.reset(l.lines.line)
	if err := l.p.split(line, r, &l.pairs); err != nil {
		return &RowError{File: l.name, Line: r.Line, Problem: err.Error(),
			Remedy: "correct the line, or set --property ignore.error=true"}
	}
	return nil
}

// split divides a line into headers, key and value. pairs is scratch space.
func (p *LineProperties) split(line []byte, r *Record, pairs *[][]byte) error {
	rest := line
	if p.ParseHeaders {
		headers, after, err := p.cut(rest, p.HeadersDelimiter, "headers.delimiter")
		if err != nil {
			return err
		}
		if headers != nil && !p.isNull(headers) {
			if err := p.splitHeaders(headers, r, pairs); err != nil {
				return err
			}
		}
		rest = after
	}
	if p.ParseKey {
		key, after, err := p.cut(rest, p.KeySeparator, "key.separator")
		if err != nil {
			return err
		}
		if key != nil && !p.isNull(key) {
			r.Key = key
		}
		rest = after
	}
	if !p.isNull(rest) {
		r.Value = rest
	}
	return nil
}

// cut returns what is before and behind the first sep. Without one it is an
// error, or with ignore.error nil and the whole text.
func (p *LineProperties) cut(text []byte, sep, name string) (before, after []byte, err error) {
	i := bytes.Index(text, []byte(sep))
	if i < 0 {
		if p.IgnoreError {
			return nil, text, nil
		}
		return nil, nil, fmt.Errorf("no %s %q in %s", name, sep, quote(text))
	}
	return text[:i:i], text[i+len(sep):], nil
}

func (p *LineProperties) isNull(text []byte) bool {
	return p.hasNullMarker && string(text) == p.NullMarker
}

func (p *LineProperties) splitHeaders(text []byte, r *Record, pairs *[][]byte) error {
	*pairs = p.splitPairs(text, (*pairs)[:0])
	for _, pair := range *pairs {
		i := bytes.Index(pair, []byte(p.HeadersKeySeparator))
		if i < 0 {
			if !p.IgnoreError {
				return fmt.Errorf("no headers.key.separator %q in header %s",
					p.HeadersKeySeparator, quote(pair))
			}
			r.Headers = append(r.Headers, Header{Key: string(pair)})
			continue
		}
		if p.isNull(pair[:i]) { // not even ignore.error helps: a header must have a key
			return errors.New("a header's key is the null marker, and a key cannot be null")
		}
		h := Header{Key: string(pair[:i])}
		if v := pair[i+len(p.HeadersKeySeparator):]; !p.isNull(v) {
			h.Value = v
		}
		r.Headers = append(r.Headers, h)
	}
	return nil
}

// splitPairs divides text at headers.separator as Java's Pattern.split does:
// empty parts at the end are dropped, and a text without a separator is one
// part even if it is empty.
func (p *LineProperties) splitPairs(text []byte, pairs [][]byte) [][]byte {
	matched := false
	from := 0
	for at := 0; at <= len(text); {
		start, end := p.nextSeparator(text, at)
		if start < 0 {
			break
		}
		if end == start { // an empty match divides only between two bytes
			if start == 0 || start >= len(text) {
				at = start + 1
				continue
			}
			at = start + 1
		} else {
			at = end
		}
		pairs = append(pairs, text[from:start:start])
		from, matched = end, true
	}
	if !matched {
		return append(pairs, text)
	}
	pairs = append(pairs, text[from:])
	for len(pairs) > 0 && len(pairs[len(pairs)-1]) == 0 {
		pairs = pairs[:len(pairs)-1]
	}
	return pairs
}

func (p *LineProperties) nextSeparator(text []byte, at int) (start, end int) {
	if p.separator == nil {
		i := bytes.Index(text[at:], []byte(p.HeadersSeparator))
		if i < 0 {
			return -1, -1
		}
		return at + i, at + i + len(p.HeadersSeparator)
	}
	loc := p.separator.FindIndex(text[at:])
	if loc == nil {
		return -1, -1
	}
	return at + loc[0], at + loc[1]
}

// quote shows text in an error, shortened.
func quote(text []byte) string {
	const most = 80
	if len(text) > most {
		return fmt.Sprintf("%q…", text[:most])
	}
	return fmt.Sprintf("%q", text)
}
