package serializer

import (
	"encoding/binary"
	"fmt"
)

// List writes a list of what another codec writes (Kafka's ListSerializer). A
// nil slice is null. Null entries are those that the inner codec makes null, for
// instance with [Nullable].
//
//	codec := serializer.List(serializer.Int32{}) // a Serde[[]int32]
//
// There are two layouts, all numbers 32 bits and big-endian. Entries of one size
// (the integers, floats and UUID):
//
//	0 | number of nulls | index of each null | number of entries | entries that are not null
//
// and all others:
//
//	1 | number of entries | for each: its length, or -1 for null | its bytes
//
// Reading is stricter than Java's, which passes over bytes left at the end and
// indices of nulls out of range: both are [ErrMalformed].
func List[T any](inner Serde[T]) Serde[[]T] { return list[T]{inner} }

type list[T any] struct{ inner Serde[T] }

// Layouts, as the first byte says (ListSerde's SerializationStrategy).
const (
	constantSize byte = 0
	variableSize byte = 1
)

const nullEntry = 1<<32 - 1 // -1 as the length of an entry

func (l list[T]) Serialize(
	dst []byte, topic string, headers *[]Header, v []T,
) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	if sizeOf(l.inner) > 0 {
		return l.appendConstant(dst, topic, headers, v)
	}
	return l.appendVariable(dst, topic, headers, v)
}

func (l list[T]) appendConstant(
	dst []byte, topic string, headers *[]Header, v []T,
) ([]byte, error) {
	dst = append(dst, constantSize, 0, 0, 0, 0)
	indices := len(dst) // where those of the nulls go, if there are any
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(v)))
	var nulls []int
	for i, entry := range v {
		next, err := l.inner.Serialize(dst, topic, headers, entry)
		if err != nil {
			return nil, entryError(i, err)
		}
		if next == nil {
			nulls = append(nulls, i)
			continue
		}
		dst = next
	}
	if len(nulls) == 0 {
		return dst, nil
	}
	end, gap := len(dst), 4*len(nulls)
	dst = append(dst, make([]byte, gap)...)
	copy(dst[indices+gap:], dst[indices:end])
	binary.BigEndian.PutUint32(dst[indices-4:], uint32(len(nulls)))
	for i, null := range nulls {
		binary.BigEndian.PutUint32(dst[indices+4*i:], uint32(null))
	}
	return dst, nil
}

func (l list[T]) appendVariable(
	dst []byte, topic string, headers *[]Header, v []T,
) ([]byte, error) {
	dst = binary.BigEndian.AppendUint32(append(dst, variableSize), uint32(len(v)))
	for i, entry := range v {
		dst = binary.BigEndian.AppendUint32(dst, nullEntry)
		start := len(dst)
		next, err := l.inner.Serialize(dst, topic, headers, entry)
		if err != nil {
			return nil, entryError(i, err)
		}
		if next == nil {
			continue
		}
		dst = next
		binary.BigEndian.PutUint32(dst[start-4:], uint32(len(dst)-start))
	}
	return dst, nil
}

func (l list[T]) Deserialize(topic string, headers []Header, data []byte) ([]T, error) {
	if data == nil {
		return nil, nil
	}
	r := &listReader{rest: data}
	var entries [][]byte
	switch layout := r.byte(); {
	case r.failed:
	case layout == variableSize:
		entries = r.variable()
	case layout != constantSize:
		return nil, fmt.Errorf("list: %w: layout byte %d, want 0 or 1", ErrMalformed, layout)
	case sizeOf(l.inner) == 0:
		return nil, fmt.Errorf("list: %w: written with entries of one size, "+
			"which %T does not have", ErrMalformed, l.inner)
	default:
		entries = r.constant(sizeOf(l.inner))
	}
	if r.failed || len(r.rest) > 0 {
		return nil, fmt.Errorf("list: %w: its %d bytes do not add up", ErrMalformed, len(data))
	}
	v := make([]T, len(entries))
	for i, entry := range entries {
		var err error
		if v[i], err = l.inner.Deserialize(topic, headers, entry); err != nil {
			return nil, entryError(i, err)
		}
	}
	return v, nil
}

func (l list[T]) Configure(settings map[string]string, isKey bool) error {
	if c, ok := l.inner.(Configurer); ok {
		return c.Configure(settings, isKey)
	}
	return nil
}

func entryError(i int, err error) error { return fmt.Errorf("list entry %d: %w", i, err) }

// listReader takes a list apart. It allocates no more than its bytes justify,
// whatever the counts in them say. Entries alias the input; nil ones are null.
type listReader struct {
	rest   []byte
	failed bool
}

func (r *listReader) take(n int) []byte {
	if r.failed || n < 0 || n > len(r.rest) {
		r.failed = true
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *listReader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *listReader) uint32() uint32 {
	if b := r.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *listReader) variable() [][]byte {
	count := int64(r.uint32())
	if r.failed = r.failed || count*4 > int64(len(r.rest)); r.failed {
		return nil
	}
	entries := make([][]byte, count)
	for i := range entries {
		if length := r.uint32(); length != nullEntry {
			entries[i] = r.take(int(int32(length)))
		}
	}
	return entries
}

func (r *listReader) constant(size int) [][]byte {
	nulls := r.take(int(min(int64(r.uint32())*4, 1<<31)))
	count := int64(r.uint32())
	present := count - int64(len(nulls)/4)
	if r.failed = r.failed || present*int64(size) != int64(len(r.rest)); r.failed {
		return nil
	}
	entries := make([][]byte, count)
	for i := range len(nulls) / 4 {
		at := int64(binary.BigEndian.Uint32(nulls[4*i:]))
		if at >= count || entries[at] != nil {
			r.failed = true // out of range, or named twice
			return nil
		}
		entries[at] = nulls // a mark that is not nil
	}
	for i := range entries {
		if entries[i] != nil {
			entries[i] = nil
			continue
		}
		entries[i] = r.take(size)
	}
	return entries
}
