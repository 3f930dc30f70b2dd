package api

import (
	"encoding/binary"

	"github.com/posthaste-go/posthaste/broker/internal/partition"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// write encodes the response; records go from the log's files straight to their
// place in it.
func (f *fetching) write(out []byte) []byte {
	out = f.head(out, errcode.None, len(f.topics))
	for i := range f.topics {
		t := &f.topics[i]
		switch {
		case f.byID:
			out = append(out, t.id[:]...)
		case f.flexible:
			out = protocol.AppendCompactString(out, t.name)
		default:
			out = protocol.AppendString(out, t.name)
		}
		out = f.appendLen(out, len(t.partitions))
		for j := range t.partitions {
			out = f.partition(out, t, &t.partitions[j])
		}
		if f.flexible {
			out = append(out, 0)
		}
	}
	return f.tail(out)
}

// head is what comes before the topics: throttle time, error, session.
func (f *fetching) head(out []byte, code errcode.Code, topics int) []byte {
	out = append(out, 0, 0, 0, 0)
	if f.c.version >= 7 {
		out = binary.BigEndian.AppendUint16(out, uint16(code))
		out = append(out, 0, 0, 0, 0) // session 0: there is none
	}
	return f.appendLen(out, topics)
}

func (f *fetching) tail(out []byte) []byte {
	switch {
	case !f.flexible:
		return out
	case f.moved && f.c.version >= 16:
		return f.a.appendEndpoints(append(out, 1, 0), f.c.req.Peer) // one tagged field, NodeEndpoints
	}
	return append(out, 0)
}

func (f *fetching) sessionUnknown(out []byte) []byte {
	return f.tail(f.head(out, errcode.FetchSessionIdNotFound, 0))
}

func (f *fetching) appendLen(out []byte, n int) []byte {
	if f.flexible {
		return protocol.AppendCompactLen(out, n)
	}
	return binary.BigEndian.AppendUint32(out, uint32(n))
}

// partition writes one partition. Its records are read to where they will most
// likely lie; they are moved by a few bytes if what comes before them turns out
// to be longer or shorter.
func (f *fetching) partition(out []byte, t *fetchTopic, p *fetchPartition) []byte {
	start := len(out)
	guess := f.guess(p)
	var result partition.FetchResult
	err := p.err
	if err == nil {
		p.request.MaxBytes = max(min(p.maxBytes, f.budget), 0)
		p.request.MinOneMessage = !f.started && p.request.MaxBytes > 0
		out = grow(out, guess)
		result, err = p.part.Fetch(out, p.request)
	}
	records := 0
	if err == nil {
		out = result.Records
		records = len(out) - start - guess
	} else {
		result = partition.FetchResult{HighWatermark: -1, LastStableOffset: -1, LogStartOffset: -1}
		out = grow(out[:start], guess)
	}
	code, _ := f.a.refusal(err)
	var room [128]byte
	fields := f.fields(room[:0], p.number, code, &result)
	fields = f.appendLen(fields, records)
	if len(fields) != guess {
		out = move(out, start+guess, len(fields)-guess)
	}
	copy(out[start:], fields)
	f.budget -= records
	f.started = f.started || records > 0
	return f.partitionTags(out, t, p, code, &result)
}

// guess is the length of what comes before a partition's records.
func (f *fetching) guess(p *fetchPartition) int {
	n := 4 + 2 + 8 + 8
	if f.c.version >= 5 {
		n += 8
	}
	if f.c.version >= 11 {
		n += 4
	}
	if !f.flexible {
		return n + 4 + 4
	}
	var expected int64
	if p.err == nil {
		available, err := p.part.Available(p.request.Offset, f.isolation)
		if err == nil {
			expected = min(available, int64(p.maxBytes), int64(f.budget))
		}
	}
	var b [binary.MaxVarintLen64]byte
	return n + 1 + binary.PutUvarint(b[:], uint64(max(expected, 0)+1))
}

// fields writes what comes before the length of a partition's records.
func (f *fetching) fields(
	out []byte, number int32, code errcode.Code, r *partition.FetchResult,
) []byte {
	out = binary.BigEndian.AppendUint32(out, uint32(number))
	out = binary.BigEndian.AppendUint16(out, uint16(code))
	out = binary.BigEndian.AppendUint64(out, uint64(r.HighWatermark))
	out = binary.BigEndian.AppendUint64(out, uint64(r.LastStableOffset))
	if f.c.version >= 5 {
		out = binary.BigEndian.AppendUint64(out, uint64(r.LogStartOffset))
	}
	// Null and empty differ for none of the clients; Kafka writes an empty list
	// to readers of committed records and null to others.
	switch {
	case f.isolation == partition.ReadCommitted || len(r.Aborted) > 0:
		out = f.appendLen(out, len(r.Aborted))
	case f.flexible:
		out = append(out, 0)
	default:
		out = append(out, 0xff, 0xff, 0xff, 0xff)
	}
	for _, aborted := range r.Aborted {
		out = binary.BigEndian.AppendUint64(out, uint64(aborted.ProducerID))
		out = binary.BigEndian.AppendUint64(out, uint64(aborted.FirstOffset))
		if f.flexible {
			out = append(out, 0)
		}
	}
	if f.c.version >= 11 {
		out = append(out, 0xff, 0xff, 0xff, 0xff) // preferred read replica: none
	}
	return out
}

// partitionTags ends a partition with what only some answers have.
func (f *fetching) partitionTags(
	out []byte, t *fetchTopic, p *fetchPartition, code errcode.Code, r *partition.FetchResult,
) []byte {
	if !f.flexible {
		return out
	}
	stale := (code == errcode.NotLeaderOrFollower || code == errcode.FencedLeaderEpoch) &&
		t.topic != nil && t.topic.Has(p.number)
	n := byte(0)
	if r.Diverging != nil {
		n++
	}
	if stale {
		n++
	}
	out = append(out, n)
	if r.Diverging != nil {
		out = append(out, 0, 4+8+1) // tag, size
		out = binary.BigEndian.AppendUint32(out, uint32(r.Diverging.Epoch))
		out = binary.BigEndian.AppendUint64(out, uint64(r.Diverging.EndOffset))
		out = append(out, 0)
	}
	if stale {
		f.moved = true
		out = f.a.appendLeader(append(out, 1), t.topic, p.number)
	}
	return out
}

// grow lengthens b by n bytes of any content.
func grow(b []byte, n int) []byte {
	for range n {
		b = append(b, 0)
	}
	return b
}

// move shifts everything from at on by n bytes, which may be negative.
func move(b []byte, at, n int) []byte {
	if n < 0 {
		copy(b[at+n:], b[at:])
		return b[:len(b)+n]
	}
	b = grow(b, n)
	copy(b[at+n:], b[at:len(b)-n])
	return b
}
