package wire

import (
	"encoding/binary"
	"math"
	"math/bits"
)

// UvarintLen is the number of bytes of x as an unsigned varint, 1 to 10. It is
// ⌈bits/7⌉ without the division: 9/64 is close enough to 1/7 up to 64 bits.
func UvarintLen(x uint64) int { return (bits.Len64(x|1)*9 + 64) / 64 }

// VarintLen is the number of bytes of x as a zig-zag varint, 1 to 10.
func VarintLen(x int64) int { return UvarintLen(zigzag(x)) }

// AppendUvarint appends x as an unsigned varint.
func AppendUvarint(dst []byte, x uint64) []byte { return binary.AppendUvarint(dst, x) }

// AppendVarint appends x as a zig-zag varint.
func AppendVarint(dst []byte, x int64) []byte {
	u := zigzag(x)
	if u < 0x80 {
		return append(dst, byte(u))
	}
	return binary.AppendUvarint(dst, u)
}

// Varint reads a zig-zag varint of at most 64 bits and reports its length, or
// n ≤ 0 if b ends early or the number is too large.
func Varint(b []byte) (x int64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return unzigzag(uint64(b[0])), 1
	}
	u, n := binary.Uvarint(b)
	return unzigzag(u), n
}

// varint32 reads a zig-zag varint of at most 32 bits as Java does: in five bytes
// at most, so that what we take for sound the Java consumer can read.
func varint32(b []byte) (x int32, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return int32(unzigzag(uint64(b[0]))), 1
	}
	if len(b) > 1 && b[1] < 0x80 { // lengths of 64 to 8191
		return int32(unzigzag(uint64(b[0]&0x7f) | uint64(b[1])<<7)), 2
	}
	u, n := binary.Uvarint(b[:min(len(b), binary.MaxVarintLen32)])
	if u > math.MaxUint32 {
		return 0, -n
	}
	return int32(unzigzag(u)), n
}

func zigzag(x int64) uint64 { return uint64(x)<<1 ^ uint64(x>>63) }

func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }
