// Package accumulator gathers records into batches, one open batch per
// partition.
//
// Append runs on the goroutine that called Producer.Send. It encodes the record
// straight into the batch's bytes, so a record is copied once and never again
// until the kernel takes it. A batch leaves in one of three ways: it is full,
// linger.ms has passed, or Flush asks for it. From then on package sender owns
// it and this package must not touch it.
//
//	Append ─▶ open batch ─full─▶ closed queue ─┐
//	             └────lingered, flushed────────┴─▶ Take ─▶ sender
//
// The design follows RecordAccumulator of Apache Kafka with two differences: a
// lock guards one partition and nothing else, and finding what is ready costs
// what is ready rather than the number of partitions: a partition gives notice
// when something happened that the sender waits for (see watch).
package accumulator

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/posthaste-go/posthaste/internal/compression"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/bufferpool"
	"github.com/posthaste-go/posthaste/internal/wire"
	"github.com/posthaste-go/posthaste/serializer"
)

// ErrClosed is what Append answers after Close.
var ErrClosed = errors.New("accumulator closed")

// ErrHeld is what Append answers between Hold and Resume.
var ErrHeld = errors.New("accumulator held")

// Automatic as a partition index asks for Kafka's built-in sticky choice.
const Automatic = int32(-1)

// Settings are fixed for the life of an accumulator.
type Settings struct {
	BatchSize           int                     // batch.size, bytes, header included; ≥ 1
	BehindSize          int                     // ... of a batch behind others; 0 is BatchSize
	Compressor          *compression.Compressor // nil for none
	Adaptive            bool                    // partitioner.adaptive.partitioning.enable
	AvailabilityTimeout time.Duration           // partitioner.availability.timeout.ms
	Rack                string                  // client.rack if partitioner.rack.aware, else ""
	Logger              *slog.Logger
	Rand                func() uint32 // of the sticky choice; nil for math/rand
	Lanes               int           // sticky partitions of a topic at a time; 0 is 1, at most 4
}

// Clock tells the time: Now exactly, Milli to about a millisecond and almost
// for free.
type Clock interface {
	Now() time.Time
	Milli() int64 // milliseconds since the epoch
}

// Notices is how the accumulator tells the sender that something happened.
// Both are called with no lock held and must not block.
type Notices interface {
	Partition(id batch.PartitionID) // something the sender watches this partition for
	Starved()                       // a caller begins to wait for buffer.memory
}

// Accumulator holds the open and the full batches of all partitions.
type Accumulator struct {
	settings Settings
	clock    Clock
	pool     *bufferpool.Pool
	notices  Notices
	closed   atomic.Bool
	held     atomic.Bool // no batch is opened: no transaction is open for records
	scratch  sync.Pool   // *[]byte: room for compressed bytes

	mu         sync.Mutex
	topics     map[string]*Topic
	partitions atomic.Pointer[[]*Partition] // by PartitionID; grows under mu
}

// New makes an accumulator that takes its buffers from pool.
func New(s Settings, clock Clock, pool *bufferpool.Pool, notices Notices) *Accumulator {
	s.Lanes = min(s.Lanes, maxLanes)
	s.BehindSize = max(s.BehindSize, s.BatchSize)
	a := &Accumulator{settings: s, clock: clock, pool: pool, notices: notices}
	a.topics = map[string]*Topic{}
	a.partitions.Store(&[]*Partition{})
	a.scratch.New = func() any { return new([]byte) }
	return a
}

// Record is what Append takes: serialized, with its size known.
type Record struct {
	Timestamp   int64 // milliseconds since the epoch; negative means now
	Key, Value  []byte
	Headers     []serializer.Header
	HeadersSize int // sum of wire.HeaderSize
	Callback    any
	WantEntry   bool // completion needs an Entry
	WantHeaders bool // ... with the headers: all records of a producer do, or none
}

// Receipt says where Append put a record.
type Receipt struct {
	Outcome   *batch.Outcome
	Index     int32
	Timestamp int64
}

// Append adds r to the open batch of partition index of t, or of the sticky
// partition if index is Automatic. It waits for memory at most wait.
//
// Errors mean that nothing was buffered: ErrClosed, bufferpool's errors, the
// context's cause.
func (a *Accumulator) Append(
	ctx context.Context, t *Topic, index int32, r *Record, wait time.Duration,
) (Receipt, error) {
	v := t.view.Load()
	at := index
	if index == Automatic {
		at = t.sticky[0].Load()
	}
	if uint32(at) < uint32(len(v.partitions)) {
		p := v.partitions[at]
		if !p.mu.TryLock() {
			p, index = a.lockContended(t, v, p, index)
		}
		if b := p.open; b != nil && t.sticks(p, index) {
			if receipt, ok := a.appendLocked(p, b, r, index <= Automatic); ok {
				p.mu.Unlock()
				return receipt, nil
			}
		}
		p.mu.Unlock()
	}
	return a.appendSlow(ctx, t, index, r, wait)
}

// lockContended locks p, or the sticky partition of another lane if that will do
// and is free. It returns the index to ask for that with.
func (a *Accumulator) lockContended(
	t *Topic, v *view, p *Partition, index int32,
) (*Partition, int32) {
	if index == Automatic {
		if other, of := t.free(v); other != nil {
			return other, of
		}
	}
	p.mu.Lock()
	return p, index
}

// appendLocked adds r to b if there is room. p.mu is held.
func (a *Accumulator) appendLocked(
	p *Partition, b *batch.Batch, r *Record, sticky bool,
) (Receipt, bool) {
	timestamp := r.Timestamp
	if timestamp < 0 {
		timestamp = max(a.clock.Milli(), b.Opened)
	}
	if r.WantEntry && !b.TakesEntry() {
		return Receipt{}, false
	}
	size := b.Size()
	index, ok := b.Append(timestamp, r.Key, r.Value, r.Headers, r.HeadersSize)
	if !ok {
		return Receipt{}, false
	}
	if r.WantEntry {
		b.Entries = append(b.Entries, entry(r, index, timestamp))
		if r.WantHeaders {
			b.Headers = append(b.Headers, r.Headers)
		}
	}
	if sticky {
		p.stickyBytes += b.Size() - size
		if p.stickyBytes >= 2*a.settings.BatchSize { // however full the batch is
			p.topic.leave(p, a.clock)
		}
	}
	return Receipt{Outcome: b.Outcome, Index: index, Timestamp: timestamp}, true
}

func entry(r *Record, index int32, timestamp int64) batch.Entry {
	e := batch.Entry{
		Callback: r.Callback, Index: index, Timestamp: timestamp,
		KeySize: -1, ValueSize: -1,
	}
	if r.Key != nil {
		e.KeySize = int32(len(r.Key))
	}
	if r.Value != nil {
		e.ValueSize = int32(len(r.Value))
	}
	return e
}

// appendSlow is Append when a batch has to be opened, closed or grown, or
// memory is short.
func (a *Accumulator) appendSlow(
	ctx context.Context, t *Topic, index int32, r *Record, wait time.Duration,
) (Receipt, error) {
	var spare []byte // a buffer that we waited for
	defer func() {
		if spare != nil {
			a.pool.Put(spare)
		}
	}()
	var deadline time.Time
	for {
		p, err := a.pick(t, index)
		if err != nil && index < Automatic {
			index = Automatic // the lane has lost its partition
			continue
		}
		if err != nil {
			return Receipt{}, err
		}
		p.mu.Lock()
		if a.closed.Load() {
			p.mu.Unlock()
			return Receipt{}, ErrClosed
		}
		if a.held.Load() {
			p.mu.Unlock()
			return Receipt{}, ErrHeld
		}
		step := a.stepLocked(p, index, r, &spare)
		p.mu.Unlock()
		if step.full != nil {
			a.finish(p, step.full)
		}
		if step.notice {
			a.notices.Partition(p.ID)
		}
		if step.appended {
			return step.receipt, nil
		}
		if step.need == 0 {
			continue // the sticky partition was left
		}
		if deadline.IsZero() {
			deadline = a.clock.Now().Add(wait)
		}
		if spare, err = a.await(ctx, step.need, deadline); err != nil {
			return Receipt{}, err
		}
	}
}

// await gets a buffer, telling the sender first that memory is short.
func (a *Accumulator) await(
	ctx context.Context, need int, deadline time.Time,
) ([]byte, error) {
	if buf, ok := a.pool.TryGet(need); ok {
		return buf, nil
	}
	a.notices.Starved()
	buf, err := a.pool.Get(ctx, need, deadline.Sub(a.clock.Now()))
	if errors.Is(err, bufferpool.ErrClosed) {
		err = ErrClosed
	}
	return buf, err
}

// step is what one attempt under the partition's lock came to.
type step struct {
	receipt  Receipt
	appended bool
	notice   bool         // tell the sender about the partition
	full     *batch.Batch // was closed; compress it without the lock
	need     int          // a buffer of that size is missing
}

func (a *Accumulator) stepLocked(p *Partition, index int32, r *Record, spare *[]byte) (s step) {
	sticky := index <= Automatic
	if !p.topic.sticks(p, index) {
		return s
	}
	if p.open != nil {
		if s.receipt, s.appended = a.appendLocked(p, p.open, r, sticky); s.appended {
			return s
		}
		if a.growLocked(p, r) {
			s.receipt, s.appended = a.appendLocked(p, p.open, r, sticky)
			return s
		}
		s.full = p.closeLocked()
		if s.full.State() == batch.Ready { // nothing to compress
			s.full = nil
			s.notice = p.noticeLocked(p.closedLocked(watchFull))
		}
	}
	if sticky && p.stickyBytes >= a.settings.BatchSize {
		p.topic.leave(p, a.clock)
		if !p.topic.sticks(p, index) {
			return s
		}
	}
	buf := *spare
	need := a.needed(p, r)
	if cap(buf) < need {
		var ok bool
		most := p.mostLocked()
		if buf, ok = a.pool.TryGet(max(need, min(p.hint, most))); !ok {
			s.need = max(need, a.shareLocked(p, most))
			return s
		}
	} else {
		*spare = nil
	}
	timestamp := r.Timestamp
	now := a.clock.Now()
	if timestamp < 0 {
		timestamp = now.UnixMilli()
	}
	p.open = batch.New(p.ID, p.topic.Name, p.Index, buf, timestamp)
	p.open.Created, p.open.Opened = now, now.UnixMilli()
	if p.open.Capacity() > a.usual() {
		p.open.Limit(max(need, a.usual()))
	}
	if a.settings.Compressor == nil {
		p.open.SumEarly()
	}
	p.queued.Add(1)
	p.opened++
	first := *r
	first.Timestamp = timestamp // a later time could take more room than there is
	s.receipt, s.appended = a.appendLocked(p, p.open, &first, sticky)
	if !s.appended {
		panic("accumulator: a record does not fit the buffer that was made for it")
	}
	s.notice = p.noticeLocked(watchAny) || s.notice
	return s
}

// shareLocked is the capacity that is asked for when memory is short. What one record
// needs would do, but would make batches of one record just when they should
// be big; a quarter of the memory, shared among all partitions, leaves enough
// for what is in flight. most bounds it.
func (a *Accumulator) shareLocked(p *Partition, most int) int {
	if len(p.closed) < 2 { // only the one before this, which may go any moment
		most = min(most, 8*a.usual())
	}
	partitions := int64(len(*a.partitions.Load()))
	return int(min(a.pool.Stats().Total/4/max(partitions, 1), int64(most)))
}

// usual is the capacity of a batch that is full at batch.size.
func (a *Accumulator) usual() int { return a.settings.BatchSize + batch.Overhead }

// needed is the capacity that a batch for r alone takes, at the least.
func (a *Accumulator) needed(p *Partition, r *Record) int {
	body := wire.RecordBodySize(0, 0, r.Key, r.Value, len(r.Headers), r.HeadersSize)
	return batch.Overhead + wire.BatchHeaderSize + wire.VarintLen(int64(body)) + body
}

// growLocked lets the open batch take twice as much, in another buffer if its own is
// too small, if that is still within its bound, r then fits, and memory is to be had
// at once.
func (a *Accumulator) growLocked(p *Partition, r *Record) bool {
	b := p.open
	top := p.mostLocked()
	need := batch.FrontRoom + b.Size() + a.needed(p, r) // a few bytes more than exact
	if b.Bound() >= top || need > top+wire.MaxRecordOverhead {
		return false
	}
	want := min(max(2*b.Bound(), need), top)
	if b.Capacity() < want {
		buf, ok := a.pool.TryGet(want)
		if !ok {
			return false
		}
		a.pool.Put(b.Grow(buf))
		p.hint = cap(buf)
	}
	b.Limit(want)
	return a.fits(b, r)
}

// fits reports whether r has room in b, assuming the longest deltas.
func (a *Accumulator) fits(b *batch.Batch, r *Record) bool {
	return batch.FrontRoom+b.Size()+len(r.Key)+len(r.Value)+r.HeadersSize+
		wire.MaxRecordOverhead <= b.Bound()-batch.BackRoom
}

// finish compresses a batch that was closed because it was full, on the
// goroutine that filled it, and tells the sender if it waits for that.
func (a *Accumulator) finish(p *Partition, b *batch.Batch) {
	a.Compress(b)
	p.mu.Lock()
	notice := p.noticeLocked(p.closedLocked(watchSealed))
	p.mu.Unlock()
	if notice {
		a.notices.Partition(p.ID)
	}
}

// Compress makes a closed batch Ready. A batch that cannot be compressed goes
// out as it is.
func (a *Accumulator) Compress(b *batch.Batch) {
	scratch := a.scratch.Get().(*[]byte)
	var err error
	if *scratch, err = b.Compress(a.settings.Compressor, *scratch); err != nil {
		a.settings.Logger.Warn("batch sent uncompressed", "topic", b.Outcome.Topic,
			"partition", b.Outcome.Partition, "error", err)
		b.Uncompressed()
	}
	a.scratch.Put(scratch)
}

// Release gives a batch's buffer back.
func (a *Accumulator) Release(b *batch.Batch) {
	buf := b.Yield()
	if b.Charge > 0 {
		b.Charge = 0
		a.pool.Put(buf)
	}
}

// Memory reports the state of buffer.memory.
func (a *Accumulator) Memory() bufferpool.Stats { return a.pool.Stats() }

// Hold opens no batch until Resume and reports which partitions hold one. What
// is open still fills until the sender takes it. When Hold returns no Append is
// under way that could still open a batch.
func (a *Accumulator) Hold() []batch.PartitionID {
	a.held.Store(true)
	var filled []batch.PartitionID
	for _, p := range *a.partitions.Load() {
		p.mu.Lock() // waits for an append that did not see the flag
		if p.open != nil || len(p.closed) > 0 {
			filled = append(filled, p.ID)
		}
		p.mu.Unlock()
	}
	return filled
}

// Resume ends Hold.
func (a *Accumulator) Resume() { a.held.Store(false) }

// Close refuses appends from now on. When it returns no Append is under way
// that could still add a record.
func (a *Accumulator) Close() {
	a.closed.Store(true)
	a.pool.Close()
	for _, p := range *a.partitions.Load() {
		p.await()
	}
}
