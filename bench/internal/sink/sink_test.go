package sink_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/posthaste-go/posthaste/bench/internal/sink"
)

func start(t *testing.T, cfg sink.Config) *sink.Sink {
	t.Helper()
	cfg.Addr = "127.0.0.1:0"
	s, err := sink.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func newFranz(t *testing.T, s *sink.Sink, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append([]kgo.Opt{
		kgo.SeedBrokers(s.Addr()),
		kgo.DefaultProduceTopic("orders"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
	}, opts...)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

func TestFranzGetsConsecutiveOffsetsInEachPartitionForEveryProduceVersion(t *testing.T) {
	for version := int16(3); version <= 13; version++ {
		t.Run(fmt.Sprintf("produce version %d", version), func(t *testing.T) {
			s := start(t, sink.Config{Partitions: 3})
			limit := kversion.Stable()
			limit.SetMaxKeyVersion(0, version)
			cl := newFranz(t, s, kgo.MaxVersions(limit))
			var next [3]int64
			for i := range 30 {
				r := &kgo.Record{Partition: int32(i % 3), Value: []byte("tea")}
				if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
					t.Fatal(err)
				}
				if want := next[r.Partition]; r.Offset != want {
					t.Fatalf("record %d: offset %d, want %d", i, r.Offset, want)
				}
				next[r.Partition]++
			}
			if got := s.Stats(); got.Records != 30 || got.Batches != 30 || got.Requests != 30 {
				t.Errorf("stats = %+v, want 30 records, batches and requests", got)
			}
		})
	}
}

func TestAcksZeroGetsNoAnswerAndIsCounted(t *testing.T) {
	s := start(t, sink.Config{Partitions: 1})
	cl := newFranz(t, s, kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite())
	for range 10 {
		r := &kgo.Record{Value: []byte("tea")}
		if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	// A request that is answered comes after them on the same connection.
	cl = newFranz(t, s)
	r := &kgo.Record{Value: []byte("tea")}
	if err := cl.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func TestTenThousandPartitionsInOneRequest(t *testing.T) {
	const partitions = 10_000
	s := start(t, sink.Config{Partitions: partitions})
	cl := newFranz(t, s,
		kgo.ProducerLinger(time.Minute), // only Flush sends
		kgo.BrokerMaxWriteBytes(64<<20),
		kgo.MaxBufferedRecords(2*partitions))
	for i := range partitions {
		cl.Produce(t.Context(), &kgo.Record{Partition: int32(i), Value: []byte("tea")},
			func(_ *kgo.Record, err error) {
				if err != nil {
					t.Error(err)
				}
			})
	}
	if err := cl.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := s.Stats()
	if got.Records != partitions || got.Batches != partitions {
		t.Errorf("stats = %+v, want %d records in as many batches", got, partitions)
	}
	ends, err := kadm.NewClient(cl).ListEndOffsets(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset != 1 || o.Err != nil {
			t.Fatalf("partition %d ends at %d, %v; want 1", o.Partition, o.Offset, o.Err)
		}
	})
}

func TestSaramaIdempotentProducerIsAcknowledged(t *testing.T) {
	s := start(t, sink.Config{Partitions: 4})
	cfg := sarama.NewConfig()
	cfg.Version = sarama.MaxVersion
	cfg.Producer.Idempotent = true
	cfg.Producer.RequiredAcks = sarama.WaitForAll
	cfg.Producer.Return.Successes = true
	cfg.Net.MaxOpenRequests = 1
	p, err := sarama.NewSyncProducer([]string{s.Addr()}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	next := map[int32]int64{}
	for i := range 100 {
		key := sarama.StringEncoder(fmt.Sprint(i % 7))
		m := &sarama.ProducerMessage{Topic: "orders", Key: key, Value: sarama.StringEncoder("tea")}
		partition, offset, err := p.SendMessage(m)
		if err != nil {
			t.Fatal(err)
		}
		if offset != next[partition] {
			t.Fatalf("record %d: offset %d, want %d", i, offset, next[partition])
		}
		next[partition]++
	}
}

func TestDelayHoldsEachAnswerBackButNotTheNextRequest(t *testing.T) {
	const delay = 50 * time.Millisecond
	s := start(t, sink.Config{Partitions: 1, Delay: delay})
	cl := newFranz(t, s, kgo.ProducerLinger(0))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	begin := time.Now()
	r := &kgo.Record{Value: []byte("tea")}
	if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took < delay {
		t.Errorf("acknowledged after %v, want at least %v", took, delay)
	}
}
