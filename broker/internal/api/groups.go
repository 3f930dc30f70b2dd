package api

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/groupcoordinator"
	"github.com/posthaste-go/posthaste/broker/internal/partition"
	"github.com/posthaste-go/posthaste/broker/internal/statetopic"
	"github.com/posthaste-go/posthaste/broker/internal/topics"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// groupLog is __consumer_offsets as the group coordinator sees it. The topic is
// made when a group is first asked for.
type groupLog struct{ a *API }

func (l groupLog) topic() (*topics.Topic, error) {
	if t := l.a.cfg.Topics.Snapshot().Named(topics.ConsumerOffsets); t != nil {
		return t, nil
	}
	made, errs := l.a.cfg.Topics.Create(l.a.internalTopic(topics.ConsumerOffsets))
	if code, _ := l.a.refusal(errs[0]); code == errcode.TopicAlreadyExists {
		return l.topic()
	}
	return made[0], errs[0]
}

// Partitions is the number of partitions of __consumer_offsets.
func (l groupLog) Partitions() (int32, error) {
	t, err := l.topic()
	if err != nil {
		return 0, err
	}
	return int32(t.Partitions()), nil
}

func (l groupLog) partition(n int32) (*partition.Partition, error) {
	t, err := l.topic()
	if err != nil {
		return nil, err
	}
	return l.a.cfg.Topics.Partition(t, n)
}

// Append writes records to a partition.
func (l groupLog) Append(n int32, records []groupcoordinator.Record) error {
	p, err := l.partition(n)
	if err != nil {
		return err
	}
	list := make([]statetopic.Record, len(records))
	for i, r := range records {
		list[i] = statetopic.Record(r)
	}
	return statetopic.Append(p, l.a.cfg.Now().UnixMilli(), list)
}

// Replay passes all records of a partition on.
func (l groupLog) Replay(n int32, fn func(groupcoordinator.Record) error) error {
	p, err := l.partition(n)
	if err != nil {
		return err
	}
	return statetopic.Replay(p, func(r statetopic.Record) error {
		return fn(groupcoordinator.Record(r))
	})
}

// Existing lists the partitions that were ever used.
func (l groupLog) Existing() ([]int32, error) {
	t := l.a.cfg.Topics.Snapshot().Named(topics.ConsumerOffsets)
	if t == nil {
		return nil, nil
	}
	var list []int32
	for n := range int32(t.Partitions()) {
		if l.a.cfg.Topics.Used(t, n) {
			list = append(list, n)
		}
	}
	return list, nil
}

func (a *API) groupConfig() groupcoordinator.Config {
	millis := func(name string) time.Duration {
		return time.Duration(a.cfg.Settings.Int(name)) * time.Millisecond
	}
	return groupcoordinator.Config{
		Log: groupLog{a}, Logger: a.cfg.Logger, Now: a.cfg.Now,
		MinSessionTimeout:     millis("group.min.session.timeout.ms"),
		MaxSessionTimeout:     millis("group.max.session.timeout.ms"),
		InitialRebalanceDelay: millis("group.initial.rebalance.delay.ms"),
		MaxSize:               int(a.cfg.Settings.Int("group.max.size")),
		MaxMetadataSize:       int(a.cfg.Settings.Int("offset.metadata.max.bytes")),
		OffsetsRetention: time.Minute *
			time.Duration(a.cfg.Settings.Int("offsets.retention.minutes")),
	}
}

// coordinates is NOT_COORDINATOR on all nodes but the first.
func (a *API) coordinates(c *call) errcode.Code {
	if c.node != 0 {
		return errcode.NotCoordinator
	}
	return errcode.None
}

// value is what s points to, empty if nil.
func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// subscribedTopics reads a consumer's subscription, which is its metadata in
// the consumer protocol. One that cannot be read subscribes to nothing.
func subscribedTopics(metadata []byte) []string {
	m := kmsg.NewConsumerMemberMetadata()
	if err := m.ReadFrom(metadata); err != nil {
		return nil
	}
	return m.Topics
}

// memberHost is a client's address as Kafka's tools print it.
func memberHost(c *call) string { return fmt.Sprintf("/%s", hostOf(c.req.Peer.Addr)) }
