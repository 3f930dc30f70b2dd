package api

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker/internal/groupcoordinator"
	"github.com/posthaste-go/posthaste/broker/internal/statetopic"
	"github.com/posthaste-go/posthaste/broker/internal/topics"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// groupLog is __consumer_offsets as the group coordinator sees it.
type groupLog struct{ stateLog }

// Append writes records to a partition.
func (l groupLog) Append(n int32, records []groupcoordinator.Record) error {
	list := make([]statetopic.Record, len(records))
	for i, r := range records {
		list[i] = statetopic.Record(r)
	}
	return l.append(n, list...)
}

// Replay passes all records of a partition on.
func (l groupLog) Replay(n int32, fn func(groupcoordinator.Record) error) error {
	return l.replay(n, func(r statetopic.Record) error {
		return fn(groupcoordinator.Record(r))
	})
}

func (a *API) groupConfig() groupcoordinator.Config {
	millis := func(name string) time.Duration {
		return time.Duration(a.cfg.Settings.Int(name)) * time.Millisecond
	}
	return groupcoordinator.Config{
		Log: groupLog{stateLog{a, topics.ConsumerOffsets}}, Logger: a.cfg.Logger, Now: a.cfg.Now,
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
