package avro

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"

	avro "github.com/twmb/avro"

	"github.com/posthaste-go/posthaste/serializer"
)

// transcoder reads the writer's bytes and writes the reader's.
type transcoder struct {
	in, out []byte
	depth   int
	empty   int // items of no bytes so far
	blocks  int // of arrays and maps, beyond the first of each
}

const (
	// maxDepth bounds how deep a value of a type that holds itself may be.
	maxDepth = 1000

	// maxEmptyItems bounds the items that take no bytes, whose number is not
	// bounded by the input's length.
	maxEmptyItems = 4096
)

// transcoders keeps buffers between records.
var transcoders = sync.Pool{New: func() any { return new(transcoder) }}

// release gives t back; what was decoded does not point into its buffer.
func (t *transcoder) release() {
	const keep = 64 << 10
	if cap(t.out) > keep {
		t.out = nil
	}
	*t = transcoder{out: t.out[:0]}
	transcoders.Put(t)
}

func short(what string) error {
	return fmt.Errorf("%w: the bytes end within %s", serializer.ErrMalformed, what)
}

func (t *transcoder) enter() error {
	t.depth++
	if t.depth > maxDepth {
		return fmt.Errorf("%w: values are nested more than %d deep", serializer.ErrMalformed, maxDepth)
	}
	return nil
}

func (t *transcoder) leave() { t.depth-- }

func (t *transcoder) readLong() (int64, error) {
	n, size := binary.Varint(t.in)
	switch {
	case size == 0:
		return 0, short("a number")
	case size < 0:
		return 0, fmt.Errorf("%w: a number has more than 64 bits", serializer.ErrMalformed)
	}
	t.in = t.in[size:]
	return n, nil
}

func (t *transcoder) long(n int64) { t.out = binary.AppendVarint(t.out, n) }

// index reads the number of a symbol or branch.
func (t *transcoder) index(count int, of string) (int, error) {
	n, err := t.readLong()
	if err != nil {
		return 0, err
	}
	if n < 0 || n >= int64(count) {
		return 0, fmt.Errorf("%w: %s has no index %d", serializer.ErrMalformed, of, n)
	}
	return int(n), nil
}

// take cuts n bytes off.
func (t *transcoder) take(n int64, of string) ([]byte, error) {
	if n < 0 || n > int64(len(t.in)) {
		return nil, short(of)
	}
	b := t.in[:n]
	t.in = t.in[n:]
	return b, nil
}

func (t *transcoder) readBytes() ([]byte, error) {
	n, err := t.readLong()
	if err != nil {
		return nil, err
	}
	return t.take(n, "a string or bytes")
}

// blocks reads the blocks of an array or a map, with sizes or without, and
// writes one without. The library would copy what it has of an array for each
// block, so that many small blocks cost the square of their number.
func (b *resolver) blocks(item *avro.SchemaNode, each *action, keyed bool) *action {
	return &action{run: func(t *transcoder) error {
		defer t.leave()
		if err := t.enter(); err != nil {
			return err
		}
		start := len(t.out)
		count, err := t.blockCount()
		if err != nil {
			return err
		}
		t.long(count)
		total, items := count, len(t.out)
		for count > 0 {
			for range count {
				if err := t.item(each, keyed); err != nil {
					return err
				}
			}
			if count, err = t.blockCount(); err != nil {
				return err
			}
			if count > 0 {
				t.blocks++
				total += count // what it counts was read, so it cannot overflow
			}
		}
		if total == 0 {
			return nil
		}
		if head := binary.AppendVarint(nil, total); len(head) != items-start ||
			!bytes.Equal(head, t.out[start:items]) {
			t.out = slices.Replace(t.out, start, items, head...)
		}
		t.long(0)
		return nil
	}}
}

// blockCount reads the head of a block; 0 ends the blocks.
func (t *transcoder) blockCount() (int64, error) {
	count, err := t.readLong()
	if err != nil || count >= 0 {
		return count, err
	}
	if count == math.MinInt64 {
		return 0, fmt.Errorf("%w: a block of 2^63 items", serializer.ErrMalformed)
	}
	_, err = t.readLong() // the block's size in bytes
	return -count, err
}

func (t *transcoder) item(each *action, keyed bool) error {
	before, written := len(t.in), len(t.out)
	if keyed {
		key, err := t.readBytes()
		if err != nil {
			return err
		}
		t.long(int64(len(key)))
		t.out = append(t.out, key...)
	}
	if err := each.run(t); err != nil {
		return err
	}
	if len(t.in) == before {
		t.empty++
		if len(t.out) > written { // defaults, which cost more than nothing
			t.empty += 3
		}
		if t.empty > maxEmptyItems {
			return fmt.Errorf("%w: more than %d items of no bytes", serializer.ErrMalformed, maxEmptyItems)
		}
	}
	return nil
}

// skip passes over a value of w and writes nothing.
func (b *resolver) skip(w *avro.SchemaNode) *action {
	w = follow(w, b.writer)
	key := pair{w, nil}
	if a := b.built[key]; a != nil {
		return a
	}
	a := &action{}
	b.built[key] = a
	switch kindOf(w) {
	case "record":
		fields := make([]*action, len(w.Fields))
		for i := range w.Fields {
			fields[i] = b.skip(&w.Fields[i].Type)
		}
		a.run = skipAll(fields)
	case "union":
		branches := make([]*action, len(w.Branches))
		for i := range w.Branches {
			branches[i] = b.skip(&w.Branches[i])
		}
		a.run = func(t *transcoder) error {
			defer t.leave()
			if err := t.enter(); err != nil {
				return err
			}
			n, err := t.index(len(branches), "union")
			if err != nil {
				return err
			}
			return branches[n].run(t)
		}
	case "array":
		a.run = muted(b.blocks(w.Items, b.skip(w.Items), false))
	case "map":
		a.run = muted(b.blocks(w.Values, b.skip(w.Values), true))
	default:
		a.run = skipScalar(w)
	}
	return a
}

func skipAll(fields []*action) func(t *transcoder) error {
	return func(t *transcoder) error {
		defer t.leave()
		if err := t.enter(); err != nil {
			return err
		}
		for _, f := range fields {
			if err := f.run(t); err != nil {
				return err
			}
		}
		return nil
	}
}

// muted runs a and takes back what it wrote.
func muted(a *action) func(t *transcoder) error {
	return func(t *transcoder) error {
		before := len(t.out)
		err := a.run(t)
		t.out = t.out[:before]
		return err
	}
}

func skipScalar(w *avro.SchemaNode) func(t *transcoder) error {
	fixed := func(size int64) func(t *transcoder) error {
		return func(t *transcoder) error {
			_, err := t.take(size, "a "+w.Type)
			return err
		}
	}
	switch w.Type {
	case "null":
		return func(*transcoder) error { return nil }
	case "boolean":
		return fixed(1)
	case "float":
		return fixed(4)
	case "double":
		return fixed(8)
	case "fixed":
		return fixed(int64(w.Size))
	case "enum":
		return func(t *transcoder) error {
			_, err := t.index(len(w.Symbols), "enum "+w.Name)
			return err
		}
	case "int":
		return func(t *transcoder) error {
			n, err := t.readLong()
			if err == nil && n != int64(int32(n)) {
				err = fmt.Errorf("%w: %d is not an int", serializer.ErrMalformed, n)
			}
			return err
		}
	case "long":
		return func(t *transcoder) error {
			_, err := t.readLong()
			return err
		}
	}
	return func(t *transcoder) error { // bytes, string
		_, err := t.readBytes()
		return err
	}
}

// promotable reports whether the specification promotes one kind to another.
func promotable(from, to string) bool {
	switch from {
	case "int":
		return to == "long" || to == "float" || to == "double"
	case "long":
		return to == "float" || to == "double"
	case "float":
		return to == "double"
	case "string":
		return to == "bytes"
	case "bytes":
		return to == "string"
	}
	return false
}

func promote(w, r *avro.SchemaNode, path string) *action {
	from, to := kindOf(w), kindOf(r)
	switch {
	case !promotable(from, to):
		return mismatch(path, "%s cannot be read as %s", describe(w), describe(r))
	case from == "string" || from == "bytes":
		return &action{run: func(t *transcoder) error {
			b, err := t.readBytes()
			t.long(int64(len(b)))
			t.out = append(t.out, b...)
			return err
		}}
	case from == "float":
		return &action{run: func(t *transcoder) error {
			b, err := t.take(4, "a float")
			if err != nil {
				return err
			}
			t.double(float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
			return nil
		}}
	}
	return &action{run: func(t *transcoder) error {
		n, err := t.readLong()
		switch to {
		case "long":
			t.long(n)
		case "float":
			t.out = binary.LittleEndian.AppendUint32(t.out, math.Float32bits(float32(n)))
		default:
			t.double(float64(n))
		}
		return err
	}}
}

func (t *transcoder) double(f float64) {
	t.out = binary.LittleEndian.AppendUint64(t.out, math.Float64bits(f))
}

// encodeDefault is a default's bytes.
func encodeDefault(n *avro.SchemaNode, v any) ([]byte, error) {
	s, err := n.Schema()
	if err != nil {
		return nil, err
	}
	return s.Encode(v)
}
