package api

import (
	"time"

	"github.com/posthaste-go/posthaste/broker/internal/partition"
	"github.com/posthaste-go/posthaste/broker/internal/statetopic"
	"github.com/posthaste-go/posthaste/broker/internal/topics"
	"github.com/posthaste-go/posthaste/broker/internal/txncoordinator"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// txnLog is __transaction_state as the transaction coordinator sees it.
type txnLog struct{ stateLog }

// Append writes a record to a partition.
func (l txnLog) Append(n int32, r txncoordinator.Record) error {
	_, err := l.append(n, nil, statetopic.Record(r))
	return err
}

// Replay passes all records of a partition on.
func (l txnLog) Replay(n int32, fn func(txncoordinator.Record) error) error {
	return l.replay(n, func(e statetopic.Entry) error {
		if e.End != statetopic.NoEnd {
			return nil // somebody has written markers here by hand
		}
		return fn(txncoordinator.Record(e.Record))
	})
}

// txnMarkers writes markers into the logs of this broker: all nodes that it
// poses as share them.
type txnMarkers struct{ a *API }

// WriteMarker ends a producer's transaction in a partition.
func (w txnMarkers) WriteMarker(
	tp txncoordinator.TopicPartition, m txncoordinator.Marker,
) errcode.Code {
	t := w.a.cfg.Topics.Snapshot().Named(tp.Topic)
	if t == nil || !t.Has(tp.Partition) {
		return errcode.UnknownTopicOrPartition
	}
	p, err := w.a.cfg.Topics.Partition(t, tp.Partition)
	if err == nil {
		_, err = p.AppendMarker(partition.Marker{ProducerID: m.ID, ProducerEpoch: m.Epoch,
			CoordinatorEpoch: m.CoordinatorEpoch, Commit: m.Commit, OwnEpoch: m.OwnEpoch})
	}
	if err == nil && tp.Topic == topics.ConsumerOffsets {
		w.a.groups.EndTransaction(tp.Partition, m.ID, m.Commit)
	}
	code, _ := w.a.refusal(err)
	return code
}

func (a *API) txnConfig() txncoordinator.Config {
	millis := func(name string) time.Duration {
		return time.Duration(a.cfg.Settings.Int(name)) * time.Millisecond
	}
	return txncoordinator.Config{
		Log: a.txnLog(), Markers: txnMarkers{a}, NewID: a.cfg.ProducerIDs.Next,
		Logger: a.cfg.Logger, Now: a.cfg.Now,
		Version:        a.txnVersion(),
		MaxTimeout:     millis("transaction.max.timeout.ms"),
		TwoPhaseCommit: a.cfg.Settings.Bool("transaction.two.phase.commit.enable"),
		Expiration:     millis("transactional.id.expiration.ms"),
		AbortInterval:  millis("transaction.abort.timed.out.transaction.cleanup.interval.ms"),
		ExpireInterval: millis("transaction.remove.expired.transaction.cleanup.interval.ms"),
		MarkerDelay:    millis("posthaste.transaction.marker.delay.ms"),
	}
}

func (a *API) txnLog() txnLog { return txnLog{stateLog{a, topics.TransactionState}} }

// txnVersion is the finalized level of the feature transaction.version.
func (a *API) txnVersion() txncoordinator.Version {
	return txncoordinator.Version(a.cfg.Settings.Int("posthaste.transaction.version"))
}

// coordinatesTxn is NOT_COORDINATOR unless the node asked leads the partition of
// __transaction_state that the transactional id lives in.
func (a *API) coordinatesTxn(c *call, id string) errcode.Code {
	node, err := a.txnCoordinator(id)
	switch {
	case err != nil:
		a.complain("transactions cannot be stored", err)
		return errcode.CoordinatorNotAvailable
	case node != c.node:
		return errcode.NotCoordinator
	}
	return errcode.None
}

// txnCoordinator is the place of the node that coordinates a transactional id.
func (a *API) txnCoordinator(id string) (int, error) {
	l := a.txnLog()
	n, err := l.Partitions()
	if err != nil {
		return -1, err
	}
	return l.leader(txncoordinator.PartitionFor(id, n))
}

// unlessFenced is code, but what clients older than KIP-588 know in place of
// PRODUCER_FENCED.
func unlessFenced(code errcode.Code, known bool) int16 {
	if code == errcode.ProducerFenced && !known {
		code = errcode.InvalidProducerEpoch
	}
	return int16(code)
}
