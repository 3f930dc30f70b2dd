package wire

import (
	"math/rand/v2"
	"testing"
)

func TestSealSummedIsSeal(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	lengths := []int{0, 1, 255, 256, 257, 4096, 16384, 65535, 65536, 65537, 1 << 20, SumLimit}
	for range 200 {
		lengths = append(lengths, r.IntN(1<<(8+r.IntN(13))))
	}
	for _, n := range lengths {
		b := make([]byte, BatchHeaderSize+n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		h := BatchHeader{
			BaseTimestamp: r.Int64(), MaxTimestamp: r.Int64(), ProducerID: r.Int64(),
			ProducerEpoch: int16(r.Uint32()), BaseSequence: r.Int32(), Count: r.Int32(),
		}
		records := b[BatchHeaderSize:]
		cut := r.IntN(len(records) + 1)
		h.SealSummed(b, AddSum(AddSum(0, records[:cut]), records[cut:]))
		if err := VerifyChecksum(b); err != nil {
			t.Errorf("%d bytes of records: %v", n, err)
		}
		want := h
		want.Seal(b)
		if h != want {
			t.Errorf("%d bytes of records: %+v, want %+v", n, h, want)
		}
	}
}

// Under a new sequence the records' checksum is used again.
func BenchmarkSealSummed(b *testing.B) {
	batch := make([]byte, 16<<10)
	sum := AddSum(0, batch[BatchHeaderSize:])
	b.ReportAllocs()
	for b.Loop() {
		h := BatchHeader{}
		h.SealSummed(batch, sum)
	}
}
