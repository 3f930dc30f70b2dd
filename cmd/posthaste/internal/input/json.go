package input

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// jsonReader reads the elements of a JSON array, one record each: of an array
// that is the whole input, or of the first array inside an object, such as the
// features of GeoJSON. Elements are read one by one, whatever the array's
// length; a value is the element's own text, on one line.
type jsonReader struct {
	*ndjsonReader // for the fields of an element
	d             *json.Decoder
	text          *lineCounter
	max           int
	open          int  // containers around the elements
	begun, ended  bool // the array's brackets were read
	compact       bytes.Buffer
}

func newJSONReader(s *source, o Options) *jsonReader {
	text := &lineCounter{r: s.r}
	return &jsonReader{ndjsonReader: newNDJSONReader(s, o), d: json.NewDecoder(text), text: text,
		max: o.maxLine()}
}

func (j *jsonReader) Read(r *Record) error {
	if !j.begun {
		j.begun = true
		if err := j.begin(); err != nil {
			return j.broken(err)
		}
	}
	if j.ended {
		return io.EOF
	}
	if !j.d.More() {
		j.ended = true
		if err := j.finish(); err != nil {
			return j.broken(err)
		}
		return io.EOF
	}
	var raw json.RawMessage
	err := j.d.Decode(&raw)
	j.lines.line = j.text.lineAt(j.d.InputOffset() - int64(len(raw)))
	if err != nil {
		return j.broken(err)
	}
	if len(raw) > j.max {
		return j.rowError(fmt.Sprintf("the element has %d bytes, more than %d", len(raw), j.max),
			"split the element, or raise max.request.size")
	}
	if bytes.ContainsAny(raw, "\r\n") {
		j.compact.Reset()
		if err := json.Compact(&j.compact, raw); err != nil {
			return j.broken(err)
		}
		raw = j.compact.Bytes()
	}
	return j.record(r, raw)
}

// begin reads up to the first element.
func (j *jsonReader) begin() error {
	t, err := j.d.Token()
	switch {
	case err == io.EOF:
		j.ended = true
		return nil
	case err != nil:
		return err
	case t == json.Delim('['):
		j.open = 1
		return nil
	case t != json.Delim('{'):
		return errors.New("the input is one value; records are the elements of an array")
	}
	j.open = 1
	for j.d.More() {
		if _, err := j.d.Token(); err != nil { // a member's name
			return err
		}
		t, err := j.d.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('['):
			j.open = 2
			return nil
		case json.Delim('{'):
			if err := j.skip(); err != nil {
				return err
			}
		}
	}
	return errors.New("no member of the object is an array of records")
}

// skip passes over the rest of the object that was just opened.
func (j *jsonReader) skip() error {
	for depth := 1; depth > 0; {
		t, err := j.d.Token()
		if err != nil {
			return err
		}
		switch t {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	return nil
}

// finish reads what follows the array, which must end the input in order.
func (j *jsonReader) finish() error {
	if j.open == 0 {
		return nil
	}
	if _, err := j.d.Token(); err != nil {
		return err
	}
	if j.open == 2 {
		if err := j.skip(); err != nil {
			return err
		}
	}
	if _, err := j.d.Token(); err != io.EOF {
		return errors.New("something follows the end of the JSON text")
	}
	return nil
}

// broken words what makes the rest of the input unreadable.
func (j *jsonReader) broken(err error) error {
	j.ended = true
	line := j.text.lineAt(j.d.InputOffset())
	if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		err = errors.New("the input ends inside the JSON text")
	}
	if se, ok := errors.AsType[*json.SyntaxError](err); ok {
		line = j.text.lineAt(se.Offset)
		err = fmt.Errorf("not JSON: %s", strings.TrimPrefix(se.Error(), "json: "))
	}
	return fmt.Errorf("%s:%d: %w; if each line is a record of its own, give --format ndjson",
		j.name, line, err)
}

// lineCounter notes where lines end in what is read through it.
type lineCounter struct {
	r    io.Reader
	read int64   // bytes so far
	line int64   // lines that end before ends[0]
	ends []int64 // offsets of newlines that lineAt has not passed
}

func (c *lineCounter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	for at := 0; ; {
		i := bytes.IndexByte(p[at:n], '\n')
		if i < 0 {
			break
		}
		at += i + 1
		c.ends = append(c.ends, c.read+int64(at-1))
	}
	c.read += int64(n)
	return n, err
}

// lineAt is the line, from 1, of the byte at offset. Offsets must not decrease.
func (c *lineCounter) lineAt(offset int64) int64 {
	n := 0
	for n < len(c.ends) && c.ends[n] < offset {
		n++
	}
	c.line += int64(n)
	c.ends = c.ends[n:]
	return c.line + 1
}

// peeked is how much of a .json file is looked at to tell JSON from NDJSON.
const peeked = 64 << 10

// jsonOrNDJSON tells which of the two a file is whose name ends in .json: NDJSON
// unless it is an array, GeoJSON's collection, or its first line is no whole JSON
// text.
func jsonOrNDJSON(r *bufio.Reader) Format {
	head, _ := r.Peek(peeked) // an error shows again when it is read
	text := bytes.TrimLeft(head, " \t\r\n\ufeff")
	if len(text) == 0 || text[0] != '[' && text[0] != '{' {
		return NDJSON
	}
	if text[0] == '[' {
		return JSON
	}
	line, _, whole := bytes.Cut(text, []byte{'\n'})
	if whole && !json.Valid(line) {
		return JSON
	}
	squeezed := strings.NewReplacer(" ", "", "\t", "").Replace(string(line[:min(len(line), 100)]))
	if strings.HasPrefix(squeezed, `{"type":"FeatureCollection"`) {
		return JSON
	}
	return NDJSON
}
