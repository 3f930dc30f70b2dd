package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/broker/internal/batchtest"
	"github.com/posthaste-go/posthaste/broker/internal/vfs"
	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/wire"
)

const t0 = int64(1_700_000_000_000)

var testConfig = Config{IndexIntervalBytes: 4096, MaxIndexBytes: 10 << 20}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t testing.TB, fsys vfs.FS, base int64, c Config) *Segment {
	t.Helper()
	must(t, fsys.MkdirAll("/t-0"))
	s, err := Create(Where{FS: fsys, Dir: "/t-0", Base: base}, c)
	must(t, err)
	return s
}

func reopen(t testing.TB, fsys vfs.FS, base int64, c Config) *Segment {
	t.Helper()
	s, err := Open(Where{FS: fsys, Dir: "/t-0", Base: base}, c)
	must(t, err)
	return s
}

// add appends a batch at the segment's end.
func add(t testing.TB, s *Segment, spec batchtest.Spec) []byte {
	t.Helper()
	spec.BaseOffset = s.NextOffset()
	b := batchtest.Batch(t, spec)
	h, err := wire.ParseBatchHeader(b)
	must(t, err)
	must(t, s.Append(&h, b))
	return b
}

// fill appends n batches of three records and about 1,000 bytes, one second
// apart, and returns them.
func fill(t testing.TB, s *Segment, n int) [][]byte {
	t.Helper()
	var out [][]byte
	for i := range n {
		value := strings.Repeat("v", 300)
		out = append(out, add(t, s, batchtest.Spec{
			Records: batchtest.Values(t0+int64(i)*1000, value, value, value),
		}))
	}
	return out
}

func contents(t testing.TB, fsys vfs.FS, name string) []byte {
	t.Helper()
	f, err := fsys.OpenFile(path.Join("/t-0", name), vfs.ReadOnly)
	must(t, err)
	size, err := f.Size()
	must(t, err)
	b := make([]byte, size)
	if size > 0 {
		_, err = f.ReadAt(b, 0)
		must(t, err)
	}
	must(t, f.Close())
	return b
}

// verifyIndexes applies the checks of Kafka's DumpLogSegments.
func verifyIndexes(t testing.TB, fsys vfs.FS, base int64) (offsets, times int) {
	t.Helper()
	log := contents(t, fsys, FileName(base, LogSuffix))
	headers, _ := batchtest.Split(t, log)
	byLast := map[int64]wire.BatchHeader{}
	at := map[int64]wire.BatchHeader{}
	var pos int64
	for _, h := range headers {
		at[pos], byLast[h.LastOffset()] = h, h
		pos += int64(h.Size())
	}
	index := contents(t, fsys, FileName(base, IndexSuffix))
	for b := index; len(b) > 0; b = b[offsetEntry:] {
		h, ok := at[entryPosition(b)]
		if !ok || h.LastOffset() != base+relativeOffset(b) {
			t.Fatalf("offset index: offset %d at position %d, where the batch ends with %d",
				base+relativeOffset(b), entryPosition(b), h.LastOffset())
		}
	}
	last := int64(-1)
	timeIndex := contents(t, fsys, FileName(base, TimeIndexSuffix))
	for b := timeIndex; len(b) > 0; b = b[timeEntry:] {
		h, ok := byLast[base+entryTimeOffset(b)]
		if !ok || h.MaxTimestamp != entryTimestamp(b) || entryTimestamp(b) <= last {
			t.Fatalf("time index: timestamp %d (after %d) of offset %d, whose batch has %d",
				entryTimestamp(b), last, base+entryTimeOffset(b), h.MaxTimestamp)
		}
		last = entryTimestamp(b)
	}
	return len(index) / offsetEntry, len(timeIndex) / timeEntry
}

func TestIndexesSatisfyKafkasTool(t *testing.T) {
	const base = 1000
	fsys := vfs.NewMem(nil)
	s := create(t, fsys, base, testConfig)
	fill(t, s, 50)
	must(t, s.Save())
	n, m := verifyIndexes(t, fsys, base)
	// A batch of 1,000 bytes that begins more than 4,096 after the last entry's
	// end gets one: the fifth or sixth each time; and the last timestamp of all.
	if n != 9 || m != 10 {
		t.Errorf("%d offset and %d time entries, want 9 and 10", n, m)
	}
	fill(t, s, 3) // timestamps begin again: nothing larger comes
	must(t, s.Seal())
	if _, again := verifyIndexes(t, fsys, base); again != m {
		t.Errorf("%d time entries after older records, want %d", again, m)
	}
	must(t, s.Close())
}

func TestRecordsWithoutTimestampsLeaveTheTimeIndexEmpty(t *testing.T) {
	fsys := vfs.NewMem(nil)
	s := create(t, fsys, 0, Config{IndexIntervalBytes: 0, MaxIndexBytes: 1 << 20})
	for range 5 {
		add(t, s, batchtest.Spec{Records: []batchtest.Record{{Timestamp: -1}, {Timestamp: -1}}})
	}
	must(t, s.Seal())
	if n, m := verifyIndexes(t, fsys, 0); n != 4 || m != 0 {
		t.Errorf("%d offset and %d time entries, want 4 and 0", n, m)
	}
	if l := s.Largest(); l.Timestamp != -1 {
		t.Errorf("largest timestamp = %d, want -1", l.Timestamp)
	}
}

func TestReadReturnsWholeBatchesFromAnyOffset(t *testing.T) {
	fsys := vfs.NewMem(nil)
	s := create(t, fsys, 10, testConfig)
	batches := fill(t, s, 40)
	all := slices.Concat(batches...)
	size := len(batches[0])
	check := func(t *testing.T) {
		for offset := int64(10); offset < 10+120; offset++ {
			i := int(offset-10) / 3
			for _, tt := range []struct {
				r    Range
				want int // batches
			}{
				{Range{offset, 1 << 20, false, math.MaxInt64}, 40 - i},
				{Range{offset, 2*size + 5, false, math.MaxInt64}, min(2, 40-i)},
				{Range{offset, size - 1, false, math.MaxInt64}, 0},
				{Range{offset, size - 1, true, math.MaxInt64}, 1},
				{Range{offset, 0, true, math.MaxInt64}, 1},
				{Range{offset, 1 << 20, true, 10 + 3*20}, max(20-i, 0)},
				{Range{offset, 1 << 20, true, 10 + 3*20 + 1}, max(21-i, 0)}, // one begins there
			} {
				got, here, err := s.Read([]byte("x"), tt.r)
				must(t, err)
				if want := "x" + string(all[i*size:(i+tt.want)*size]); string(got) != want || !here {
					t.Fatalf("Read(%+v): %d bytes, %v; want %d", tt.r, len(got), here, len(want))
				}
			}
		}
		for _, offset := range []int64{130, 1000} {
			if got, here, err := s.Read(nil, Range{offset, 100, true, math.MaxInt64}); err != nil ||
				here || got != nil {
				t.Errorf("Read behind the end: %d bytes, %v, %v", len(got), here, err)
			}
		}
	}
	t.Run("while appending", check)
	must(t, s.Seal())
	t.Run("sealed", check)
	must(t, s.Close())
	s = reopen(t, fsys, 10, testConfig)
	must(t, s.Load())
	t.Run("loaded", check)
}

func TestBytesBetweenMeasuresWhatReadReturns(t *testing.T) {
	s := create(t, vfs.NewMem(nil), 0, testConfig)
	size := int64(len(fill(t, s, 20)[0]))
	for _, tt := range []struct{ from, upTo, want int64 }{
		{0, 60, 20}, {0, 1000, 20}, {1, 60, 20}, {3, 60, 19}, {59, 60, 1}, {60, 60, 0},
		{0, 3, 1}, {0, 30, 10}, {30, 30, 0},
	} {
		got, err := s.BytesBetween(tt.from, tt.upTo)
		must(t, err)
		if got != tt.want*size {
			t.Errorf("BytesBetween(%d, %d) = %d, want %d batches", tt.from, tt.upTo, got, tt.want)
		}
	}
}

func TestLoadTakesWhatCloseLeft(t *testing.T) {
	fsys := vfs.NewMem(nil)
	s := create(t, fsys, 5, testConfig)
	fill(t, s, 30)
	must(t, s.AppendAborted(AbortedTxn{7, 5, 8, 9}))
	want := s.Largest()
	must(t, s.Close())

	s = reopen(t, fsys, 5, testConfig)
	must(t, s.Load())
	must(t, s.Activate())
	if s.NextOffset() != 95 || s.Largest() != want || s.FirstTimestamp() != t0+2 {
		t.Errorf("next = %d, largest = %+v, first = %d", s.NextOffset(), s.Largest(), s.FirstTimestamp())
	}
	if txns, _ := s.Aborted(0, 100); !cmp.Equal(txns, []AbortedTxn{{7, 5, 8, 9}}) {
		t.Errorf("aborted = %+v", txns)
	}
	fill(t, s, 30)
	must(t, s.Close())
	if n, _ := verifyIndexes(t, fsys, 5); n < 10 {
		t.Errorf("%d entries after appending again", n)
	}
}

func TestLoadAsksForRecoveryWhenAnIndexDoesNotFit(t *testing.T) {
	damage := map[string]func(t *testing.T, fsys vfs.FS){
		"offset index of odd length":  setSize("00000000000000000005.index", 13),
		"time index of odd length":    setSize("00000000000000000005.timeindex", 13),
		"log shorter than its index":  setSize("00000000000000000005.log", 500),
		"log cut inside its last":     setSize("00000000000000000005.log", 20_000),
		"offset index with zeros":     setSize("00000000000000000005.index", 4096),
		"transaction index cut short": setSize("00000000000000000005.txnindex", 20),
	}
	for name, do := range damage {
		t.Run(name, func(t *testing.T) {
			fsys := vfs.NewMem(nil)
			s := create(t, fsys, 5, testConfig)
			fill(t, s, 30)
			must(t, s.AppendAborted(AbortedTxn{7, 5, 8, 9}))
			must(t, s.Close())
			do(t, fsys)
			s = reopen(t, fsys, 5, testConfig)
			if err := s.Load(); !errors.Is(err, ErrIndex) {
				t.Fatalf("Load: %v, want ErrIndex", err)
			}
			_, _, err := s.Recover(func(*wire.BatchHeader, []byte) error { return nil })
			must(t, err)
			must(t, s.Close())
			verifyIndexes(t, fsys, 5)
		})
	}
}

func setSize(name string, size int64) func(*testing.T, vfs.FS) {
	return func(t *testing.T, fsys vfs.FS) {
		f, err := fsys.OpenFile(path.Join("/t-0", name), vfs.ReadWrite)
		must(t, err)
		must(t, f.Truncate(size))
		must(t, f.Close())
	}
}

func TestFindTimestamp(t *testing.T) {
	for _, codec := range []compression.Codec{compression.None, compression.ZSTD} {
		t.Run(codec.String(), func(t *testing.T) {
			s := create(t, vfs.NewMem(nil), 0, Config{IndexIntervalBytes: 100, MaxIndexBytes: 1 << 20})
			for i := range 30 { // records at t0, t0+1, t0+2, t0+1000, …; the 20th batch is from 1970
				at := t0 + int64(i)*1000
				if i == 20 {
					at = 5
				}
				add(t, s, batchtest.Spec{Codec: codec, LeaderEpoch: 3,
					Records: batchtest.Values(at, "a", "b", "c")})
			}
			for _, tt := range []struct{ timestamp, from, offset, found int64 }{
				{0, 0, 0, t0},
				{t0 + 1, 0, 1, t0 + 1},
				{t0 + 3, 0, 3, t0 + 1000},
				{t0 + 10_002, 0, 32, t0 + 10_002},
				{t0 + 19_003, 0, 63, t0 + 21_000}, // passes over the old batch
				{t0 + 29_002, 0, 89, t0 + 29_002},
				{t0 + 29_003, 0, -1, 0},
				{0, 4, 4, t0 + 1001},
				{0, 60, 60, 5},
				{0, 90, -1, 0},
			} {
				got, ok, err := s.FindTimestamp(tt.timestamp, tt.from)
				must(t, err)
				if !ok && tt.offset == -1 {
					continue
				}
				if want := (Found{TimestampOffset{tt.found, tt.offset}, 3}); !ok || got != want {
					t.Errorf("FindTimestamp(%d, %d) = %+v, %v, want %+v",
						tt.timestamp-t0, tt.from, got, ok, want)
				}
			}
		})
	}
}

func TestFindLargestReturnsTheRecordNotItsBatch(t *testing.T) {
	s := create(t, vfs.NewMem(nil), 0, testConfig)
	if _, ok, err := s.FindLargest(); ok || err != nil {
		t.Errorf("in an empty segment: %v, %v", ok, err)
	}
	add(t, s, batchtest.Spec{Records: []batchtest.Record{
		{Timestamp: 10}, {Timestamp: 50}, {Timestamp: 50}, {Timestamp: 20}}})
	add(t, s, batchtest.Spec{Records: []batchtest.Record{{Timestamp: 50}, {Timestamp: 1}}})
	got, ok, err := s.FindLargest()
	if want := (TimestampOffset{50, 1}); err != nil || !ok || got.TimestampOffset != want {
		t.Errorf("FindLargest = %+v, %v, %v, want %+v", got, ok, err, want)
	}
}

func TestAbortedListsOverlapsUntilTheStableOffsetSaysEnough(t *testing.T) {
	s := create(t, vfs.NewMem(nil), 0, testConfig)
	for _, a := range []AbortedTxn{{1, 0, 10, 5}, {2, 5, 20, 15}, {3, 15, 30, 31}} {
		must(t, s.AppendAborted(a))
	}
	for _, tt := range []struct {
		from, upTo int64
		ids        []int64
		complete   bool
	}{
		{0, 5, []int64{1}, true},
		{0, 6, []int64{1, 2}, true},
		{11, 16, []int64{2, 3}, true},
		{21, 40, []int64{3}, false},
		{31, 40, nil, false},
	} {
		txns, complete := s.Aborted(tt.from, tt.upTo)
		var ids []int64
		for _, x := range txns {
			ids = append(ids, x.ProducerID)
		}
		if !slices.Equal(ids, tt.ids) || complete != tt.complete {
			t.Errorf("Aborted(%d, %d) = %v, %v, want %v, %v",
				tt.from, tt.upTo, ids, complete, tt.ids, tt.complete)
		}
	}
}

func TestFailedWriteIsCutOff(t *testing.T) {
	for _, truncateFails := range []bool{false, true} {
		t.Run(fmt.Sprintf("truncate fails: %v", truncateFails), func(t *testing.T) {
			mem := vfs.NewMem(nil)
			fsys := vfs.NewFaulty(mem)
			s := create(t, fsys, 0, testConfig)
			good := slices.Concat(fill(t, s, 3)...)
			fsys.Inject(vfs.Fault{Op: vfs.OpWrite, Name: "*.log", Nth: 1, Err: syscall.ENOSPC, Short: 100})
			if truncateFails {
				fsys.Inject(vfs.Fault{Op: vfs.OpTruncate, Name: "*.log", Nth: 1, Err: syscall.EIO})
			}
			spec := batchtest.Spec{BaseOffset: 9, Records: batchtest.Values(t0, strings.Repeat("w", 300))}
			b := batchtest.Batch(t, spec)
			h := spec.Header()
			if err := s.Append(&h, b); !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("Append: %v, want ENOSPC", err)
			}
			if got, _, err := s.Read(nil, Range{0, 1 << 20, false, math.MaxInt64}); err != nil ||
				!bytes.Equal(got, good) {
				t.Errorf("Read after the failure: %d bytes, %v, want %d", len(got), err, len(good))
			}
			spec.Records = batchtest.Values(t0, "short")
			good = append(good, add(t, s, spec)...)
			must(t, s.Close())
			if got := contents(t, mem, FileName(0, LogSuffix)); !bytes.Equal(got, good) {
				t.Errorf("the file has %d bytes, want %d", len(got), len(good))
			}
			verifyIndexes(t, mem, 0)
		})
	}
}

func TestIndexesThatCannotBeSavedStayInMemory(t *testing.T) {
	fsys := vfs.NewFaulty(vfs.NewMem(nil))
	s := create(t, fsys, 0, Config{IndexIntervalBytes: 0, MaxIndexBytes: 10 << 20})
	fsys.Inject(vfs.Fault{
		Op: vfs.OpWrite, Name: "*index", Nth: 1, Times: -1, Err: syscall.ENOSPC, Short: 3,
	})
	batches := fill(t, s, 1000)
	if err := s.Seal(); !errors.Is(err, ErrSave) || !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Seal: %v, want ErrSave and ENOSPC", err)
	}
	got, _, err := s.Read(nil, Range{2 * 999, 1, true, math.MaxInt64})
	if err != nil || !bytes.Equal(got, batches[666]) {
		t.Errorf("Read without saved indexes: %d bytes, %v", len(got), err)
	}
	fsys.Heal()
	must(t, s.Seal())
	must(t, s.Close())
	if n, m := verifyIndexes(t, fsys, 0); n != 999 || m != 999 {
		t.Errorf("%d and %d entries, want one for each batch but the first", n, m)
	}
}

func TestFits(t *testing.T) {
	s := create(t, vfs.NewMem(nil), 100, Config{IndexIntervalBytes: 0, MaxIndexBytes: 8 * 10})
	if !s.Fits(1000, 100+math.MaxInt32) || s.Fits(1000, 101+math.MaxInt32) {
		t.Error("a relative offset has 32 bits")
	}
	n := 0
	for s.Fits(1000, s.NextOffset()+2) {
		add(t, s, batchtest.Spec{Records: batchtest.Values(t0+int64(n)*1000, "a", "b", "c")})
		n++
	}
	// 80 bytes are 6 time entries, of which the last is kept for Seal; the first
	// batch needs none.
	if n != 6 {
		t.Errorf("%d batches fit, want 6", n)
	}
}

func TestRemoveLeavesNothing(t *testing.T) {
	fsys := vfs.NewMem(nil)
	s := create(t, fsys, 0, testConfig)
	fill(t, s, 2)
	must(t, s.AppendAborted(AbortedTxn{}))
	must(t, s.Remove())
	if names, err := fsys.ReadDir("/t-0"); err != nil || len(names) != 0 {
		t.Errorf("left: %v, %v", names, err)
	}
	if _, _, err := s.Read(nil, Range{0, 100, true, 100}); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Read of a removed segment: %v, want ErrClosed", err)
	}
}

func TestFileNames(t *testing.T) {
	if got := FileName(42, LogSuffix); got != "00000000000000000042.log" {
		t.Errorf("FileName = %q", got)
	}
	base, suffix, ok := ParseFileName("00000000000000000042.txnindex")
	if base != 42 || suffix != TxnIndexSuffix || !ok {
		t.Errorf("ParseFileName = %d, %q, %v", base, suffix, ok)
	}
	for _, name := range []string{
		"42.log", "partition.metadata", "0000000000000000004x.log", "-0000000000000000042.log", "",
	} {
		if _, _, ok := ParseFileName(name); ok {
			t.Errorf("ParseFileName(%q) is ok", name)
		}
	}
}

func TestEntriesAreBigEndian(t *testing.T) {
	fsys := vfs.NewMem(nil)
	s := create(t, fsys, 0, Config{IndexIntervalBytes: 0, MaxIndexBytes: 1 << 10})
	fill(t, s, 2)
	must(t, s.AppendAborted(AbortedTxn{1, 2, 3, 4}))
	must(t, s.Close())
	position := len(contents(t, fsys, FileName(0, LogSuffix))) / 2
	entry := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 5}, uint32(position))
	if got := contents(t, fsys, FileName(0, IndexSuffix)); !bytes.Equal(got, entry) {
		t.Errorf("offset index = %x, want %x", got, entry)
	}
	want := "0000" + "0000000000000001" + "0000000000000002" + "0000000000000003" + "0000000000000004"
	if got := fmt.Sprintf("%x", contents(t, fsys, FileName(0, TxnIndexSuffix))); got != want {
		t.Errorf("transaction index = %s, want %s", got, want)
	}
}
