package api

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/posthaste-go/posthaste/broker/internal/partition"
	"github.com/posthaste-go/posthaste/broker/internal/server"
	"github.com/posthaste-go/posthaste/broker/internal/topics"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// produce appends record batches. Versions 3 to 13.
//
//	v3   batches of format v2, transactional ids (KIP-98)
//	v5   the log start offset
//	v7   zstd (KIP-110)
//	v8   which records of a batch are at fault (KIP-467)
//	v9   flexible
//	v10  the current leader, if it is another (KIP-951)
//	v12  a transaction's partitions need not be added before (KIP-890)
//	v13  topics by id only (KIP-516)
//
// The batches are never copied: they lie in the connection's read buffer, where
// Append fills in offsets and from where it writes them to the log.
func (a *API) produce(c *call, body, out []byte) ([]byte, error) {
	p := producing{a: a, c: c, r: protocol.NewReader(body), out: out,
		flexible: c.version >= 9, byID: c.version >= 13}
	if p.flexible {
		p.txnID = p.r.CompactNullableString()
	} else {
		p.txnID = p.r.NullableString()
	}
	p.acks = p.r.Int16()
	p.r.Int32() // timeout: nothing waits for replicas here
	if len(p.txnID) > 0 && c.version >= implicitAdd {
		p.addAhead()
	}
	p.topics()
	if err := p.r.Err(); err != nil {
		return out, err
	}
	if p.acks == 0 {
		if p.failed != nil {
			// There is no response to carry the error; Kafka closes the connection,
			// so that the client asks for metadata.
			return out, fmt.Errorf("acks=0: %w", p.failed)
		}
		return out, server.ErrNoResponse
	}
	return p.out, nil
}

// producing is a produce request that is read and answered in one pass: the
// response lists the topics and partitions of the request in their order.
type producing struct {
	a        *API
	c        *call
	r        protocol.Reader
	out      []byte
	txnID    []byte // aliases the request; empty without a transactional id
	acks     int16
	flexible bool
	byID     bool
	moved    bool  // some partition is led by another node
	failed   error // the first partition's that was not appended
}

func (p *producing) arrayLen() int {
	if p.flexible {
		n := p.r.CompactArrayLen()
		p.out = protocol.AppendCompactLen(p.out, n)
		return n
	}
	n := p.r.ArrayLen()
	p.out = binary.BigEndian.AppendUint32(p.out, uint32(n))
	return n
}

// tags passes over the request's tagged fields and writes none.
func (p *producing) tags() {
	if p.flexible {
		p.r.Tags()
		p.out = append(p.out, 0)
	}
}

func (p *producing) topics() {
	for range p.arrayLen() {
		t := p.topic()
		for range p.arrayLen() {
			p.partition(t)
			if p.r.Err() != nil {
				return
			}
		}
		p.tags()
	}
	p.out = binary.BigEndian.AppendUint32(p.out, uint32(p.c.req.Throttle.Milliseconds()))
	if !p.flexible {
		return
	}
	if p.moved && p.c.version >= 10 {
		p.out = append(p.out, 1, 0) // one tagged field, NodeEndpoints
		p.out = p.a.appendEndpoints(p.out, p.c.req.Peer)
	} else {
		p.out = append(p.out, 0)
	}
}

// topic reads which topic comes and repeats it in the response.
func (p *producing) topic() *topics.Topic {
	switch {
	case p.byID:
		id := p.r.UUID()
		p.out = append(p.out, id[:]...)
		return p.c.topics.WithID(id)
	case p.flexible:
		name := p.r.CompactNullableString()
		p.out = protocol.AppendCompactString(p.out, name)
		return p.c.topics.NamedBytes(name)
	}
	name := p.r.NullableString()
	p.out = protocol.AppendString(p.out, name)
	return p.c.topics.NamedBytes(name)
}

func (p *producing) partition(t *topics.Topic) {
	n := p.r.Int32()
	var records []byte
	if p.flexible {
		records = p.r.CompactNullableString() // as bytes: the same length prefix
		p.r.Tags()
	} else {
		records = p.r.NullableBytes()
	}
	if p.r.Err() != nil {
		return
	}
	result, err := p.append(t, n, records)
	if err != nil && p.failed == nil {
		p.failed = err
	}
	code, message := p.a.refusal(err)
	p.out = binary.BigEndian.AppendUint32(p.out, uint32(n))
	p.out = binary.BigEndian.AppendUint16(p.out, uint16(code))
	p.out = binary.BigEndian.AppendUint64(p.out, uint64(result.BaseOffset))
	p.out = binary.BigEndian.AppendUint64(p.out, uint64(result.LogAppendTime))
	if p.c.version >= 5 {
		p.out = binary.BigEndian.AppendUint64(p.out, uint64(result.LogStartOffset))
	}
	if p.c.version >= 8 {
		p.recordErrors(err, message)
	}
	if !p.flexible {
		return
	}
	if code == errcode.NotLeaderOrFollower && p.c.version >= 10 && t != nil && t.Has(n) {
		p.moved = true
		p.out = append(p.out, 1, 0) // one tagged field, CurrentLeader
		p.out = p.a.appendLeader(p.out, t, n)
		return
	}
	p.out = append(p.out, 0)
}

// nothing is the result of a batch that was not appended.
var nothing = partition.AppendResult{BaseOffset: -1, LogAppendTime: -1, LogStartOffset: -1}

func (p *producing) append(
	t *topics.Topic, n int32, records []byte,
) (partition.AppendResult, error) {
	if p.acks < -1 || p.acks > 1 {
		return nothing, errcode.InvalidRequiredAcks
	}
	if t == nil && p.byID {
		return nothing, errcode.UnknownTopicId
	}
	part, err := p.a.partition(p.c, t, n)
	if err != nil {
		return nothing, err
	}
	if t.Internal() && string(p.c.req.Header.ClientID) != adminClient {
		return nothing, errcode.InvalidTopicException
	}
	h, err := p.check(records)
	if err != nil {
		return nothing, err
	}
	request := partition.AppendRequest{Records: records, Acks: p.acks}
	if h.Attributes.Has(wire.Transactional) && h.ProducerID >= 0 {
		if err := p.verify(&request, part, &h); err != nil {
			return nothing, err
		}
	}
	result, err := part.Append(request)
	if err != nil {
		return nothing, err
	}
	return result, nil
}

// adminClient is the client id that may write to internal topics.
// Source: AdminUtils, ReplicaManager.
const adminClient = "__admin_client"

// check is what a broker demands of a produce request whatever the partition:
// exactly one batch, and zstd only from clients that know it. The header is zero
// if it cannot be read: Append says what is wrong.
// Source: ProduceRequest.validateRecords.
func (p *producing) check(records []byte) (h wire.BatchHeader, err error) {
	if len(records) == 0 {
		return h, invalidRecord(
			"a produce request needs one record batch for each partition, this has none")
	}
	if len(records) < wire.BatchHeaderSize {
		return h, nil
	}
	h, err = wire.ParseBatchHeader(records)
	if err != nil {
		return wire.BatchHeader{}, nil
	}
	if h.Size() < len(records) {
		return h, invalidRecord("a produce request needs exactly one record batch for each partition, " +
			"something follows the first one")
	}
	if h.Attributes.Codec() == codecZstd && p.c.version < 7 {
		return h, errcode.UnsupportedCompressionType
	}
	return h, nil
}

const codecZstd = 4

func invalidRecord(message string) error {
	return &partition.Error{Code: errcode.InvalidRecord, Message: message}
}

// recordErrors writes which records were at fault and what to say of them.
func (p *producing) recordErrors(err error, message string) {
	var records []partition.RecordError
	if e, ok := errors.AsType[*partition.Error](err); ok {
		records = e.Records
	}
	if !p.flexible {
		p.out = binary.BigEndian.AppendUint32(p.out, uint32(len(records)))
		for _, r := range records {
			p.out = binary.BigEndian.AppendUint32(p.out, uint32(r.Index))
			p.out = protocol.AppendString(p.out, r.Message)
		}
		if message == "" {
			p.out = append(p.out, 0xff, 0xff)
		} else {
			p.out = protocol.AppendString(p.out, message)
		}
		return
	}
	p.out = protocol.AppendCompactLen(p.out, len(records))
	for _, r := range records {
		p.out = binary.BigEndian.AppendUint32(p.out, uint32(r.Index))
		p.out = protocol.AppendCompactString(p.out, r.Message)
		p.out = append(p.out, 0)
	}
	if message == "" {
		p.out = append(p.out, 0)
	} else {
		p.out = protocol.AppendCompactString(p.out, message)
	}
}

// appendLeader writes the size and the content of a CurrentLeader tag: node id,
// epoch, no tags (KIP-951).
func (a *API) appendLeader(out []byte, t *topics.Topic, n int32) []byte {
	out = append(out, 4+4+1)
	id := a.cfg.Nodes[a.cfg.Topics.Leader(t, n)].ID
	out = binary.BigEndian.AppendUint32(out, uint32(id))
	out = binary.BigEndian.AppendUint32(out, uint32(a.leaderEpoch(t, n)))
	return append(out, 0)
}

// appendEndpoints writes the size and the content of a NodeEndpoints tag: all
// nodes (KIP-951).
func (a *API) appendEndpoints(out []byte, peer *server.Peer) []byte {
	b := protocol.AppendCompactLen(nil, len(a.cfg.Nodes))
	for _, n := range a.nodes(peer) {
		b = binary.BigEndian.AppendUint32(b, uint32(n.ID))
		b = protocol.AppendCompactString(b, n.Host)
		b = binary.BigEndian.AppendUint32(b, uint32(n.Port))
		if n.Rack == "" {
			b = append(b, 0)
		} else {
			b = protocol.AppendCompactString(b, n.Rack)
		}
		b = append(b, 0)
	}
	out = binary.AppendUvarint(out, uint64(len(b)))
	return append(out, b...)
}
