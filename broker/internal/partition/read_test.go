package partition

import (
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/broker/internal/batchtest"
	"github.com/posthaste-go/posthaste/broker/internal/vfs"
	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/wire"
)

func TestFetchBounds(t *testing.T) {
	p := newPartition(t, func(c *Config) { c.SegmentBytes = 500 })
	for range 20 {
		mustSend(t, p, values("one", strings.Repeat("2", 50)))
	}
	_, err := p.DeleteRecords(11)
	must(t, err)
	for _, tt := range []struct {
		offset int64
		code   errcode.Code
		first  int64 // base offset of the first batch; -1 for none
	}{
		{10, errcode.OffsetOutOfRange, 0},
		{11, 0, 10},
		{12, 0, 12},
		{39, 0, 38},
		{40, 0, -1},
		{41, errcode.OffsetOutOfRange, 0},
		{-1, errcode.OffsetOutOfRange, 0},
	} {
		f, err := p.Fetch(nil, FetchRequest{Offset: tt.offset, MaxBytes: 1000,
			CurrentLeaderEpoch: NoEpoch, LastFetchedEpoch: NoEpoch})
		wantCode(t, err, tt.code)
		if err != nil {
			continue
		}
		headers, _ := batchtest.Split(t, f.Records)
		if first := int64(-1); len(headers) > 0 && headers[0].BaseOffset != tt.first ||
			len(headers) == 0 && first != tt.first {
			t.Errorf("fetch from %d: %d batches, want the first at %d", tt.offset, len(headers), tt.first)
		}
		if f.HighWatermark != 40 || f.LastStableOffset != 40 || f.LogStartOffset != 11 {
			t.Errorf("fetch from %d: %+v", tt.offset, f)
		}
	}
}

// A consumer that follows the answers sees every batch once, whatever it allows
// for an answer.
func TestFetchWalksOverSegments(t *testing.T) {
	p := newPartition(t, func(c *Config) { c.SegmentBytes = 700 })
	for range 50 {
		mustSend(t, p, values("one", strings.Repeat("2", 50)))
	}
	for _, maxBytes := range []int{1, 150, 400, 1 << 20} {
		next, answers := int64(0), 0
		for next < p.HighWatermark() {
			f, err := p.Fetch(make([]byte, 3, 100), FetchRequest{Offset: next, MaxBytes: maxBytes,
				MinOneMessage: true, CurrentLeaderEpoch: NoEpoch, LastFetchedEpoch: NoEpoch})
			must(t, err)
			headers, _ := batchtest.Split(t, f.Records[3:])
			if len(headers) == 0 || headers[0].BaseOffset != next {
				t.Fatalf("max %d: nothing at offset %d", maxBytes, next)
			}
			next = headers[len(headers)-1].LastOffset() + 1
			answers++
		}
		if maxBytes == 1 && answers != 50 {
			t.Errorf("%d answers of one batch, want 50", answers)
		}
	}
}

func TestAvailableIsWhatCouldBeFetched(t *testing.T) {
	p := newPartition(t, func(c *Config) { c.SegmentBytes = 700 })
	for range 30 {
		mustSend(t, p, values("one", strings.Repeat("2", 50)))
	}
	size := p.Size() / 30
	for _, tt := range []struct{ offset, want int64 }{{0, 30}, {1, 30}, {2, 29}, {59, 1}, {60, 0}} {
		got, err := p.Available(tt.offset, ReadUncommitted)
		must(t, err)
		if got != tt.want*size {
			t.Errorf("Available(%d) = %d, want %d batches of %d", tt.offset, got, tt.want, size)
		}
	}
	_, err := p.Available(61, ReadUncommitted)
	wantCode(t, err, errcode.OffsetOutOfRange)
}

// txn writes one transactional batch of a producer.
func txn(t *testing.T, p *Partition, id int64, seq int32) int64 {
	t.Helper()
	s := values("in a transaction")
	s.ProducerID, s.BaseSequence, s.Attributes = id, seq, wire.Transactional
	r, err := p.Append(AppendRequest{
		Records: batchtest.Batch(t, s), Acks: -1, TransactionVerified: true,
	})
	must(t, err)
	return r.BaseOffset
}

func TestReadCommitted(t *testing.T) {
	p := newPartition(t, nil)
	mustSend(t, p, values("plain")) // 0
	txn(t, p, 1, 0)                 // 1
	txn(t, p, 2, 0)                 // 2
	mustSend(t, p, values("plain")) // 3
	stable := func(want int64, visible int) {
		t.Helper()
		if got := p.LastStableOffset(); got != want {
			t.Errorf("last stable offset = %d, want %d", got, want)
		}
		headers, _ := batchtest.Split(t, fetch(t, p, 0, ReadCommitted).Records)
		if len(headers) != visible {
			t.Errorf("%d batches are visible, want %d", len(headers), visible)
		}
		a, err := p.ListOffset(LatestTimestamp, ReadCommitted, NoEpoch)
		must(t, err)
		if a.Offset != want {
			t.Errorf("latest committed offset = %d, want %d", a.Offset, want)
		}
	}
	stable(1, 1)
	offset, err := p.AppendMarker(Marker{ProducerID: 1, CoordinatorEpoch: 5}) // 4: abort
	must(t, err)
	if offset != 4 {
		t.Errorf("marker at %d, want 4", offset)
	}
	stable(2, 2)
	_, err = p.AppendMarker(Marker{ProducerID: 2, Commit: true}) // 5
	must(t, err)
	stable(6, 6)
	f := fetch(t, p, 0, ReadCommitted)
	if diff := cmp.Diff([]AbortedTransaction{{1, 1}}, f.Aborted); diff != "" {
		t.Error(diff)
	}
	if f := fetch(t, p, 0, ReadUncommitted); f.Aborted != nil {
		t.Errorf("an uncommitted reader is told of %v", f.Aborted)
	}
	if f := fetch(t, p, 5, ReadCommitted); f.Aborted != nil {
		t.Errorf("after the marker: %v", f.Aborted)
	}
	_, err = p.AppendMarker(Marker{ProducerID: 1, CoordinatorEpoch: 4})
	wantCode(t, err, errcode.TransactionCoordinatorFenced)
	_, err = p.AppendMarker(Marker{ProducerID: 1, ProducerEpoch: -1, CoordinatorEpoch: 5})
	wantCode(t, err, errcode.InvalidProducerEpoch)
}

// Transactions, their ends and the aborted ones are known again after a crash
// and after an orderly stop.
func TestTransactionsSurviveARestart(t *testing.T) {
	for _, crash := range []bool{false, true} {
		disk := vfs.NewCrashMem(fixedNow)
		d := openDir(t, disk)
		c := DefaultConfig()
		c.SegmentBytes = 300
		p, err := d.Open(testTP, TopicID{1}, c)
		must(t, err)
		txn(t, p, 1, 0) // 0
		txn(t, p, 2, 0) // 1
		for range 6 {
			mustSend(t, p, values("plain"))
		}
		_, err = p.AppendMarker(Marker{ProducerID: 1}) // 8
		must(t, err)
		if crash {
			disk = disk.CrashClone(vfs.ProcessKilled, 1)
		}
		must(t, d.Close())
		d = openDir(t, disk)
		p, err = d.Open(testTP, TopicID{1}, c)
		must(t, err)
		if p.LastStableOffset() != 1 {
			t.Errorf("crash %v: last stable offset = %d, want 1", crash, p.LastStableOffset())
		}
		_, err = p.AppendMarker(Marker{ProducerID: 2, Commit: true}) // 9
		must(t, err)
		f := fetch(t, p, 0, ReadCommitted)
		if diff := cmp.Diff([]AbortedTransaction{{1, 0}}, f.Aborted); diff != "" {
			t.Errorf("crash %v: %s", crash, diff)
		}
		if p.LastStableOffset() != 10 {
			t.Errorf("crash %v: last stable offset = %d, want 10", crash, p.LastStableOffset())
		}
		must(t, d.Close())
	}
}

func TestListOffset(t *testing.T) {
	p := newPartition(t, func(c *Config) { c.SegmentBytes = 400; lax(c) })
	for i := range 10 {
		mustSend(t, p, batchtest.Spec{Codec: compression.Codec(i % 5), Records: batchtest.Values(
			t0+int64(i)*100, "a", "b", strings.Repeat("c", 30))})
	}
	for _, tt := range []struct {
		timestamp int64
		want      OffsetAnswer
	}{
		{LatestTimestamp, OffsetAnswer{30, -1, 0}},
		{EarliestTimestamp, OffsetAnswer{0, -1, 0}},
		{EarliestLocalTimestamp, OffsetAnswer{0, -1, 0}},
		{MaxTimestamp, OffsetAnswer{29, t0 + 902, 0}},
		{LatestTieredTimestamp, OffsetAnswer{-1, -1, -1}},
		{EarliestPendingUpload, OffsetAnswer{-1, -1, -1}},
		{0, OffsetAnswer{0, t0, 0}},
		{t0 + 101, OffsetAnswer{4, t0 + 101, 0}},
		{t0 + 103, OffsetAnswer{6, t0 + 200, 0}},
		{t0 + 902, OffsetAnswer{29, t0 + 902, 0}},
		{t0 + 903, OffsetAnswer{-1, -1, -1}},
		{math.MaxInt64, OffsetAnswer{-1, -1, -1}},
	} {
		got, err := p.ListOffset(tt.timestamp, ReadUncommitted, NoEpoch)
		must(t, err)
		if got != tt.want {
			t.Errorf("ListOffset(%d) = %+v, want %+v", tt.timestamp, got, tt.want)
		}
	}
	_, err := p.ListOffset(-7, ReadUncommitted, NoEpoch)
	wantCode(t, err, errcode.UnsupportedForMessageFormat)
	txn(t, p, 1, 0) // 30, at t0
	got, err := p.ListOffset(t0+902, ReadCommitted, NoEpoch)
	must(t, err)
	if got.Offset != 29 {
		t.Errorf("ListOffset below the stable offset = %+v", got)
	}
	_, err = p.DeleteRecords(8)
	must(t, err)
	got, err = p.ListOffset(0, ReadUncommitted, NoEpoch)
	must(t, err)
	if want := (OffsetAnswer{8, t0 + 202, 0}); got != want {
		t.Errorf("ListOffset after DeleteRecords = %+v, want %+v", got, want)
	}
}

func TestLeaderEpochs(t *testing.T) {
	disk := vfs.NewCrashMem(fixedNow)
	d := openDir(t, disk)
	open := func() *Partition {
		p, err := d.Open(testTP, TopicID{1}, DefaultConfig())
		must(t, err)
		return p
	}
	p := open()
	mustSend(t, p, values("a", "b"))
	must(t, d.Close())
	d = openDir(t, disk)
	if p = open(); p.LeaderEpoch() != 0 {
		t.Errorf("epoch after an orderly stop = %d, want 0", p.LeaderEpoch())
	}
	d = openDir(t, disk.CrashClone(vfs.ProcessKilled, 0))
	if p = open(); p.LeaderEpoch() != 1 {
		t.Fatalf("epoch after a crash = %d, want 1", p.LeaderEpoch())
	}
	r := mustSend(t, p, values("c"))
	headers, _ := batchtest.Split(t, fetch(t, p, r.BaseOffset, ReadUncommitted).Records)
	if headers[0].LeaderEpoch != 1 {
		t.Errorf("stored epoch = %d, want 1", headers[0].LeaderEpoch)
	}
	for _, tt := range []struct {
		epoch int32
		want  EpochEnd
	}{{0, EpochEnd{0, 2}}, {1, EpochEnd{1, 3}}, {2, EpochEnd{-1, -1}}, {-1, EpochEnd{-1, -1}}} {
		got, err := p.EpochEnd(tt.epoch, 1)
		must(t, err)
		if got != tt.want {
			t.Errorf("EpochEnd(%d) = %+v, want %+v", tt.epoch, got, tt.want)
		}
	}
	_, err := p.EpochEnd(0, 0)
	wantCode(t, err, errcode.FencedLeaderEpoch)
	_, err = p.Fetch(nil, FetchRequest{CurrentLeaderEpoch: 2, LastFetchedEpoch: NoEpoch})
	wantCode(t, err, errcode.UnknownLeaderEpoch)
	f, err := p.Fetch(nil, FetchRequest{Offset: 3, CurrentLeaderEpoch: 1, LastFetchedEpoch: 0})
	must(t, err)
	if f.Diverging == nil || *f.Diverging != (EpochEnd{0, 2}) {
		t.Errorf("diverging = %+v, want epoch 0 to end at 2", f.Diverging)
	}
	_, err = p.Fetch(nil, FetchRequest{Offset: 3, CurrentLeaderEpoch: 1, LastFetchedEpoch: 9})
	wantCode(t, err, errcode.OffsetOutOfRange)
}

func TestDeleteRecords(t *testing.T) {
	disk := vfs.NewCrashMem(fixedNow)
	d := openDir(t, disk)
	p, err := d.Open(testTP, TopicID{1}, DefaultConfig())
	must(t, err)
	mustSend(t, p, values("a", "b", "c"))
	for _, tt := range []struct {
		offset, want int64
		code         errcode.Code
	}{
		{2, 2, 0}, {1, 2, 0}, {4, 0, errcode.OffsetOutOfRange}, {-2, 0, errcode.OffsetOutOfRange},
		{-1, 3, 0},
	} {
		got, err := p.DeleteRecords(tt.offset)
		wantCode(t, err, tt.code)
		if got != tt.want {
			t.Errorf("DeleteRecords(%d) = %d, want %d", tt.offset, got, tt.want)
		}
	}
	d = openDir(t, disk.CrashClone(vfs.PowerCut, 3))
	p, err = d.Open(testTP, TopicID{1}, DefaultConfig())
	must(t, err)
	// The records were never synced, the deletion was: the log begins anew.
	if p.LogStartOffset() != 3 || p.HighWatermark() != 3 {
		t.Errorf("after a power cut: %d to %d, want 3 to 3", p.LogStartOffset(), p.HighWatermark())
	}
	c := p.Config()
	c.Delete, c.Compact = false, true
	p.SetConfig(c)
	_, err = p.DeleteRecords(3)
	wantCode(t, err, errcode.PolicyViolation)
	must(t, d.Close())
}

func TestWatch(t *testing.T) {
	p := newPartition(t, nil)
	ready := make(chan struct{}, 1)
	stop := p.Watch(ready)
	also := make(chan struct{}, 1)
	defer p.Watch(also)()
	expect := func(c chan struct{}, want bool, after string) {
		t.Helper()
		select {
		case <-c:
			if !want {
				t.Errorf("told after %s", after)
			}
		default:
			if want {
				t.Errorf("not told after %s", after)
			}
		}
	}
	s := values("a")
	s.ProducerID = 1
	mustSend(t, p, s)
	mustSend(t, p, values("b")) // finds no room: one word is enough
	expect(ready, true, "appends")
	expect(ready, false, "nothing")
	mustSend(t, p, s)
	expect(ready, false, "a duplicate")
	_, err := p.AppendMarker(Marker{ProducerID: 7})
	must(t, err)
	expect(ready, true, "a marker")
	_, err = p.DeleteRecords(1)
	must(t, err)
	expect(ready, true, "DeleteRecords")
	expect(also, true, "all of it")
	stop()
	stop()
	must(t, p.dir.Delete(testTP))
	expect(ready, false, "the end of the watch")
	expect(also, true, "the partition's end")
}

// Readers run beside the writer, retention and rolling; what they see is whole
// batches in order.
func TestReadersBesideTheWriter(t *testing.T) {
	p := newPartition(t, func(c *Config) { c.SegmentBytes, c.RetentionBytes = 2000, 6000 })
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			var next int64
			for {
				f, err := p.Fetch(nil, FetchRequest{Offset: next, MaxBytes: 900, MinOneMessage: true,
					CurrentLeaderEpoch: NoEpoch, LastFetchedEpoch: NoEpoch})
				if CodeOf(err) == errcode.OffsetOutOfRange {
					next = p.LogStartOffset()
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				headers, _ := batchtest.Split(t, f.Records)
				for _, h := range headers {
					if h.LastOffset() < next {
						t.Errorf("batch up to %d after %d", h.LastOffset(), next)
					}
					next = h.LastOffset() + 1
				}
				if _, err := p.ListOffset(t0+1, ReadUncommitted, NoEpoch); err != nil {
					t.Error(err)
				}
				select {
				case <-done:
					if next == p.HighWatermark() {
						return
					}
				default:
				}
			}
		})
	}
	for i := range 600 {
		mustSend(t, p, values("one", strings.Repeat("2", 100)))
		if i%20 == 0 {
			must(t, p.retain(t0))
			must(t, p.Flush())
		}
	}
	close(done)
	wg.Wait()
	if p.LogStartOffset() == 0 {
		t.Error("nothing was deleted")
	}
}

func TestClosedPartitionSaysNotLeader(t *testing.T) {
	d := openDir(t, vfs.NewMem(time.Now))
	p, err := d.Open(testTP, TopicID{1}, DefaultConfig())
	must(t, err)
	must(t, d.Close())
	_, err = send(p, t, values("a"))
	wantCode(t, err, errcode.NotLeaderOrFollower)
	_, err = p.Fetch(nil, FetchRequest{CurrentLeaderEpoch: NoEpoch})
	wantCode(t, err, errcode.NotLeaderOrFollower)
	_, err = p.ListOffset(0, ReadUncommitted, NoEpoch)
	wantCode(t, err, errcode.NotLeaderOrFollower)
	_, err = p.DeleteRecords(0)
	wantCode(t, err, errcode.NotLeaderOrFollower)
	_, err = p.AppendMarker(Marker{})
	wantCode(t, err, errcode.NotLeaderOrFollower)
	wantCode(t, p.Flush(), errcode.NotLeaderOrFollower)
}
