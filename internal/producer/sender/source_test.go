package sender

import (
	"time"

	"github.com/posthaste-go/posthaste/internal/producer/batch"
)

// source plays the accumulator: open and closed batches by partition, and
// notices given under the accumulator's own rule, namely once for what Look
// found missing.
type source struct {
	queues  []*queue
	byName  map[string]*queue
	notices []batch.PartitionID

	starving   bool   // a caller waits for memory
	compresses bool   // a batch taken open has yet to be compressed
	between    func() // runs between a Look and what follows it, once
}

type queue struct {
	id     batch.PartitionID
	topic  string
	index  int32
	open   *batch.Batch
	closed []*batch.Batch
	opened int64
	watch  watched
}

// watched is what the core waits for at a partition, the weakest wish last.
type watched uint8

const (
	nothing watched = iota
	aBehind
	aSealed
	aFull
	anything
)

func (s *source) add(topic string, index int32, name string) *queue {
	q := &queue{
		id: batch.PartitionID(len(s.queues)), topic: topic, index: index, watch: anything,
	}
	s.queues = append(s.queues, q)
	s.byName[name] = q
	return q
}

// happened gives notice if the core waits for that.
func (s *source) happened(q *queue, what watched) {
	if q.watch >= what {
		q.watch = nothing
		s.notices = append(s.notices, q.id)
	}
}

// make opens a batch of count records of size bytes each, Created at now.
func (q *queue) make(count, size int, now time.Time) *batch.Batch {
	buf := make([]byte, 0, batch.Overhead+256+count*(size+32))
	b := batch.New(q.id, q.topic, q.index, buf, now.UnixMilli())
	b.Created = now
	for range count {
		if _, ok := b.Append(now.UnixMilli(), nil, make([]byte, size), nil, 0); !ok {
			panic("test batch is full")
		}
	}
	q.opened++
	return b
}

// put queues a batch that was just made and says so. It stays open, or is
// closed and, unless a caller still compresses it, sealed.
func (s *source) put(q *queue, b *batch.Batch, open, sealing bool) {
	if open {
		q.open = b
	} else {
		b.Close()
		if !sealing {
			b.Uncompressed()
		}
		q.closed = append(q.closed, b)
	}
	s.happened(q, q.event(anything))
}

// event is what, unless other batches wait before the one that it happened to.
func (q *queue) event(what watched) watched {
	if len(q.closed) > 1 {
		return aBehind
	}
	return what
}

// fill closes q's open batch because it is full.
func (s *source) fill(q *queue) {
	b := q.open
	q.open = nil
	b.Close()
	b.Uncompressed()
	q.closed = append(q.closed, b)
	s.happened(q, q.event(aFull))
}

// seal ends a caller's compressing.
func (s *source) seal(q *queue, b *batch.Batch) {
	b.Uncompressed()
	s.happened(q, q.event(aSealed))
}

func (s *source) Look(id batch.PartitionID) batch.Work {
	q := s.queues[id]
	w := batch.Work{Opened: q.opened}
	if q.open != nil {
		w.Open, w.OpenSince, w.Oldest = true, q.open.Created, q.open.Created
	}
	if len(q.closed) > 0 {
		w.Ready = q.closed[0].State() == batch.Ready
		w.Sealing = !w.Ready
		w.Oldest = q.closed[0].Created
	}
	defer s.interlude()
	switch {
	case w.Ready:
		q.watch = nothing
	case w.Sealing:
		q.watch = aSealed
	case w.Open:
		q.watch = aFull
	default:
		q.watch = anything
	}
	return w
}

func (s *source) Closed(id batch.PartitionID) int {
	q := s.queues[id]
	q.watch = max(q.watch, aBehind)
	return len(q.closed)
}

// TooLarge changes nothing: these batches do not grow.
func (s *source) TooLarge(batch.PartitionID) {}

func (s *source) Starving() bool { return s.starving }

func (s *source) interlude() {
	if f := s.between; f != nil {
		s.between = nil
		f()
	}
}

func (s *source) Take(id batch.PartitionID, open bool) *batch.Batch {
	q := s.queues[id]
	if len(q.closed) == 0 && open && q.open != nil {
		b := q.open
		q.open = nil
		b.Close()
		if !s.compresses {
			b.Uncompressed()
		}
		return b
	}
	if len(q.closed) == 0 || q.closed[0].State() != batch.Ready {
		return nil
	}
	b := q.closed[0]
	q.closed = q.closed[1:]
	return b
}

func (s *source) Describe(id batch.PartitionID) (topic string, index int32) {
	return s.queues[id].topic, s.queues[id].index
}
