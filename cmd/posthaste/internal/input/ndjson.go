package input

import (
	"bytes"
	"fmt"
	"unicode/utf8"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/jsontext"
)

// ndjsonReader reads one JSON text a line. The value is the line as it is;
// blank lines are passed over.
type ndjsonReader struct {
	*source
	lines   *lineScanner
	scan    *jsontext.Scanner
	sel     *selection
	texts   [][]byte
	scratch []byte // unescaped strings of texts
}

func newNDJSONReader(s *source, o Options) *ndjsonReader {
	sel := newSelection(o)
	return &ndjsonReader{source: s, lines: newLineScanner(s.r, o.maxLine()), sel: sel,
		scan: jsontext.NewScanner(sel.names), texts: make([][]byte, len(sel.names))}
}

func (n *ndjsonReader) Read(r *Record) error {
	var line []byte
	for len(line) == 0 {
		var err error
		if line, err = n.lines.next(); err != nil {
			return n.tooLong(n.lines.rowError(n.name, err))
		}
		line = bytes.Trim(line, " \t\r")
	}
	return n.record(r, line)
}

// record fills r from one JSON text.
func (n *ndjsonReader) record(r *Record, line []byte) error {
	r.reset(n.lines.line)
	if err := n.scan.Scan(line); err != nil {
		return n.rowError(err.Error(), n.remedy(line))
	}
	if !utf8.Valid(line) {
		return n.rowError("not UTF-8", "convert the file with iconv -t UTF-8")
	}
	n.scratch = n.scratch[:0]
	for i, raw := range n.scan.Found() {
		if raw == nil {
			return n.rowError(fmt.Sprintf("no field %q", n.sel.names[i]), n.missing(line))
		}
		n.texts[i] = n.text(raw)
	}
	if err := n.sel.fill(r, n.texts); err != nil {
		return n.rowError(err.Error(), "correct the field")
	}
	r.Value = line
	return nil
}

func (n *ndjsonReader) rowError(problem, remedy string) error {
	return &RowError{File: n.name, Line: n.lines.line, Problem: problem, Remedy: remedy}
}

// tooLong adds what is likely when a line of JSON is too long: that it is no
// line of NDJSON but one array of records.
func (n *ndjsonReader) tooLong(err error) error {
	if re, ok := err.(*RowError); ok && re.Line == 1 {
		re.Remedy += "; if the input is one JSON array of records, give --format json"
	}
	return err
}

// remedy says what to do about a line that is not JSON.
func (n *ndjsonReader) remedy(line []byte) string {
	if bytes.HasPrefix(line, []byte{0xFF, 0xFE}) || bytes.HasPrefix(line, []byte{0xFE, 0xFF}) {
		return "the file is UTF-16: convert it with iconv -f UTF-16 -t UTF-8"
	}
	if n.lines.line == 1 && (line[0] == '{' || line[0] == '[') && len(line) < 80 {
		return "each line must hold one whole JSON text (jq -c makes such lines); for one array of " +
			"records give --format json"
	}
	return "correct the line"
}

func (n *ndjsonReader) missing(line []byte) string {
	if line[0] != '{' {
		return "fields can be taken from JSON objects only"
	}
	return "add it, or choose a field that every record has"
}

// text returns what a field's JSON value says: a string's characters, nil for
// null, and otherwise the JSON itself.
func (n *ndjsonReader) text(raw []byte) []byte {
	switch raw[0] {
	case 'n':
		return nil
	case '"':
		inside := raw[1 : len(raw)-1 : len(raw)-1]
		if bytes.IndexByte(inside, '\\') < 0 {
			return inside
		}
		start := len(n.scratch)
		n.scratch = jsontext.AppendUnescaped(n.scratch, inside)
		return n.scratch[start:len(n.scratch):len(n.scratch)]
	}
	return raw
}
