package producerstate

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/posthaste-go/posthaste/internal/wire"
)

// A snapshot is Kafka's ProducerSnapshot, version 1, big-endian:
//
//	version i16 ─ crc u32 ─ count i32 ─ count × entry       (crc: CRC-32C of all after it)
//	entry: producerId i64, epoch i16, lastSequence i32, lastOffset i64, offsetDelta i32,
//	       timestamp i64, coordinatorEpoch i32, currentTxnFirstOffset i64
//
// That keeps one batch of each producer, so a retry of the four before it would
// look like a gap after an orderly restart. We therefore add what Kafka's reader
// passes over, after the entries and within the crc:
//
//	tag u32 ─ for each entry in turn: n u8 ─ n × { lastSequence i32, lastOffset i64,
//	                                            offsetDelta i32, timestamp i64 }
const (
	snapshotVersion = 1
	crcAt           = 2
	countAt         = 6
	entriesAt       = 10
	entrySize       = 46
	batchSize       = 24
	extensionTag    = 0x50484235 // "PHB5"
)

// ErrCorruptSnapshot is matched by every error of Decode.
var ErrCorruptSnapshot = errors.New("corrupt producer snapshot")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode is the content of a snapshot file.
func (s *State) Encode() []byte {
	entries := s.Entries()
	b := make([]byte, entriesAt, entriesAt+len(entries)*(entrySize+1+4*batchSize)+4)
	binary.BigEndian.PutUint16(b, snapshotVersion)
	binary.BigEndian.PutUint32(b[countAt:], uint32(len(entries)))
	for i := range entries {
		e := &entries[i]
		last := Batch{LastSequence: wire.NoSequence, LastOffset: -1}
		if e.count > 0 {
			last = e.batches[e.count-1]
		}
		b = binary.BigEndian.AppendUint64(b, uint64(e.ProducerID))
		b = binary.BigEndian.AppendUint16(b, uint16(e.ProducerEpoch))
		b = binary.BigEndian.AppendUint32(b, uint32(last.LastSequence))
		b = binary.BigEndian.AppendUint64(b, uint64(last.LastOffset))
		b = binary.BigEndian.AppendUint32(b, uint32(last.OffsetDelta))
		b = binary.BigEndian.AppendUint64(b, uint64(e.LastTimestamp))
		b = binary.BigEndian.AppendUint32(b, uint32(e.CoordinatorEpoch))
		b = binary.BigEndian.AppendUint64(b, uint64(e.TxnFirstOffset))
	}
	b = binary.BigEndian.AppendUint32(b, extensionTag)
	for i := range entries {
		earlier := entries[i].Batches()
		earlier = earlier[:max(len(earlier)-1, 0)]
		b = append(b, byte(len(earlier)))
		for _, x := range earlier {
			b = binary.BigEndian.AppendUint32(b, uint32(x.LastSequence))
			b = binary.BigEndian.AppendUint64(b, uint64(x.LastOffset))
			b = binary.BigEndian.AppendUint32(b, uint32(x.OffsetDelta))
			b = binary.BigEndian.AppendUint64(b, uint64(x.Timestamp))
		}
	}
	binary.BigEndian.PutUint32(b[crcAt:], crc32.Checksum(b[countAt:], castagnoli))
	return b
}

// Decode reads a snapshot, ours or Kafka's. now, milliseconds, is when its
// producers count as last seen.
func Decode(b []byte, now int64) (*State, error) {
	if len(b) < entriesAt {
		return nil, fmt.Errorf("%w: %d bytes", ErrCorruptSnapshot, len(b))
	}
	if v := binary.BigEndian.Uint16(b); v != snapshotVersion {
		return nil, fmt.Errorf("%w: version %d, want %d", ErrCorruptSnapshot, v, snapshotVersion)
	}
	want := binary.BigEndian.Uint32(b[crcAt:])
	if got := crc32.Checksum(b[countAt:], castagnoli); got != want {
		return nil, fmt.Errorf("%w: checksum is %#08x, want %#08x", ErrCorruptSnapshot, got, want)
	}
	count := int(int32(binary.BigEndian.Uint32(b[countAt:])))
	rest := b[entriesAt:]
	if count < 0 || len(rest)/entrySize < count {
		return nil, fmt.Errorf("%w: %d entries in %d bytes", ErrCorruptSnapshot, count, len(b))
	}
	extension := rest[count*entrySize:]
	ours := len(extension) >= 4 && binary.BigEndian.Uint32(extension) == extensionTag
	if ours {
		extension = extension[4:]
	}
	s := New()
	for range count {
		e := decodeEntry(rest, now)
		rest = rest[entrySize:]
		if ours {
			var err error
			if extension, err = e.decodeEarlier(extension); err != nil {
				return nil, err
			}
		}
		s.entries[e.ProducerID] = e
		if e.TxnFirstOffset >= 0 {
			s.open = append(s.open, openTxn{e.TxnFirstOffset, e.ProducerID})
		}
	}
	slices.SortFunc(s.open, func(a, b openTxn) int {
		return cmp.Compare(a.firstOffset, b.firstOffset)
	})
	return s, nil
}

func decodeEntry(b []byte, now int64) *Entry {
	e := &Entry{
		ProducerID:       int64(binary.BigEndian.Uint64(b)),
		ProducerEpoch:    int16(binary.BigEndian.Uint16(b[8:])),
		LastTimestamp:    int64(binary.BigEndian.Uint64(b[26:])),
		CoordinatorEpoch: int32(binary.BigEndian.Uint32(b[34:])),
		TxnFirstOffset:   max(int64(binary.BigEndian.Uint64(b[38:])), -1),
		lastSeen:         now,
	}
	last := Batch{
		LastSequence: int32(binary.BigEndian.Uint32(b[10:])),
		LastOffset:   int64(binary.BigEndian.Uint64(b[14:])),
		OffsetDelta:  int32(binary.BigEndian.Uint32(b[22:])),
		Timestamp:    e.LastTimestamp,
	}
	if last.LastOffset >= 0 {
		e.add(last)
	}
	return e
}

// decodeEarlier puts the batches that Kafka's format leaves out before the one
// it has, and returns the bytes after them.
func (e *Entry) decodeEarlier(b []byte) ([]byte, error) {
	if len(b) == 0 || int(b[0]) >= BatchesRemembered || len(b) < 1+int(b[0])*batchSize {
		return nil, fmt.Errorf("%w: earlier batches of producer %d cut short",
			ErrCorruptSnapshot, e.ProducerID)
	}
	n := int(b[0])
	b = b[1:]
	last := e.Batches()
	all := make([]Batch, 0, BatchesRemembered)
	for range n {
		all = append(all, Batch{
			LastSequence: int32(binary.BigEndian.Uint32(b)),
			LastOffset:   int64(binary.BigEndian.Uint64(b[4:])),
			OffsetDelta:  int32(binary.BigEndian.Uint32(b[12:])),
			Timestamp:    int64(binary.BigEndian.Uint64(b[16:])),
		})
		b = b[batchSize:]
	}
	e.count = copy(e.batches[:], append(all, last...))
	return b, nil
}
