package wire

import (
	"errors"
	"math"
	"reflect"
	"testing"
)

// A parser of bytes from the network must never panic, must fail only with
// ErrCorrupt, must stay within its input, and must read back what is written.
func FuzzParseRecord(f *testing.F) {
	f.Add(encodeRecord(nil, &Record{Key: []byte("k"), Value: []byte("v")}))
	f.Add(encodeRecord(nil, &Record{TimestampDelta: -1, OffsetDelta: 1 << 20}))
	headers := []Header{{"a", nil}, {"a", []byte{}}, {"", []byte("x")}}
	f.Add(encodeRecord(nil, &Record{Headers: headers}))
	f.Add([]byte{0x80, 0x80}) // a varint cut short
	f.Fuzz(func(t *testing.T, b []byte) {
		r, n, err := ParseRecord(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatalf("%v does not match ErrCorrupt", err)
			}
			return
		}
		if n <= 0 || n > len(b) || 2*len(r.Headers) > n {
			t.Fatalf("%d bytes and %d headers of %d bytes", n, len(r.Headers), len(b))
		}
		again, m, err := ParseRecord(encodeRecord(nil, &r))
		if err != nil || m > n || !reflect.DeepEqual(again, r) { // DeepEqual tells nil from empty
			t.Fatalf("round trip: %+v (%d bytes) became %+v (%d bytes), %v", r, n, again, m, err)
		}
	})
}

func FuzzAppendIfFits(f *testing.F) {
	f.Add(int64(0), int32(0), []byte("key"), []byte("value"), false, false, 64)
	f.Add(int64(-5), int32(1<<20), []byte{}, make([]byte, 9000), true, false, 9020)
	f.Fuzz(func(
		t *testing.T, ts int64, offset int32, key, value []byte, noKey, noValue bool, room int,
	) {
		if noKey {
			key = nil
		}
		if noValue {
			value = nil
		}
		r := Record{TimestampDelta: ts, OffsetDelta: offset, Key: key, Value: value}
		want := encodeRecord(nil, &r)
		dst := make([]byte, 0, max(0, min(room, 1<<16)))
		got, ok := AppendIfFits(dst, ts, offset, key, value)
		if ok != (len(want) <= cap(dst)) || ok && string(got) != string(want) {
			t.Fatalf("% x (%t) in room of %d, want % x", got, ok, cap(dst), want)
		}
	})
}

func FuzzIterator(f *testing.F) {
	b := encodeRecord(nil, &Record{Key: []byte("k")})
	f.Add(int32(1), b)
	f.Add(int32(2), encodeRecord(b, &Record{OffsetDelta: 1, Value: []byte("v")}))
	f.Add(int32(math.MaxInt32), b)
	f.Add(int32(-1), b)
	f.Fuzz(func(t *testing.T, count int32, b []byte) {
		it := NewIterator(count, b)
		n := int32(0)
		for it.Next() {
			n++
			if it.Record() == nil {
				t.Fatal("no record after Next")
			}
		}
		switch err := it.Err(); {
		case err != nil && !errors.Is(err, ErrCorrupt):
			t.Fatalf("%v does not match ErrCorrupt", err)
		case err == nil && n != count:
			t.Fatalf("%d records of %d without an error", n, count)
		case it.Next():
			t.Fatal("Next goes on after the end")
		}
	})
}

func FuzzParseBatchHeader(f *testing.F) {
	b := make([]byte, BatchHeaderSize+20)
	h := BatchHeader{BaseOffset: 7, Count: 3, ProducerID: NoProducerID, Attributes: Transactional}
	h.Seal(b)
	f.Add(b)
	f.Add(b[:BatchHeaderSize-1])
	f.Fuzz(func(t *testing.T, b []byte) {
		_, batch, rest, cutErr := CutBatch(b)
		if len(batch)+len(rest) != len(b) {
			t.Fatalf("%d + %d bytes of %d", len(batch), len(rest), len(b))
		}
		h, err := ParseBatchHeader(b)
		for _, e := range []error{err, cutErr} {
			if e != nil && !errors.Is(e, ErrCorrupt) {
				t.Fatalf("%v does not match ErrCorrupt", e)
			}
		}
		if batch != nil && err != nil {
			t.Fatalf("CutBatch takes what ParseBatchHeader refuses: %v", err)
		}
		if err != nil {
			return
		}
		again := make([]byte, BatchHeaderSize)
		h.Put(again)
		if string(again) != string(b[:BatchHeaderSize]) {
			t.Fatalf("% x read and written is % x", b[:BatchHeaderSize], again)
		}
		if batch != nil && VerifyChecksum(batch) == nil && Checksum(batch) != h.CRC {
			t.Fatal("two opinions on one checksum")
		}
	})
}
