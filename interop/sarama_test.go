package interop

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/record"
)

// saramaWriter writes transactions of version 1.
var saramaWriter = writer{name: "sarama", codecs: codecs[:1],
	open: func(testing.TB) producer { return saramaClient{} }}

type saramaClient struct{}

// Produce writes records as one transaction. Of the settings it knows
// transactional.id, by Java's name.
func (saramaClient) Produce(
	ctx context.Context, p driver.Produce,
) (outcomes []record.Outcome, err error) {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Net.MaxOpenRequests = 1
	c.Producer.Idempotent, c.Producer.RequiredAcks = true, sarama.WaitForAll
	c.Producer.Return.Successes = true
	c.Producer.Transaction.ID = p.Config["transactional.id"]
	c.Producer.Partitioner = sarama.NewManualPartitioner
	producer, err := sarama.NewSyncProducer(strings.Split(p.Bootstrap, ","), c)
	if err != nil {
		return nil, err
	}
	defer func() {
		if e := producer.Close(); err == nil {
			err = e
		}
	}()
	if err := producer.BeginTxn(); err != nil {
		return nil, err
	}
	for _, r := range p.Records {
		m := &sarama.ProducerMessage{Topic: r.Topic, Partition: r.Partition,
			Key: sarama.ByteEncoder(r.Key), Value: sarama.ByteEncoder(r.Value),
			Timestamp: time.UnixMilli(r.Timestamp)}
		partition, offset, err := producer.SendMessage(m)
		if err != nil {
			return outcomes, err
		}
		outcomes = append(outcomes, record.Outcome{Partition: partition, Offset: offset})
	}
	if p.Abort {
		return outcomes, producer.AbortTxn()
	}
	return outcomes, producer.CommitTxn()
}
