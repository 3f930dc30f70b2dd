// Command bench-confluent times confluent-kafka-go, which is librdkafka behind
// cgo. It is a program of its own so that the others build without a C compiler.
//
//	bench-confluent --bootstrap 127.0.0.1:9092 --topic bench --records 1000000
package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/posthaste-go/posthaste/bench/internal/run"
)

func main() {
	os.Exit(run.Main(func(o *run.Options) (run.Identity, run.Factory, error) {
		_, librdkafka := kafka.LibraryVersion()
		id := run.Identity{
			Client: "confluent",
			Version: run.ModuleVersion("github.com/confluentinc/confluent-kafka-go/v2") +
				" (librdkafka " + librdkafka + ")",
			Note: "allocations are those of Go alone",
		}
		return id, newConfluent, nil
	}))
}

// confluent adapts kafka.Producer. One goroutine reads delivery reports.
type confluent struct {
	producer   *kafka.Producer
	topic      *string
	outcomes   *run.Outcomes
	partitions int32 // above 0: the adapter goes round robin over them
	next       atomic.Int32
	reports    sync.WaitGroup
}

// queueFullPause is how long Send waits when librdkafka's queue is full. Its
// Produce does not wait by itself.
const queueFullPause = time.Millisecond

func newConfluent(o *run.Options, outcomes *run.Outcomes) (run.Client, error) {
	partitioner := "murmur2_random" // as Java: murmur2 for keys, sticky without
	cfg := kafka.ConfigMap{
		"bootstrap.servers":            o.Bootstrap,
		"linger.ms":                    fmt.Sprint(float64(o.Linger) / float64(time.Millisecond)),
		"batch.size":                   o.BatchBytes,
		"batch.num.messages":           1_000_000, // bytes are the bound, as elsewhere
		"queue.buffering.max.kbytes":   int(max(o.BufferBytes/1024, 1)),
		"queue.buffering.max.messages": 10_000_000,
		"max.in.flight":                o.Inflight,
		"enable.idempotence":           o.Idempotent,
		"acks":                         o.Acks,
		"compression.type":             o.Compression,
		"partitioner":                  partitioner,
		// The reports carry neither key nor value: only the outcome counts.
		"go.delivery.report.fields":     "none",
		"go.events.channel.size":        100_000,
		"go.logs.channel.enable":        false,
		"sticky.partitioning.linger.ms": stickyLinger(o),
	}
	p, err := kafka.NewProducer(&cfg)
	if err != nil {
		return nil, err
	}
	c := &confluent{producer: p, topic: &o.Topic, outcomes: outcomes}
	if o.Partitioner == "roundrobin" {
		c.partitions = int32(o.Partitions)
	}
	c.reports.Go(c.readReports)
	return c, nil
}

// stickyLinger is how long librdkafka stays on one partition, for the default
// its own 10 ms bounded by what the documentation asks for: above linger.
func stickyLinger(o *run.Options) int {
	return max(10, 2*int(o.Linger/time.Millisecond))
}

func (c *confluent) readReports() {
	for ev := range c.producer.Events() {
		m, ok := ev.(*kafka.Message)
		if !ok {
			continue // statistics, and errors that resolve themselves
		}
		sentAt, _ := m.Opaque.(int64)
		c.outcomes.Done(sentAt, m.TopicPartition.Error)
	}
}

// produce waits while the queue is full.
func (c *confluent) produce(m *kafka.Message, reports chan kafka.Event) error {
	for {
		err := c.producer.Produce(m, reports)
		ke, ok := err.(kafka.Error)
		if !ok || ke.Code() != kafka.ErrQueueFull {
			return err
		}
		time.Sleep(queueFullPause)
	}
}

func (c *confluent) message(key, value []byte) *kafka.Message {
	m := &kafka.Message{Key: key, Value: value}
	m.TopicPartition.Topic = c.topic
	m.TopicPartition.Partition = kafka.PartitionAny
	if c.partitions > 0 {
		m.TopicPartition.Partition = int32(uint32(c.next.Add(1)) % uint32(c.partitions))
	}
	return m
}

func (c *confluent) Send(key, value []byte, sentAt int64) error {
	m := c.message(key, value)
	if sentAt != 0 {
		m.Opaque = sentAt
	}
	return c.produce(m, nil)
}

var reportChannels = sync.Pool{New: func() any { return make(chan kafka.Event, 1) }}

func (c *confluent) SendWait(key, value []byte) error {
	reports := reportChannels.Get().(chan kafka.Event)
	defer reportChannels.Put(reports)
	if err := c.produce(c.message(key, value), reports); err != nil {
		return err
	}
	switch ev := (<-reports).(type) {
	case *kafka.Message:
		return ev.TopicPartition.Error
	case kafka.Error:
		return ev
	default:
		panic("delivery report of unknown kind: " + ev.String())
	}
}

// Flush asks librdkafka to send without waiting for linger. It may be called
// again while reports are outstanding, which is why it does not fail on any.
func (c *confluent) Flush(ctx context.Context, _ int64) error {
	for c.producer.Flush(100) > 0 && ctx.Err() == nil {
	}
	return context.Cause(ctx)
}

func (c *confluent) Close() error {
	c.producer.Close()
	c.reports.Wait()
	return nil
}
