package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/posthaste-go/posthaste/bench/internal/run"
)

// segmentioChunk is how many records a single fast sender passes to
// WriteMessages at once, which its documentation advises: each call costs several
// allocations whatever it holds.
const segmentioChunk = 100

// segmentio adapts github.com/segmentio/kafka-go's Writer. The asynchronous
// writer takes records without bound; buffered keeps them within buffer.memory as
// the other clients do.
type segmentio struct {
	async    *kafka.Writer
	sync     *kafka.Writer
	outcomes *run.Outcomes
	chunk    []kafka.Message // nil: records are passed one by one
	limit    int64

	mu       sync.Mutex
	freed    sync.Cond
	buffered int64 // bytes of records without an outcome
}

func segmentioClient(o *run.Options) (run.Identity, run.Factory) {
	id := run.Identity{
		Client:  "segmentio",
		Version: run.ModuleVersion("github.com/segmentio/kafka-go"),
		Note:    "one request in flight per partition",
	}
	if o.Idempotent {
		id.Note += "; not idempotent"
	}
	if o.Partitioner == "sticky" {
		id.Note += "; round robin, as it has no sticky partitioner"
	}
	return id, newSegmentio
}

func newSegmentio(o *run.Options, outcomes *run.Outcomes) (run.Client, error) {
	codec, ok := map[string]kafka.Compression{
		"none":   0,
		"gzip":   kafka.Gzip,
		"snappy": kafka.Snappy,
		"lz4":    kafka.Lz4,
		"zstd":   kafka.Zstd,
	}[o.Compression]
	if !ok {
		return nil, fmt.Errorf("compression %q is unknown to kafka-go", o.Compression)
	}
	s := &segmentio{outcomes: outcomes, limit: o.BufferBytes}
	s.freed.L = &s.mu
	if o.Threads == 1 && o.Rate == 0 {
		s.chunk = make([]kafka.Message, 0, segmentioChunk)
	}
	writer := func() *kafka.Writer {
		w := &kafka.Writer{
			Addr:         kafka.TCP(o.Bootstrap),
			Topic:        o.Topic,
			BatchSize:    segmentioBatchSize(o),
			BatchBytes:   int64(o.BatchBytes),
			BatchTimeout: max(o.Linger, 1), // 0 would mean a second
			RequiredAcks: kafka.RequireAll,
			Compression:  codec,
			Balancer:     kafka.Murmur2Balancer{Consistent: false},
			Transport:    &kafka.Transport{MetadataTTL: time.Minute},
		}
		switch o.Acks {
		case "0":
			w.RequiredAcks = kafka.RequireNone
		case "1":
			w.RequiredAcks = kafka.RequireOne
		}
		if o.Partitioner != "default" || o.Key == "none" {
			w.Balancer = &kafka.RoundRobin{}
		}
		return w
	}
	s.sync = writer()
	s.async = writer()
	s.async.Async = true
	s.async.Completion = s.complete
	return s, nil
}

// segmentioBatchSize is about how many records fill a batch of --batch-bytes. The
// writer allocates that many for each batch, so it must not be far above.
func segmentioBatchSize(o *run.Options) int {
	size := o.ValueSize
	if o.Data != "" {
		size = 256
	}
	return o.BatchBytes/max(size, 16) + 1
}

// complete reports a batch's outcome, which all its messages share.
func (s *segmentio) complete(messages []kafka.Message, err error) {
	var size, plain int64
	for i := range messages {
		size += int64(len(messages[i].Key) + len(messages[i].Value))
		if sentAt, ok := messages[i].WriterData.(int64); ok {
			s.outcomes.Done(sentAt, err)
		} else {
			plain++
		}
	}
	s.outcomes.DoneN(plain, err)
	s.release(size)
}

func (s *segmentio) release(size int64) {
	s.mu.Lock()
	s.buffered -= size
	s.mu.Unlock()
	s.freed.Broadcast()
}

// reserve waits until size more bytes may be buffered.
func (s *segmentio) reserve(size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.buffered+size > s.limit {
		s.freed.Wait()
	}
	s.buffered += size
}

func (s *segmentio) Send(key, value []byte, sentAt int64) error {
	s.reserve(int64(len(key) + len(value)))
	m := kafka.Message{Key: key, Value: value}
	if sentAt != 0 {
		m.WriterData = sentAt
	}
	if s.chunk == nil {
		err := s.async.WriteMessages(context.Background(), m)
		if err != nil {
			s.release(int64(len(key) + len(value)))
		}
		return err
	}
	s.chunk = append(s.chunk, m)
	if len(s.chunk) < segmentioChunk {
		return nil
	}
	s.writeChunk(context.Background())
	return nil
}

// writeChunk passes the chunk on and reports its records if they are refused.
// The slice may be reused at once: the writer copies the messages.
func (s *segmentio) writeChunk(ctx context.Context) {
	if len(s.chunk) == 0 {
		return
	}
	if err := s.async.WriteMessages(ctx, s.chunk...); err != nil {
		s.complete(s.chunk, err)
	}
	s.chunk = s.chunk[:0]
}

func (s *segmentio) SendWait(key, value []byte) error {
	return s.sync.WriteMessages(context.Background(), kafka.Message{Key: key, Value: value})
}

// Flush passes on the last chunk. What the writer holds goes after BatchTimeout.
func (s *segmentio) Flush(ctx context.Context, _ int64) error {
	s.writeChunk(ctx)
	return nil
}

func (s *segmentio) Close() error {
	if err := s.async.Close(); err != nil {
		return err
	}
	return s.sync.Close()
}
