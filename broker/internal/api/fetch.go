package api

import (
	"errors"
	"time"

	"github.com/posthaste-go/posthaste/broker/internal/partition"
	"github.com/posthaste-go/posthaste/broker/internal/topics"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// fetch reads records and waits for them. Versions 4 to 18.
//
//	v4   isolation level and aborted transactions (KIP-98)
//	v5   the log start offset
//	v7   sessions (KIP-227): answered with session 0, which means none
//	v9   the leader epoch that the client believes in (KIP-320)
//	v11  racks (KIP-392), unused: there is one replica
//	v12  flexible; divergence (KIP-595)
//	v13  topics by id (KIP-516)
//	v15  replica state in a tag; v16 node endpoints (KIP-951)
//	v17, v18  fields for replicas, which are not served here
func (a *API) fetch(c *call, body, out []byte) ([]byte, error) {
	f := fetching{a: a, c: c, flexible: c.version >= 12, byID: c.version >= 13}
	if err := f.read(body); err != nil {
		return out, err
	}
	if f.session != 0 {
		// No session was ever given out: the client begins anew with a full fetch.
		return f.sessionUnknown(out), nil
	}
	f.budget = min(f.maxBytes, int(a.cfg.Settings.Int("fetch.max.bytes")))
	f.resolve()
	f.wait()
	return f.write(out), nil
}

// fetching is a fetch request under way.
type fetching struct {
	a        *API
	c        *call
	flexible bool
	byID     bool

	maxWait   time.Duration
	minBytes  int
	maxBytes  int
	isolation partition.Isolation
	session   int32
	topics    []fetchTopic

	budget  int  // bytes of records that the response may still hold
	started bool // the response has a batch
	moved   bool // some partition is led by another node
}

type fetchTopic struct {
	name       []byte // aliases the request
	id         partition.TopicID
	topic      *topics.Topic
	partitions []fetchPartition
}

type fetchPartition struct {
	number   int32
	maxBytes int
	request  partition.FetchRequest
	part     *partition.Partition
	err      error // why there is no part
}

// read takes the request apart.
func (f *fetching) read(body []byte) error {
	r := protocol.NewReader(body)
	version := f.c.version
	replica := int32(-1)
	if version <= 14 {
		replica = r.Int32()
	}
	f.maxWait = time.Duration(max(r.Int32(), 0)) * time.Millisecond
	f.minBytes = int(r.Int32())
	f.maxBytes = int(r.Int32())
	f.isolation = partition.Isolation(r.Int8())
	if version >= 7 {
		f.session = r.Int32()
		r.Int32() // epoch of the session
	}
	f.topics = make([]fetchTopic, f.arrayLen(&r))
	for i := range f.topics {
		f.readTopic(&r, &f.topics[i])
	}
	// Forgotten topics, rack and tags are left unread: they concern sessions,
	// other replicas and followers.
	if err := r.Err(); err != nil {
		return err
	}
	if replica >= 0 {
		return errors.New("the request is a follower's, and this broker does not replicate")
	}
	return nil
}

func (f *fetching) arrayLen(r *protocol.Reader) int {
	if f.flexible {
		return r.CompactArrayLen()
	}
	return r.ArrayLen()
}

func (f *fetching) readTopic(r *protocol.Reader, t *fetchTopic) {
	switch {
	case f.byID:
		t.id = r.UUID()
	case f.flexible:
		t.name = r.CompactNullableString()
	default:
		t.name = r.NullableString()
	}
	t.partitions = make([]fetchPartition, f.arrayLen(r))
	for i := range t.partitions {
		p := &t.partitions[i]
		p.number = r.Int32()
		p.request = partition.FetchRequest{Isolation: f.isolation,
			CurrentLeaderEpoch: partition.NoEpoch, LastFetchedEpoch: partition.NoEpoch}
		if f.c.version >= 9 {
			p.request.CurrentLeaderEpoch = r.Int32()
		}
		p.request.Offset = r.Int64()
		if f.c.version >= 12 {
			p.request.LastFetchedEpoch = r.Int32()
		}
		if f.c.version >= 5 {
			r.Int64() // log start offset of a follower
		}
		p.maxBytes = int(r.Int32())
		if f.flexible {
			r.Tags()
		}
	}
	if f.flexible {
		r.Tags()
	}
}

// resolve finds the partitions.
func (f *fetching) resolve() {
	for i := range f.topics {
		t := &f.topics[i]
		if f.byID {
			t.topic = f.c.topics.WithID(t.id)
		} else {
			t.topic = f.c.topics.NamedBytes(t.name)
		}
		for j := range t.partitions {
			p := &t.partitions[j]
			if t.topic == nil && f.byID {
				p.err = errcode.UnknownTopicId
				continue
			}
			p.part, p.err = f.a.partition(f.c, t.topic, p.number)
		}
	}
}

// wait returns when min bytes can be read, something is wrong with a partition,
// the time is up or the client is gone. Source: DelayedFetch.
func (f *fetching) wait() {
	if f.maxWait == 0 || f.enough() {
		return
	}
	ready := make(chan struct{}, 1)
	for i := range f.topics {
		for j := range f.topics[i].partitions {
			defer f.topics[i].partitions[j].part.Watch(ready)()
		}
	}
	timer := time.NewTimer(f.maxWait)
	defer timer.Stop()
	for !f.enough() {
		select {
		case <-ready:
		case <-timer.C:
			return
		case <-f.c.ctx.Done():
			return
		}
	}
}

// enough reports whether there is a reason to answer now.
func (f *fetching) enough() bool {
	total, any := 0, false
	for i := range f.topics {
		for j := range f.topics[i].partitions {
			p := &f.topics[i].partitions[j]
			if p.err != nil {
				return true
			}
			n, err := p.part.Available(p.request.Offset, f.isolation)
			if err != nil || f.diverges(p) {
				return true
			}
			total += int(min(n, int64(p.maxBytes)))
			any = true
		}
	}
	return !any || total >= f.minBytes
}

// diverges reports whether the partition has something to say about epochs
// that must not wait.
func (f *fetching) diverges(p *fetchPartition) bool {
	return p.request.CurrentLeaderEpoch != partition.NoEpoch &&
		p.request.CurrentLeaderEpoch != p.part.LeaderEpoch()
}
