package input

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// rowsAtATime is how many rows a parquetReader asks for: enough to spread the
// cost of a call, few enough to keep memory flat whatever the file's size.
const rowsAtATime = 256

// parquetReader reads the rows of a Parquet file. The value is a JSON object of
// the columns in their order; parquet_value.go says what becomes of each type.
type parquetReader struct {
	*source
	groups []parquet.RowGroup // those not begun
	rows   parquet.Rows       // of the row group at hand; nil between two
	buf    []parquet.Row
	next   int // index into buf[:have]
	have   int
	row    int64 // number of the row returned last, from 1
	total  int64

	root    *column
	columns int // leaves
	split   [][]parquet.Value

	sel       *selection
	leaves    []*column // of sel.names
	timestamp *column   // set if the timestamp field is a time, not a text
	texts     [][]byte
	scratch   []byte
	value     []byte
}

func newParquetReader(s *source, r io.ReaderAt, size int64, o Options) (_ Reader, err error) {
	defer corruptFile(s.name, &err)
	if err := checkFooter(r, size); err != nil {
		return nil, fmt.Errorf("%s: not a readable Parquet file: %w", s.name, err)
	}
	f, err := parquet.OpenFile(r, size, &parquet.FileConfig{SkipPageIndex: true,
		SkipBloomFilters: true, ReadBufferSize: 64 << 10})
	if err != nil {
		return nil, fmt.Errorf("%s: not a readable Parquet file: %w", s.name, err)
	}
	p := &parquetReader{source: s, groups: f.RowGroups(), total: f.NumRows(),
		buf: make([]parquet.Row, rowsAtATime), sel: newSelection(o)}
	p.root = newColumn(f.Root())
	p.columns = p.root.last
	p.split = make([][]parquet.Value, p.columns)
	p.texts = make([][]byte, len(p.sel.names))
	for i, name := range p.sel.names {
		leaf, err := p.root.find(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		p.leaves = append(p.leaves, leaf)
		if i == p.sel.timestamp && leaf.millis != nil {
			p.timestamp = leaf
		}
	}
	return p, nil
}

// checkFooter looks at the length that the file gives for its footer, because
// the library allocates as much before it reads.
func checkFooter(r io.ReaderAt, size int64) error {
	const magic, tail = 4, 8 // PAR1 in front; length and PAR1 behind
	if size < magic+tail {
		return fmt.Errorf("it has only %d bytes", size)
	}
	var b [tail]byte
	if _, err := r.ReadAt(b[:], size-tail); err != nil {
		return err
	}
	if n := int64(binary.LittleEndian.Uint32(b[:])); n > size-magic-tail {
		return fmt.Errorf("its footer is said to have %d bytes, the file has %d", n, size)
	}
	return nil
}

// corruptFile makes a panic of the Parquet library an error: it checks what a
// file says of itself in most places, but a damaged page can still lead it out
// of a slice's bounds, and a bad file must not take the command down.
func corruptFile(name string, err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("%s: the Parquet file is damaged: %v", name, v)
	}
}

// find returns the leaf at a path of names with dots between them.
func (c *column) find(path string) (*column, error) {
	at := c
	for rest := path; ; {
		next, after := at.child(rest)
		if next == nil {
			return nil, at.noColumn(path, rest)
		}
		if after == "" {
			if next.kind != leafColumn || next.rep > 0 {
				return nil, fmt.Errorf("column %q is a list or a group; choose a single value "+
					"inside it", path)
			}
			return next, nil
		}
		at, rest = next, after
	}
}

// child finds the column that rest is or begins with. A name that itself has
// dots goes before a shorter one.
func (c *column) child(rest string) (*column, string) {
	var best *column
	var after string
	for _, k := range c.children {
		if k.name == rest {
			return k, ""
		}
		if strings.HasPrefix(rest, k.name+".") && (best == nil || len(k.name) > len(best.name)) {
			best, after = k, rest[len(k.name)+1:]
		}
	}
	return best, after
}

func (c *column) noColumn(path, rest string) error {
	var names []string
	for _, k := range c.children {
		names = append(names, k.name)
	}
	if near := nearest(rest, names); near != "" {
		return fmt.Errorf("no column %q; did you mean %q?", path,
			strings.TrimSuffix(path, rest)+near)
	}
	return fmt.Errorf("no column %q; the columns are %s", path, strings.Join(names, ", "))
}

// Progress reports rows.
func (p *parquetReader) Progress() (done, total int64) { return p.row, p.total }

func (p *parquetReader) Close() error {
	var err error
	if p.rows != nil {
		err = p.rows.Close()
	}
	return errors.Join(err, p.source.Close())
}

func (p *parquetReader) Read(r *Record) (err error) {
	defer corruptFile(p.name, &err)
	if p.next == p.have {
		if err := p.fill(); err != nil {
			return err
		}
	}
	p.row++
	r.reset(p.row)
	row := p.buf[p.next]
	p.next++
	if err := p.divide(row); err != nil {
		return err
	}
	p.value = p.root.appendGroup(p.value[:0], p.split)
	if err := p.fields(r); err != nil {
		return &RowError{File: p.name, Line: p.row, Problem: err.Error(),
			Remedy: "correct the field"}
	}
	r.Value = p.value
	return nil
}

// fill reads the next rows, from the next row group if need be.
func (p *parquetReader) fill() error {
	for {
		if p.rows == nil {
			if len(p.groups) == 0 {
				return io.EOF
			}
			p.rows, p.groups = p.groups[0].Rows(), p.groups[1:]
		}
		n, err := p.rows.ReadRows(p.buf)
		p.next, p.have = 0, n
		if err != nil && err != io.EOF {
			return fmt.Errorf("%s: row %d: cannot read on: %w", p.name, p.row+1, err)
		}
		if n > 0 {
			return nil
		}
		if err := p.rows.Close(); err != nil {
			return fmt.Errorf("%s: row %d: %w", p.name, p.row+1, err)
		}
		p.rows = nil
	}
}

// divide gives each column its values of row, of which there are several only
// in lists.
func (p *parquetReader) divide(row parquet.Row) error {
	if len(row) == p.columns {
		for i := range row {
			p.split[i] = row[i : i+1]
		}
		return nil
	}
	at := 0
	for c := range p.split {
		from := at
		for at < len(row) && row[at].Column() == c {
			at++
		}
		if p.split[c] = row[from:at]; from == at {
			return fmt.Errorf("%s: row %d: the Parquet file is damaged: column %d has no value",
				p.name, p.row, c+1)
		}
	}
	return nil
}

// fields takes the key and the other selected fields from the row.
func (p *parquetReader) fields(r *Record) error {
	p.scratch = p.scratch[:0]
	for i, leaf := range p.leaves {
		v := p.split[leaf.first][0]
		if v.IsNull() {
			p.texts[i] = nil
			continue
		}
		start := len(p.scratch)
		p.scratch = leaf.text(p.scratch, v)
		p.texts[i] = p.scratch[start:len(p.scratch):len(p.scratch)]
		if leaf == p.timestamp && i == p.sel.timestamp {
			if r.Timestamp = leaf.millis(v); r.Timestamp < 0 {
				return fmt.Errorf("timestamp field %q: %s is before 1970, which Kafka refuses",
					p.sel.names[i], p.texts[i])
			}
		}
	}
	if p.timestamp == nil {
		return p.sel.fill(r, p.texts)
	}
	without := *p.sel
	without.timestamp = -1
	return without.fill(r, p.texts)
}
