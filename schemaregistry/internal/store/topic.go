package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TopicConfig says where the topic is.
type TopicConfig struct {
	Bootstrap         []string      // HOST:PORT of brokers
	Options           []kgo.Opt     // how to reach them: TLS, SASL
	Topic             string        // "_schemas" by custom
	ReplicationFactor int           // of a topic that has to be made; fewer if there are fewer brokers
	Timeout           time.Duration // of one write, and of one answer of the cluster
	Logger            *slog.Logger
}

// ErrNotRead is a write that may be in the topic but was not read back in time.
var ErrNotRead = errors.New("the record was not read back in time")

// Topic is the open topic and the State that is read from it.
type Topic struct {
	*State
	cfg    TopicConfig
	client *kgo.Client
	done   chan struct{} // closed when the reader has ended

	mu      sync.Mutex
	next    int64         // offset behind the last record that State has
	changed chan struct{} // closed and replaced when next grows
}

// Open makes the topic if it is missing, reads all of it and goes on reading.
// It fails if the topic has more than one partition or is not compacted: then
// schemas would be out of order, or lost one day.
func Open(ctx context.Context, cfg TopicConfig) (*Topic, error) {
	opts := append([]kgo.Opt{
		kgo.SeedBrokers(cfg.Bootstrap...), kgo.ClientID("posthaste-registry"),
		kgo.RetryTimeout(cfg.Timeout), kgo.RecordDeliveryTimeout(cfg.Timeout),
		kgo.ProducerLinger(0), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.FetchMaxWait(5 * time.Second), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchMaxBytes(maxBatch), kgo.MetadataMinAge(10 * time.Millisecond),
		// One writer waits for each write. A record twice in a row says the same as
		// once, and a write can be given up, which a producer with numbers cannot do.
		kgo.DisableIdempotentWrite(), kgo.MaxProduceRequestsInflightPerBroker(1),
	}, cfg.Options...)
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("topic %s: %w", cfg.Topic, err)
	}
	t := &Topic{State: NewState(), cfg: cfg, client: client, done: make(chan struct{}),
		changed: make(chan struct{})}
	if err := t.prepare(ctx); err != nil {
		client.Close()
		return nil, fmt.Errorf("topic %s: %w", cfg.Topic, err)
	}
	// Not before the topic is there: a client that misses it looks again a second later.
	client.AddConsumePartitions(
		map[string]map[int32]kgo.Offset{cfg.Topic: {0: kgo.NewOffset().AtStart()}})
	go t.read()
	// What lies before a record of our own is all that there was.
	if err := t.Sync(ctx); err != nil {
		t.Close()
		return nil, fmt.Errorf("topic %s: %w", cfg.Topic, err)
	}
	return t, nil
}

// maxBatch is the largest record: what brokers accept by default.
const maxBatch = 1 << 20

// prepare makes the topic, or looks whether the one there is fit.
func (t *Topic) prepare(ctx context.Context) error {
	admin := kadm.NewClient(t.client)
	admin.SetTimeoutMillis(int32(t.cfg.Timeout.Milliseconds()))
	brokers, err := admin.ListBrokers(ctx)
	if err != nil {
		return fmt.Errorf("cannot reach the cluster at %v: %w", t.cfg.Bootstrap, err)
	}
	factor := min(t.cfg.ReplicationFactor, len(brokers))
	if factor < t.cfg.ReplicationFactor {
		t.cfg.Logger.Warn("the topic of schemas has fewer replicas than wanted",
			"wanted", t.cfg.ReplicationFactor, "brokers", len(brokers))
	}
	compact := "compact"
	made, err := admin.CreateTopic(ctx, 1, int16(factor),
		map[string]*string{"cleanup.policy": &compact}, t.cfg.Topic)
	if err == nil {
		err = made.Err
	}
	if err == nil {
		return nil
	}
	if !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("cannot be made: %w", err)
	}
	return t.check(ctx, admin)
}

func (t *Topic) check(ctx context.Context, admin *kadm.Client) error {
	topics, err := admin.ListTopics(ctx, t.cfg.Topic)
	if err != nil {
		return err
	}
	if n := len(topics[t.cfg.Topic].Partitions); n != 1 {
		return fmt.Errorf("has %d partitions, but schemas need one order: want 1", n)
	}
	configs, err := admin.DescribeTopicConfigs(ctx, t.cfg.Topic)
	if err != nil {
		return err
	}
	described, err := configs.On(t.cfg.Topic, nil)
	if err == nil {
		err = described.Err
	}
	if err != nil {
		return err
	}
	for _, c := range described.Configs {
		if c.Key == "cleanup.policy" && c.MaybeValue() != "compact" {
			return fmt.Errorf("has cleanup.policy=%s, which loses schemas one day: set it to compact",
				c.MaybeValue())
		}
	}
	return nil
}

// read owns the way from the topic to State until the client is closed.
//
// Started by: Open. Ends: Close.
func (t *Topic) read() {
	defer close(t.done)
	for {
		fetches := t.client.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		fetches.EachError(func(_ string, _ int32, err error) {
			t.cfg.Logger.Error("cannot read schemas", "topic", t.cfg.Topic, "error", err)
		})
		next := int64(-1)
		fetches.EachRecord(func(r *kgo.Record) {
			next = r.Offset + 1
			err := t.Apply(Record{r.Key, r.Value}, r.Timestamp.UnixMilli())
			if err != nil {
				t.cfg.Logger.Error("a record of the topic of schemas is passed over",
					"topic", t.cfg.Topic, "offset", r.Offset, "error", err)
			}
		})
		if next >= 0 {
			t.advance(next)
		}
	}
}

func (t *Topic) advance(next int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = next
	close(t.changed)
	t.changed = make(chan struct{})
}

// Next is the offset behind what State has.
func (t *Topic) Next() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.next
}

// Wait returns when State has what lies before offset next, or with ErrNotRead.
func (t *Topic) Wait(ctx context.Context, next int64) error {
	ctx, cancel := context.WithTimeoutCause(ctx, t.cfg.Timeout, ErrNotRead)
	defer cancel()
	return t.wait(ctx, next)
}

func (t *Topic) wait(ctx context.Context, next int64) error {
	for {
		t.mu.Lock()
		reached, changed := t.next >= next, t.changed
		t.mu.Unlock()
		if reached {
			return nil
		}
		select {
		case <-changed:
		case <-t.done:
			return kgo.ErrClientClosed
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// Write appends records and returns when State has them, with the offset behind
// the last. After an error they may be in the topic or not.
func (t *Topic) Write(ctx context.Context, records ...Record) (int64, error) {
	// A client that hangs up must not leave half of what it asked for.
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), t.cfg.Timeout, ErrNotRead)
	defer cancel()
	next, err := t.produce(ctx, records)
	if err != nil {
		return 0, err
	}
	return next, t.wait(ctx, next)
}

func (t *Topic) produce(ctx context.Context, records []Record) (int64, error) {
	list := make([]*kgo.Record, len(records))
	for i, r := range records {
		list[i] = &kgo.Record{Topic: t.cfg.Topic, Key: r.Key, Value: r.Value}
	}
	if err := t.client.ProduceSync(ctx, list...).FirstErr(); err != nil {
		return 0, fmt.Errorf("write to topic %s: %w", t.cfg.Topic, err)
	}
	return list[len(list)-1].Offset + 1, nil
}

// Sync returns when State has all that was in the topic when it was called,
// however long that takes to read.
func (t *Topic) Sync(ctx context.Context) error {
	next, err := t.produce(ctx, []Record{Noop()})
	if err != nil {
		return err
	}
	return t.wait(ctx, next)
}

// ClusterID asks the brokers for the id of their cluster.
func (t *Topic) ClusterID(ctx context.Context) (string, error) {
	m, err := kadm.NewClient(t.client).BrokerMetadata(ctx)
	return m.Cluster, err
}

// Client is the connection to the cluster, for the election.
func (t *Topic) Client() *kgo.Client { return t.client }

// Close stops reading.
func (t *Topic) Close() {
	t.client.Close()
	<-t.done
}
