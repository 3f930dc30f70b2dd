package groupcoordinator

import (
	"cmp"
	"slices"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

type topicPartition struct {
	topic     string
	partition int32
}

// committed is an offset as it is kept.
type committed struct {
	Offset
	commitMillis int64
	expireMillis int64 // -1: with the group
	at           int64 // offset of its record in the log
}

// Offset is how far a group has read.
type Offset struct {
	Topic       string
	Partition   int32
	Offset      int64 // the next to be read; -1 if none was committed
	LeaderEpoch int32 // -1 if unknown
	Metadata    string
}

// Fetched is an offset as it is told.
type Fetched struct {
	Offset
	// Unstable says that a transaction that has not ended may change it; the
	// offset is then not told (KIP-447).
	Unstable bool
}

// Commit stores offsets and returns a code for each.
//
// A generation below 0 and no member id is a consumer that assigns itself its
// partitions: that is legal as long as the group has no members. retention
// above 0 replaces offsets.retention.minutes for these offsets.
//
// Codes: OFFSET_METADATA_TOO_LARGE for one offset; for all of them
// UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID, ILLEGAL_GENERATION,
// REBALANCE_IN_PROGRESS, INVALID_GROUP_ID, COORDINATOR_NOT_AVAILABLE.
func (c *Coordinator) Commit(r MemberRef, retention time.Duration, list []Offset) []errcode.Code {
	g, code := c.group(r.Group, true)
	if code != errcode.None {
		return all(code, len(list))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if code := g.mayCommitLocked(r); code != errcode.None {
		return all(code, len(list))
	}
	return g.commitLocked(nil, retention, list)
}

// commitLocked stores offsets, which count at once or when their transaction is
// committed.
func (g *group) commitLocked(txn *Txn, retention time.Duration, list []Offset) []errcode.Code {
	codes := make([]errcode.Code, len(list))
	now := g.nowMillis()
	var records []Record
	var accepted []committed
	for i, o := range list {
		if len(o.Metadata) > g.c.cfg.MaxMetadataSize {
			codes[i] = errcode.OffsetMetadataTooLarge
			continue
		}
		v := committed{Offset: o, commitMillis: now, expireMillis: -1}
		if retention > 0 {
			v.expireMillis = now + retention.Milliseconds()
		}
		records = append(records, Record{offsetKey(g.id, o.Topic, o.Partition), v.encode()})
		accepted = append(accepted, v)
	}
	if len(records) == 0 {
		return codes
	}
	offset, code := g.appendLocked(txn, records)
	if code != errcode.None {
		for i := range codes {
			codes[i] = cmp.Or(codes[i], code)
		}
		return codes
	}
	producer := int64(-1)
	if txn != nil {
		producer = txn.ProducerID
	}
	for i, v := range accepted {
		v.at = offset + int64(i)
		g.keepLocked(producer, v)
	}
	return codes
}

func all(code errcode.Code, n int) []errcode.Code {
	return slices.Repeat([]errcode.Code{code}, n)
}

func (g *group) mayCommitLocked(r MemberRef) errcode.Code {
	if r.Generation < 0 && r.MemberID == "" && r.InstanceID == "" {
		switch {
		case g.state == Dead:
			return errcode.CoordinatorNotAvailable
		case g.state != Empty:
			return errcode.UnknownMemberId
		}
		return errcode.None
	}
	m, code := g.checkMemberLocked(r.MemberID, r.InstanceID)
	switch {
	case code != errcode.None:
		return code
	case r.Generation != g.generation:
		return errcode.IllegalGeneration
	case g.state == CompletingRebalance:
		return errcode.RebalanceInProgress
	}
	g.touchLocked(m)
	return errcode.None
}

// Fetch returns the offsets of a group: those of partitions, or all if wanted is
// nil, sorted. One that was never committed is -1. A group that is not there has
// none. stable withholds offsets that an open transaction may change.
func (c *Coordinator) Fetch(group string, wanted []Offset, stable bool) ([]Fetched, errcode.Code) {
	g, code := c.group(group, false)
	if code == errcode.GroupIdNotFound {
		g, code = newGroup(c, group, 0), errcode.None
	}
	if code != errcode.None {
		return nil, code
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if wanted == nil {
		for _, v := range g.offsets {
			wanted = append(wanted, v.Offset)
		}
		slices.SortFunc(wanted, func(a, b Offset) int {
			return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Partition, b.Partition))
		})
	}
	list := make([]Fetched, len(wanted))
	for i, w := range wanted {
		tp := topicPartition{w.Topic, w.Partition}
		v, ok := g.offsets[tp]
		unstable := stable && g.unstableLocked(tp)
		if !ok || unstable {
			v.Offset = Offset{Topic: w.Topic, Partition: w.Partition, Offset: -1, LeaderEpoch: -1}
		}
		list[i] = Fetched{v.Offset, unstable}
	}
	return list, errcode.None
}

// DeleteOffsets forgets offsets. A topic that subscribed says a member reads is
// GROUP_SUBSCRIBED_TO_TOPIC (KIP-496).
func (c *Coordinator) DeleteOffsets(
	group string, list []Offset, subscribed func(metadata []byte) []string,
) ([]errcode.Code, errcode.Code) {
	g, code := c.group(group, false)
	if code != errcode.None {
		return nil, code
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	var read []string
	switch {
	case g.state == Dead:
		return nil, errcode.GroupIdNotFound
	case g.state == Empty:
	case g.protocolType != consumerProtocol:
		return nil, errcode.NonEmptyGroup
	default:
		for _, m := range g.members {
			read = append(read, subscribed(m.protocols[0].Metadata)...)
		}
	}
	codes := make([]errcode.Code, len(list))
	var gone []topicPartition
	for i, o := range list {
		if slices.Contains(read, o.Topic) {
			codes[i] = errcode.GroupSubscribedToTopic
			continue
		}
		gone = append(gone, topicPartition{o.Topic, o.Partition})
	}
	return codes, g.forgetOffsetsLocked(gone)
}

const consumerProtocol = "consumer"

// forgetOffsetsLocked deletes offsets, in the log too.
func (g *group) forgetOffsetsLocked(gone []topicPartition) errcode.Code {
	var records []Record
	for _, tp := range gone {
		if _, ok := g.offsets[tp]; ok || g.unstableLocked(tp) {
			records = append(records, Record{offsetKey(g.id, tp.topic, tp.partition), nil})
		}
	}
	if len(records) == 0 {
		return errcode.None
	}
	if _, code := g.appendLocked(nil, records); code != errcode.None {
		return code
	}
	for _, tp := range gone {
		g.dropLocked(tp)
	}
	return errcode.None
}
