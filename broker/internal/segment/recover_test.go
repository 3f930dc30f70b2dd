package segment

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"math"
	"os"
	"slices"
	"testing"

	"github.com/posthaste-go/posthaste/broker/internal/batchtest"
	"github.com/posthaste-go/posthaste/broker/internal/vfs"
	"github.com/posthaste-go/posthaste/internal/wire"
)

func noVisit(*wire.BatchHeader, []byte) error { return nil }

// recovered writes content as a segment's log and recovers it.
func recovered(t testing.TB, base int64, content []byte) (fs *vfs.Mem, s *Segment, cut int64) {
	t.Helper()
	fs = vfs.NewMem(nil)
	must(t, fs.MkdirAll("/t-0"))
	f, err := fs.OpenFile("/t-0/"+FileName(base, LogSuffix), vfs.Create)
	must(t, err)
	_, err = f.WriteAt(content, 0)
	must(t, err)
	must(t, f.Close())
	s = reopen(t, fs, base, testConfig)
	cut, _, err = s.Recover(noVisit)
	must(t, err)
	return fs, s, cut
}

func TestRecoverMakesTheIndexesThatAppendMade(t *testing.T) {
	fsys := vfs.NewMem(nil)
	s := create(t, fsys, 7, testConfig)
	fill(t, s, 100)
	must(t, s.Close())
	log := contents(t, fsys, FileName(7, LogSuffix))
	again, s2, cut := recovered(t, 7, log)
	must(t, s2.Close())
	if cut != 0 {
		t.Errorf("%d sound bytes were cut off", cut)
	}
	for _, suffix := range []string{LogSuffix, IndexSuffix, TimeIndexSuffix} {
		name := FileName(7, suffix)
		if !bytes.Equal(contents(t, again, name), contents(t, fsys, name)) {
			t.Errorf("%s differs from what Append made", name)
		}
	}
}

// Whatever part of the last batch a crash leaves, the batches before it stay
// and nothing of it does.
func TestRecoverCutsATornTailAtEveryByte(t *testing.T) {
	fsys := vfs.NewMem(nil)
	s := create(t, fsys, 0, testConfig)
	fill(t, s, 2)
	add(t, s, batchtest.Spec{Records: batchtest.Values(t0+5000, "the last one", "")})
	must(t, s.Close())
	log := contents(t, fsys, FileName(0, LogSuffix))
	_, batches := batchtest.Split(t, log)
	good := log[:len(log)-len(batches[2])]
	for n := len(good); n < len(log); n++ {
		for _, filler := range []int{0, 40} { // zeros are what a hole reads as
			torn := append(slices.Clone(log[:n]), make([]byte, filler)...)
			if bytes.HasPrefix(torn, log) {
				continue // the batch ends with zeros
			}
			_, s, cut := recovered(t, 0, torn)
			if s.Size() != int64(len(good)) || s.NextOffset() != 6 || cut != int64(len(torn)-len(good)) {
				t.Fatalf("%d of %d bytes and %d zeros: %d stay, %d cut, next offset %d",
					n, len(log), filler, s.Size(), cut, s.NextOffset())
			}
			got, _, err := s.Read(nil, Range{0, 1 << 20, true, math.MaxInt64})
			if err != nil || !bytes.Equal(got, good) {
				t.Fatalf("%d bytes: read %d, %v", n, len(got), err)
			}
			must(t, s.Close())
		}
	}
}

func TestRecoverCutsAtTheFirstFlippedBit(t *testing.T) {
	fsys := vfs.NewMem(nil)
	s := create(t, fsys, 0, testConfig)
	for i := range 3 {
		add(t, s, batchtest.Spec{Records: batchtest.Values(t0+int64(i), "some value")})
	}
	must(t, s.Close())
	log := contents(t, fsys, FileName(0, LogSuffix))
	size := len(log) / 3
	// No checksum covers the base offset and the leader epoch: the broker sets
	// them. An offset that jumps ahead looks like the gap that compaction leaves.
	unchecked := []int{5, 6, 7, 12, 13, 14, 15}
	for i := size; i < 2*size; i++ {
		if slices.Contains(unchecked, i-size) {
			continue
		}
		bad := slices.Clone(log)
		bad[i] ^= 0x80
		_, s, _ := recovered(t, 0, bad)
		if s.Size() != int64(size) {
			t.Errorf("bit of byte %d flipped: %d bytes stay, want %d", i-size, s.Size(), size)
		}
		must(t, s.Close())
	}
}

func TestRecoverCutsOffsetsThatGoBack(t *testing.T) {
	one := batchtest.Batch(t, batchtest.Spec{BaseOffset: 10, Records: batchtest.Values(t0, "a", "b")})
	for _, next := range []int64{9, 10, 11, math.MaxInt32 + 11, math.MaxInt64} {
		two := batchtest.Batch(t, batchtest.Spec{BaseOffset: next, Records: batchtest.Values(t0, "c")})
		if _, s, _ := recovered(t, 10, append(slices.Clone(one), two...)); s.NextOffset() != 12 {
			t.Errorf("batch at %d after 12: next offset %d", next, s.NextOffset())
		}
	}
	// Compaction leaves gaps.
	two := batchtest.Batch(t, batchtest.Spec{BaseOffset: 500, Records: batchtest.Values(t0, "c")})
	if _, s, _ := recovered(t, 10, append(slices.Clone(one), two...)); s.NextOffset() != 501 {
		t.Errorf("batch at 500 after 12: next offset %d", s.NextOffset())
	}
}

func TestRecoverDoesNotCutOldFormats(t *testing.T) {
	body := []byte{1, 0, 0, 0, 0, 0, 0, 0, 0, 5, 255, 255, 255, 255, 0, 0, 0, 1, 'v'} // magic 1
	old := binary.BigEndian.AppendUint64(nil, 0)
	old = binary.BigEndian.AppendUint32(old, uint32(len(body)+4))
	old = binary.BigEndian.AppendUint32(old, crc32.ChecksumIEEE(body))
	old = append(old, body...)
	old = append(old, make([]byte, 60)...)
	fs := vfs.NewMem(nil)
	must(t, fs.MkdirAll("/t-0"))
	f, err := fs.OpenFile("/t-0/"+FileName(0, LogSuffix), vfs.Create)
	must(t, err)
	_, err = f.WriteAt(old, 0)
	must(t, err)
	s := reopen(t, fs, 0, testConfig)
	if _, _, err := s.Recover(noVisit); !errors.Is(err, ErrOldFormat) {
		t.Errorf("Recover: %v, want ErrOldFormat", err)
	}
	if size, err := f.Size(); err != nil || size != int64(len(old)) {
		t.Errorf("the log has %d bytes, %v, want all %d", size, err, len(old))
	}
}

// Batches that Java wrote are as sound to us as our own.
func TestRecoverTakesBatchesWrittenByJava(t *testing.T) {
	raw, err := os.ReadFile("testdata/java-batches.json")
	must(t, err)
	var rows []struct{ Name, Batch string }
	must(t, json.Unmarshal(raw, &rows))
	if len(rows) < 10 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, row := range rows {
		b, err := base64.StdEncoding.DecodeString(row.Batch)
		must(t, err)
		h, err := wire.ParseBatchHeader(b)
		must(t, err)
		_, s, cut := recovered(t, h.BaseOffset, b)
		if cut != 0 || s.NextOffset() != h.LastOffset()+1 {
			t.Errorf("%s: %d bytes cut, next offset %d", row.Name, cut, s.NextOffset())
		}
		must(t, s.Close())
	}
}

// Recovery reads what a crash left: any bytes. It must not fail, and what it
// leaves must be sound, indexed, and recover to itself.
func FuzzRecover(f *testing.F) {
	one := batchtest.Batch(f, batchtest.Spec{Records: batchtest.Values(t0, "a", "b")})
	two := batchtest.Batch(f, batchtest.Spec{BaseOffset: 2, Records: batchtest.Values(t0, "c")})
	f.Add([]byte{}, false)
	f.Add(slices.Concat(one, two), true)
	f.Add(slices.Concat(one, two[:70], make([]byte, 10)), false)
	f.Add(slices.Concat(two, one), true)
	f.Fuzz(func(t *testing.T, log []byte, seal bool) {
		if seal { // let mutations reach behind the checksum
			log = resealed(log)
		}
		fsys, s, cut := recovered(t, 0, log)
		if s.Size()+cut != int64(len(log)) {
			t.Fatalf("%d bytes stay, %d are cut of %d", s.Size(), cut, len(log))
		}
		must(t, s.Close())
		verifyIndexes(t, fsys, 0)
		left := contents(t, fsys, FileName(0, LogSuffix))
		if !bytes.Equal(left, log[:len(left)]) {
			t.Fatal("recovery changed what stays")
		}
		s = reopen(t, fsys, 0, testConfig)
		must(t, s.Load())
		if s.Size() != int64(len(left)) {
			t.Fatalf("Load sees %d bytes, want %d", s.Size(), len(left))
		}
		if _, _, err := s.Read(nil, Range{0, 1 << 20, true, math.MaxInt64}); err != nil {
			t.Fatal(err)
		}
		must(t, s.Close())
	})
}

// resealed gives every batch of log that is framed a right checksum.
func resealed(log []byte) []byte {
	log = slices.Clone(log)
	for b := log; len(b) >= wire.BatchHeaderSize; {
		h, err := wire.ParseBatchHeader(b)
		if err != nil || h.Size() > len(b) {
			break
		}
		h.Seal(b[:h.Size()])
		b = b[h.Size():]
	}
	return log
}
