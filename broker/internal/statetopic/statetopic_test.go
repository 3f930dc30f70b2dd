package statetopic

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/broker/internal/partition"
	"github.com/posthaste-go/posthaste/broker/internal/vfs"
)

const t0 = int64(1_700_000_000_000)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, disk vfs.FS, now func() time.Time) (*partition.Dir, *partition.Partition) {
	t.Helper()
	d, err := partition.OpenDir(partition.DirConfig{Path: "/data", FS: disk, Now: now, NodeID: 1})
	must(t, err)
	c := partition.DefaultConfig()
	c.Compact, c.Delete, c.SegmentBytes, c.CompressionType = true, false, 2000, "zstd"
	tp := partition.TopicPartition{Topic: "__state", Partition: 3}
	p, err := d.Open(tp, partition.TopicID{9}, c)
	must(t, err)
	return d, p
}

func appendTo(t testing.TB, p *partition.Partition, txn *Txn, records ...Record) int64 {
	t.Helper()
	base, err := Append(p, t0, txn, records)
	must(t, err)
	return base
}

// state is what a coordinator makes of the records.
func state(t testing.TB, p *partition.Partition) map[string]string {
	t.Helper()
	m := map[string]string{}
	must(t, Replay(p, func(r Entry) error {
		if r.Value == nil {
			delete(m, string(r.Key))
			return nil
		}
		m[string(r.Key)] = string(r.Value)
		return nil
	}))
	return m
}

func TestReplayGivesWhatWasAppended(t *testing.T) {
	clock := time.UnixMilli(t0)
	now := func() time.Time { return clock }
	disk := vfs.NewCrashMem(now)
	d, p := open(t, disk, now)
	if got := state(t, p); len(got) != 0 {
		t.Errorf("a new topic has %v", got)
	}
	want := map[string]string{}
	for i := range 200 {
		a, b := fmt.Sprintf("key %d", i%7), fmt.Sprintf("key %d", i%11)
		records := []Record{{[]byte(a), []byte(strings.Repeat("v", i))}, {[]byte(b), nil}}
		want[a] = strings.Repeat("v", i)
		delete(want, b)
		appendTo(t, p, nil, records...)
		if i%50 == 49 {
			clock = clock.Add(48 * time.Hour)
			must(t, d.Maintain(clock)) // compacts
		}
	}
	if diff := cmp.Diff(want, state(t, p)); diff != "" {
		t.Errorf("while open: %s", diff)
	}
	must(t, d.Maintain(clock.Add(time.Hour)))
	size := p.Size()
	if size > 20_000 {
		t.Errorf("%d bytes: it was not compacted", size)
	}
	crashed := disk.CrashClone(vfs.ProcessKilled, 0)
	must(t, d.Close())
	for name, disk := range map[string]vfs.FS{"a crash": crashed, "a stop": disk} {
		d, p := open(t, disk, now)
		if diff := cmp.Diff(want, state(t, p)); diff != "" {
			t.Errorf("after %s: %s", name, diff)
		}
		must(t, d.Close())
	}
}

func TestReplayStopsWithTheCalleesError(t *testing.T) {
	now := func() time.Time { return time.UnixMilli(t0) }
	d, p := open(t, vfs.NewMem(now), now)
	appendTo(t, p, nil, Record{[]byte("a"), nil}, Record{[]byte("b"), []byte{}})
	stop := errors.New("enough")
	n := 0
	err := Replay(p, func(r Entry) error {
		n++
		if (r.Value == nil) != (n == 1) {
			t.Errorf("record %d: null and empty are mixed up", n)
		}
		if n == 2 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || n != 2 {
		t.Errorf("Replay: %v after %d records, want %v after 2", err, n, stop)
	}
	must(t, d.Close())
}

// Records of transactions come with their producer, and the ends behind them.
func TestReplayTellsTransactionsApart(t *testing.T) {
	now := func() time.Time { return time.UnixMilli(t0) }
	d, p := open(t, vfs.NewMem(now), now)
	part := func(id int64) *Txn { return &Txn{ProducerID: id, Verified: true, Version2: true} }
	end := func(id int64, commit bool) {
		_, err := p.AppendMarker(partition.Marker{ProducerID: id, Commit: commit})
		must(t, err)
	}
	appendTo(t, p, part(7), Record{[]byte("a"), []byte("1")}, Record{[]byte("b"), []byte("1")})
	appendTo(t, p, nil, Record{[]byte("a"), []byte("2")})
	if base := appendTo(t, p, part(8), Record{[]byte("b"), nil}); base != 3 {
		t.Errorf("the third batch is at offset %d", base)
	}
	end(7, true)
	end(8, false)
	appendTo(t, p, part(7), Record{[]byte("c"), []byte("3")})
	var got []string
	must(t, Replay(p, func(e Entry) error {
		got = append(got, fmt.Sprintf("%d %d %d %s=%s", e.Offset, e.ProducerID, e.End, e.Key, e.Value))
		return nil
	}))
	want := []string{"0 7 0 a=1", "1 7 0 b=1", "2 -1 0 a=2", "3 8 0 b=", "4 7 1 =", "5 8 2 =",
		"6 7 0 c=3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("replayed (-want +got):\n%s", diff)
	}
	if _, err := Append(p, t0, &Txn{ProducerID: 9}, []Record{{[]byte("a"), nil}}); err == nil {
		t.Error("a transaction that nobody has verified is written")
	}
	must(t, d.Close())
}
