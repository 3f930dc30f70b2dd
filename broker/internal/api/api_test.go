package api

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/partition"
	"github.com/posthaste-go/posthaste/broker/internal/producerids"
	"github.com/posthaste-go/posthaste/broker/internal/server"
	"github.com/posthaste-go/posthaste/broker/internal/settings"
	"github.com/posthaste-go/posthaste/broker/internal/topics"
	"github.com/posthaste-go/posthaste/broker/internal/vfs"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// newAPI is an API over a directory in memory with the topic orders.
func newAPI(t testing.TB) *API {
	t.Helper()
	files := vfs.NewMem(nil)
	now := func() time.Time { return time.Unix(1_700_000_000, 0) }
	dir, err := partition.OpenDir(partition.DirConfig{Path: "data", FS: files, Now: now, NodeID: 1})
	if err != nil {
		t.Fatal(err)
	}
	values, _, err := settings.NewBroker(nil)
	if err != nil {
		t.Fatal(err)
	}
	logger := slog.New(slog.DiscardHandler)
	registry, err := topics.Open(topics.Config{Dir: dir, FS: files, Path: "data",
		Settings: values, Logger: logger, Nodes: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, errs := registry.Create(topics.NewTopic{Name: "orders"}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	ids, err := producerids.Open(files, "data")
	if err != nil {
		t.Fatal(err)
	}
	a := New(Config{ClusterID: dir.ClusterID(), Nodes: []Node{{ID: 1, Host: "h", Port: 9092}},
		LogDir: "data", Topics: registry, Settings: values, ProducerIDs: ids,
		Now: now, Logger: logger})
	t.Cleanup(func() {
		a.Close()
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// gone is a context that has ended, so that nothing waits.
func gone() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// Whatever a client sends, the broker must not panic, and what it answers must
// be a message that a client reads.
func FuzzHandle(f *testing.F) {
	a := newAPI(f)
	for key := range a.table {
		e := a.entry(protocol.Key(key))
		if e == nil {
			continue
		}
		for _, v := range []int16{e.Min, e.Max} {
			req := kmsg.RequestForKey(int16(key))
			req.SetVersion(v)
			f.Add(int16(key), v, req.AppendTo(nil))
		}
	}
	produce := kmsg.NewPtrProduceRequest()
	produce.Version = 9
	produce.Topics = []kmsg.ProduceRequestTopic{{Topic: "orders",
		Partitions: []kmsg.ProduceRequestTopicPartition{{Records: make([]byte, 70)}}}}
	f.Add(int16(0), int16(9), produce.AppendTo(nil))
	fetch := kmsg.NewPtrFetchRequest()
	fetch.Version = 12
	fetch.Topics = []kmsg.FetchRequestTopic{{Topic: "orders",
		Partitions: []kmsg.FetchRequestTopicPartition{{PartitionMaxBytes: 100}}}}
	f.Add(int16(1), int16(12), fetch.AppendTo(nil))

	ctx := gone()
	f.Fuzz(func(t *testing.T, key, version int16, body []byte) {
		req := &server.Request{Body: body, Peer: &server.Peer{Addr: "c:1", Local: "h:9092"}}
		req.Header.Key, req.Header.Version = protocol.Key(key), version
		out, err := a.Handle(ctx, req, nil)
		if err != nil {
			return
		}
		resp := kmsg.ResponseForKey(key)
		if version > resp.RequestKind().MaxVersion() && protocol.Key(key) != protocol.APIVersions {
			return // kmsg does not know it
		}
		if protocol.Key(key) == protocol.APIVersions && version > 5 {
			version = 0
		}
		resp.SetVersion(version)
		if err := resp.ReadFrom(out); err != nil {
			t.Fatalf("%v v%d: the answer of %d bytes: %v", protocol.Key(key), version, len(out), err)
		}
	})
}

// Produce is the hot path: what it allocates is the request's bookkeeping, not
// its batches.
func TestProduceAllocatesLittle(t *testing.T) {
	a := newAPI(t)
	produce := kmsg.NewPtrProduceRequest()
	produce.Version, produce.Acks = 9, 1
	produce.Topics = []kmsg.ProduceRequestTopic{{Topic: "orders",
		Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: 9, Records: make([]byte, 16<<10)}}}}
	req := &server.Request{Body: produce.AppendTo(nil), Peer: &server.Peer{}}
	req.Header.Version = 9
	out := make([]byte, 0, 1<<10)
	ctx := context.Background()
	n := testing.AllocsPerRun(100, func() {
		if _, err := a.Handle(ctx, req, out); err != nil {
			t.Fatal(err)
		}
	})
	if n > 2 {
		t.Errorf("a produce request costs %v allocations, want 2 at most", n)
	}
}
