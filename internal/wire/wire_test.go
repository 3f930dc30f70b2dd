package wire

import (
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"runtime"
	"testing"
)

// encodeRecord is the long way round: size, fields, headers.
func encodeRecord(dst []byte, r *Record) []byte {
	size := 0
	for _, h := range r.Headers {
		size += HeaderSize(h.Key, h.Value)
	}
	body := RecordBodySize(r.TimestampDelta, r.OffsetDelta, r.Key, r.Value, len(r.Headers), size)
	dst = AppendRecord(dst, body, r.TimestampDelta, r.OffsetDelta, r.Key, r.Value, len(r.Headers))
	for _, h := range r.Headers {
		dst = AppendHeader(dst, h.Key, h.Value)
	}
	return dst
}

func TestVarintLenIsWhatAppendVarintWrites(t *testing.T) {
	for shift := range 64 {
		for _, x := range []int64{1 << shift, 1<<shift - 1, -1 << shift, -1<<shift - 1} {
			b := AppendVarint(nil, x)
			if len(b) != VarintLen(x) {
				t.Errorf("VarintLen(%d) = %d, written are %d", x, VarintLen(x), len(b))
			}
			if got, n := Varint(b); got != x || n != len(b) {
				t.Errorf("Varint(% x) = %d, %d, want %d", b, got, n, x)
			}
			got, n := varint32(b)
			if fits := x >= math.MinInt32 && x <= math.MaxInt32; fits != (n > 0) ||
				fits && int64(got) != x {
				t.Errorf("varint32 of %d = %d, %d", x, got, n)
			}
		}
	}
}

// The borders are those where a length or a delta takes one byte more, and
// where the fast path ends.
func TestAppendIfFitsWritesWhatAppendRecordWrites(t *testing.T) {
	lengths := []int{-1, 0, 1, 63, 64, 3990, 4010, 7999, 8000, 8001, 8191, 8192, 70_000}
	deltas := []int64{0, -1, 63, 64, -64, -65, 8191, 8192, 1 << 40}
	offsets := []int32{0, 63, 64, 8191, 8192, 1<<20 - 1, 1 << 20, math.MaxInt32}
	text := make([]byte, 70_000)
	for i := range text {
		text[i] = byte(i * 7)
	}
	of := func(n int) []byte {
		if n < 0 {
			return nil
		}
		return text[:n]
	}
	for _, k := range lengths {
		for _, v := range lengths {
			for _, ts := range deltas {
				for _, offset := range offsets {
					r := Record{TimestampDelta: ts, OffsetDelta: offset, Key: of(k), Value: of(v)}
					checkAppendIfFits(t, &r)
				}
			}
		}
	}
}

func checkAppendIfFits(t *testing.T, r *Record) {
	t.Helper()
	want := encodeRecord(nil, r)
	for _, spare := range []int{-1, 0, 1, 30} {
		room := append(make([]byte, 0, 5+len(want)+spare), "kept:"...)
		got, ok := AppendIfFits(room, r.TimestampDelta, r.OffsetDelta, r.Key, r.Value)
		switch {
		case ok != (spare >= 0):
			t.Errorf("%d bytes with room for %+d: ok = %t", len(want), spare, ok)
		case &got[0] != &room[0] || string(got[:5]) != "kept:":
			t.Error("dst was moved or overwritten")
		case ok && string(got[5:]) != string(want):
			t.Errorf("key %d, value %d, deltas %d and %d: other bytes than AppendRecord's",
				len(r.Key), len(r.Value), r.TimestampDelta, r.OffsetDelta)
		}
	}
}

func TestAppendingAndReadingDoNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 4096)
	key, value, header := []byte("key"), make([]byte, 100), []byte("value")
	tests := map[string]func(){
		"AppendIfFits": func() {
			if _, ok := AppendIfFits(buf, 5, 100, key, value); !ok {
				t.Fatal("no room")
			}
		},
		"AppendRecord with a header": func() {
			body := RecordBodySize(5, 100, key, value, 1, HeaderSize("name", header))
			b := AppendRecord(buf, body, 5, 100, key, value, 1)
			_ = AppendHeader(b, "name", header)
		},
		"a batch of records without headers": func() {
			b := buf
			for i := range int32(20) {
				b, _ = AppendIfFits(b, 0, i, key, value)
			}
			it := NewIterator(20, b)
			for it.Next() {
			}
			if it.Err() != nil {
				t.Fatal(it.Err())
			}
		},
		"Seal and ParseBatchHeader": func() {
			h := BatchHeader{Count: 1}
			h.Seal(buf[:100])
			if _, err := ParseBatchHeader(buf[:100]); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, f := range tests {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times, want 0", name, n)
		}
	}
}

func TestSequencesWrapFromTheLargestToZero(t *testing.T) {
	tests := []struct{ seq, n, want int32 }{
		{0, 5, 5},
		{math.MaxInt32, 0, math.MaxInt32},
		{math.MaxInt32, 1, 0},
		{math.MaxInt32 - 2, 5, 2},
		{math.MaxInt32, math.MaxInt32, math.MaxInt32 - 1},
	}
	for _, tt := range tests {
		if got := AddSequence(tt.seq, tt.n); got != tt.want {
			t.Errorf("AddSequence(%d, %d) = %d, want %d", tt.seq, tt.n, got, tt.want)
		}
	}
	h := BatchHeader{BaseSequence: NoSequence, LastOffsetDelta: 7}
	if h.LastSequence() != NoSequence {
		t.Errorf("LastSequence without a base is %d, want %d", h.LastSequence(), NoSequence)
	}
}

func TestParseRecordRefuses(t *testing.T) {
	tests := map[string][]byte{
		"nothing":                             {},
		"a length cut short":                  {0x80},
		"a length of more than 32 bits":       {0x80, 0x80, 0x80, 0x80, 0x80, 0x01},
		"a small length in six bytes":         {0x8c, 0x80, 0x80, 0x80, 0x80, 0x00, 0, 0, 0, 1, 1, 0},
		"a negative length":                   {1},
		"a length above the bytes":            {14, 0, 0, 0, 1, 1, 0},
		"a body without attributes":           {0},
		"a body that ends in the deltas":      {4, 0, 0},
		"a key above the body":                {12, 0, 0, 0, 8, 1, 0},
		"a negative header count":             {12, 0, 0, 0, 1, 1, 1},
		"more headers than bytes":             {12, 0, 0, 0, 1, 1, 126},
		"a header name of negative length":    {16, 0, 0, 0, 1, 1, 2, 1, 1},
		"a header value above the body":       {16, 0, 0, 0, 1, 1, 2, 0, 8},
		"bytes after the headers":             {14, 0, 0, 0, 1, 1, 0, 9},
		"an offset delta of more than 32 bit": {20, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x20, 1, 1, 0},
	}
	for name, b := range tests {
		t.Run(name, func(t *testing.T) {
			r, n, err := ParseRecord(b)
			if !errors.Is(err, ErrCorrupt) || n != 0 || !reflect.DeepEqual(r, Record{}) {
				t.Errorf("ParseRecord = %+v, %d, %v; want nothing and ErrCorrupt", r, n, err)
			}
		})
	}
}

// A count of headers in a few bytes must not cost the memory it claims.
func TestHeadersClaimedButMissingCostNoMemory(t *testing.T) {
	const missing = 1 << 19
	body := []byte{0, 0, 0, 1, 1, 0xfe, 0xff, 0x0f} // 131071 headers follow
	b := AppendVarint(nil, int64(len(body)+missing))
	b = append(append(b, body...), make([]byte, missing)...)
	for i := range 8 {
		b[len(b)-missing+i] = 0x80 // the first header's name has no end in five bytes
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, _, err := ParseRecord(b)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ErrCorrupt) {
		t.Errorf("error = %v, want ErrCorrupt", err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 8<<10 {
		t.Errorf("%d bytes allocated", n)
	}
}

func TestCutBatchTellsABeginningFromDamage(t *testing.T) {
	batch := make([]byte, BatchHeaderSize+10)
	h := BatchHeader{Count: 1}
	h.Seal(batch)
	for n := range batch {
		if _, got, rest, err := CutBatch(batch[:n]); got != nil || err != nil || len(rest) != n {
			t.Fatalf("%d bytes of %d: batch of %d, %v", n, len(batch), len(got), err)
		}
	}
	_, got, rest, err := CutBatch(append(batch, 1, 2, 3))
	if err != nil || len(got) != len(batch) || cap(got) != len(batch) || len(rest) != 3 {
		t.Errorf("batch of %d (capacity %d), %d left, %v", len(got), cap(got), len(rest), err)
	}
	for _, length := range []int32{0, -1, BatchHeaderSize - LogOverhead - 1, math.MinInt32} {
		binary.BigEndian.PutUint32(batch[offBatchLength:], uint32(length))
		if _, _, _, err := CutBatch(batch); !errors.Is(err, ErrCorrupt) {
			t.Errorf("batch length %d: %v, want ErrCorrupt", length, err)
		}
	}
}

func TestEndTxnMarkerRefusesWhatIsTooShort(t *testing.T) {
	for _, b := range [][2][]byte{{nil, nil}, {{0, 0, 0}, make([]byte, 6)}, {make([]byte, 4), {1}}} {
		if _, err := ParseEndTxnMarker(b[0], b[1]); !errors.Is(err, ErrCorrupt) {
			t.Errorf("ParseEndTxnMarker(%v, %v) = %v, want ErrCorrupt", b[0], b[1], err)
		}
	}
}
