// Package franz drives franz-go, a Kafka client in Go that shares no code with
// Posthaste's producer, as reader and as writer. The harness was proven with
// it before there was another producer to test.
package franz

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/record"
)

// Client is franz-go with the two operations that drivers have.
type Client struct{}

// Consume reads a topic to its end; see driver.Consume. The settings are not
// used.
func (Client) Consume(ctx context.Context, c driver.Consume) ([]record.Record, error) {
	isolation := kgo.ReadUncommitted()
	if c.ReadCommitted {
		isolation = kgo.ReadCommitted()
	}
	seeds := kgo.SeedBrokers(strings.Split(c.Bootstrap, ",")...)
	client, err := kgo.NewClient(seeds, kgo.FetchIsolationLevel(isolation),
		kgo.KeepControlRecords(), kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		return nil, err
	}
	defer client.Close()
	left, err := ends(ctx, client, c)
	if err != nil {
		return nil, err
	}
	start := map[int32]kgo.Offset{}
	for p := range left {
		start[p] = kgo.NewOffset().AtStart()
	}
	client.AddConsumePartitions(map[string]map[int32]kgo.Offset{c.Topic: start})
	var records []record.Record
	for len(left) > 0 {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return records, err
		}
		for r := range fetches.RecordsAll() {
			end, unfinished := left[r.Partition]
			if unfinished && r.Offset < end && !r.Attrs.IsControl() {
				records = append(records, convert(r))
			}
			if r.Offset+1 >= end {
				delete(left, r.Partition)
			}
		}
	}
	return records, nil
}

// ends is where each partition that is not empty ends.
func ends(ctx context.Context, client *kgo.Client, c driver.Consume) (map[int32]int64, error) {
	admin := kadm.NewClient(client)
	list := admin.ListEndOffsets
	if c.ReadCommitted {
		list = admin.ListCommittedOffsets
	}
	last, err := list(ctx, c.Topic)
	if err == nil {
		err = last.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("end offsets of %s: %w", c.Topic, err)
	}
	first, err := admin.ListStartOffsets(ctx, c.Topic)
	if err != nil {
		return nil, err
	}
	left := map[int32]int64{}
	last.Each(func(o kadm.ListedOffset) {
		if from, ok := first.Lookup(c.Topic, o.Partition); ok && o.Offset > from.Offset {
			left[o.Partition] = o.Offset
		}
	})
	return left, nil
}

func convert(r *kgo.Record) record.Record {
	out := record.Record{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset,
		Timestamp: r.Timestamp.UnixMilli(), Key: r.Key, Value: r.Value}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, record.Header{Name: h.Key, Value: h.Value})
	}
	return out
}

// Produce writes records in their order. Of the settings it knows acks,
// compression.type, enable.idempotence and transactional.id, by Java's names.
func (Client) Produce(ctx context.Context, p driver.Produce) ([]record.Outcome, error) {
	options, err := options(p)
	if err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	transactional := p.Config["transactional.id"] != ""
	if transactional {
		if err := client.BeginTransaction(); err != nil {
			return nil, err
		}
	}
	outcomes := make([]record.Outcome, len(p.Records))
	for i, r := range p.Records {
		out := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: r.Key, Value: r.Value}
		if r.Timestamp != 0 {
			out.Timestamp = time.UnixMilli(r.Timestamp)
		}
		for _, h := range r.Headers {
			out.Headers = append(out.Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
		}
		client.Produce(ctx, out, func(r *kgo.Record, err error) {
			outcomes[i] = record.Outcome{Partition: r.Partition, Offset: r.Offset}
			if err != nil {
				outcomes[i].Error = err.Error()
			}
		})
	}
	err = client.Flush(ctx)
	if err == nil && transactional {
		err = client.EndTransaction(ctx, kgo.TransactionEndTry(!p.Abort))
	}
	return outcomes, err
}

var codecs = map[string]kgo.CompressionCodec{
	"":       kgo.NoCompression(),
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

func options(p driver.Produce) ([]kgo.Opt, error) {
	codec, ok := codecs[p.Config["compression.type"]]
	if !ok {
		return nil, fmt.Errorf("compression.type %q is none of Kafka's", p.Config["compression.type"])
	}
	options := []kgo.Opt{
		kgo.SeedBrokers(strings.Split(p.Bootstrap, ",")...),
		kgo.ProducerBatchCompression(codec),
		kgo.ProducerBatchMaxBytes(1_048_588), // message.max.bytes of a broker
		kgo.RecordPartitioner(partitioner{kgo.StickyKeyPartitioner(nil)}),
	}
	acks := kgo.AllISRAcks()
	switch p.Config["acks"] {
	case "0":
		acks = kgo.NoAck()
	case "1":
		acks = kgo.LeaderAck()
	}
	options = append(options, kgo.RequiredAcks(acks))
	if id := p.Config["transactional.id"]; id != "" {
		return append(options, kgo.TransactionalID(id)), nil
	}
	idempotent, _ := strconv.ParseBool(p.Config["enable.idempotence"])
	if !idempotent {
		options = append(options, kgo.DisableIdempotentWrite())
	}
	return options, nil
}

// partitioner takes a record's own partition where it has one, and asks the
// default otherwise.
type partitioner struct{ kgo.Partitioner }

func (p partitioner) ForTopic(topic string) kgo.TopicPartitioner {
	return topicPartitioner{p.Partitioner.ForTopic(topic)}
}

type topicPartitioner struct{ kgo.TopicPartitioner }

func (p topicPartitioner) RequiresConsistency(*kgo.Record) bool { return true }

func (p topicPartitioner) Partition(r *kgo.Record, n int) int {
	if r.Partition != record.AnyPartition {
		return int(r.Partition)
	}
	return p.TopicPartitioner.Partition(r, n)
}
