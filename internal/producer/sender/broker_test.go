package sender

import (
	"encoding/binary"
	"slices"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/wire"
)

// replica is one partition as its leaders have it: all of them share one log,
// since with acks=all a new leader has what the old one acknowledged.
type replica struct {
	records []uint32 // their identities, by offset
	writers map[int64]*writer
}

// writer is what leaders remember of a producer id.
type writer struct {
	epoch  int16
	last   int32
	recent []written // five at most
}

type written struct {
	first, last int32
	offset      int64
}

// copied is a batch as it stands in a request's bytes: what the core does with
// the batch later does not change them.
type copied struct {
	name      string
	partition batch.PartitionID
	id        int64
	epoch     int16
	first     int32
	records   []uint32
}

func (h *harness) copy(b *batch.Batch) copied {
	return copied{
		name: h.names[b], partition: b.Partition, id: b.ProducerID, epoch: b.ProducerEpoch,
		first: b.BaseSequence, records: identities(b),
	}
}

// append takes a batch in as a leader does, and reports its offset.
//
// Source: UnifiedLog.analyzeAndValidateProducerState, ProducerAppendInfo.
func (r *replica) append(b copied) (offset int64, code errcode.Code) {
	if b.first == wire.NoSequence {
		return r.write(b), errcode.None
	}
	last := wire.AddSequence(b.first, int32(len(b.records))-1)
	w := r.writers[b.id]
	switch {
	case w == nil: // nothing to compare with
		w = &writer{epoch: b.epoch}
		r.writers[b.id] = w
	case b.epoch < w.epoch:
		return -1, errcode.InvalidProducerEpoch
	case b.epoch > w.epoch:
		if b.first != 0 {
			return -1, errcode.OutOfOrderSequenceNumber
		}
		*w = writer{epoch: b.epoch}
	default:
		for _, have := range w.recent {
			if have.first == b.first && have.last == last {
				return have.offset, errcode.None
			}
		}
		if b.first != wire.AddSequence(w.last, 1) {
			return -1, errcode.OutOfOrderSequenceNumber
		}
	}
	offset = r.write(b)
	w.last = last
	w.recent = append(w.recent, written{b.first, last, offset})
	if len(w.recent) > maxSequenced {
		w.recent = w.recent[1:]
	}
	return offset, errcode.None
}

func (r *replica) write(b copied) int64 {
	offset := int64(len(r.records))
	r.records = append(r.records, b.records...)
	return offset
}

// identities reads which records a batch holds.
func identities(b *batch.Batch) []uint32 {
	records, err := b.Records()
	if err != nil {
		panic(err)
	}
	var ids []uint32
	for _, r := range records {
		ids = append(ids, binary.BigEndian.Uint32(r.Value))
	}
	return ids
}

// count is how often a record is in the log.
func (r *replica) count(id uint32) int {
	n := 0
	for _, have := range r.records {
		if have == id {
			n++
		}
	}
	return n
}

// inOrder reports whether the first copies of the records stand in the order of
// their identities, which is the order in which they were accepted.
func (r *replica) inOrder() bool {
	var firsts []uint32
	seen := map[uint32]bool{}
	for _, id := range r.records {
		if !seen[id] {
			seen[id] = true
			firsts = append(firsts, id)
		}
	}
	return slices.IsSorted(firsts)
}
