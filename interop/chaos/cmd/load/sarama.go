package main

import (
	"context"
	"strings"
	"sync"

	"github.com/IBM/sarama"

	"github.com/posthaste-go/posthaste/interop/chaos/load"
)

// saramaClient is sarama's AsyncProducer.
type saramaClient struct {
	producer sarama.AsyncProducer
	topic    string
	open     sync.WaitGroup // records without an outcome
	readers  sync.WaitGroup // of the two channels of outcomes
}

// newSarama is sarama as who wants nothing lost configures it.
func newSarama(s load.Spec) (client, error) {
	c := saramaConfig()
	c.Producer.RequiredAcks = sarama.WaitForAll
	c.Producer.Idempotent = true
	c.Net.MaxOpenRequests = 1     // more is refused with idempotence
	c.Producer.Retry.Max = 10_000 // its default, 3, is less than an election takes
	c.Producer.Flush.Frequency = linger
	return openSarama(s, c)
}

// newSaramaDefaults is sarama as it comes: acks=1, not idempotent, three retries.
func newSaramaDefaults(s load.Spec) (client, error) { return openSarama(s, saramaConfig()) }

func saramaConfig() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.V3_6_0_0
	c.ClientID = "load"
	c.Producer.Return.Successes = true
	return c
}

func openSarama(s load.Spec, c *sarama.Config) (client, error) {
	p, err := sarama.NewAsyncProducer(strings.Split(s.Bootstrap, ","), c)
	if err != nil {
		return nil, err
	}
	out := &saramaClient{producer: p, topic: s.Topic}
	out.readers.Go(func() {
		for m := range p.Successes() {
			m.Metadata.(func(load.Outcome))(told(m.Partition, m.Offset, nil))
			out.open.Done()
		}
	})
	out.readers.Go(func() {
		for e := range p.Errors() {
			e.Msg.Metadata.(func(load.Outcome))(told(-1, -1, e.Err))
			out.open.Done()
		}
	})
	return out, nil
}

func (s *saramaClient) send(r load.Record, done func(load.Outcome)) {
	s.open.Add(1)
	s.producer.Input() <- &sarama.ProducerMessage{Topic: s.topic, Metadata: done,
		Key: sarama.ByteEncoder(r.KeyBytes()), Value: sarama.ByteEncoder(r.Value())}
}

func (s *saramaClient) close(context.Context) error {
	s.open.Wait() // AsyncClose gives up what is to be sent again
	s.producer.AsyncClose()
	s.readers.Wait()
	return nil
}
