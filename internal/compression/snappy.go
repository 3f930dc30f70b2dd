package compression

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/klauspost/compress/s2"
)

// The xerial framing of snappy-java: magic, version, oldest compatible version,
// then blocks of length and snappy data. Source: SnappyOutputStream.
var xerialHeader = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1}

const (
	xerialMagicSize  = 8
	xerialHeaderSize = 16
	xerialBlockSize  = 32 << 10 // bytes before compression

	// A snappy element makes at most 64 bytes of 3, so a block that claims more
	// is a lie, found before memory is spent on it.
	snappyMaxRatio = 22
)

type snappyEncoder struct{}

func (snappyEncoder) encode(dst, src []byte) ([]byte, error) {
	dst = append(dst, xerialHeader...)
	for len(src) > 0 {
		block := src[:min(len(src), xerialBlockSize)]
		src = src[len(block):]
		start := len(dst) + 4
		dst = slices.Grow(dst, 4+s2.MaxEncodedLen(len(block)))
		n := len(s2.EncodeSnappy(dst[start:start:cap(dst)], block))
		binary.BigEndian.PutUint32(dst[start-4:start], uint32(n))
		dst = dst[:start+n]
	}
	return dst, nil
}

// decodeSnappy reads xerial framing, and raw snappy where the magic is missing.
// Like snappy-java it takes framed streams one after the other.
func decodeSnappy(dst, src []byte, limit int) ([]byte, error) {
	magic := xerialHeader[:xerialMagicSize]
	if !bytes.HasPrefix(src, magic) {
		return decodeSnappyBlock(dst, src, limit)
	}
	base := len(dst)
	for len(src) > 0 {
		if bytes.HasPrefix(src, magic) {
			if len(src) < xerialHeaderSize {
				return dst, fmt.Errorf("%w: snappy header cut short", ErrCorrupt)
			}
			if v := binary.BigEndian.Uint32(src[xerialMagicSize:]); v < 1 {
				return dst, fmt.Errorf("%w: snappy framing version %d", ErrCorrupt, v)
			}
			src = src[xerialHeaderSize:]
			continue
		}
		if len(src) < 4 {
			return dst, fmt.Errorf("%w: snappy block length cut short", ErrCorrupt)
		}
		n := binary.BigEndian.Uint32(src)
		src = src[4:]
		if uint64(n) > uint64(len(src)) {
			return dst, fmt.Errorf("%w: snappy block of %d bytes where %d are left",
				ErrCorrupt, n, len(src))
		}
		var err error
		if dst, err = decodeSnappyBlock(dst, src[:n], limit-(len(dst)-base)); err != nil {
			return dst, err
		}
		src = src[n:]
	}
	return dst, nil
}

func decodeSnappyBlock(dst, src []byte, limit int) ([]byte, error) {
	size, err := s2.DecodedLen(src)
	if err != nil {
		return dst, fmt.Errorf("%w: snappy: %w", ErrCorrupt, err)
	}
	if size > limit {
		return dst, tooLarge(Snappy, limit)
	}
	if size > snappyMaxRatio*len(src) {
		return dst, fmt.Errorf("%w: %d bytes of snappy cannot hold %d", ErrCorrupt, len(src), size)
	}
	dst = slices.Grow(dst, size)
	start := len(dst)
	if _, err := s2.Decode(dst[start:start+size:start+size], src); err != nil {
		return dst, fmt.Errorf("%w: snappy: %w", ErrCorrupt, err)
	}
	return dst[:start+size], nil
}
