package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"

	"github.com/posthaste-go/posthaste/bench/internal/run"
)

// saramaPeer adapts github.com/IBM/sarama's AsyncProducer. Acknowledged messages
// come back on a channel that one goroutine reads.
type saramaPeer struct {
	producer sarama.AsyncProducer
	topic    string
	outcomes *run.Outcomes
	readers  sync.WaitGroup // of the two channels
}

// saramaMeta travels with a message through the producer.
type saramaMeta struct {
	sentAt int64
	waiter chan error // SendWait only
}

func saramaClient(o *run.Options) (run.Identity, run.Factory) {
	id := run.Identity{Client: "sarama", Version: run.ModuleVersion("github.com/IBM/sarama")}
	if o.Idempotent && o.Inflight != 1 {
		id.Note = "idempotent: 1 request in flight only"
	}
	return id, newSarama
}

func newSarama(o *run.Options, outcomes *run.Outcomes) (run.Client, error) {
	metrics.UseNilMetrics = true // its own metrics cost a lock per batch and more
	cfg, err := saramaConfig(o)
	if err != nil {
		return nil, err
	}
	producer, err := sarama.NewAsyncProducer([]string{o.Bootstrap}, cfg)
	if err != nil {
		return nil, err
	}
	s := &saramaPeer{producer: producer, topic: o.Topic, outcomes: outcomes}
	s.readers.Go(func() {
		for m := range producer.Successes() {
			s.report(m, nil)
		}
	})
	s.readers.Go(func() {
		for e := range producer.Errors() {
			s.report(e.Msg, e.Err)
		}
	})
	return s, nil
}

func saramaConfig(o *run.Options) (*sarama.Config, error) {
	cfg := sarama.NewConfig()
	cfg.Version = sarama.MaxVersion
	cfg.ChannelBufferSize = 4096 // fewer switches of goroutine than with 256
	p := &cfg.Producer
	p.Return.Successes = true
	p.Idempotent = o.Idempotent
	cfg.Net.MaxOpenRequests = o.Inflight
	if o.Idempotent {
		cfg.Net.MaxOpenRequests = 1 // it refuses more
	}
	switch o.Acks {
	case "0":
		p.RequiredAcks = sarama.NoResponse
	case "1":
		p.RequiredAcks = sarama.WaitForLocal
	default:
		p.RequiredAcks = sarama.WaitForAll
	}
	if o.Linger > 0 {
		// Its threshold is that of a request, which holds a batch per partition.
		p.Flush.Frequency = o.Linger
		p.Flush.Bytes = min(o.BatchBytes*o.Partitions, 1<<20)
	}
	p.MaxMessageBytes = max(p.MaxMessageBytes, o.BatchBytes)
	switch {
	case o.Partitioner == "roundrobin":
		p.Partitioner = sarama.NewRoundRobinPartitioner
	default:
		// Its own default is FNV-1a; murmur2 puts keys where Java does, and
		// records without a key anywhere.
		p.Partitioner = sarama.NewMurmur2Partitioner
	}
	codec, ok := map[string]sarama.CompressionCodec{
		"none":   sarama.CompressionNone,
		"gzip":   sarama.CompressionGZIP,
		"snappy": sarama.CompressionSnappy,
		"lz4":    sarama.CompressionLZ4,
		"zstd":   sarama.CompressionZSTD,
	}[o.Compression]
	if !ok {
		return nil, fmt.Errorf("compression %q is unknown to sarama", o.Compression)
	}
	p.Compression = codec
	return cfg, nil
}

func (s *saramaPeer) message(key, value []byte, meta any) *sarama.ProducerMessage {
	m := &sarama.ProducerMessage{Topic: s.topic, Metadata: meta}
	if key != nil {
		m.Key = sarama.ByteEncoder(key)
	}
	m.Value = sarama.ByteEncoder(value)
	return m
}

func (s *saramaPeer) report(m *sarama.ProducerMessage, err error) {
	meta, ok := m.Metadata.(saramaMeta)
	switch {
	case !ok:
		s.outcomes.Done(0, err)
	case meta.waiter != nil:
		meta.waiter <- err
	default:
		s.outcomes.Done(meta.sentAt, err)
	}
}

func (s *saramaPeer) Send(key, value []byte, sentAt int64) error {
	var meta any
	if sentAt != 0 {
		meta = saramaMeta{sentAt: sentAt}
	}
	s.producer.Input() <- s.message(key, value, meta)
	return nil
}

var saramaWaiters = sync.Pool{New: func() any { return make(chan error, 1) }}

// SendWait does what sarama.SyncProducer does, which is this around the same
// AsyncProducer.
func (s *saramaPeer) SendWait(key, value []byte) error {
	waiter := saramaWaiters.Get().(chan error)
	defer saramaWaiters.Put(waiter)
	s.producer.Input() <- s.message(key, value, saramaMeta{waiter: waiter})
	return <-waiter
}

// Flush does nothing: sarama sends what is buffered after Flush.Frequency.
func (s *saramaPeer) Flush(context.Context, int64) error { return nil }

func (s *saramaPeer) Close() error {
	s.producer.AsyncClose()
	s.readers.Wait()
	return nil
}
