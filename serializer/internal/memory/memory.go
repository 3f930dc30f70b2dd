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

// Check fails t if decode allocates more than Limit for n bytes.
func Check(t testing.TB, n int, decode func()) {
	t.Helper()
	before := allocated()
	decode()
	if got := allocated() - before; got > Limit(n) {
		t.Errorf("%d bytes made it allocate %d, more than %d", n, got, Limit(n))
	}
}

func allocated() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
