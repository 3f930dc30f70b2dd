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
const SumLimit = 1<<24 - 1

// AddSum is the checksum of records, given that of those before them: 0 for none.
func AddSum(sum uint32, records []byte) uint32 {
	return crc32.Update(sum, castagnoli, records)
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
	product := multiply(t.low[n&0xff], t.middle[n>>8&0xff])
	if n>>16 == 0 {
		return product
	}
	return multiply(product, t.high[n>>16])
}

// powerTables are x^8n, x^(8·256·n) and x^(8·65536·n).
type powerTables struct{ low, middle, high [256]uint32 }

var powers = sync.OnceValue(func() *powerTables {
	t := &powerTables{}
	fill := func(of *[256]uint32, step uint32) {
		of[0] = 1 << 31
		for i := 1; i < len(of); i++ {
			of[i] = multiply(of[i-1], step)
		}
	}
	fill(&t.low, 1<<(31-8))
	fill(&t.middle, multiply(t.low[255], t.low[1]))
	fill(&t.high, multiply(t.middle[255], t.middle[1]))
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
