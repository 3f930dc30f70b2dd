package log

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/broker/internal/batchtest"
	"github.com/posthaste-go/posthaste/broker/internal/segment"
	"github.com/posthaste-go/posthaste/broker/internal/vfs"
	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/wire"
)

const day = int64(24 * 60 * 60 * 1000)

func compacted(c *Config) {
	c.Compact, c.Delete, c.SegmentBytes, c.DeleteRetentionMillis = true, false, 1000, day
}

// kv is a batch of one record for each pair "key=value"; "key" alone is a
// tombstone.
func kv(pairs ...string) batchtest.Spec {
	var s batchtest.Spec
	for i, p := range pairs {
		key, value, found := strings.Cut(p, "=")
		r := batchtest.Record{Timestamp: t0 + int64(i), Key: []byte(key)}
		if found {
			r.Value = []byte(value)
		}
		s.Records = append(s.Records, r)
	}
	return s
}

// compact rolls and compacts all there is.
func compact(t testing.TB, l *Log, firstDirty, now int64) int64 {
	t.Helper()
	must(t, l.Roll(now))
	must(t, l.FlushSealed())
	c, err := l.Compact(l.Uncompacted(firstDirty, now), l.Producers().Entries(), now)
	must(t, err)
	must(t, c.Swap())
	return c.FirstDirty()
}

// records reads the whole log as "offset key=value"; markers as "offset abort".
func records(t testing.TB, l *Log) []string {
	t.Helper()
	var out []string
	for _, s := range l.list() {
		err := s.Scan(s.Base(), func(h *wire.BatchHeader, batch []byte) error {
			must(t, wire.VerifyChecksum(batch))
			return eachRecord(h, batch, func(r *wire.Record) {
				line := fmt.Sprintf("%d %s=%s", h.BaseOffset+int64(r.OffsetDelta), r.Key, r.Value)
				if r.Value == nil {
					line = strings.TrimSuffix(line, "=")
				}
				if h.Attributes.Has(wire.Control) {
					m, err := wire.ParseEndTxnMarker(r.Key, r.Value)
					must(t, err)
					line = fmt.Sprintf("%d %s", h.BaseOffset, [...]string{"abort", "commit"}[m.Type])
				}
				out = append(out, line)
			})
		})
		must(t, err)
	}
	return out
}

func TestCompactionKeepsTheLastRecordOfEachKey(t *testing.T) {
	for _, codec := range []compression.Codec{compression.None, compression.ZSTD} {
		l := newLog(t, compacted)
		for _, s := range []batchtest.Spec{
			kv("a=1", "b=1", "c=1"), kv("a=2", "d=1"), kv("b=2"), kv("a=3", "c=2"),
		} {
			s.Codec = codec
			add(t, l, s)
		}
		dirty := compact(t, l, 0, t0)
		want := []string{"4 d=1", "5 b=2", "6 a=3", "7 c=2"}
		if diff := cmp.Diff(want, records(t, l)); diff != "" {
			t.Errorf("%v: %s", codec, diff)
		}
		if dirty != 8 || l.EndOffset() != 8 || l.StartOffset() != 0 {
			t.Errorf("first dirty = %d, log from %d to %d", dirty, l.StartOffset(), l.EndOffset())
		}
		add(t, l, kv("d=2"))
		if dirty = compact(t, l, dirty, t0); dirty != 9 {
			t.Errorf("first dirty = %d, want 9", dirty)
		}
		want = []string{"5 b=2", "6 a=3", "7 c=2", "8 d=2"}
		if diff := cmp.Diff(want, records(t, l)); diff != "" {
			t.Errorf("%v: %s", codec, diff)
		}
	}
}

func TestTombstonesStayUntilTheirHorizon(t *testing.T) {
	l := newLog(t, compacted)
	add(t, l, kv("a=1", "b=1"))
	add(t, l, kv("a"))
	add(t, l, kv("end=1"))
	dirty := int64(0)
	for _, tt := range []struct {
		now  int64
		want []string
	}{
		{t0, []string{"1 b=1", "2 a", "3 end=1"}},
		{t0 + day - 1, []string{"1 b=1", "2 a", "3 end=1"}},
		{t0 + day, []string{"1 b=1", "3 end=1"}},
	} {
		dirty = compact(t, l, dirty, tt.now)
		if diff := cmp.Diff(tt.want, records(t, l)); diff != "" {
			t.Errorf("after %d ms: %s", tt.now-t0, diff)
		}
	}
}

func TestTimestampsSurviveTheDeleteHorizon(t *testing.T) {
	l := newLog(t, compacted)
	add(t, l, kv("a", "b=1", "c"))
	compact(t, l, 0, t0)
	found, ok, err := l.FindTimestamp(t0 + 2)
	must(t, err)
	want := segment.TimestampOffset{Timestamp: t0 + 2, Offset: 2}
	if !ok || found.TimestampOffset != want {
		t.Errorf("record by timestamp = %+v, %v, want %+v", found, ok, want)
	}
}

func TestActiveSegmentAndOpenTransactionsAreNotCompacted(t *testing.T) {
	l := newLog(t, compacted)
	add(t, l, kv("a=1"))
	must(t, l.Roll(t0))
	open := kv("a=2")
	open.ProducerID, open.Attributes = 1, wire.Transactional
	add(t, l, open)
	must(t, l.Roll(t0))
	add(t, l, kv("a=3"))
	must(t, l.FlushSealed())
	if u := l.Uncompacted(0, t0); u.Bound != 1 {
		t.Errorf("bound = %d, want 1: the transaction is open", u.Bound)
	}
	marker(t, l, 1, wire.Commit)
	if u := l.Uncompacted(0, t0); u.Bound != 2 {
		t.Errorf("bound = %d, want 2: what is appended to stays as it is", u.Bound)
	}
	l.recovery.Store(1)
	if u := l.Uncompacted(0, t0); u.Bound != 1 {
		t.Errorf("bound = %d, want 1: the rest is not synced", u.Bound)
	}
}

func marker(t testing.TB, l *Log, id int64, kind wire.ControlType) {
	t.Helper()
	b := batchtest.Marker(t, batchtest.Spec{BaseOffset: l.EndOffset(), ProducerID: id},
		wire.EndTxnMarker{Type: kind})
	h, err := wire.ParseBatchHeader(b)
	must(t, err)
	must(t, l.Append(&h, b, t0))
}

func TestTransactionsInCompaction(t *testing.T) {
	l := newLog(t, compacted)
	send := func(id int64, seq int32, pairs ...string) {
		s := kv(pairs...)
		s.ProducerID, s.BaseSequence, s.Attributes = id, seq, wire.Transactional
		add(t, l, s)
		must(t, l.Roll(t0)) // transactions span segments
	}
	add(t, l, kv("a=0", "b=0", "c=0")) // 0 to 2
	send(1, 0, "a=aborted")            // 3
	send(2, 0, "b=committed")          // 4
	marker(t, l, 1, wire.Abort)        // 5
	marker(t, l, 2, wire.Commit)       // 6
	send(2, 1, "c=committed")          // 7
	marker(t, l, 2, wire.Commit)       // 8
	add(t, l, kv("b=last"))            // 9
	dirty := compact(t, l, 0, t0)
	want := []string{"0 a=0", "5 abort", "6 commit", "7 c=committed", "8 commit", "9 b=last"}
	if diff := cmp.Diff(want, records(t, l)); diff != "" {
		t.Error(diff)
	}
	// Markers that end nothing any more go after a day. Producer 1's last batch
	// stays, empty, for its sequence; therefore its marker does.
	for _, now := range []int64{t0 + 1, t0 + 2*day} {
		dirty = compact(t, l, dirty, now)
	}
	want = []string{"0 a=0", "5 abort", "7 c=committed", "8 commit", "9 b=last"}
	if diff := cmp.Diff(want, records(t, l)); diff != "" {
		t.Error(diff)
	}
	before := l.Producers().Encode()
	disk := l.fs
	must(t, l.Close())
	for _, name := range files(t, l) {
		if strings.HasSuffix(name, snapshotSuffix) {
			must(t, disk.Remove("/t-0/"+name))
		}
	}
	l = reopen(t, disk, func(o *Options) { compacted(&o.Config) })
	if l.LastStableOffset() != 10 {
		t.Errorf("last stable offset = %d, want 10: no transaction is open", l.LastStableOffset())
	}
	if len(l.Producers().Entries()) != 2 {
		t.Errorf("producers are lost: %+v, had %x", l.Producers().Entries(), before)
	}
}

func TestCompactionMergesSmallSegments(t *testing.T) {
	l := newLog(t, compacted)
	for i := range 60 {
		add(t, l, kv(fmt.Sprintf("key %d=%s", i%3, strings.Repeat("x", 150))))
	}
	if n := l.Segments(); n < 10 {
		t.Fatalf("%d segments", n)
	}
	dirty := compact(t, l, 0, t0) // leaves small segments,
	add(t, l, kv("key 0=y"))
	compact(t, l, dirty, t0) // which now fit one
	if n := l.Segments(); n > 4 {
		t.Errorf("%d segments after compaction", n)
	}
	if n := len(records(t, l)); n != 3 {
		t.Errorf("%d records, want 3", n)
	}
}

func TestDue(t *testing.T) {
	c := DefaultConfig()
	c.Compact = true
	for _, tt := range []struct {
		name string
		u    Uncompacted
		lag  int64
		due  bool
	}{
		{"nothing is dirty", Uncompacted{Clean: 10}, math.MaxInt64, false},
		{"half is dirty", Uncompacted{Clean: 10, Dirty: 10, Oldest: t0}, math.MaxInt64, false},
		{"more than half", Uncompacted{Clean: 10, Dirty: 11, Oldest: t0}, math.MaxInt64, true},
		{"little, but promised", Uncompacted{Clean: 10, Dirty: 1, Oldest: t0 - 101}, 100, true},
		{"little, not yet promised", Uncompacted{Clean: 10, Dirty: 1, Oldest: t0 - 100}, 100, false},
	} {
		c.MaxCompactionLagMillis = tt.lag
		if tt.u.Due(c, t0) != tt.due {
			t.Errorf("%s: due = %v", tt.name, !tt.due)
		}
	}
}

// The last value of every key is what it was, whatever the log went through and
// wherever a crash came.
func TestCompactionUnderCrashes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	mem := vfs.NewCrashMem(fixedNow)
	disk := vfs.NewFaulty(mem)
	l := reopen(t, disk, func(o *Options) { compacted(&o.Config) })
	must(t, disk.SyncDir("/"))
	want := map[string]string{}
	last := func(l *Log) map[string]string {
		m := map[string]string{}
		for _, line := range records(t, l) {
			_, pair, _ := strings.Cut(line, " ")
			if key, value, ok := strings.Cut(pair, "="); ok {
				m[key] = value
			} else {
				delete(m, key)
			}
		}
		return m
	}
	points := 0
	check := func(c vfs.Call) {
		if c.Op == vfs.OpRead || c.Op == vfs.OpClose {
			return
		}
		points++
		for _, crash := range []vfs.Crash{vfs.ProcessKilled, vfs.PowerCut} {
			again := reopen(t, mem.CrashClone(crash, uint64(points)), func(o *Options) {
				compacted(&o.Config)
				o.Clean, o.RecoveryPoint = false, l.RecoveryPoint()
			})
			if diff := cmp.Diff(want, last(again)); diff != "" {
				t.Fatalf("crash %d before operation %d, %s %s:\n%s", crash, points, c.Op, c.Name, diff)
			}
			must(t, again.Close())
		}
	}
	dirty := int64(0)
	for round := range 4 {
		for range 30 {
			key := fmt.Sprintf("k%d", rng.IntN(12))
			if rng.IntN(5) == 0 {
				add(t, l, kv(key))
				delete(want, key)
				continue
			}
			value := strings.Repeat("v", rng.IntN(100)) + fmt.Sprint(l.EndOffset())
			add(t, l, kv(key+"="+value))
			want[key] = value
		}
		must(t, l.Flush())
		disk.Observe(check)
		dirty = compact(t, l, dirty, t0+int64(round)*day)
		disk.Observe(nil)
		if diff := cmp.Diff(want, last(l)); diff != "" {
			t.Fatalf("round %d: %s", round, diff)
		}
	}
	if points < 40 {
		t.Errorf("only %d moments were tried", points)
	}
	if n := len(records(t, l)); n > 40 {
		t.Errorf("%d records are left of %d keys", n, len(slices.Collect(maps.Keys(want))))
	}
}
