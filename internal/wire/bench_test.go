package wire

import (
	"testing"
)

// The keys and values of the product's own benchmarks.
var benchShapes = []struct {
	name       string
	key, value []byte
}{
	{"value of 100, no key", nil, make([]byte, 100)},
	{"value of 100, key of 8", make([]byte, 8), make([]byte, 100)},
	{"value of 10, no key", nil, make([]byte, 10)},
	{"value of 1000, no key", nil, make([]byte, 1000)},
}

func BenchmarkAppendIfFits(b *testing.B) {
	for _, s := range benchShapes {
		b.Run(s.name, func(b *testing.B) {
			buf := make([]byte, 0, 16<<10)
			var n int32
			b.ReportAllocs()
			for b.Loop() {
				var ok bool
				if buf, ok = AppendIfFits(buf, int64(n>>4), n, s.key, s.value); !ok {
					buf, n = buf[:0], 0
				}
				n++
			}
		})
	}
}

// What AppendIfFits replaces, and what a record with headers costs before them.
func BenchmarkAppendRecord(b *testing.B) {
	for _, s := range benchShapes {
		b.Run(s.name, func(b *testing.B) {
			buf := make([]byte, 0, 16<<10)
			var n int32
			b.ReportAllocs()
			for b.Loop() {
				ts := int64(n >> 4)
				body := RecordBodySize(ts, n, s.key, s.value, 0, 0)
				if VarintLen(int64(body))+body > cap(buf)-len(buf) {
					buf, n = buf[:0], 0
				}
				buf = AppendRecord(buf, body, ts, n, s.key, s.value, 0)
				n++
			}
		})
	}
}

// The floor: the copy of the value alone.
func BenchmarkCopyOf100(b *testing.B) {
	value := make([]byte, 100)
	buf := make([]byte, 0, 16<<10)
	for b.Loop() {
		if cap(buf)-len(buf) < 110 {
			buf = buf[:0]
		}
		buf = append(buf, value...)
	}
}

func BenchmarkIterator(b *testing.B) {
	records, count := benchRecords()
	b.SetBytes(int64(len(records)))
	b.ReportAllocs()
	for b.Loop() {
		it := NewIterator(count, records)
		for it.Next() {
		}
		if it.Err() != nil {
			b.Fatal(it.Err())
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(count), "ns/record")
}

func BenchmarkSeal(b *testing.B) {
	records, count := benchRecords()
	batch := append(make([]byte, BatchHeaderSize), records...)
	h := BatchHeader{Count: count, LastOffsetDelta: count - 1}
	b.SetBytes(int64(len(batch)))
	b.ReportAllocs()
	for b.Loop() {
		h.Seal(batch)
	}
}

func benchRecords() (records []byte, count int32) {
	buf := make([]byte, 0, 64<<10)
	for {
		next, ok := AppendIfFits(buf, int64(count>>4), count, nil, make([]byte, 100))
		if !ok {
			return buf, count
		}
		buf, count = next, count+1
	}
}
