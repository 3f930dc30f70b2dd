package groupcoordinator

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// Versions of the records' keys, which tell what a record is, and of the values
// that are written. Source: OffsetCommitKey, OffsetCommitValue,
// GroupMetadataKey, GroupMetadataValue.
const (
	offsetKeyVersion   = 1 // 0 is the same
	groupKeyVersion    = 2
	offsetValueVersion = 3
	groupValueVersion  = 3
)

func appendInt16(b []byte, v int16) []byte { return binary.BigEndian.AppendUint16(b, uint16(v)) }
func appendInt32(b []byte, v int32) []byte { return binary.BigEndian.AppendUint32(b, uint32(v)) }
func appendInt64(b []byte, v int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(v)) }

func offsetKey(group, topic string, partition int32) []byte {
	b := appendInt16(nil, offsetKeyVersion)
	b = protocol.AppendString(b, group)
	b = protocol.AppendString(b, topic)
	return appendInt32(b, partition)
}

func groupKey(group string) []byte {
	return protocol.AppendString(appendInt16(nil, groupKeyVersion), group)
}

// encode is the value of an offset's record. One with a time of its own to
// expire takes version 1, the only one that has it.
func (v *committed) encode() []byte {
	version := int16(offsetValueVersion)
	if v.expireMillis >= 0 {
		version = 1
	}
	b := appendInt16(nil, version)
	b = appendInt64(b, v.Offset.Offset)
	if version >= 3 {
		b = appendInt32(b, v.LeaderEpoch)
	}
	b = protocol.AppendString(b, v.Metadata)
	b = appendInt64(b, v.commitMillis)
	if version == 1 {
		b = appendInt64(b, v.expireMillis)
	}
	return b
}

func decodeOffset(value []byte) (v committed, err error) {
	r := protocol.NewReader(value)
	version := r.Int16()
	if version < 0 || version > offsetValueVersion {
		return v, fmt.Errorf("offset of version %d, this broker reads 0 to %d",
			version, offsetValueVersion)
	}
	v.Offset.Offset, v.LeaderEpoch, v.expireMillis = r.Int64(), -1, -1
	if version >= 3 {
		v.LeaderEpoch = r.Int32()
	}
	v.Metadata = string(r.NullableString())
	v.commitMillis = r.Int64()
	if version == 1 {
		v.expireMillis = r.Int64()
	}
	return v, r.Err()
}

// encodeLocked is the value of the group's record.
func (g *group) encodeLocked() []byte {
	b := appendInt16(nil, groupValueVersion)
	b = protocol.AppendString(b, g.protocolType)
	b = appendInt32(b, g.generation)
	b = appendNullable(b, g.protocol)
	b = appendNullable(b, g.leader)
	b = appendInt64(b, g.stateSince)
	b = appendInt32(b, int32(len(g.members)))
	for _, id := range g.joinOrder {
		m := g.members[id]
		b = protocol.AppendString(b, m.id)
		b = appendNullable(b, m.instance)
		b = protocol.AppendString(b, m.clientID)
		b = protocol.AppendString(b, m.clientHost)
		b = appendInt32(b, int32(m.rebalance.Milliseconds()))
		b = appendInt32(b, int32(m.session.Milliseconds()))
		b = appendBytes(b, m.metadata(g.protocol))
		b = appendBytes(b, m.assignment)
	}
	return b
}

// appendNullable appends null for an empty string.
func appendNullable(b []byte, s string) []byte {
	if s == "" {
		return append(b, 0xff, 0xff)
	}
	return protocol.AppendString(b, s)
}

func appendBytes(b, v []byte) []byte { return append(appendInt32(b, int32(len(v))), v...) }

// decodeLocked restores the group from its record.
func (g *group) decodeLocked(value []byte) error {
	r := protocol.NewReader(value)
	if v := r.Int16(); v != groupValueVersion {
		return fmt.Errorf("group of version %d, this broker reads %d", v, groupValueVersion)
	}
	g.protocolType = string(r.NullableString())
	g.generation = r.Int32()
	g.protocol = string(r.NullableString())
	g.leader = string(r.NullableString())
	g.stateSince = r.Int64()
	clear(g.members)
	clear(g.static)
	g.joinOrder = nil
	for range r.ArrayLen() {
		m := &member{synced: true}
		m.id = string(r.NullableString())
		m.instance = string(r.NullableString())
		m.clientID = string(r.NullableString())
		m.clientHost = string(r.NullableString())
		m.rebalance = time.Duration(r.Int32()) * time.Millisecond
		m.session = time.Duration(r.Int32()) * time.Millisecond
		m.protocols = []Protocol{{g.protocol, slices.Clone(r.NullableBytes())}}
		m.assignment = slices.Clone(r.NullableBytes())
		leader := g.leader
		g.addLocked(m)
		g.leader = leader
	}
	g.state = Empty
	if len(g.members) > 0 {
		g.state = Stable
	}
	return r.Err()
}

// storeLocked writes the group's record.
func (g *group) storeLocked() errcode.Code {
	_, code := g.appendLocked(nil, []Record{{groupKey(g.id), g.encodeLocked()}})
	return code
}

// appendLocked writes records and tells the offset of the first.
func (g *group) appendLocked(txn *Txn, records []Record) (int64, errcode.Code) {
	offset, err := g.c.cfg.Log.Append(g.partition, txn, records)
	if code, ok := errors.AsType[errcode.Code](err); ok {
		return -1, code
	}
	if err != nil {
		g.c.cfg.Logger.Error("group cannot be stored", "group", g.id, "error", err)
		return -1, errcode.CoordinatorNotAvailable
	}
	return offset, errcode.None
}

// loadLocked replays a partition of the log, once. Members of stable groups
// have one session from now on to come back.
func (c *Coordinator) loadLocked(p int32) error {
	if c.loaded[p] {
		return nil
	}
	found := make(map[string]*group)
	err := c.cfg.Log.Replay(p, func(e Entry) error {
		if err := c.replay(found, p, e); err != nil {
			// One record that cannot be read must not hide all groups.
			c.cfg.Logger.Error("record of __consumer_offsets is passed over",
				"partition", p, "error", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	c.loaded[p] = true
	for id, g := range found {
		if g.state == Dead || g.forgettableLocked() && g.protocolType == "" {
			continue
		}
		g.mu.Lock()
		for _, m := range g.members {
			g.touchLocked(m)
		}
		g.mu.Unlock()
		c.groups[id] = g
	}
	return nil
}

var errKey = errors.New("unknown kind of key")

// replay applies one entry of the log to the groups found so far.
func (c *Coordinator) replay(found map[string]*group, p int32, r Entry) error {
	if r.Ends {
		for _, g := range found {
			g.endLocked(r.ProducerID, r.Commits)
		}
		return nil
	}
	k := protocol.NewReader(r.Key)
	version := k.Int16()
	if version < 0 || version > groupKeyVersion {
		return fmt.Errorf("%w: version %d", errKey, version)
	}
	id := string(k.NullableString())
	tp := topicPartition{}
	if version != groupKeyVersion {
		tp = topicPartition{string(k.NullableString()), k.Int32()}
	}
	if err := k.Err(); err != nil {
		return err
	}
	g := found[id]
	if g == nil {
		g = newGroup(c, id, p)
		found[id] = g
	}
	switch {
	case version != groupKeyVersion && r.Value == nil:
		g.dropLocked(tp)
	case version != groupKeyVersion:
		v, err := decodeOffset(r.Value)
		if err != nil {
			return err
		}
		v.Topic, v.Partition, v.at = tp.topic, tp.partition, r.Offset
		g.keepLocked(r.ProducerID, v)
	case r.Value == nil:
		delete(found, id)
	default:
		return g.decodeLocked(r.Value)
	}
	return nil
}
