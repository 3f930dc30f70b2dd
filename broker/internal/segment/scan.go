package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/posthaste-go/posthaste/broker/internal/vfs"
	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// ErrOldFormat is matched for records in the formats before Kafka 0.11, which
// must be rewritten by an Apache Kafka of that time: we do not cut them off as
// damage.
var ErrOldFormat = errors.New("records of message format v0 or v1")

// errTorn ends a scan at bytes that are not a whole batch.
var errTorn = errors.New("not a whole batch")

// What a scanner reads at once, bytes.
const (
	searchBytes  = 64 << 10
	recoverBytes = 1 << 20
)

// scanner reads the batches of a file in order.
type scanner struct {
	file  vfs.File
	pos   int64 // of the batch that next returns
	end   int64 // nothing is read from here on
	chunk int
	buf   []byte // bytes of the file from pos on
	mem   []byte // what buf is a part of
	h     wire.BatchHeader
}

// next returns the batch at pos and moves behind it. The header's checksum is
// not compared. It returns io.EOF at the end, errTorn, ErrOldFormat, or what
// reading returned. The batch's bytes are good until the next call.
func (s *scanner) next() (*wire.BatchHeader, []byte, error) {
	if s.pos == s.end {
		return nil, nil, io.EOF
	}
	if err := s.fill(wire.BatchHeaderSize); err != nil {
		return nil, nil, err
	}
	h, err := wire.ParseBatchHeader(s.buf)
	if err != nil {
		return nil, nil, s.diagnose(err)
	}
	size := h.Size()
	if err := s.fill(size); err != nil {
		return nil, nil, err
	}
	batch := s.buf[:size:size]
	s.buf = s.buf[size:]
	s.pos += int64(size)
	s.h = h
	return &s.h, batch, nil
}

// fill makes buf at least n bytes long.
func (s *scanner) fill(n int) error {
	if len(s.buf) >= n {
		return nil
	}
	if int64(n) > s.end-s.pos {
		return fmt.Errorf("%w: %d bytes at position %d, %d are left", errTorn, n, s.pos, s.end-s.pos)
	}
	want := int(min(int64(max(n, s.chunk)), s.end-s.pos))
	if cap(s.mem) < want {
		s.mem = make([]byte, want)
	}
	have := copy(s.mem[:want], s.buf)
	if _, err := s.file.ReadAt(s.mem[have:want], s.pos+int64(have)); err != nil {
		return err
	}
	s.buf = s.mem[:want]
	return nil
}

// diagnose tells an old format, whose own checksum is right, from damage.
func (s *scanner) diagnose(cause error) error {
	const sizeAt, crcAt, magicAt, leastSize = 8, 12, 16, 14
	size := int(int32(binary.BigEndian.Uint32(s.buf[sizeAt:])))
	if s.buf[magicAt] < wire.Magic && size >= leastSize &&
		int64(size) <= s.end-s.pos-wire.LogOverhead {
		if err := s.fill(wire.LogOverhead + size); err != nil {
			return err
		}
		body := s.buf[magicAt : wire.LogOverhead+size]
		if crc32.ChecksumIEEE(body) == binary.BigEndian.Uint32(s.buf[crcAt:]) {
			return fmt.Errorf("%w at position %d", ErrOldFormat, s.pos)
		}
	}
	return fmt.Errorf("%w at position %d: %w", errTorn, s.pos, cause)
}

// MaxExpandedBytes bounds what one batch may expand to. A batch is at most
// max.message.bytes, 1 MiB unless set higher; nothing a client compresses in
// earnest comes near.
const MaxExpandedBytes = 1 << 30

// Records returns the records of a stored batch, decompressed; buf may be
// reused for them.
func Records(h *wire.BatchHeader, batch, buf []byte) ([]byte, error) {
	records := batch[wire.BatchHeaderSize:]
	codec := compression.Codec(h.Attributes.Codec())
	if codec == compression.None {
		return records, nil
	}
	return compression.Decompress(buf[:0], records, codec, MaxExpandedBytes)
}
