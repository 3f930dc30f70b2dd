package sender

import (
	"errors"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/mutation"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
)

// ErrDisconnected is the cause of a batch that was lost with its connection
// too often, or too late.
var ErrDisconnected = errors.New("connection lost before an answer came")

// answered takes a produce answer apart.
func (c *Core) answered(r *Request) {
	n := r.node
	c.removeInFlight(n, r)
	n.window.observe(r, n.answeredAt, c.now)
	n.failures, n.answeredAt = 0, c.now
	c.retire(n)
	if r.Throttle > 0 {
		c.throttle(n, r.Throttle)
	}
	for i := range r.Entries {
		e := &r.Entries[i]
		e.partition.inFlight--
		if !e.Answered && r.Acks != 0 {
			e.Code = errcode.UnknownServerError
			e.Message = "the broker's answer leaves this partition out"
		}
		c.settleEntry(e)
	}
	if len(r.Nodes) > 0 || anyLeader(r.Entries) {
		c.leaderHints(r)
	}
	for i := range r.Entries {
		c.evaluate(r.Entries[i].partition)
	}
	c.freeRequest(r)
}

func anyLeader(entries []Entry) bool {
	for i := range entries {
		if entries[i].Leader >= 0 {
			return true
		}
	}
	return false
}

// settleEntry decides what an answer means for its batch.
func (c *Core) settleEntry(e *Entry) {
	p, b := e.partition, e.Batch
	b.Lent = false
	if b.Settled { // given up while it was out; only its buffer was still lent
		if e.Code == errcode.None || e.Code == errcode.DuplicateSequenceNumber {
			c.countFound(p, b)
		}
		c.takeBack(b)
		c.settle(p)
		return
	}
	switch {
	case e.Code == errcode.None:
		c.acknowledge(p, b, e.BaseOffset, e.AppendTime)
	case e.Code == errcode.DuplicateSequenceNumber:
		c.acknowledge(p, b, batch.NoOffset, -1) // it is there, the broker does not say where
	case tooLarge(e.Code) && c.split(p, b):
	case c.resequence(p, b, e):
	case e.Code.Retriable() && c.mayRetry(b):
		c.retryLater(p, b, e.Code, nil)
	default:
		c.refuse(p, b, e)
	}
	if e.Code.RefreshMetadata() {
		c.refresh.Stale()
	}
	c.settle(p)
}

// tooLarge reports whether a broker has refused a batch for its size: by
// max.message.bytes or, with RECORD_LIST_TOO_LARGE, by segment.bytes. Java fails the
// latter; its batches are never bigger than batch.size unless one record is.
func tooLarge(code errcode.Code) bool {
	return code == errcode.MessageTooLarge || code == errcode.RecordListTooLarge
}

// takeBack releases the buffer of a batch whose outcome is out already.
func (c *Core) takeBack(b *batch.Batch) {
	if b.State() == batch.Done && !mutation.On(mutation.LeakedBuffer) {
		c.do(Effect{Do: Release, Batch: b})
	}
}

// acknowledge notes a success.
func (c *Core) acknowledge(p *partition, b *batch.Batch, offset, appendTime int64) {
	b.Settled, b.Offset, b.AppendTime = true, offset, appendTime
	p.sequences.Known = true
	c.arrive(p)
	c.countFound(p, b)
	c.counters.Batches++
	c.counters.Records += uint64(b.Count())
	c.counters.BytesRaw += uint64(b.RawSize())
	c.counters.BytesSent += uint64(b.Size())
	c.publish(p)
}

// countFound: the broker took a batch numbered behind the lost one, so the lost
// one is in the log too and no number is missing.
func (c *Core) countFound(p *partition, b *batch.Batch) {
	if p.lost && b.Order >= p.lostOrder {
		p.lost = false
	}
}

// publish lets outcomes out in the order of the batches.
func (c *Core) publish(p *partition) {
	for len(p.batches) > 0 {
		b := p.batches[0]
		if !b.Settled || b.State() == batch.Closed { // not known, or being compressed
			return
		}
		if b.Verdict == nil {
			b.Succeed(b.Offset, b.AppendTime)
		} else {
			b.Fail(b.Verdict)
		}
		c.do(Effect{Do: Complete, Batch: b})
		if !b.Lent {
			c.do(Effect{Do: Release, Batch: b})
		}
		p.batches = dropFirst(p.batches)
		if !b.MorePartsFollow {
			p.resolved++
		}
	}
	c.checkFlushes(p)
}

// mayRetry reports whether b has attempts and time left.
func (c *Core) mayRetry(b *batch.Batch) bool {
	return b.Attempts-1 < c.settings.Retries &&
		c.now.Sub(b.Created) < c.settings.DeliveryTimeout
}

// retryLater puts b back in its place, to be sent again under the same
// sequence.
func (c *Core) retryLater(p *partition, b *batch.Batch, code errcode.Code, cause error) {
	c.putBack(p, b)
	b.LastFailure = batch.Failure{Code: code, Err: cause}
	b.MaybeWritten = b.MaybeWritten || mayBeWritten(code)
	delay := c.settings.Backoff.Delay(max(b.Attempts-1, 0))
	if code == errcode.NotLeaderOrFollower && b.LeaderEpoch == p.epoch {
		delay = min(delay, p.tooEarly(c.now))
	}
	b.RetryAt = c.now.Add(delay)
	if p.leader != metadata.NoLeader && p.epoch > b.LeaderEpoch {
		b.RetryAt = c.now // the leader moved while b was out (KIP-951)
	}
}

// putBack makes a batch that was in flight Ready again.
func (c *Core) putBack(p *partition, b *batch.Batch) {
	b.Move(batch.EventRetry)
	if b.Sequenced() {
		p.retrying++
	}
	c.do(Effect{Do: Unqueued, Batch: b, Count: -1})
}

// mayBeWritten reports whether an error leaves open if the batch is in the log.
func mayBeWritten(code errcode.Code) bool {
	switch code {
	case errcode.RequestTimedOut, errcode.NotEnoughReplicasAfterAppend,
		errcode.NetworkException, errcode.UnknownServerError, errcode.KafkaStorageError:
		return true
	}
	return false
}

// refuse fails b with the broker's answer.
func (c *Core) refuse(p *partition, b *batch.Batch, e *Entry) {
	f := batch.Failure{Code: e.Code, Message: e.Message, BadRecords: e.BadRecords}
	f.MaybeWritten = mayBeWritten(e.Code)
	c.giveUp(p, b, f)
	if c.fatalAnswer(e.Code) {
		c.die(f)
	}
}

// giveUp fails a batch that is not settled yet. If it carries a sequence, the
// numbers behind it can no longer be trusted.
func (c *Core) giveUp(p *partition, b *batch.Batch, f batch.Failure) {
	if b.State() != batch.InFlight && b.Sequenced() {
		p.retrying--
	}
	if b.Sequenced() && c.settings.Idempotent {
		p.lost = true
		p.lostOrder = max(p.lostOrder, b.Order+1) // found by a success behind it
	}
	f.Attempts = b.Attempts
	f.MaybeWritten = f.MaybeWritten || b.MaybeWritten || b.Lent && b.State() == batch.InFlight
	if mutation.On(mutation.TimeoutNotWritten) && errors.Is(f.Err, ErrDeliveryTimeout) {
		f.MaybeWritten = false
	}
	f.Timeline = batch.Timeline{
		Created: b.Created, Ended: c.now, FirstSent: b.FirstSent, Leader: p.leader,
		LastError: b.LastFailure.Code, LastCause: b.LastFailure.Err,
	}
	if b.State() != batch.InFlight {
		c.do(Effect{Do: Unqueued, Batch: b, Count: 1})
	}
	b.Settled, b.Verdict = true, &f
	c.counters.BatchesFailed++
	c.counters.RecordsFailed += uint64(b.Count())
	c.publish(p)
	if c.txn != nil {
		c.batchFailed(p, b, &f)
	}
}

// split replaces a batch that the broker found too large by smaller ones, under
// the same numbers (KIP-126). It reports false for a batch of one record, or
// one that is out of time.
func (c *Core) split(p *partition, b *batch.Batch) bool {
	if b.Count() < 2 || c.now.Sub(b.Created) >= c.settings.DeliveryTimeout {
		return false
	}
	parts, err := b.Split()
	if err != nil {
		c.giveUp(p, b, batch.Failure{Code: errcode.MessageTooLarge, Err: err})
		return true
	}
	c.source.TooLarge(p.id)
	i := indexOf(p.batches, b)
	rest := append(parts, p.batches[i+1:]...)
	p.batches = append(p.batches[:i:i], rest...)
	for _, part := range parts {
		if part.Sequenced() {
			p.retrying++
		}
		c.do(Effect{Do: Compress, Batch: part})
		c.do(Effect{Do: Unqueued, Batch: part, Count: -1})
	}
	c.do(Effect{Do: Release, Batch: b})
	c.counters.Splits++
	return true
}

func indexOf(batches []*batch.Batch, b *batch.Batch) int {
	for i := range batches {
		if batches[i] == b {
			return i
		}
	}
	panic("sender: a batch in flight is not in its partition's list")
}
