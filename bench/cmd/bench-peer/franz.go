package main

import (
	"context"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste/bench/internal/run"
)

// franz adapts github.com/twmb/franz-go.
type franz struct {
	client   *kgo.Client
	topic    string
	outcomes *run.Outcomes
	acked    func(*kgo.Record, error) // promise of records whose latency is not measured
}

func franzClient(o *run.Options) (run.Identity, run.Factory) {
	id := run.Identity{Client: "franz", Version: run.ModuleVersion("github.com/twmb/franz-go")}
	if o.Idempotent && o.Inflight != 5 {
		id.Note = "idempotent: always 5 requests in flight"
	}
	return id, newFranz
}

func newFranz(o *run.Options, outcomes *run.Outcomes) (run.Client, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(o.Bootstrap),
		kgo.ProducerLinger(o.Linger),
		kgo.ProducerBatchMaxBytes(int32(o.BatchBytes)),
		kgo.MaxBufferedBytes(int(o.BufferBytes)),
		kgo.MaxBufferedRecords(math.MaxInt32), // bytes are the bound, as elsewhere
		kgo.DisableClientMetrics(),
	}
	switch o.Partitioner {
	case "sticky":
		opts = append(opts, kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)))
	case "roundrobin":
		opts = append(opts, kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	}
	if !o.Idempotent {
		opts = append(opts, kgo.DisableIdempotentWrite(),
			kgo.MaxProduceRequestsInflightPerBroker(o.Inflight))
	}
	switch o.Acks {
	case "0":
		opts = append(opts, kgo.RequiredAcks(kgo.NoAck()))
	case "1":
		opts = append(opts, kgo.RequiredAcks(kgo.LeaderAck()))
	}
	codec, ok := map[string]kgo.CompressionCodec{
		"none":   kgo.NoCompression(),
		"gzip":   kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(),
		"lz4":    kgo.Lz4Compression(),
		"zstd":   kgo.ZstdCompression(),
	}[o.Compression]
	if !ok {
		return nil, fmt.Errorf("compression %q is unknown to franz-go", o.Compression)
	}
	opts = append(opts, kgo.ProducerBatchCompression(codec))
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	f := &franz{client: client, topic: o.Topic, outcomes: outcomes}
	f.acked = func(_ *kgo.Record, err error) { outcomes.Done(0, err) }
	return f, nil
}

func (f *franz) Send(key, value []byte, sentAt int64) error {
	promise := f.acked
	if sentAt != 0 {
		promise = func(_ *kgo.Record, err error) { f.outcomes.Done(sentAt, err) }
	}
	rec := &kgo.Record{Topic: f.topic, Key: key, Value: value}
	f.client.Produce(context.Background(), rec, promise)
	return nil
}

func (f *franz) SendWait(key, value []byte) error {
	rec := &kgo.Record{Topic: f.topic, Key: key, Value: value}
	return f.client.ProduceSync(context.Background(), rec).FirstErr()
}

func (f *franz) Flush(ctx context.Context, _ int64) error { return f.client.Flush(ctx) }

func (f *franz) Close() error {
	f.client.Close()
	return nil
}
