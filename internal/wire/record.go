package wire

import (
	"fmt"
)

// Header is a name and a value that travel with a record. A nil value and an
// empty one differ on the wire.
type Header struct {
	Key   string
	Value []byte
}

// Record is one record of a batch as its bytes say. Nil and empty key and value
// differ. Key, Value and header values alias the bytes that were read.
type Record struct {
	TimestampDelta int64 // milliseconds after the batch's base timestamp
	OffsetDelta    int32 // after the batch's base offset
	Key            []byte
	Value          []byte
	Headers        []Header
}

// ParseRecord reads the record at the start of b and reports its length. Every
// error matches ErrCorrupt.
func ParseRecord(b []byte) (r Record, n int, err error) {
	if n, err = r.parse(b); err != nil {
		return Record{}, 0, err
	}
	return r, n, nil
}

// parse is ParseRecord without copies of the record. After an error r holds
// something of the old and the new.
func (r *Record) parse(b []byte) (n int, err error) {
	length, k := varint32(b)
	if k <= 0 || length < 0 || int(length) > len(b)-k {
		return 0, fmt.Errorf("%w: a record's length %d does not fit %d bytes",
			ErrCorrupt, length, len(b))
	}
	p := parser{b: b[k : k+int(length)]}
	p.byte() // attributes
	r.TimestampDelta = p.varint()
	r.OffsetDelta = p.varint32()
	r.Key = p.bytes()
	r.Value = p.bytes()
	r.Headers = nil
	if count := p.varint32(); count != 0 {
		r.Headers = p.headers(count)
	}
	if len(p.b) != 0 {
		p.fail("%d bytes left over", len(p.b))
	}
	return k + int(length), p.err
}

// parser reads fields in turn and keeps the first error.
type parser struct {
	b   []byte
	err error
}

func (p *parser) failed() bool { return p.err != nil }

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf("%w: record has "+format, append([]any{ErrCorrupt}, args...)...)
	}
	p.b = nil
}

func (p *parser) byte() {
	if len(p.b) == 0 {
		p.fail("no attributes")
		return
	}
	p.b = p.b[1:]
}

func (p *parser) varint() int64 {
	x, n := Varint(p.b)
	if n <= 0 {
		p.fail("a number cut short or too long")
		return 0
	}
	p.b = p.b[n:]
	return x
}

func (p *parser) varint32() int32 {
	x, n := varint32(p.b)
	if n <= 0 {
		p.fail("a 32-bit number cut short or too long")
		return 0
	}
	p.b = p.b[n:]
	return x
}

func (p *parser) bytes() []byte {
	n := p.varint32()
	if p.failed() || n < 0 {
		return nil // Java takes every negative length for null
	}
	if int(n) > len(p.b) {
		p.fail("a field of %d bytes where %d are left", n, len(p.b))
		return nil
	}
	f := p.b[:n:n]
	p.b = p.b[n:]
	return f
}

func (p *parser) headers(count int32) []Header {
	if count < 0 || int(count) > len(p.b)/2 { // a header has at least two bytes
		p.fail("%d headers", count)
		return nil
	}
	all := make([]Header, 0, min(int(count), 64)) // count is not proven yet
	for range count {
		all = append(all, p.header())
		if p.failed() {
			return nil
		}
	}
	return all
}

func (p *parser) header() Header {
	n := p.varint32()
	if !p.failed() && (n < 0 || int(n) > len(p.b)) {
		p.fail("a header name of %d bytes where %d are left", n, len(p.b))
	}
	if p.failed() {
		return Header{}
	}
	key := string(p.b[:n])
	p.b = p.b[n:]
	return Header{Key: key, Value: p.bytes()}
}

// Iterator walks the records of one batch whose records are not compressed, or
// have been decompressed.
//
//	for it := wire.NewIterator(h, records); it.Next(); { use(it.Record()) }
type Iterator struct {
	rest   []byte
	left   int32
	record Record
	err    error
}

// NewIterator starts at the first of count records in b (a batch's bytes after
// its header, decompressed).
func NewIterator(count int32, b []byte) Iterator {
	it := Iterator{rest: b, left: count}
	if count < 0 {
		it.err = fmt.Errorf("%w: record count %d", ErrCorrupt, count)
	}
	return it
}

// Next advances to the next record; false means the end, or an error: see Err.
func (it *Iterator) Next() bool {
	if it.err != nil {
		return false
	}
	if it.left == 0 {
		it.checkEnd()
		return false
	}
	n, err := it.record.parse(it.rest)
	if err != nil {
		it.err = err
		return false
	}
	it.rest, it.left = it.rest[n:], it.left-1
	if it.left == 0 {
		it.checkEnd() // like Java, before the last record is handed out
	}
	return it.err == nil
}

func (it *Iterator) checkEnd() {
	if len(it.rest) != 0 {
		it.err = fmt.Errorf("%w: %d bytes after the last record", ErrCorrupt, len(it.rest))
	}
}

// Record is the record that Next moved to.
func (it *Iterator) Record() *Record { return &it.record }

// Err is what ended the walk early, or nil.
func (it *Iterator) Err() error { return it.err }
