package log

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/broker/internal/batchtest"
	"github.com/posthaste-go/posthaste/broker/internal/segment"
	"github.com/posthaste-go/posthaste/broker/internal/vfs"
	"github.com/posthaste-go/posthaste/internal/wire"
)

const t0 = int64(1_700_000_000_000)

func fixedNow() time.Time { return time.UnixMilli(t0) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reopen opens the log /t-0 of fsys.
func reopen(t testing.TB, fsys vfs.FS, change func(*Options)) *Log {
	t.Helper()
	o := Options{FS: fsys, Dir: "/t-0", Config: DefaultConfig(), Now: t0, Clean: true,
		Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	l, err := Open(o)
	must(t, err)
	return l
}

func newLog(t testing.TB, change func(*Config)) *Log {
	t.Helper()
	return reopen(t, vfs.NewMem(fixedNow), func(o *Options) {
		if change != nil {
			change(&o.Config)
		}
	})
}

// add appends a batch at the log's end.
func add(t testing.TB, l *Log, s batchtest.Spec) {
	t.Helper()
	s.BaseOffset, s.LeaderEpoch = l.EndOffset(), l.LeaderEpoch()
	b := batchtest.Batch(t, s)
	h, err := wire.ParseBatchHeader(b)
	must(t, err)
	must(t, l.Append(&h, b, t0))
}

// fill appends n batches of one record of 100 bytes, one second apart.
func fill(t testing.TB, l *Log, n int) {
	t.Helper()
	for range n {
		at := t0 + l.EndOffset()*1000
		add(t, l, batchtest.Spec{Records: batchtest.Values(at, strings.Repeat("v", 100))})
	}
}

func bases(l *Log) []int64 {
	var out []int64
	for _, s := range l.list() {
		out = append(out, s.Base())
	}
	return out
}

func files(t testing.TB, l *Log) []string {
	t.Helper()
	infos, err := l.fs.ReadDir(l.dir)
	must(t, err)
	var out []string
	for _, i := range infos {
		out = append(out, i.Name)
	}
	return out
}

// batchSize is the size of the batches that fill appends.
const batchSize = wire.BatchHeaderSize + 109

func TestRollBySize(t *testing.T) {
	l := newLog(t, func(c *Config) { c.SegmentBytes = 3 * batchSize })
	fill(t, l, 10)
	if want := []int64{0, 3, 6, 9}; !slices.Equal(bases(l), want) {
		t.Errorf("segments = %v, want %v", bases(l), want)
	}
	for _, base := range []int64{3, 6, 9} {
		if !slices.Contains(files(t, l), segment.FileName(base, snapshotSuffix)) {
			t.Errorf("no snapshot of the producers at %d", base)
		}
	}
}

func TestRollByTimeGoesByTimestamps(t *testing.T) {
	l := newLog(t, func(c *Config) { c.SegmentMillis = 5000 })
	for _, at := range []int64{0, 5000, 5001, 3000, 10_001, 10_002, -1, 99_999} {
		if at >= 0 {
			at += t0
		}
		add(t, l, batchtest.Spec{Records: []batchtest.Record{{Timestamp: at}}})
	}
	if want := []int64{0, 2, 5, 7}; !slices.Equal(bases(l), want) {
		t.Errorf("segments = %v, want %v", bases(l), want)
	}
}

func TestRollByTimeWithoutTimestampsGoesByTheClock(t *testing.T) {
	l := newLog(t, func(c *Config) { c.SegmentMillis = 5000 })
	for i, now := range []int64{0, 5000, 5001, 9000, 10_002} {
		b := batchtest.Batch(t, batchtest.Spec{BaseOffset: int64(i),
			Records: []batchtest.Record{{Timestamp: -1}}})
		h, err := wire.ParseBatchHeader(b)
		must(t, err)
		must(t, l.Append(&h, b, t0+now))
	}
	if want := []int64{0, 2, 4}; !slices.Equal(bases(l), want) {
		t.Errorf("segments = %v, want %v", bases(l), want)
	}
}

func TestRollWhenAnIndexIsFull(t *testing.T) {
	l := newLog(t, func(c *Config) { c.SegmentIndexBytes, c.IndexIntervalBytes = 60, 0 })
	fill(t, l, 12)
	if want := []int64{0, 5, 10}; !slices.Equal(bases(l), want) {
		t.Errorf("segments = %v, want %v", bases(l), want)
	}
}

func TestRollFailsWholeOrNotAtAll(t *testing.T) {
	disk := vfs.NewFaulty(vfs.NewMem(fixedNow))
	l := reopen(t, disk, func(o *Options) { o.Config.SegmentBytes = 2 * batchSize })
	fill(t, l, 2)
	for _, name := range []string{"*.snapshot", "*.index", "*.timeindex", "*.log"} {
		disk.Inject(vfs.Fault{Op: vfs.OpOpen, Name: name, Nth: 1, Err: syscall.ENOSPC})
		if err := l.Roll(t0); !errors.Is(err, ErrStorage) || !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s cannot be made: %v, want ErrStorage", name, err)
		}
		if want := []int64{0}; !slices.Equal(bases(l), want) {
			t.Errorf("segments = %v, want %v", bases(l), want)
		}
	}
	must(t, l.Roll(t0))
	must(t, l.Roll(t0)) // an empty segment stays
	if want := []int64{0, 2}; !slices.Equal(bases(l), want) {
		t.Errorf("segments = %v, want %v", bases(l), want)
	}
}

func TestRetain(t *testing.T) {
	const never = -1
	tests := []struct {
		name   string
		change func(*Config)
		now    int64 // after the first record
		start  int64 // log start offset before
		want   []int64
	}{
		{"nothing is due", func(c *Config) {}, 10_000, 0, []int64{0, 3, 6, 9}},
		{"by age: as many as are wholly too old", func(c *Config) { c.RetentionMillis = 4000 },
			10_000, 0, []int64{6, 9}},
		{"by age: not what is as old as the limit", func(c *Config) { c.RetentionMillis = 8000 },
			10_000, 0, []int64{0, 3, 6, 9}},
		{"by age: the active one too, behind a new one", func(c *Config) { c.RetentionMillis = 10 },
			100_000, 0, []int64{10}},
		{"by size: what is surplus", func(c *Config) { c.RetentionBytes = 5 * batchSize },
			0, 0, []int64{3, 6, 9}},
		{"by size: not if too little is surplus", func(c *Config) { c.RetentionBytes = 7*batchSize + 1 },
			0, 0, []int64{0, 3, 6, 9}},
		{"by size: 0 keeps nothing", func(c *Config) { c.RetentionBytes = 0 }, 0, 0, []int64{10}},
		{"before the log start offset", func(c *Config) {}, 0, 7, []int64{6, 9}},
		{"before the log start offset, though only compacted", func(c *Config) {
			c.Delete, c.Compact, c.RetentionMillis = false, true, 1
		}, 100_000, 6, []int64{6, 9}},
		{"only compacted: never by age or size", func(c *Config) {
			c.Delete, c.Compact, c.RetentionMillis, c.RetentionBytes = false, true, 1, 1
		}, 100_000, 0, []int64{0, 3, 6, 9}},
		{"for ever", func(c *Config) { c.RetentionMillis = never }, math.MaxInt64 / 2, 0,
			[]int64{0, 3, 6, 9}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newLog(t, func(c *Config) { c.SegmentBytes = 3 * batchSize; tt.change(c) })
			fill(t, l, 10)
			must(t, l.MoveStart(tt.start))
			r, err := l.Retain(t0 + tt.now)
			must(t, err)
			must(t, r.Remove())
			if !slices.Equal(bases(l), tt.want) {
				t.Errorf("segments = %v, want %v", bases(l), tt.want)
			}
			if got := max(tt.start, tt.want[0]); l.StartOffset() != got || l.EndOffset() != 10 {
				t.Errorf("log from %d to %d, want %d to 10", l.StartOffset(), l.EndOffset(), got)
			}
			var logs []string
			for _, f := range files(t, l) {
				if strings.HasSuffix(f, ".log") {
					logs = append(logs, f)
				}
			}
			if len(logs) != len(tt.want) {
				t.Errorf("files left: %v", logs)
			}
		})
	}
}

func TestRetainWithoutTimestampsGoesByTheFile(t *testing.T) {
	clock := fixedNow()
	l := reopen(t, vfs.NewMem(func() time.Time { return clock }), func(o *Options) {
		o.Config.SegmentBytes, o.Config.RetentionMillis = 200, 5000
	})
	for range 4 {
		add(t, l, batchtest.Spec{Records: []batchtest.Record{
			{Timestamp: -1, Value: make([]byte, 100)}}})
		clock = clock.Add(3 * time.Second)
	}
	r, err := l.Retain(clock.UnixMilli())
	must(t, err)
	must(t, r.Remove())
	if want := []int64{3}; !slices.Equal(bases(l), want) {
		t.Errorf("segments = %v, want %v", bases(l), want)
	}
}

func TestRecoveryPutsSegmentsBehindDamageAside(t *testing.T) {
	disk := vfs.NewMem(fixedNow)
	small := func(o *Options) { o.Config.SegmentBytes = 3 * batchSize }
	l := reopen(t, disk, small)
	fill(t, l, 10)
	must(t, l.Close())
	f, err := disk.OpenFile("/t-0/"+segment.FileName(3, segment.LogSuffix), vfs.ReadWrite)
	must(t, err)
	_, err = f.WriteAt([]byte{0xff}, batchSize+80) // in the second of its batches
	must(t, err)

	l = reopen(t, disk, func(o *Options) { small(o); o.Clean = false })
	if want := []int64{0, 3}; !slices.Equal(bases(l), want) || l.EndOffset() != 4 {
		t.Errorf("segments = %v, end = %d, want %v, 4", bases(l), l.EndOffset(), want)
	}
	var aside []string
	for _, f := range files(t, l) {
		if strings.HasSuffix(f, ".log.cut") {
			aside = append(aside, f)
		}
		if base, suffix, ok := segment.ParseFileName(f); ok && suffix == snapshotSuffix && base > 4 {
			t.Errorf("%s is of records that are gone", f)
		}
	}
	if len(aside) != 2 {
		t.Errorf("put aside: %v, want two", aside)
	}
	fill(t, l, 5)
	must(t, l.Close())
	if l = reopen(t, disk, small); l.EndOffset() != 9 {
		t.Errorf("end = %d, want 9", l.EndOffset())
	}
}

// What was synced is not read again, however a crash ended the run.
func TestRecoveryBeginsAtTheRecoveryPoint(t *testing.T) {
	disk := vfs.NewMem(fixedNow)
	l := reopen(t, disk, func(o *Options) { o.Config.SegmentBytes = 3 * batchSize })
	fill(t, l, 10)
	must(t, l.FlushSealed())
	if l.RecoveryPoint() != 9 {
		t.Fatalf("recovery point = %d, want 9", l.RecoveryPoint())
	}
	name := "/t-0/" + segment.FileName(3, segment.LogSuffix)
	f, err := disk.OpenFile(name, vfs.ReadWrite)
	must(t, err)
	_, err = f.WriteAt([]byte{0xff}, 80)
	must(t, err)
	must(t, l.Close())
	again := reopen(t, disk, func(o *Options) { o.Clean, o.RecoveryPoint = false, 9 })
	if again.EndOffset() != 10 || again.RecoveryPoint() != 9 {
		t.Errorf("end = %d, recovery point = %d: damage before the recovery point was met",
			again.EndOffset(), again.RecoveryPoint())
	}
}

func TestLogThatEndsBeforeItsStartBeginsAnew(t *testing.T) {
	disk := vfs.NewMem(fixedNow)
	l := reopen(t, disk, nil)
	fill(t, l, 5)
	must(t, l.Close())
	l = reopen(t, disk, func(o *Options) { o.StartOffset = 50 })
	if l.StartOffset() != 50 || l.EndOffset() != 50 || l.Size() != 0 {
		t.Errorf("log from %d to %d", l.StartOffset(), l.EndOffset())
	}
	fill(t, l, 1)
	if l.EndOffset() != 51 {
		t.Errorf("end = %d, want 51", l.EndOffset())
	}
}

func TestOpenSweepsWhatACrashLeft(t *testing.T) {
	disk := vfs.NewMem(fixedNow)
	l := reopen(t, disk, nil)
	fill(t, l, 5)
	must(t, l.Close())
	for _, name := range []string{
		"00000000000000000099.index", "00000000000000000099.timeindex", "00000000000000000099.txnindex",
		"00000000000000000000.log.deleted", "00000000000000000000.log.cleaned",
		"00000000000000000003.snapshot", // of no segment, and not the last
	} {
		must(t, WriteFile(disk, "/t-0/"+name, nil, false))
	}
	must(t, WriteFile(disk, "/t-0/notes.txt", []byte("mine"), false))
	l = reopen(t, disk, nil)
	want := []string{
		"00000000000000000000.index", "00000000000000000000.log", "00000000000000000000.timeindex",
		"00000000000000000005.snapshot", "leader-epoch-checkpoint", "notes.txt",
	}
	if diff := cmp.Diff(want, files(t, l)); diff != "" {
		t.Error(diff)
	}
}

func TestFlushMillisIsLookedAtOnAppend(t *testing.T) {
	l := newLog(t, func(c *Config) { c.FlushMillis = 5000 })
	for i, tt := range []struct{ now, point int64 }{
		{0, 0}, {4999, 0}, {5000, 3}, {9999, 3}, {10_000, 5},
	} {
		b := batchtest.Batch(t, batchtest.Spec{BaseOffset: int64(i), Records: batchtest.Values(t0, "x")})
		h, err := wire.ParseBatchHeader(b)
		must(t, err)
		must(t, l.Append(&h, b, t0+tt.now))
		if l.RecoveryPoint() != tt.point {
			t.Errorf("at %d ms: recovery point = %d, want %d", tt.now, l.RecoveryPoint(), tt.point)
		}
	}
}

func TestEpochs(t *testing.T) {
	disk := vfs.NewMem(fixedNow)
	must(t, disk.MkdirAll("/t-0"))
	e := newEpochs(disk, "/t-0")
	for _, x := range []EpochStart{{0, 0}, {2, 10}, {2, 12}, {1, 15}, {5, 20}, {7, 20}} {
		must(t, e.assign(x.Epoch, x.StartOffset))
	}
	check := func(want ...EpochStart) {
		t.Helper()
		again := newEpochs(disk, "/t-0")
		must(t, again.load())
		if !slices.Equal(e.list, want) || !slices.Equal(again.list, want) {
			t.Errorf("epochs = %v, stored %v, want %v", e.list, again.list, want)
		}
	}
	check(EpochStart{0, 0}, EpochStart{2, 10}, EpochStart{7, 20})
	for _, tt := range []struct {
		epoch, found int32
		end          int64
	}{{-1, -1, -1}, {0, 0, 10}, {1, 0, 10}, {2, 2, 20}, {5, 2, 20}, {7, 7, 33}, {8, -1, -1}} {
		if found, end := e.end(tt.epoch, 33); found != tt.found || end != tt.end {
			t.Errorf("end(%d) = %d, %d, want %d, %d", tt.epoch, found, end, tt.found, tt.end)
		}
	}
	must(t, e.truncateStart(12))
	check(EpochStart{2, 12}, EpochStart{7, 20})
	if found, end := e.end(1, 33); found != 1 || end != 12 {
		t.Errorf("end of an epoch before the first = %d, %d", found, end)
	}
	must(t, e.truncateStart(12))
	e.truncateEnd(20)
	must(t, e.save())
	check(EpochStart{2, 12})
	if e.of(11) != NoEpoch || e.of(12) != 2 || e.of(100) != 2 {
		t.Error("epochs of offsets are wrong")
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add([]byte("0\n2\n0 0\n3 17\n"))
	f.Add([]byte("0\n0\n"))
	f.Add([]byte("1\n-1\n\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parseCheckpoint(b, 2)
		if err != nil {
			if !errors.Is(err, ErrFile) {
				t.Fatalf("%v does not match ErrFile", err)
			}
			return
		}
		disk := vfs.NewMem(nil)
		must(t, c.Write(disk, "/c", false))
		again, err := ReadCheckpoint(disk, "/c", 2)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(c) {
			t.Fatalf("%q became %v, %v", c, again, err)
		}
	})
}

func TestWriteFileReplacesWholeOrNotAtAll(t *testing.T) {
	disk := vfs.NewFaulty(vfs.NewMem(nil))
	must(t, WriteFile(disk, "/f", []byte("old"), true))
	disk.Inject(vfs.Fault{Op: vfs.OpWrite, Nth: 1, Err: syscall.ENOSPC, Short: 2})
	if err := WriteFile(disk, "/f", []byte("new"), true); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("WriteFile: %v, want ENOSPC", err)
	}
	if b, err := ReadFile(disk, "/f"); err != nil || !bytes.Equal(b, []byte("old")) {
		t.Errorf("content = %q, %v", b, err)
	}
	if _, err := disk.Stat(path.Join("/", "f.tmp")); err == nil {
		t.Error("the temporary file is left")
	}
}

// A file that a process made before it ended is there for the next one, but its
// name need not survive a power cut until that one syncs it.
func TestNamesThatAnEarlierProcessMadeAreSynced(t *testing.T) {
	tests := []struct {
		name string
		end  func(*Log) error
	}{
		{"one that was killed", func(*Log) error { return nil }},
		{"one that stopped in order with an empty log", (*Log).Close},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for seed := range uint64(20) {
				disk := vfs.NewCrashMem(fixedNow)
				if err := tt.end(reopen(t, disk, nil)); err != nil {
					t.Fatal(err)
				}
				l := reopen(t, disk, func(o *Options) {
					o.Clean, o.Config.FlushMessages = tt.name != tests[0].name, 1
				})
				fill(t, l, 1)
				l = reopen(t, disk.CrashClone(vfs.PowerCut, seed), func(o *Options) { o.Clean = false })
				if end := l.EndOffset(); end != 1 {
					t.Errorf("seed %d: the log ends at %d after a power cut, want 1", seed, end)
				}
			}
		})
	}
}
