package partition

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/broker/internal/log"
	"github.com/posthaste-go/posthaste/broker/internal/vfs"
)

func readText(t testing.TB, fsys vfs.FS, name string) string {
	t.Helper()
	b, err := log.ReadFile(fsys, name)
	must(t, err)
	return string(b)
}

func TestDirIsTakenByOneBroker(t *testing.T) {
	disk := vfs.NewMem(fixedNow)
	d := openDir(t, disk)
	_, err := OpenDir(DirConfig{Path: "/data", FS: disk, Now: fixedNow, NodeID: 1})
	if !errors.Is(err, ErrDirInUse) || !strings.Contains(err.Error(), "/data") {
		t.Errorf("second broker: %v, want ErrDirInUse", err)
	}
	must(t, d.Close())
	must(t, d.Close())
	must(t, openDir(t, disk).Close())
}

func TestDirKeepsItsIdentity(t *testing.T) {
	disk := vfs.NewMem(fixedNow)
	d := openDir(t, disk)
	id := d.ClusterID()
	if len(id) != 22 {
		t.Errorf("cluster id %q, want 22 characters", id)
	}
	must(t, d.Close())
	for _, tt := range []struct {
		name, cluster, meta string
		node                int32
		err                 error
	}{
		{"the same", id, "", 1, nil},
		{"no cluster given", "", "", 1, nil},
		{"another cluster", "other", "", 1, ErrDirFormat},
		{"another node", "", "", 2, ErrDirFormat},
		{"Kafka before KRaft", "", "#Mon\nversion=0\nbroker.id=1\ncluster.id=abc\n", 1, nil},
		{"a later version", "", "version=2\nnode.id=1\ncluster.id=abc\n", 1, ErrDirFormat},
		{"no version", "", "node.id=1\ncluster.id=abc\n", 1, ErrDirFormat},
		{"no cluster", "", "version=1\nnode.id=1\n", 1, ErrDirFormat},
	} {
		t.Run(tt.name, func(t *testing.T) {
			disk := disk
			if tt.meta != "" {
				disk = vfs.NewMem(fixedNow)
				must(t, disk.MkdirAll("/data"))
				must(t, log.WriteFile(disk, "/data/meta.properties", []byte(tt.meta), false))
			}
			d, err := OpenDir(DirConfig{
				Path: "/data", FS: disk, Now: fixedNow, NodeID: tt.node, ClusterID: tt.cluster,
			})
			if !errors.Is(err, tt.err) || err != nil && tt.err == nil {
				t.Fatalf("OpenDir: %v, want %v", err, tt.err)
			}
			if err == nil {
				must(t, d.Close())
			}
		})
	}
}

func TestOrderlyStopWritesKafkasFiles(t *testing.T) {
	disk := vfs.NewMem(fixedNow)
	d := openDir(t, disk)
	for i := range int32(2) {
		p, err := d.Open(TopicPartition{"some-topic", i}, TopicID{1, 2, 3}, DefaultConfig())
		must(t, err)
		mustSend(t, p, values("a", "b", "c"))
		if i == 1 {
			_, err := p.DeleteRecords(2)
			must(t, err)
		}
	}
	must(t, d.Close())
	for name, want := range map[string]string{
		"recovery-point-offset-checkpoint":           "0\n2\nsome-topic 0 3\nsome-topic 1 3\n",
		"replication-offset-checkpoint":              "0\n2\nsome-topic 0 3\nsome-topic 1 3\n",
		"log-start-offset-checkpoint":                "0\n1\nsome-topic 1 2\n",
		".kafka_cleanshutdown":                       `{"version":0,"brokerEpoch":-1}`,
		"some-topic-0/leader-epoch-checkpoint":       "0\n1\n0 0\n",
		"some-topic-1/leader-epoch-checkpoint":       "0\n1\n0 2\n",
		"some-topic-0/partition.metadata":            "version: 0\ntopic_id: AQIDAAAAAAAAAAAAAAAAAA",
		"some-topic-0/00000000000000000000.index":    "",
		"some-topic-0/00000000000000000003.snapshot": "\x00\x01",
	} {
		got := readText(t, disk, "/data/"+name)
		if strings.HasSuffix(name, ".snapshot") {
			got = got[:2]
		}
		if got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	d = openDir(t, disk)
	want := []Found{
		{TopicPartition{"some-topic", 0}, TopicID{1, 2, 3}},
		{TopicPartition{"some-topic", 1}, TopicID{1, 2, 3}},
	}
	if diff := cmp.Diff(want, d.Found()); diff != "" || !d.CleanStart() {
		t.Errorf("clean %v, found:\n%s", d.CleanStart(), diff)
	}
	p, err := d.Open(TopicPartition{"some-topic", 1}, TopicID{}, DefaultConfig())
	must(t, err)
	if p.LogStartOffset() != 2 || p.HighWatermark() != 3 || p.TopicID() != (TopicID{1, 2, 3}) {
		t.Errorf("after the restart: %d to %d of %x", p.LogStartOffset(), p.HighWatermark(), p.TopicID())
	}
	must(t, d.Close())
	// A partition that nobody opened keeps its checkpoints.
	if got := readText(t, disk, "/data/recovery-point-offset-checkpoint"); !strings.Contains(got,
		"some-topic 0 3") {
		t.Errorf("recovery points = %q", got)
	}
}

func TestOpenAgainReturnsTheSamePartition(t *testing.T) {
	d := openDir(t, vfs.NewMem(fixedNow))
	p, err := d.Open(testTP, TopicID{1}, DefaultConfig())
	must(t, err)
	for _, id := range []TopicID{{1}, {}} {
		if q, err := d.Open(testTP, id, DefaultConfig()); err != nil || p != q {
			t.Errorf("Open again with id %x: %p, %v, want %p", id, q, err, p)
		}
	}
	if _, err := d.Open(testTP, TopicID{2}, DefaultConfig()); err == nil {
		t.Error("another topic's partition was opened")
	}
	must(t, d.Close())
	if _, err := d.Open(testTP, TopicID{1}, DefaultConfig()); err == nil {
		t.Error("a partition was opened in a closed directory")
	}
}

func TestOpenSaysWhatIsWrong(t *testing.T) {
	disk := vfs.NewFaulty(vfs.NewMem(fixedNow))
	d := openDir(t, disk)
	c := DefaultConfig()
	c.CompressionType = "brotli"
	_, err := d.Open(testTP, TopicID{1}, c)
	if err == nil || !strings.Contains(err.Error(), "brotli") {
		t.Errorf("an unknown compression.type: %v", err)
	}
	disk.Inject(vfs.Fault{Op: vfs.OpOpen, Name: "*.index", Nth: 1, Err: syscall.EACCES})
	_, err = d.Open(testTP, TopicID{1}, DefaultConfig())
	if !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), "0000.index") {
		t.Errorf("a file that cannot be opened: %v", err)
	}
	p, err := d.Open(testTP, TopicID{1}, DefaultConfig()) // may be tried again
	must(t, err)
	mustSend(t, p, values("a"))
	must(t, d.Close())
}

func TestDeletedPartitionIsGoneAndItsNameIsFree(t *testing.T) {
	disk := vfs.NewCrashMem(fixedNow)
	d := openDir(t, disk)
	p, err := d.Open(testTP, TopicID{1}, DefaultConfig())
	must(t, err)
	mustSend(t, p, values("a"))
	must(t, d.Delete(testTP))
	p, err = d.Open(testTP, TopicID{2}, DefaultConfig())
	must(t, err)
	if p.HighWatermark() != 0 {
		t.Errorf("high watermark of the new partition = %d", p.HighWatermark())
	}
	must(t, d.Delete(testTP))
	if err := d.Delete(testTP); err == nil {
		t.Error("a partition that does not exist was deleted")
	}
	must(t, disk.MkdirAll("/data/t-0.uuid-delete/sub")) // a crash came between
	must(t, d.Close())
	d = openDir(t, disk)
	if len(d.Found()) != 0 {
		t.Errorf("found %v", d.Found())
	}
	names, err := disk.ReadDir("/data")
	must(t, err)
	if slices.ContainsFunc(names, func(n vfs.Info) bool { return n.IsDir }) {
		t.Errorf("left: %v", names)
	}
	must(t, d.Close())
}

func TestPartitionAfterACrashInDeleteIsNew(t *testing.T) {
	mem := vfs.NewCrashMem(fixedNow)
	disk := vfs.NewFaulty(mem)
	d := openDir(t, disk)
	p, err := d.Open(testTP, TopicID{1}, DefaultConfig())
	must(t, err)
	mustSend(t, p, values("a", "b"))
	_, err = p.DeleteRecords(1)
	must(t, err)
	points := 0
	disk.Observe(func(c vfs.Call) {
		if c.Op == vfs.OpClose {
			return
		}
		points++
		d := openDir(t, mem.CrashClone(vfs.ProcessKilled, 0))
		if len(d.Found()) == 0 {
			p, err := d.Open(testTP, TopicID{2}, DefaultConfig())
			must(t, err)
			if p.LogStartOffset() != 0 || p.HighWatermark() != 0 {
				t.Errorf("crash before %s %s: the new partition begins at %d", c.Op, c.Name,
					p.LogStartOffset())
			}
		}
		must(t, d.Close())
	})
	must(t, d.Delete(testTP))
	disk.Observe(nil)
	if points < 4 {
		t.Errorf("only %d moments were tried", points)
	}
	must(t, d.Close())
}

// A crash, then a run in which nobody opens a partition, then an orderly stop:
// the partition still has to be checked.
func TestPartitionStaysSuspectUntilItIsOpened(t *testing.T) {
	disk := vfs.NewCrashMem(fixedNow)
	d := openDir(t, disk)
	p, err := d.Open(testTP, TopicID{1}, DefaultConfig())
	must(t, err)
	mustSend(t, p, values("a"))
	disk = disk.CrashClone(vfs.ProcessKilled, 0)
	f, err := disk.OpenFile("/data/t-0/00000000000000000000.log", vfs.ReadWrite)
	must(t, err)
	size, err := f.Size()
	must(t, err)
	_, err = f.WriteAt(make([]byte, 30), size) // the write that the crash tore
	must(t, err)
	for range 3 {
		d = openDir(t, disk)
		must(t, d.Close())
	}
	d = openDir(t, disk)
	p, err = d.Open(testTP, TopicID{1}, DefaultConfig())
	must(t, err)
	if p.LeaderEpoch() != 1 || p.Size() != size {
		t.Errorf("epoch %d, %d bytes: the partition was not checked", p.LeaderEpoch(), p.Size())
	}
	must(t, d.Close())
	d = openDir(t, disk)
	p, err = d.Open(testTP, TopicID{1}, DefaultConfig())
	must(t, err)
	if p.LeaderEpoch() != 1 {
		t.Errorf("epoch %d: the partition was checked again", p.LeaderEpoch())
	}
	must(t, d.Close())
}

func TestMaintain(t *testing.T) {
	disk := vfs.NewMem(fixedNow)
	clock := fixedNow()
	d, err := OpenDir(DirConfig{Path: "/data", FS: disk, NodeID: 1,
		Now: func() time.Time { return clock }})
	must(t, err)
	c := DefaultConfig()
	c.SegmentBytes, c.RetentionMillis, c.FlushMillis = 200, 60_000, 5_000
	c.ProducerIDExpirationMillis = 3_600_000
	p, err := d.Open(testTP, TopicID{1}, c)
	must(t, err)
	s := values(strings.Repeat("a", 100))
	s.ProducerID = 5
	mustSend(t, p, s)
	mustSend(t, p, values(strings.Repeat("b", 100)))
	at := func(after time.Duration) {
		clock = fixedNow().Add(after)
		must(t, d.Maintain(clock))
	}
	at(time.Second)
	if got := p.log.RecoveryPoint(); got != 1 {
		t.Errorf("recovery point = %d: what was rolled should be synced", got)
	}
	at(5 * time.Second)
	if got := p.log.RecoveryPoint(); got != 2 {
		t.Errorf("recovery point = %d: flush.ms is over", got)
	}
	at(2 * time.Minute)
	if p.LogStartOffset() != 0 {
		t.Error("segments were deleted before it was time to look")
	}
	at(5 * time.Minute)
	if p.LogStartOffset() != 2 || p.Size() != 0 || p.HighWatermark() != 2 {
		t.Errorf("log from %d to %d of %d bytes; all of it is too old",
			p.LogStartOffset(), p.HighWatermark(), p.Size())
	}
	if len(p.Producers()) != 1 {
		t.Error("the producer was forgotten with its records")
	}
	at(2 * time.Hour)
	if len(p.Producers()) != 0 {
		t.Error("an idle producer is remembered")
	}
	must(t, d.Close())
	names, err := disk.ReadDir("/data/t-0")
	must(t, err)
	var got []string
	for _, n := range names {
		got = append(got, n.Name)
	}
	want := []string{
		"00000000000000000002.index", "00000000000000000002.log", "00000000000000000002.snapshot",
		"00000000000000000002.timeindex", "leader-epoch-checkpoint", "partition.metadata",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files left:\n%s", diff)
	}
}

// Damaged small files cost time, not records.
func TestMalformedCheckpointsArePassedOver(t *testing.T) {
	for _, name := range []string{
		"recovery-point-offset-checkpoint", "log-start-offset-checkpoint", "t-0/partition.metadata",
		"t-0/leader-epoch-checkpoint", "t-0/00000000000000000030.snapshot", ".kafka_cleanshutdown",
	} {
		for _, content := range []string{"", "0\n5\n", "0\n1\nt x y\n", "\x00\x00\x00\x00\x00\x00"} {
			disk := vfs.NewMem(fixedNow)
			d := openDir(t, disk)
			c := DefaultConfig()
			c.SegmentBytes = 500
			p, err := d.Open(testTP, TopicID{1}, c)
			must(t, err)
			for range 30 {
				mustSend(t, p, values(strings.Repeat("a", 50)))
			}
			must(t, d.Close())
			must(t, log.WriteFile(disk, "/data/"+name, []byte(content), false))
			d = openDir(t, disk)
			p, err = d.Open(testTP, TopicID{1}, c)
			must(t, err)
			if p.HighWatermark() != 30 || p.LogStartOffset() != 0 {
				t.Errorf("%s with %q: log from %d to %d", name, content,
					p.LogStartOffset(), p.HighWatermark())
			}
			must(t, d.Close())
		}
	}
}
