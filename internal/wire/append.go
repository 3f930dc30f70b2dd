package wire

import "encoding/binary"

// RecordBodySize is the length of a record without its own length prefix.
// headersSize is the sum of HeaderSize over its headers.
func RecordBodySize(
	tsDelta int64, offsetDelta int32, key, value []byte, headers, headersSize int,
) int {
	n := 1 + VarintLen(tsDelta) + VarintLen(int64(offsetDelta))
	n += bytesSize(key) + bytesSize(value)
	return n + VarintLen(int64(headers)) + headersSize
}

// AppendRecord appends a record's length prefix, fields and header count; the
// caller appends the headers themselves with AppendHeader. body is what
// RecordBodySize says for the same arguments.
func AppendRecord(
	dst []byte, body int, tsDelta int64, offsetDelta int32, key, value []byte, headers int,
) []byte {
	dst = AppendVarint(dst, int64(body))
	dst = append(dst, 0) // attributes: none are defined
	dst = AppendVarint(dst, tsDelta)
	dst = AppendVarint(dst, int64(offsetDelta))
	dst = appendBytes(dst, key)
	dst = appendBytes(dst, value)
	return AppendVarint(dst, int64(headers))
}

// HeaderSize is the length of one header on the wire.
func HeaderSize(key string, value []byte) int {
	return VarintLen(int64(len(key))) + len(key) + bytesSize(value)
}

// AppendHeader appends one header.
func AppendHeader(dst []byte, key string, value []byte) []byte {
	dst = AppendVarint(dst, int64(len(key)))
	dst = append(dst, key...)
	return appendBytes(dst, value)
}

func bytesSize(b []byte) int {
	if b == nil {
		return 1
	}
	return VarintLen(int64(len(b))) + len(b)
}

func appendBytes(dst, b []byte) []byte {
	if b == nil {
		return append(dst, 1) // zig-zag of -1
	}
	dst = AppendVarint(dst, int64(len(b)))
	return append(dst, b...)
}

// MaxRecordOverhead is the most a record can need beside key, value and
// headers: length, attributes, two deltas and three counts.
// Source: DefaultRecord.MAX_RECORD_OVERHEAD.
const MaxRecordOverhead = 21

// EstimateSizeUpperBound is what Java takes for the size of a batch that holds
// one record, uncompressed, bytes; max.request.size is compared with it, and so
// it decides whether a record is too large. headersSize is the sum of HeaderSize
// over the record's headers.
// Source: AbstractRecords.estimateSizeInBytesUpperBound for magic 2.
func EstimateSizeUpperBound(key, value []byte, headers, headersSize int) int {
	return BatchHeaderSize + MaxRecordOverhead + bytesSize(key) + bytesSize(value) +
		VarintLen(int64(headers)) + headersSize
}

// AppendIfFits appends a whole record without headers if dst's capacity has room
// for it; it never grows dst. It does in one pass what RecordBodySize, a check
// of the capacity and AppendRecord do in three, in little more than half the time:
// it runs once for every record that is produced.
func AppendIfFits(
	dst []byte, tsDelta int64, offsetDelta int32, key, value []byte,
) (out []byte, ok bool) {
	const (
		usual = 8000 // bytes of key and value whose lengths take two bytes, the record's too
		slack = 24   // all other fields, and what the stores of whole words overrun
	)
	ts, offset, size := zigzag(tsDelta), zigzag(int64(offsetDelta)), len(key)+len(value)
	if ts >= 1<<14 || offset >= 1<<21 || size > usual || cap(dst)-len(dst) < size+slack {
		return appendIfFitsExactly(dst, tsDelta, offsetDelta, key, value)
	}

	// Attributes, deltas and key length make one word of 8, 16, 24 and 16 bits at
	// the most; its low bytes are stored first. & 63 tells the compiler that no
	// shift is too far.
	head, bits := smallVarint(ts)
	head, bits = head<<8, bits+8 // attributes: none are defined
	w, n := smallVarint(offset)
	head, bits = head|w<<(bits&63), bits+n
	w, n = lengthVarint(key)
	head, bits = head|w<<(bits&63), bits+n
	valueLength, n := lengthVarint(value)

	body := uint64(bits+n)/8 + uint64(size) + 1
	if u := body << 1; u < 1<<7 {
		dst = append(dst, byte(u))
	} else {
		dst = append(dst, byte(u)|0x80, byte(u>>7))
	}
	end := len(dst) + int(bits/8)
	dst = binary.LittleEndian.AppendUint64(dst, head)[:end]
	if len(key) > 0 { // most records have none, and copying nothing is still a call
		dst = append(dst, key...)
	}
	end = len(dst) + int(n/8)
	dst = binary.LittleEndian.AppendUint16(dst, uint16(valueLength))[:end]
	dst = append(dst, value...)
	return append(dst, 0), true // no headers
}

func appendIfFitsExactly(
	dst []byte, tsDelta int64, offsetDelta int32, key, value []byte,
) ([]byte, bool) {
	body := RecordBodySize(tsDelta, offsetDelta, key, value, 0, 0)
	if VarintLen(int64(body))+body > cap(dst)-len(dst) {
		return dst, false
	}
	return AppendRecord(dst, body, tsDelta, offsetDelta, key, value, 0), true
}

// smallVarint is the varint of u < 2²¹ as a little-endian word, and its bits.
func smallVarint(u uint64) (word uint64, bits uint) {
	switch {
	case u < 1<<7:
		return u, 8
	case u < 1<<14:
		return u&0x7f | 0x80 | u>>7<<8, 16
	default:
		return u&0x7f | 0x80 | (u>>7&0x7f|0x80)<<8 | u>>14<<16, 24
	}
}

// lengthVarint is smallVarint of the length of b, -1 for nil, below 2¹³.
func lengthVarint(b []byte) (word uint64, bits uint) {
	if b == nil {
		return 1, 8
	}
	return smallVarint(uint64(len(b)) << 1)
}
