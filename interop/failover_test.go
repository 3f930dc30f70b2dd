package interop

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/kafka"
	"github.com/posthaste-go/posthaste/interop/record"
)

// A stream sends numbered records to all partitions of a topic until it is
// told to stop, and keeps what it was told about each.
type stream struct {
	producer   *posthaste.Producer
	topic      string
	partitions int32

	sent  []record.Record
	wait  []posthaste.Delivery
	acked atomic.Int64
	stop  chan struct{}
	ended sync.WaitGroup
	err   error
}

func startStream(t *testing.T, bootstrap, topic string, partitions int32) *stream {
	t.Helper()
	// Small batches and a full window: much is in flight when a leader goes.
	producer, err := newOurs(bootstrap, map[string]string{
		"acks": "all", "enable.idempotence": "true", "linger.ms": "1", "batch.size": "2000",
		"max.in.flight.requests.per.connection": "5", "compression.type": "lz4",
		"request.timeout.ms": "3000", "delivery.timeout.ms": "60000",
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &stream{producer: producer, topic: topic, partitions: partitions,
		stop: make(chan struct{})}
	s.ended.Go(func() { s.err = s.run(t.Context()) })
	return s
}

// run sends bursts, at most 2000 records a second.
func (s *stream) run(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return s.producer.Flush(ctx)
		case <-tick.C:
		}
		for range 10 {
			if err := s.send(ctx); err != nil {
				return err
			}
		}
	}
}

func (s *stream) send(ctx context.Context) error {
	n := len(s.sent)
	r := record.Record{Topic: s.topic, Partition: int32(n) % s.partitions,
		Key: fmt.Append(nil, n), Value: []byte(strings.Repeat("v", n%200)),
		Timestamp: record.Base + int64(n)}
	d, err := s.producer.Send(ctx, oursRecord(r))
	if err != nil {
		return err
	}
	s.sent, s.wait = append(s.sent, r), append(s.wait, d)
	go func() {
		if _, err := d.Wait(ctx); err == nil {
			s.acked.Add(1)
		}
	}()
	return nil
}

// more waits until n further records are acknowledged.
func (s *stream) more(t *testing.T, n int64) {
	t.Helper()
	goal := s.acked.Load() + n
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for s.acked.Load() < goal {
		select {
		case <-deadline:
			t.Fatalf("%d records acknowledged, want %d", s.acked.Load(), goal)
		case <-tick.C:
		}
	}
}

// end stops the stream and returns what it sent, each record with the offset
// that the producer was told.
func (s *stream) end(t *testing.T) []record.Record {
	t.Helper()
	close(s.stop)
	s.ended.Wait()
	if s.err != nil {
		t.Errorf("the stream ended early: %v", s.err)
	}
	for i, d := range s.wait {
		md, err := d.Wait(t.Context())
		if err != nil {
			t.Errorf("record %d: %v", i, err)
		}
		s.sent[i].Offset = md.Offset
	}
	if err := s.producer.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
	return s.sent
}

// A leader goes while five batches of each partition are on their way to it.
// All records must be there afterwards, once, in the order of their Sends, at
// the offsets that the producer reported.
func TestThreeNodesOfApacheKafka(t *testing.T) {
	const partitions = 3
	c := kafka.StartCluster(t, 3, kafka.Options{})
	tg := newTarget(t, c.Bootstrap(), 3)
	tests := []struct {
		name  string
		begin func(*kafka.Node) error
		end   func(*kafka.Node) error
	}{
		{"a leader is killed", (*kafka.Node).Kill, (*kafka.Node).Start},
		{"a leader is stopped in order", (*kafka.Node).Stop, (*kafka.Node).Start},
		{"a leader freezes and comes back as a zombie", (*kafka.Node).Pause, (*kafka.Node).Resume},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			topic := fmt.Sprintf("stream%d", i)
			c.CreateTopic(topic, partitions, "min.insync.replicas=2", "retention.ms=-1")
			s := startStream(t, c.Bootstrap(), topic, partitions)
			s.more(t, 1000)
			old := c.Leader(topic, 0)
			if err := tt.begin(old); err != nil {
				t.Fatal(err)
			}
			c.LeaderOtherThan(topic, 0, old)
			s.more(t, 1000)
			if err := tt.end(old); err != nil {
				t.Fatal(err)
			}
			c.WaitReady()
			s.more(t, 1000)
			readByAll(t, tg, driver.Consume{Topic: topic}, "lz4", s.end(t))
		})
	}
}
