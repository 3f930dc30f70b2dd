package compression

import (
	"fmt"
	"testing"
)

func BenchmarkAppend(b *testing.B) {
	for c := Gzip; c <= ZSTD; c++ {
		for _, size := range []int{16 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%dKiB", c, size>>10), func(b *testing.B) {
				z := mustNew(b, c, c.DefaultLevel())
				in := text(size)
				out := mustAppend(b, z, nil, in)
				b.ReportMetric(float64(size)/float64(len(out)), "ratio")
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					out = mustAppend(b, z, out[:0], in)
				}
			})
		}
	}
}

func BenchmarkDecompress(b *testing.B) {
	for c := Gzip; c <= ZSTD; c++ {
		b.Run(c.String(), func(b *testing.B) {
			in := text(64 << 10)
			z := mustAppend(b, mustNew(b, c, c.DefaultLevel()), nil, in)
			var out []byte
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if out, err = Decompress(out[:0], z, c, 1<<20); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
