package scriptedbroker

import (
	"fmt"
	"slices"

	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// topic is one topic's partitions.
type topic struct {
	name       string
	id         [16]byte
	err        errcode.Code // metadata answers it instead of partitions
	partitions []*partition
}

// partition is one partition's log, the same on every node that leads it.
type partition struct {
	leader  int32
	epoch   int32
	records []Record
	end     int64 // of a blind cluster's partition
	writers map[int64]*writer
}

// Record is a record as it was written.
type Record struct {
	Key, Value []byte
	Headers    []wire.Header
	Timestamp  int64 // milliseconds
	Codec      int8  // of its batch
}

// writer is what a leader knows of a producer id.
type writer struct {
	epoch  int16
	last   int32
	recent []batch // five at most
}

type batch struct {
	first, last int32
	offset      int64
}

// AddTopic makes a topic, or more partitions for one.
func (c *Cluster) AddTopic(name string, partitions int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.topics[name]
	if t == nil {
		c.recreated++
		t = &topic{name: name}
		if c.ids {
			t.id = [16]byte{15: byte(c.recreated)}
		}
		c.topics[name] = t
	}
	for i := len(t.partitions); i < partitions; i++ {
		t.partitions = append(t.partitions, &partition{
			leader: int32(i%len(c.nodes)) + 1, epoch: 1, writers: map[int64]*writer{},
		})
	}
	if t.err == errcode.UnknownTopicOrPartition {
		t.err = errcode.None
	}
}

// DeleteTopic drops a topic.
func (c *Cluster) DeleteTopic(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.topics, name)
}

// RefuseTopic makes metadata answer code for a topic; None ends that.
func (c *Cluster) RefuseTopic(name string, code errcode.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.topics[name]
	if t == nil {
		t = &topic{name: name}
		c.topics[name] = t
	}
	t.err = code
}

// Lead makes node the leader of a partition, under a new epoch; -1 leaves it
// without one. It reports the epoch.
func (c *Cluster) Lead(name string, index, node int32) (epoch int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.topics[name].partitions[index]
	p.leader = node
	p.epoch++
	return p.epoch
}

// Records is what stands in a partition's log.
func (c *Cluster) Records(name string, index int32) []Record {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.topics[name].partitions[index].records)
}

// Values is the values in a partition's log, as text.
func (c *Cluster) Values(name string, index int32) []string {
	var out []string
	for _, r := range c.Records(name, index) {
		out = append(out, string(r.Value))
	}
	return out
}

// append takes a batch in, and answers as a leader does.
//
// Source: UnifiedLog.analyzeAndValidateProducerState, ProducerAppendInfo.
func (p *partition) append(h *wire.BatchHeader, records []Record) (int64, errcode.Code) {
	offset := int64(len(p.records))
	if h.BaseSequence == wire.NoSequence {
		p.records = append(p.records, records...)
		return offset, errcode.None
	}
	w := p.writers[h.ProducerID]
	switch {
	case w == nil:
		w = &writer{epoch: h.ProducerEpoch}
		p.writers[h.ProducerID] = w
	case h.ProducerEpoch < w.epoch:
		return -1, errcode.InvalidProducerEpoch
	case h.ProducerEpoch > w.epoch && h.BaseSequence != 0:
		return -1, errcode.OutOfOrderSequenceNumber
	case h.ProducerEpoch > w.epoch:
		*w = writer{epoch: h.ProducerEpoch}
	default:
		for _, b := range w.recent {
			if b.first == h.BaseSequence && b.last == h.LastSequence() {
				return b.offset, errcode.None
			}
		}
		if due := wire.AddSequence(w.last, 1); h.BaseSequence != due {
			return -1, errcode.OutOfOrderSequenceNumber
		}
	}
	w.last = h.LastSequence()
	w.recent = append(w.recent, batch{h.BaseSequence, w.last, offset})
	w.recent = w.recent[max(0, len(w.recent)-5):]
	p.records = append(p.records, records...)
	return offset, errcode.None
}

// due is the number that a leader would take next from a producer.
func (p *partition) due(h *wire.BatchHeader) int32 {
	if w := p.writers[h.ProducerID]; w != nil && w.epoch == h.ProducerEpoch {
		return wire.AddSequence(w.last, 1)
	}
	return 0
}

// maxBatch bounds what a test's batch may decompress to.
const maxBatch = 64 << 20

// decode reads the one batch of a produce request's partition, whole and sound.
func decode(b []byte) (wire.BatchHeader, []Record, error) {
	h, bytes, rest, err := wire.CutBatch(b)
	if err == nil && (len(rest) > 0 || bytes == nil) {
		err = fmt.Errorf("%d bytes are not one batch", len(b))
	}
	if err == nil {
		err = wire.VerifyChecksum(bytes)
	}
	if err != nil {
		return h, nil, err
	}
	body := bytes[wire.BatchHeaderSize:]
	if codec := compression.Codec(h.Attributes.Codec()); codec != compression.None {
		if body, err = compression.Decompress(nil, body, codec, maxBatch); err != nil {
			return h, nil, err
		}
	}
	var records []Record
	it := wire.NewIterator(h.Count, body)
	for it.Next() {
		r := it.Record()
		records = append(records, Record{
			Key: r.Key, Value: r.Value, Headers: slices.Clone(r.Headers),
			Timestamp: h.BaseTimestamp + r.TimestampDelta, Codec: h.Attributes.Codec(),
		})
	}
	return h, records, it.Err()
}
