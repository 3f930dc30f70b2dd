package api

import (
	"github.com/posthaste-go/posthaste/broker/internal/partition"
	"github.com/posthaste-go/posthaste/broker/internal/statetopic"
	"github.com/posthaste-go/posthaste/broker/internal/topics"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// stateLog is a coordinator's topic as its coordinator sees it. The topic is
// made when it is first asked for.
type stateLog struct {
	a    *API
	name string
}

func (l stateLog) topic() (*topics.Topic, error) {
	if t := l.a.cfg.Topics.Snapshot().Named(l.name); t != nil {
		return t, nil
	}
	made, errs := l.a.cfg.Topics.Create(l.a.internalTopic(l.name))
	if code, _ := l.a.refusal(errs[0]); code == errcode.TopicAlreadyExists {
		return l.topic()
	}
	return made[0], errs[0]
}

// Partitions is the number of partitions of the topic.
func (l stateLog) Partitions() (int32, error) {
	t, err := l.topic()
	if err != nil {
		return 0, err
	}
	return int32(t.Partitions()), nil
}

func (l stateLog) partition(n int32) (*partition.Partition, error) {
	t, err := l.topic()
	if err != nil {
		return nil, err
	}
	return l.a.cfg.Topics.Partition(t, n)
}

func (l stateLog) append(
	n int32, txn *statetopic.Txn, list ...statetopic.Record,
) (offset int64, err error) {
	p, err := l.partition(n)
	if err != nil {
		return -1, err
	}
	return statetopic.Append(p, l.a.cfg.Now().UnixMilli(), txn, list)
}

func (l stateLog) replay(n int32, fn func(statetopic.Entry) error) error {
	p, err := l.partition(n)
	if err != nil {
		return err
	}
	return statetopic.Replay(p, fn)
}

// Existing lists the partitions that were ever used.
func (l stateLog) Existing() ([]int32, error) {
	t := l.a.cfg.Topics.Snapshot().Named(l.name)
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

// Epoch is the leader epoch of a partition.
func (l stateLog) Epoch(n int32) (int32, error) {
	p, err := l.partition(n)
	if err != nil {
		return -1, err
	}
	return p.LeaderEpoch(), nil
}

// leader is the place of the node that leads a partition, and with it
// coordinates what is kept there.
func (l stateLog) leader(n int32) (int, error) {
	t, err := l.topic()
	if err != nil {
		return -1, err
	}
	return l.a.cfg.Topics.Leader(t, n), nil
}
