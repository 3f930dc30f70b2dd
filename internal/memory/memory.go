// Package memory bounds in tests what a decoder allocates for bytes from
// outside: a length or a count in them must not make it allocate for what is not
// there.
package memory

import (
	"runtime/metrics"
	"testing"
)

// Limit is what decoding n bytes may allocate in all, bytes.
func Limit(n int) uint64 { return 16*uint64(n) + 1<<20 }

// tries is how often decode is measured at most. The runtime counts what all
// goroutines allocate, its own and those of a fuzzing engine too, so that the
// least figure is the one that decode is answerable for.
const tries = 5

// Check fails t if decode allocates more than Limit for n bytes. It may run
// decode several times.
func Check(t testing.TB, n int, decode func()) {
	t.Helper()
	var least uint64
	for i := range tries {
		before := allocated()
		decode()
		got := allocated() - before
		if i == 0 || got < least {
			least = got
		}
		if least <= Limit(n) {
			return
		}
	}
	t.Errorf("%d bytes made it allocate %d, more than %d", n, least, Limit(n))
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
