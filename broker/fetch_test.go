package broker_test

import (
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// pipes is a listener whose connections are in memory, so that a broker runs in
// virtual time.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes {
	return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9092} }

func (l *pipes) dial(t *testing.T) *rawClient {
	t.Helper()
	client, server := net.Pipe()
	l.conns <- server
	t.Cleanup(func() { client.Close() })
	return &rawClient{t: t, conn: client}
}

// virtual runs a test against a broker in virtual time.
func virtual(t *testing.T, cfg broker.Config, test func(*testing.T, *broker.Broker, *pipes)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		cfg.Listeners = []net.Listener{l}
		b := broker.Run(t, cfg)
		test(t, b, l)
	})
}

var oneTopic = broker.Config{Topics: map[string]int{"orders": 1}}

// fetched is the answer for the only partition of a fetch.
func fetched(resp *kmsg.FetchResponse) *kmsg.FetchResponseTopicPartition {
	return &resp.Topics[0].Partitions[0]
}

func TestAnEmptyFetchWaitsExactlyAsLongAsItMay(t *testing.T) {
	virtual(t, oneTopic, func(t *testing.T, b *broker.Broker, l *pipes) {
		c := l.dial(t)
		req := fetchRequest("orders", topicID(c, "orders"), 0)
		req.MaxWaitMillis = 30_000
		start := time.Now()
		p := fetched(call[*kmsg.FetchResponse](c, 18, req))
		if d := time.Since(start); d != 30*time.Second {
			t.Errorf("answered after %v, want 30s", d)
		}
		if p.ErrorCode != 0 || len(p.RecordBatches) != 0 || p.HighWatermark != 0 {
			t.Errorf("answer = %+v", p)
		}
	})
}

func TestAProduceWakesAWaitingFetch(t *testing.T) {
	virtual(t, oneTopic, func(t *testing.T, b *broker.Broker, l *pipes) {
		reader, writer := l.dial(t), l.dial(t)
		id := topicID(reader, "orders")
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			time.Sleep(7 * time.Second)
			tea := produceRequest("orders", id, newBatch(plain(), "tea"))
			call[*kmsg.ProduceResponse](writer, 13, tea)
		})
		req := fetchRequest("orders", id, 0)
		req.MaxWaitMillis = 30_000
		start := time.Now()
		p := fetched(call[*kmsg.FetchResponse](reader, 18, req))
		if d := time.Since(start); d != 7*time.Second {
			t.Errorf("answered after %v, want 7s", d)
		}
		h, err := wire.ParseBatchHeader(p.RecordBatches)
		if err != nil || h.Count != 1 || p.HighWatermark != 1 {
			t.Errorf("answer = %+v, %v", h, err)
		}
	})
}

func TestAFetchWaitsForMinBytes(t *testing.T) {
	virtual(t, oneTopic, func(t *testing.T, b *broker.Broker, l *pipes) {
		reader, writer := l.dial(t), l.dial(t)
		id := topicID(reader, "orders")
		batch := newBatch(plain(), "tea")
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			for range 3 {
				time.Sleep(time.Second)
				tea := produceRequest("orders", id, newBatch(plain(), "tea"))
				call[*kmsg.ProduceResponse](writer, 13, tea)
			}
		})
		req := fetchRequest("orders", id, 0)
		req.MaxWaitMillis, req.MinBytes = 30_000, int32(2*len(batch)+1)
		start := time.Now()
		p := fetched(call[*kmsg.FetchResponse](reader, 18, req))
		if d := time.Since(start); d != 3*time.Second || len(p.RecordBatches) != 3*len(batch) {
			t.Errorf("%d bytes after %v, want those of three batches after 3s", len(p.RecordBatches), d)
		}
	})
}

func TestAFetchEndsWhenTheTopicIsDeleted(t *testing.T) {
	virtual(t, oneTopic, func(t *testing.T, b *broker.Broker, l *pipes) {
		reader, admin := l.dial(t), l.dial(t)
		id := topicID(reader, "orders")
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			time.Sleep(time.Second)
			del := kmsg.NewPtrDeleteTopicsRequest()
			rt := kmsg.NewDeleteTopicsRequestTopic()
			rt.TopicID = id
			del.Topics = append(del.Topics, rt)
			call[*kmsg.DeleteTopicsResponse](admin, 6, del)
		})
		req := fetchRequest("orders", id, 0)
		req.MaxWaitMillis = 30_000
		start := time.Now()
		p := fetched(call[*kmsg.FetchResponse](reader, 18, req))
		if d := time.Since(start); d != time.Second || p.ErrorCode == 0 {
			t.Errorf("error %d after %v, want an error after 1s", p.ErrorCode, d)
		}
	})
}

// The limits hold over all partitions, but the first batch always comes, or a
// consumer could never pass it (KIP-74).
func TestFetchLimits(t *testing.T) {
	b := start(t, map[string]int{"orders": 3})
	c := dialRaw(t, b.Addr())
	id := topicID(c, "orders")
	size := len(newBatch(plain(), "0123456789"))
	for n := range int32(3) {
		for range 4 {
			req := produceRequest("orders", id, newBatch(plain(), "0123456789"))
			req.Topics[0].Partitions[0].Partition = n
			call[*kmsg.ProduceResponse](c, 13, req)
		}
	}
	tests := []struct {
		name              string
		whole, perPart    int
		want0, want1, wt2 int // batches of each partition
	}{
		{"everything fits", 1 << 20, 1 << 20, 4, 4, 4},
		{"two batches of each partition", 1 << 20, 2*size + 1, 2, 2, 2},
		{"six batches in all", 6 * size, 1 << 20, 4, 2, 0},
		{"less than one batch", size - 1, 1 << 20, 1, 0, 0},
		{"less than one batch of a partition", 1 << 20, size - 1, 1, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, version := range []int16{4, 11, 12, 18} {
				req := fetchRequest("orders", id, 0)
				req.MaxBytes = int32(tt.whole)
				parts := req.Topics[0].Partitions
				parts = append(parts, parts[0], parts[0])
				for n := range parts {
					parts[n].Partition, parts[n].PartitionMaxBytes = int32(n), int32(tt.perPart)
				}
				req.Topics[0].Partitions = parts
				resp := call[*kmsg.FetchResponse](c, version, req)
				for n, want := range []int{tt.want0, tt.want1, tt.wt2} {
					p := resp.Topics[0].Partitions[n]
					if got := len(p.RecordBatches) / size; got != want || p.HighWatermark != 4 {
						t.Errorf("v%d partition %d: %d batches, want %d", version, n, got, want)
					}
				}
			}
		})
	}
}

func TestFetchErrors(t *testing.T) {
	b := start(t, map[string]int{"orders": 1})
	c := dialRaw(t, b.Addr())
	id := topicID(c, "orders")
	tests := []struct {
		name    string
		version int16
		change  func(*kmsg.FetchRequest)
		want    errcode.Code
	}{
		{"an offset beyond the end", 18, func(r *kmsg.FetchRequest) {
			r.Topics[0].Partitions[0].FetchOffset = 1
		}, errcode.OffsetOutOfRange},
		{"a partition that is not there", 18, func(r *kmsg.FetchRequest) {
			r.Topics[0].Partitions[0].Partition = 1
		}, errcode.UnknownTopicOrPartition},
		{"a topic that is not there", 12, func(r *kmsg.FetchRequest) {
			r.Topics[0].Topic = "nothing"
		}, errcode.UnknownTopicOrPartition},
		{"an id that is not there", 13, func(r *kmsg.FetchRequest) {
			r.Topics[0].TopicID[0]++
		}, errcode.UnknownTopicId},
		{"a leader epoch to come", 18, func(r *kmsg.FetchRequest) {
			r.Topics[0].Partitions[0].CurrentLeaderEpoch = 99
		}, errcode.UnknownLeaderEpoch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := fetchRequest("orders", id, 0)
			req.MaxWaitMillis = 10_000 // an error must not wait
			tt.change(req)
			p := fetched(call[*kmsg.FetchResponse](c, tt.version, req))
			if got := errcode.Code(p.ErrorCode); got != tt.want {
				t.Errorf("error = %v, want %v", got.Name(), tt.want.Name())
			}
		})
	}
	t.Run("a session that was never given out", func(t *testing.T) {
		req := fetchRequest("orders", id, 0)
		req.SessionID, req.SessionEpoch = 42, 3
		resp := call[*kmsg.FetchResponse](c, 18, req)
		if got := errcode.Code(resp.ErrorCode); got != errcode.FetchSessionIdNotFound {
			t.Errorf("error = %v", got.Name())
		}
	})
}
