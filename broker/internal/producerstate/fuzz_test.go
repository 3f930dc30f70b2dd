package producerstate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"testing"
)

// reseal gives b a right checksum, so that what is inside gets read.
func reseal(b []byte) []byte {
	b = slices.Clone(b)
	if len(b) >= entriesAt {
		binary.BigEndian.PutUint32(b[crcAt:], crc32.Checksum(b[countAt:], castagnoli))
	}
	return b
}

// A snapshot comes from a disk: any bytes must be read or refused.
func FuzzDecode(f *testing.F) {
	s := New()
	f.Add(s.Encode())
	play(s, []send{{2, 0, 1}, {2, 1, 2}})
	s.Append(txnHeader(1, 0, 9), now)
	f.Add(s.Encode())
	f.Add(s.Encode()[:entriesAt+2*entrySize])
	f.Add([]byte{0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := Decode(reseal(b), now)
		if err != nil {
			if !errors.Is(err, ErrCorruptSnapshot) {
				t.Fatalf("%v does not match ErrCorruptSnapshot", err)
			}
			return
		}
		again, err := Decode(s.Encode(), now)
		if err != nil || !bytes.Equal(again.Encode(), s.Encode()) {
			t.Fatalf("round trip: %v", err)
		}
	})
}

func TestDecodeRefusesDamage(t *testing.T) {
	s := New()
	play(s, []send{{2, 0, 1}, {2, 1, 2}})
	good := s.Encode()
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 0x10
		if _, err := Decode(bad, now); !errors.Is(err, ErrCorruptSnapshot) {
			t.Errorf("byte %d flipped: %v", i, err)
		}
		if _, err := Decode(good[:i], now); !errors.Is(err, ErrCorruptSnapshot) {
			t.Errorf("cut to %d bytes: %v", i, err)
		}
	}
}
