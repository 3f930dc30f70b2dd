package partition

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/broker/internal/batchtest"
	"github.com/posthaste-go/posthaste/broker/internal/segment"
	"github.com/posthaste-go/posthaste/broker/internal/vfs"
)

// crashRun is a broker's life, of which every moment may be the last.
type crashRun struct {
	t    *testing.T
	mem  *vfs.Mem
	disk *vfs.Faulty
	cfg  Config

	sent  [][]byte // every batch, as it was handed to Append
	acked int      // how many of them were acknowledged
	start int64    // log start offset that was acknowledged
	check func(call vfs.Call)
}

// spec is the i-th batch: two records of one idempotent producer.
func (r *crashRun) spec(i int) batchtest.Spec {
	value := strings.Repeat(string(rune('a'+i%26)), 20+i*37%200)
	return batchtest.Spec{
		ProducerID: 9, ProducerEpoch: 0, BaseSequence: int32(2 * i),
		Records: batchtest.Values(t0+int64(i), fmt.Sprint(i), value),
	}
}

// live appends n batches; segments are rolled, records deleted, the broker is
// stopped and started.
func (r *crashRun) live(n int) {
	r.disk.Observe(r.check)
	defer r.disk.Observe(nil)
	d, p := r.open(r.disk)
	for i := range n {
		r.sent = append(r.sent, batchtest.Batch(r.t, r.spec(i)))
		res, err := send(p, r.t, r.spec(i))
		must(r.t, err)
		if res.BaseOffset != int64(2*i) {
			r.t.Fatalf("batch %d got offset %d", i, res.BaseOffset)
		}
		r.acked = i + 1
		switch {
		case i%7 == 6:
			must(r.t, d.Maintain(fixedNow()))
		case i == n/2:
			start, err := p.DeleteRecords(int64(n / 2))
			must(r.t, err)
			r.start = start
		case i == n*2/3:
			must(r.t, d.Close())
			d, p = r.open(r.disk)
		}
	}
	must(r.t, d.Close())
}

func (r *crashRun) open(fsys vfs.FS) (*Dir, *Partition) {
	r.t.Helper()
	d := openDir(r.t, fsys)
	p, err := d.Open(testTP, TopicID{1}, r.cfg)
	must(r.t, err)
	return d, p
}

// verify starts a broker on what a crash left and asks for everything that was
// acknowledged.
func (r *crashRun) verify(disk *vfs.Mem, what string) {
	t := r.t
	t.Helper()
	d, p := r.open(disk)
	end := p.HighWatermark()
	if end != int64(2*r.acked) && end != int64(2*len(r.sent)) || p.LogStartOffset() < r.start {
		t.Fatalf("%s: log from %d to %d, acknowledged are %d to %d",
			what, p.LogStartOffset(), end, r.start, 2*r.acked)
	}
	next := p.LogStartOffset()
	for next < end {
		f := fetch(t, p, next, ReadUncommitted)
		headers, batches := batchtest.Split(t, f.Records)
		if len(headers) == 0 || headers[0].BaseOffset > next {
			t.Fatalf("%s: nothing to read at offset %d of %d", what, next, end)
		}
		for i, h := range headers {
			const header = 21 // what the broker sets, and the checksum, come before
			if want := r.sent[h.BaseOffset/2]; !bytes.Equal(batches[i][header:], want[header:]) {
				t.Fatalf("%s: batch at offset %d is another one", what, h.BaseOffset)
			}
			next = h.LastOffset() + 1
		}
	}
	// The producer repeats its last five batches, of which one may be new: each is
	// stored once.
	for i := max(r.acked-4, 0); i <= r.acked; i++ {
		res, err := send(p, t, r.spec(i))
		if err != nil || res.BaseOffset != int64(2*i) {
			t.Fatalf("%s: batch %d again: %+v, %v", what, i, res, err)
		}
	}
	must(t, d.Close())
	verifyDump(t, disk, what)
}

// verifyDump applies the checks of Kafka's DumpLogSegments to all segments.
func verifyDump(t testing.TB, fsys vfs.FS, what string) {
	t.Helper()
	names, err := fsys.ReadDir("/data/t-0")
	must(t, err)
	for _, n := range names {
		base, suffix, ok := segment.ParseFileName(n.Name)
		if !ok || suffix != segment.LogSuffix {
			continue
		}
		s, err := segment.Open(segment.Where{FS: fsys, Dir: "/data/t-0", Base: base},
			segment.Config{IndexIntervalBytes: 100, MaxIndexBytes: 1 << 20})
		must(t, err)
		if err := s.Load(); err != nil {
			t.Fatalf("%s: segment %d: %v", what, base, err)
		}
		must(t, s.Close())
	}
}

func newCrashRun(t *testing.T) *crashRun {
	mem := vfs.NewCrashMem(fixedNow)
	r := &crashRun{t: t, mem: mem, disk: vfs.NewFaulty(mem), cfg: DefaultConfig()}
	r.cfg.SegmentBytes, r.cfg.IndexIntervalBytes = 1500, 100
	return r
}

func mutates(op vfs.Op) bool { return op != vfs.OpRead && op != vfs.OpClose }

// kill -9: what was written stays, and of the write under way any part.
func TestKillAtEveryOperationLosesNothingAcknowledged(t *testing.T) {
	r := newCrashRun(t)
	points := 0
	r.check = func(c vfs.Call) {
		if !mutates(c.Op) {
			return
		}
		points++
		what := fmt.Sprintf("killed before operation %d, %s %s", points, c.Op, c.Name)
		r.verify(r.mem.CrashClone(vfs.ProcessKilled, 0), what)
		if c.Op != vfs.OpWrite {
			return
		}
		for _, part := range []int{1, len(c.Data) / 2, len(c.Data) - 1, len(c.Data)} {
			disk := r.mem.CrashClone(vfs.ProcessKilled, 0)
			f, err := disk.OpenFile(c.Name, vfs.ReadWrite)
			must(t, err)
			_, err = f.WriteAt(c.Data[:part], c.Off)
			must(t, err)
			r.verify(disk, fmt.Sprintf("%s, after %d of %d bytes", what, part, len(c.Data)))
		}
	}
	r.live(40)
	if points < 100 {
		t.Errorf("only %d moments were tried", points)
	}
}

// A power cut: with flush.messages=1 what was acknowledged is on the disk, and
// of the rest there may be any sectors.
func TestPowerCutAtEveryOperationLosesNothingThatWasFlushed(t *testing.T) {
	r := newCrashRun(t)
	r.cfg.FlushMessages = 1
	points := 0
	r.check = func(c vfs.Call) {
		if !mutates(c.Op) {
			return
		}
		points++
		for seed := range uint64(3) {
			seed += uint64(points) * 100
			r.verify(r.mem.CrashClone(vfs.PowerCut, seed), fmt.Sprintf(
				"power cut before operation %d, %s %s, seed %d", points, c.Op, c.Name, seed))
		}
	}
	r.live(40)
	if points < 200 {
		t.Errorf("only %d moments were tried", points)
	}
}

// Without flushing a power cut may lose the end of the log, but never a piece
// of the middle, and the log goes on from there.
func TestPowerCutWithoutFlushingLeavesAPrefix(t *testing.T) {
	r := newCrashRun(t)
	points := 0
	r.check = func(c vfs.Call) {
		points++
		if !mutates(c.Op) || points%3 != 0 {
			return
		}
		for seed := range uint64(4) {
			disk := r.mem.CrashClone(vfs.PowerCut, seed+uint64(points))
			d, p := r.open(disk)
			next := p.LogStartOffset()
			for next < p.HighWatermark() {
				headers, _ := batchtest.Split(t, fetch(t, p, next, ReadUncommitted).Records)
				if len(headers) == 0 || headers[0].BaseOffset > next {
					t.Fatalf("seed %d: a gap at offset %d", seed, next)
				}
				next = headers[len(headers)-1].LastOffset() + 1
			}
			must(t, d.Close())
		}
	}
	r.live(40)
}
