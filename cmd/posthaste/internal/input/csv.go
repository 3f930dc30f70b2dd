package input

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/jsontext"
)

// csvReader reads rows of RFC 4180 behind a header row. The value is a JSON
// object with the columns in their order. A field that is a JSON number without
// an exponent and stands without quotes is a number there, digit for digit; any
// other is a string, so 007, 1,5, 1e5 and "12" in quotes are strings and an
// empty field is "".
//
// Quotes count only at the start of a field: 5" nail needs none. Fields in
// quotes may span lines. Blank lines are passed over.
type csvReader struct {
	*source
	lines   *lineScanner
	comma   byte
	null    string // the null marker; "" is none
	strings bool

	sel     *selection
	columns []int    // of sel.names
	labels  [][]byte // `{"name":`, `,"name":` …: what precedes each column's value

	start   int64 // line at which the row at hand begins
	fields  []csvField
	scratch []byte // fields whose doubled quotes were undone
	texts   [][]byte
	value   []byte
}

// csvField is one field of a row. Quoted fields are never numbers or nulls.
type csvField struct {
	text   []byte
	quoted bool
}

func newCSVReader(s *source, o Options, comma byte) (Reader, error) {
	sel := newSelection(o)
	c := &csvReader{source: s, lines: newLineScanner(s.r, o.maxLine()), comma: comma,
		null: o.NullMarker, strings: o.Strings, sel: sel, texts: make([][]byte, len(sel.names))}
	switch err := c.row(); {
	case err == io.EOF: // no header row, so no records
		if len(sel.names) > 0 {
			return nil, fmt.Errorf("%s: the file is empty: it has no header row and so no "+
				"column %q", s.name, sel.names[0])
		}
		return c, nil
	case err != nil:
		return nil, fmt.Errorf("header row: %w", err)
	}
	return c, c.header()
}

// header takes the row at hand for the names of the columns.
func (c *csvReader) header() error {
	names := make([]string, len(c.fields))
	seen := map[string]int{}
	for i, f := range c.fields {
		names[i] = string(f.text)
		label := jsontext.AppendString([]byte{','}, f.text)
		if i == 0 {
			label[0] = '{'
		}
		c.labels = append(c.labels, append(label, ':'))
		if names[i] == "" {
			return c.rowError(fmt.Sprintf("column %d has no name", i+1),
				"give each column a name in the first row")
		}
		if first, twice := seen[names[i]]; twice {
			return c.rowError(fmt.Sprintf("columns %d and %d are both called %q", first+1, i+1,
				names[i]), "rename one")
		}
		seen[names[i]] = i
	}
	for _, want := range c.sel.names {
		i, ok := seen[want]
		if !ok {
			return c.noColumn(want, names)
		}
		c.columns = append(c.columns, i)
	}
	return nil
}

// noColumn tells of a column that the header row lacks.
func (c *csvReader) noColumn(want string, names []string) error {
	remedy := "the columns are " + strings.Join(names, ", ")
	if near := nearest(want, names); near != "" {
		remedy = fmt.Sprintf("did you mean %q?", near)
	} else if len(names) == 1 {
		remedy += "; is the separator another one (--format csv, tsv)?"
	}
	return c.rowError(fmt.Sprintf("no column %q in the header row", want), remedy)
}

func (c *csvReader) Read(r *Record) error {
	if err := c.row(); err != nil {
		return err
	}
	r.reset(c.start)
	if n, want := len(c.fields), len(c.labels); n != want {
		return c.rowError(fmt.Sprintf("the row has %d fields and the header row %d", n, want),
			c.countRemedy(n > want))
	}
	for i, column := range c.columns {
		f := c.fields[column]
		c.texts[i] = f.text
		if c.isNull(f) {
			c.texts[i] = nil
		}
	}
	if err := c.sel.fill(r, c.texts); err != nil {
		return c.rowError(err.Error(), "correct the field")
	}
	r.Value = c.object()
	return nil
}

func (c *csvReader) countRemedy(tooMany bool) string {
	if tooMany && c.comma == ',' {
		return "put fields that contain a comma in double quotes"
	}
	if tooMany {
		return "put fields that contain a tab in double quotes"
	}
	return "add the missing fields; empty ones are allowed"
}

func (c *csvReader) isNull(f csvField) bool {
	return c.null != "" && !f.quoted && string(f.text) == c.null
}

func (c *csvReader) rowError(problem, remedy string) error {
	return &RowError{File: c.name, Line: c.start, Problem: problem, Remedy: remedy}
}

// object makes the row a JSON object, in memory that the next row overwrites.
func (c *csvReader) object() []byte {
	v := c.value[:0]
	for i, f := range c.fields {
		v = append(v, c.labels[i]...)
		switch {
		case c.isNull(f):
			v = append(v, "null"...)
		case !c.strings && !f.quoted && isPlainNumber(f.text):
			v = append(v, f.text...)
		default:
			v = jsontext.AppendString(v, f.text)
		}
	}
	c.value = append(v, '}')
	return c.value
}

// isPlainNumber reports whether text is a JSON number without an exponent. With
// one it is a code as often: 0E0 is an airport, and a reader would make it 0.
func isPlainNumber(text []byte) bool {
	return jsontext.IsNumber(text) && !bytes.ContainsAny(text, "eE")
}

// row reads the next row that is not blank into fields. After an error that is
// a *RowError the next call goes on with the line behind the one where the
// broken row began.
func (c *csvReader) row() error {
	for {
		n, size, err := c.lines.find(0)
		c.start = c.lines.line + 1
		if errors.Is(err, errTooLong) {
			err = c.lines.discardLine(n)
		}
		if err != nil {
			return c.lines.rowError(c.name, err)
		}
		line := c.lines.peek(n)
		if len(line) == 0 {
			c.lines.consume(size, 1)
			continue
		}
		if bytes.IndexByte(line, '"') >= 0 {
			return c.quotedRow(n, size)
		}
		c.lines.consume(size, 1)
		c.split(line)
		return c.checkUTF8(line)
	}
}

// split divides a row without quotes into fields.
func (c *csvReader) split(line []byte) {
	c.fields = c.fields[:0]
	for {
		i := bytes.IndexByte(line, c.comma)
		if i < 0 {
			c.fields = append(c.fields, csvField{text: line})
			return
		}
		c.fields = append(c.fields, csvField{text: line[:i:i]})
		line = line[i+1:]
	}
}

// errOpenQuote means that a row's last field is in quotes and not closed.
var errOpenQuote = errors.New("a quote is not closed")

// quotedRow parses the row whose first line has n bytes, size with its end. If
// a field in quotes spans lines the row takes the lines it needs.
func (c *csvReader) quotedRow(n, size int) error {
	first, lines := size, int64(1)
	err := c.splitQuoted(c.lines.peek(n))
	if errors.Is(err, errOpenQuote) {
		quotes := quoteScan{comma: c.comma}
		for seen := 0; ; {
			if quotes.feed(c.lines.peek(size)[seen:]); quotes.state != insideQuotes {
				err = c.splitQuoted(c.lines.peek(n))
				break
			}
			seen = size
			var more error
			if n, size, more = c.lines.find(size); more != nil {
				if more != io.EOF && !errors.Is(more, errTooLong) {
					return c.lines.rowError(c.name, more)
				}
				break
			}
			lines++
		}
	}
	if err != nil {
		c.lines.consume(first, 1)
		return c.rowError(err.Error(), `close it; a quote inside quotes is written twice ("")`)
	}
	row := c.lines.peek(n)
	c.lines.consume(size, lines)
	return c.checkUTF8(row)
}

// quoteScan follows a row over its lines only to tell where it ends, so that a
// field of many lines is looked at once and not once a line.
type quoteScan struct {
	comma byte
	state quoteState
}

type quoteState uint8

const (
	fieldStart    quoteState = iota
	outsideQuotes            // inside a field without quotes
	insideQuotes
	behindQuote // behind a quote that was opened: the end, or half of a doubled one
)

// feed goes on with b. Behind the end of a line only insideQuotes means that
// the row is not over.
func (q *quoteScan) feed(b []byte) {
	for i := 0; i < len(b); i++ {
		switch q.state {
		case fieldStart, behindQuote:
			switch {
			case b[i] == '"':
				q.state = insideQuotes
			case b[i] == q.comma:
				q.state = fieldStart
			default:
				q.state = outsideQuotes
			}
		case outsideQuotes:
			k := bytes.IndexByte(b[i:], q.comma)
			if k < 0 {
				return
			}
			i += k
			q.state = fieldStart
		case insideQuotes:
			k := bytes.IndexByte(b[i:], '"')
			if k < 0 {
				return
			}
			i += k
			q.state = behindQuote
		}
	}
}

// splitQuoted divides a row into fields, some of them in quotes.
func (c *csvReader) splitQuoted(line []byte) error {
	c.fields, c.scratch = c.fields[:0], c.scratch[:0]
	for i := 0; ; {
		if i < len(line) && line[i] == '"' {
			text, next, err := c.unquote(line, i+1)
			if err != nil {
				return err
			}
			c.fields = append(c.fields, csvField{text, true})
			i = next
		} else {
			end := len(line)
			if k := bytes.IndexByte(line[i:], c.comma); k >= 0 {
				end = i + k
			}
			c.fields = append(c.fields, csvField{text: line[i:end:end]})
			i = end
		}
		if i == len(line) {
			return nil
		}
		i++ // the comma; a field, perhaps empty, follows
	}
}

// unquote reads the field whose opening quote is before line[from]. next is
// where its comma is, or the row's end.
func (c *csvReader) unquote(line []byte, from int) (text []byte, next int, err error) {
	start, at := len(c.scratch), from
	for {
		k := bytes.IndexByte(line[at:], '"')
		if k < 0 {
			return nil, 0, errOpenQuote
		}
		end := at + k
		switch {
		case end+1 < len(line) && line[end+1] == '"':
			c.scratch = append(c.scratch, line[at:end+1]...)
			at = end + 2
		case end+1 < len(line) && line[end+1] != c.comma:
			return nil, 0, fmt.Errorf("%q follows the closing quote of field %d", line[end+1],
				len(c.fields)+1)
		case len(c.scratch) == start: // the usual field: no quote within
			return line[from:end:end], end + 1, nil
		default:
			c.scratch = append(c.scratch, line[at:end]...)
			return c.scratch[start:len(c.scratch):len(c.scratch)], end + 1, nil
		}
	}
}

// checkUTF8 refuses a row that could not stand in a JSON text.
func (c *csvReader) checkUTF8(row []byte) error {
	if utf8.Valid(row) {
		return nil
	}
	bad := 0
	for i := 0; i < len(row); {
		r, n := utf8.DecodeRune(row[i:])
		if r == utf8.RuneError && n == 1 {
			bad = i
			break
		}
		i += n
	}
	remedy := "convert the file, for example with iconv -f LATIN1 -t UTF-8"
	if c.start == 1 && (bytes.HasPrefix(row, []byte{0xFF, 0xFE}) ||
		bytes.HasPrefix(row, []byte{0xFE, 0xFF})) {
		remedy = "the file is UTF-16: convert it with iconv -f UTF-16 -t UTF-8"
	}
	return c.rowError(fmt.Sprintf("byte 0x%02X is not UTF-8", row[bad]), remedy)
}
