package posthaste

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/accumulator"
	"github.com/posthaste-go/posthaste/internal/producer/bufferpool"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/wire"
	"github.com/posthaste-go/posthaste/partitioner"
)

// check validates r and completes rec with what it finds.
func (p *Producer) check(r *Record, rec *accumulator.Record) error {
	if r.Topic == "" {
		return &failure{is: ErrInvalidRecord, text: "record has no topic: set Record.Topic"}
	}
	if n, ok := r.Partition.Index(); ok && n < 0 {
		return &failure{is: ErrInvalidRecord, text: fmt.Sprintf(
			"record for topic %s names partition %d: partitions count from 0", r.Topic, n)}
	}
	if !r.Timestamp.IsZero() {
		rec.Timestamp = r.Timestamp.UnixMilli()
		if rec.Timestamp < 0 {
			return &failure{is: ErrInvalidRecord, text: fmt.Sprintf(
				"record for topic %s has timestamp %v, before 1970", r.Topic, r.Timestamp)}
		}
	}
	if len(r.Headers) > 0 {
		rec.Headers = r.Headers
		for i := range r.Headers {
			rec.HeadersSize += wire.HeaderSize(r.Headers[i].Key, r.Headers[i].Value)
		}
	}
	size := wire.BatchHeaderSize + wire.MaxRecordOverhead +
		len(r.Key) + len(r.Value) + rec.HeadersSize
	if size > p.settings.maxRequestSize || int64(size) > p.settings.bufferMemory {
		return p.tooLarge(r, size)
	}
	return nil
}

func (p *Producer) tooLarge(r *Record, size int) error {
	setting, limit := "max.request.size", int64(p.settings.maxRequestSize)
	if int64(size) > p.settings.bufferMemory && p.settings.bufferMemory < limit {
		setting, limit = "buffer.memory", p.settings.bufferMemory
	}
	return &failure{is: ErrRecordTooLarge, text: fmt.Sprintf(
		"record for topic %s is %d bytes when serialized (key %d, value %d, headers %d),"+
			" more than %s=%d: send less, or raise it", r.Topic, size, len(r.Key), len(r.Value),
		len(r.Headers), setting, limit)}
}

// topic finds the topic of a record, waiting at most *wait for its metadata, and
// takes the time it took off *wait.
func (p *Producer) topic(
	ctx context.Context, name string, wait *time.Duration,
) (*accumulator.Topic, error) {
	if t, ok := p.topics.Load(name); ok {
		topic := t.(*accumulator.Topic)
		p.last.Store(topic)
		return topic, nil
	}
	if err := p.await(ctx, name, accumulator.Automatic, wait); err != nil {
		return nil, err
	}
	topic := p.acc.Topic(name)
	p.topics.Store(name, topic)
	p.last.Store(topic)
	return topic, nil
}

// partition chooses a record's partition: its own, the custom partitioner's, by
// key, or Automatic.
func (p *Producer) partition(
	ctx context.Context, r *Record, t *accumulator.Topic, typed *asked, wait *time.Duration,
) (int32, error) {
	if n, ok := r.Partition.Index(); ok {
		if int(n) >= t.NumPartitions() {
			return n, p.await(ctx, r.Topic, n, wait)
		}
		return n, nil
	}
	if p.settings.partitioner != nil {
		return p.custom(ctx, r, t, typed, wait)
	}
	if r.Key != nil && !p.settings.ignoreKeys {
		n := t.NumPartitions()
		if n == 0 { // forgotten
			if err := p.await(ctx, r.Topic, accumulator.Automatic, wait); err != nil {
				return 0, err
			}
			n = t.NumPartitions()
		}
		return partitioner.ForKey(r.Key, n), nil
	}
	return accumulator.Automatic, nil
}

// custom asks the configured partitioner.
func (p *Producer) custom(
	ctx context.Context, r *Record, t *accumulator.Topic, typed *asked, wait *time.Duration,
) (int32, error) {
	if t.NumPartitions() == 0 {
		if err := p.await(ctx, r.Topic, accumulator.Automatic, wait); err != nil {
			return 0, err
		}
	}
	ask := partitioner.Record{Topic: r.Topic, KeyBytes: r.Key, ValueBytes: r.Value}
	switch {
	case typed != nil:
		ask.Key, ask.Value = typed.key, typed.value
	case !p.bytesOnly: // bytes in an any are an allocation each
		if r.Key != nil {
			ask.Key = r.Key
		}
		if r.Value != nil {
			ask.Value = r.Value
		}
	}
	snapshot := t.Snapshot()
	n, err := choose(p.settings.partitioner, ask, snapshot)
	if err != nil {
		return 0, fmt.Errorf("partitioner %T for a record of topic %s: %w",
			p.settings.partitioner, r.Topic, err)
	}
	if n < 0 || int(n) >= snapshot.NumPartitions() {
		return 0, &failure{is: ErrInvalidRecord, text: fmt.Sprintf(
			"partitioner %T chose partition %d of topic %s, which has %d",
			p.settings.partitioner, n, r.Topic, snapshot.NumPartitions())}
	}
	return n, nil
}

// choose calls a partitioner; its panic is an error.
func choose(
	p partitioner.Partitioner, r partitioner.Record, t partitioner.Topic,
) (n int32, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return p.Partition(r, t)
}

// await waits until metadata knows topic, and partition index of it if that is
// not Automatic, and takes the time it took off *wait.
func (p *Producer) await(
	ctx context.Context, topic string, index int32, wait *time.Duration,
) error {
	start := p.clock.Now()
	deadline, cancel := context.WithTimeoutCause(ctx, *wait, errMaxBlock)
	defer cancel()
	stop := context.AfterFunc(deadline, func() {})
	defer stop()
	asked := false
	var verdict error
	err := p.loop.Metadata.Await(deadline, func(s *metadata.Snapshot) bool {
		verdict = nil
		if down := p.down.Load(); down != nil {
			verdict = *down
			return true
		}
		if err := p.hopeless(); err != nil {
			verdict = err
			return true
		}
		t := s.Topics[topic]
		if t != nil && len(t.Partitions) > max(0, int(index)) {
			return true
		}
		if t != nil && asked && (t.Err == errcode.InvalidTopicException ||
			t.Err == errcode.TopicAuthorizationFailed) {
			verdict = p.topicRefused(topic, t.Err)
			return true
		}
		p.loop.WantTopic(topic, asked || t != nil)
		asked = true
		return false
	})
	*wait = max(*wait-p.clock.Now().Sub(start), 0)
	switch {
	case err == nil:
		return verdict
	case errors.Is(err, errMaxBlock):
		return p.noTopic(topic, index)
	}
	return err
}

// hopeless is why waiting for brokers is of no use, or nil.
func (p *Producer) hopeless() error {
	if f := p.loop.Fatal(); f != nil {
		return p.fatal(f)
	}
	if err, fatal := p.loop.Trouble(); fatal {
		return err
	}
	return nil
}

var errMaxBlock = errors.New("max.block.ms passed")

func (p *Producer) topicRefused(topic string, code errcode.Code) error {
	text := fmt.Sprintf("topic %q: %v", topic, code)
	if code == errcode.InvalidTopicException {
		text += "; a legal name has 1 to 249 of the characters a-z A-Z 0-9 . _ -"
	}
	return &failure{is: KafkaError(code), text: text}
}

// noTopic says why metadata of a topic did not come in time.
func (p *Producer) noTopic(topic string, index int32) error {
	ms := p.settings.maxBlock.Milliseconds()
	if err, _ := p.loop.Trouble(); err != nil {
		return &failure{is: ErrTimeout, cause: err, text: fmt.Sprintf(
			"no broker answered for metadata of topic %s within max.block.ms=%d: %v",
			topic, ms, err)}
	}
	t := p.loop.Metadata.Load().Topics[topic]
	switch {
	case t == nil:
		return &failure{is: ErrTimeout, text: fmt.Sprintf(
			"no metadata of topic %s came within max.block.ms=%d: check bootstrap.servers",
			topic, ms)}
	case index >= 0 && len(t.Partitions) > 0:
		return &failure{is: ErrTimeout, cause: UnknownTopicOrPartition, text: fmt.Sprintf(
			"topic %s has %d partitions, and partition %d did not appear within max.block.ms=%d",
			topic, len(t.Partitions), index, ms)}
	}
	return &failure{is: ErrTimeout, cause: KafkaError(t.Err), text: fmt.Sprintf(
		"topic %s did not appear within max.block.ms=%d: %v: create it, or allow"+
			" auto.create.topics.enable on the brokers", topic, ms, t.Err)}
}

// refused explains an error of the accumulator.
func (p *Producer) refused(err error, r *Record) error {
	switch {
	case errors.Is(err, accumulator.ErrClosed):
		if down := p.down.Load(); down != nil {
			return *down
		}
		return ErrClosed
	case errors.Is(err, accumulator.ErrHeld):
		if down := p.down.Load(); down != nil {
			return *down
		}
		return &failure{is: ErrInvalidState,
			text: "the transaction ended while the record was being sent"}
	case errors.Is(err, bufferpool.ErrExhausted):
		stats := p.acc.Memory()
		return &failure{is: ErrBufferExhausted, cause: ErrTimeout, text: fmt.Sprintf(
			"buffer.memory=%d stayed full for max.block.ms=%d (%d bytes free, %d other senders"+
				" wait): records come faster than the brokers take them%s",
			stats.Total, p.settings.maxBlock.Milliseconds(), stats.Available, stats.Waiting,
			p.recently())}
	case errors.Is(err, bufferpool.ErrTooLarge):
		return p.tooLarge(r, len(r.Key)+len(r.Value))
	case errors.Is(err, accumulator.ErrNoPartition):
		return p.noTopic(r.Topic, accumulator.Automatic)
	}
	return err
}

func (p *Producer) recently() string {
	if err, _ := p.loop.Trouble(); err != nil {
		return "; the last connection failed: " + err.Error()
	}
	return ""
}
