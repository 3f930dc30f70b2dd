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

// groupLog is __consumer_offsets as the group coordinator sees it.
type groupLog struct{ stateLog }

// Append writes records to a partition.
func (l groupLog) Append(
	n int32, txn *groupcoordinator.Txn, records []groupcoordinator.Record,
) (offset int64, err error) {
	list := make([]statetopic.Record, len(records))
	for i, r := range records {
		list[i] = statetopic.Record(r)
	}
	if txn == nil {
		return l.append(n, nil, list...)
	}
	part := statetopic.Txn{ProducerID: txn.ProducerID, ProducerEpoch: txn.ProducerEpoch}
	if proof, ok := txn.Proof.(txnProof); ok {
		part.Version2, part.Verified, part.Verification = proof.version2, true, proof.verification
	}
	offset, err = l.append(n, &part, list...)
	switch code := partition.CodeOf(err); code {
	case errcode.InvalidProducerEpoch, errcode.InvalidTxnState:
		return -1, code // the producer's fault, which it is told
	}
	return offset, err
}

// Replay passes everything in a partition on.
func (l groupLog) Replay(n int32, fn func(groupcoordinator.Entry) error) error {
	return l.replay(n, func(e statetopic.Entry) error {
		return fn(groupcoordinator.Entry{Record: groupcoordinator.Record(e.Record),
			Offset: e.Offset, ProducerID: e.ProducerID,
			Ends: e.End != statetopic.NoEnd, Commits: e.End == statetopic.Committed})
	})
}

func (a *API) groupLog() groupLog { return groupLog{stateLog{a, topics.ConsumerOffsets}} }

func (a *API) groupConfig() groupcoordinator.Config {
	millis := func(name string) time.Duration {
		return time.Duration(a.cfg.Settings.Int(name)) * time.Millisecond
	}
	return groupcoordinator.Config{
		Log: a.groupLog(), Logger: a.cfg.Logger, Now: a.cfg.Now,
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
