package wire

import (
	"encoding/binary"
	"hash/crc32"
	"sync"
)

// A batch's checksum covers part of its header, which is known last, and then the
// records, which were written long before and have left the caches by then. So the
// records can be summed up while they are at hand, and the sum of the header be put
// before theirs: a checksum is a polynomial over GF(2) modulo the Castagnoli
// polynomial, and n bytes behind it multiply it by x^8n.
//
// Source: the mathematics of crc32_combine in zlib.

// castagnoliPoly is the polynomial as crc32 has it: bit 31 is x^0.
const castagnoliPoly = crc32.Castagnoli

// SumLimit is up to how many bytes of records SealSummed takes.
const SumLimit = 1<<16 - 1

// RecordsSum is the checksum of the records of batch alone.
func RecordsSum(batch []byte) uint32 {
	return crc32.Checksum(batch[BatchHeaderSize:], castagnoli)
}

// SealSummed is Seal for a batch whose records have the checksum sum, and are at
// most SumLimit bytes.
func (h *BatchHeader) SealSummed(b []byte, sum uint32) {
	h.prepare(b)
	head := crc32.Checksum(b[offAttributes:BatchHeaderSize], castagnoli)
	h.CRC = multiply(behind(len(b)-BatchHeaderSize), head) ^ sum
	binary.BigEndian.PutUint32(b[offCRC:], h.CRC)
}

// behind is x^8n, for n ≤ SumLimit.
func behind(n int) uint32 {
	t := powers()
	return multiply(t.low[n&0xff], t.high[n>>8])
}

type powerTables struct{ low, high [256]uint32 } // x^8n and x^(8·256·n)

var powers = sync.OnceValue(func() *powerTables {
	t := &powerTables{}
	fill := func(of *[256]uint32, step uint32) {
		of[0] = 1 << 31
		for i := 1; i < len(of); i++ {
			of[i] = multiply(of[i-1], step)
		}
	}
	fill(&t.low, 1<<(31-8))
	fill(&t.high, multiply(t.low[255], t.low[1]))
	return t
})

// multiply is the product of two polynomials.
func multiply(a, b uint32) uint32 {
	product := uint32(0)
	for ; a != 0; a <<= 1 {
		product ^= b & -(a >> 31)
		b = b>>1 ^ castagnoliPoly&-(b&1)
	}
	return product
}
