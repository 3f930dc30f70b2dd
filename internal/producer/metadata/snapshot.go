// Package metadata is what the producer knows of the cluster: brokers, topics,
// partitions and their leaders.
//
// A Snapshot is immutable. The sender's core makes a new one from each answer
// (Merge), and when a produce answer names a new leader (WithLeader); senders
// of records read the newest through a Store and wait there for topics they
// have not met before. When to ask is Refresh's business.
//
// Source: org.apache.kafka.clients.Metadata, MetadataSnapshot.
package metadata

import (
	"maps"
	"net"
	"slices"
	"strconv"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// NoLeader is the leader of a partition that has none.
const NoLeader = int32(-1)

// TopicID is a topic's unique id (KIP-516); zero if the brokers have none.
type TopicID [16]byte

// None reports whether there is no id.
func (id TopicID) None() bool { return id == TopicID{} }

// Broker is one broker's address.
type Broker struct {
	ID   int32
	Host string
	Port int32
	Rack string
}

// Addr is the broker's address for a dialer.
func (b Broker) Addr() string { return net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port))) }

// Partition is one partition's leader.
type Partition struct {
	Leader int32 // broker id or NoLeader
	Epoch  int32 // leader epoch, -1 if not known
	Err    errcode.Code
}

// Topic is one topic, or why it cannot be had.
type Topic struct {
	Name       string
	ID         TopicID
	Err        errcode.Code
	Partitions []Partition // by partition index
}

// Snapshot is the cluster at one moment.
type Snapshot struct {
	ClusterID  string
	Controller int32
	Brokers    map[int32]Broker
	Topics     map[string]*Topic
	Version    int64 // counts snapshots; grows by one each
}

// Answer is a metadata response, decoded.
type Answer struct {
	ClusterID   string
	Controller  int32
	Brokers     []Broker
	Topics      []Topic
	Rebootstrap bool // the broker says: start again from the bootstrap list (KIP-1102)
}

// Merge makes the next snapshot from an answer. Topics that the answer does not
// mention stay as they are if keep says so. A partition's data is replaced
// unless the answer is older: its leader epoch is smaller and the topic is
// still the same one.
func (s *Snapshot) Merge(a *Answer, keep func(topic string) bool) *Snapshot {
	next := &Snapshot{
		ClusterID: a.ClusterID, Controller: a.Controller, Version: s.Version + 1,
		Brokers: make(map[int32]Broker, len(a.Brokers)),
		Topics:  make(map[string]*Topic, len(s.Topics)),
	}
	for _, b := range a.Brokers {
		next.Brokers[b.ID] = b
	}
	for name, t := range s.Topics {
		if keep(name) {
			next.Topics[name] = t.among(next.Brokers)
		}
	}
	for i := range a.Topics {
		t := &a.Topics[i]
		old := s.Topics[t.Name]
		if t.Err != errcode.None && old != nil && t.Err.Retriable() &&
			len(old.Partitions) > 0 && len(t.Partitions) == 0 {
			// Not there just now: what we know of it may become true again, but
			// nobody leads it.
			gone := *old
			gone.Err = t.Err
			gone.Partitions = leaderless(old.Partitions)
			next.Topics[t.Name] = &gone
			continue
		}
		next.Topics[t.Name] = mergeTopic(old, t, next.Brokers)
	}
	return next
}

func leaderless(partitions []Partition) []Partition {
	out := make([]Partition, len(partitions))
	for i, p := range partitions {
		out[i] = Partition{Leader: NoLeader, Epoch: p.Epoch, Err: p.Err}
	}
	return out
}

// among is t without the leaders that are not among brokers; t itself if all are.
func (t *Topic) among(brokers map[int32]Broker) *Topic {
	gone := func(p Partition) bool {
		_, known := brokers[p.Leader]
		return p.Leader != NoLeader && !known
	}
	if !slices.ContainsFunc(t.Partitions, gone) {
		return t
	}
	out := *t
	out.Partitions = slices.Clone(t.Partitions)
	for i := range out.Partitions {
		if gone(out.Partitions[i]) {
			out.Partitions[i].Leader = NoLeader
		}
	}
	return &out
}

func mergeTopic(old, t *Topic, brokers map[int32]Broker) *Topic {
	out := *t
	same := old != nil && (old.ID == t.ID || t.ID == TopicID{})
	for i := range out.Partitions {
		p := &out.Partitions[i]
		if same && i < len(old.Partitions) && p.Epoch >= 0 && p.Epoch < old.Partitions[i].Epoch {
			*p = old.Partitions[i] // the answer comes from a broker that lags behind
		}
		if _, known := brokers[p.Leader]; !known {
			p.Leader = NoLeader
		}
	}
	return &out
}

// WithLeader is the snapshot after a produce answer named a partition's leader
// (KIP-951). It is s itself if that is no news: the epoch is not newer than the
// one known, or the node's address is unknown.
func (s *Snapshot) WithLeader(
	topic string, index, leader, epoch int32, nodes []Broker,
) *Snapshot {
	t := s.Topics[topic]
	if t == nil || int(index) >= len(t.Partitions) || epoch <= t.Partitions[index].Epoch {
		return s
	}
	next := *s
	next.Version++
	for _, n := range nodes {
		if n.ID == leader {
			next.Brokers = maps.Clone(s.Brokers)
			next.Brokers[n.ID] = n
		}
	}
	if _, known := next.Brokers[leader]; !known {
		return s
	}
	changed := *t
	changed.Partitions = append([]Partition(nil), t.Partitions...)
	changed.Partitions[index] = Partition{Leader: leader, Epoch: epoch}
	next.Topics = maps.Clone(s.Topics)
	next.Topics[topic] = &changed
	return &next
}

// WithoutBrokers is the snapshot after all brokers were given up: topics are as
// they were, but nobody leads them.
func (s *Snapshot) WithoutBrokers() *Snapshot {
	next := &Snapshot{Topics: make(map[string]*Topic, len(s.Topics)), Version: s.Version + 1}
	for name, t := range s.Topics {
		next.Topics[name] = t.among(nil)
	}
	return next
}

// Leader is the leader of a partition and its epoch.
func (s *Snapshot) Leader(topic string, index int32) (leader, epoch int32) {
	t := s.Topics[topic]
	if t == nil || int(index) >= len(t.Partitions) {
		return NoLeader, -1
	}
	return t.Partitions[index].Leader, t.Partitions[index].Epoch
}
