package partition

import (
	"errors"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/broker/internal/batchtest"
	"github.com/posthaste-go/posthaste/broker/internal/vfs"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

const t0 = int64(1_700_000_000_000)

func fixedNow() time.Time { return time.UnixMilli(t0) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var testTP = TopicPartition{"t", 0}

// openDir opens a data directory; the test closes it.
func openDir(t testing.TB, fsys vfs.FS) *Dir {
	t.Helper()
	d, err := OpenDir(DirConfig{Path: "/data", FS: fsys, Now: fixedNow, NodeID: 1})
	must(t, err)
	return d
}

// newPartition is an empty partition in memory.
func newPartition(t testing.TB, change func(*Config)) *Partition {
	t.Helper()
	d := openDir(t, vfs.NewMem(fixedNow))
	t.Cleanup(func() { must(t, d.Close()) })
	c := DefaultConfig()
	if change != nil {
		change(&c)
	}
	p, err := d.Open(testTP, TopicID{1}, c)
	must(t, err)
	return p
}

// send appends a batch as a client does.
func send(p *Partition, t testing.TB, s batchtest.Spec) (AppendResult, error) {
	t.Helper()
	return p.Append(AppendRequest{Records: batchtest.Batch(t, s), Acks: -1})
}

func mustSend(t testing.TB, p *Partition, s batchtest.Spec) AppendResult {
	t.Helper()
	r, err := send(p, t, s)
	must(t, err)
	return r
}

func values(v ...string) batchtest.Spec {
	return batchtest.Spec{Records: batchtest.Values(t0, v...)}
}

func fetch(t testing.TB, p *Partition, offset int64, i Isolation) FetchResult {
	t.Helper()
	f, err := p.Fetch(nil, FetchRequest{
		Offset: offset, MaxBytes: 1 << 20, MinOneMessage: true, Isolation: i,
		CurrentLeaderEpoch: NoEpoch, LastFetchedEpoch: NoEpoch,
	})
	must(t, err)
	return f
}

// wantCode fails unless err is an *Error with that code and a message.
func wantCode(t testing.TB, err error, code errcode.Code) {
	t.Helper()
	var e *Error
	if CodeOf(err) != code || code != 0 && (!errors.As(err, &e) || e.Message == "") {
		t.Errorf("error = %v, want %s", err, code.Name())
	}
}
