package sender

import (
	"fmt"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/producerid"
)

// resequence handles the answers by which a broker says that it does not
// follow our numbers. It reports false if the answer is none of these, or the
// batch is out of attempts or time.
//
// Source: TransactionManager.canRetry.
func (c *Core) resequence(p *partition, b *batch.Batch, e *Entry) bool {
	if !c.settings.Idempotent || !b.Sequenced() || !c.mayRetry(b) {
		return false
	}
	if c.txn != nil && !(e.Code == errcode.OutOfOrderSequenceNumber && p.batches[0] != b) &&
		!(e.Code == errcode.UnknownProducerId && e.LogStart < 0) {
		return false // new numbers need a new epoch, and that an end of the transaction
	}
	switch e.Code {
	case errcode.OutOfOrderSequenceNumber:
		if !p.lost && p.batches[0] != b {
			// One before it is still open: in its turn the number will be right.
			c.retryLater(p, b, e.Code, nil)
			return true
		}
	case errcode.UnknownProducerId:
		if e.LogStart < 0 { // nothing says that records were deleted: try again
			c.retryLater(p, b, e.Code, nil)
			return true
		}
	default:
		return false
	}
	if b.Doubtful { // a second copy may be the price of new numbers
		return false
	}
	// The broker does not have it, and will not take it under this number.
	b.Forget()
	c.putBack(p, b)
	b.LastFailure = batch.Failure{Code: e.Code}
	p.lost = true
	p.lostOrder = max(p.lostOrder, b.Order+1)
	return true
}

// forgetBehind takes the numbers from batches that wait behind one that has
// lost its own: a broker that refused that one for good cannot have those that
// follow. To send them once more would be in vain, or worse: a topic that is made
// anew just then takes any number as its first, and they would come to stand
// before it.
func (c *Core) forgetBehind(p *partition) {
	forgotten := false
	for _, b := range p.batches {
		switch {
		case b.Settled || b.State() == batch.InFlight:
		case !b.Sequenced():
			forgotten = true
		case forgotten:
			p.retrying--
			b.Forget()
			b.RetryAt = c.now
			p.lostOrder = max(p.lostOrder, b.Order+1)
		}
	}
}

func (c *Core) inTime(b *batch.Batch) bool {
	return c.now.Sub(b.Created) < c.settings.DeliveryTimeout
}

// settle ends Draining once nothing numbered is open: the epoch is raised
// (KIP-360) and the partition counts from 0 again. It reports whether the
// partition may number batches.
func (c *Core) settle(p *partition) bool {
	if !p.lost {
		return true
	}
	c.forgetBehind(p)
	if p.numbered() || c.txn != nil { // the transaction's end raises the epoch
		return false
	}
	if c.fatal == nil && c.identity.State() == producerid.Assigned &&
		p.sequences.ID == c.identity.Current() {
		c.identity.Raise()
		c.counters.EpochRaises++
	}
	p.lost, p.lostOrder = false, -1
	p.sequences.Restart(producerid.NoID) // identified takes the new one
	c.reconsider()
	return true
}

// reconsider evaluates all partitions: what held them back may be gone.
func (c *Core) reconsider() {
	for _, p := range c.partitions {
		if p != nil && p.active {
			c.evaluate(p)
		}
	}
}

// askProducerID asks any broker for a producer id, unless that is under way or
// was refused a moment ago.
func (c *Core) askProducerID() {
	if c.identity.State() != producerid.None || c.now.Before(c.identityAt) || c.txn != nil {
		return
	}
	n := c.anyNode()
	if n == nil {
		c.identityWait = true
		return
	}
	c.identityWait = false
	c.identity.Request()
	c.identityConn = n.conn
	c.sendControl(n)
	c.do(Effect{Do: AskProducerID, Conn: n.conn, Node: n.id})
}

func (c *Core) producerIDAnswer(ev *ProducerIDAnswer) {
	if n := c.conns[ev.Conn]; n != nil {
		n.control--
	}
	if c.identity.State() != producerid.Requesting || c.identityConn != ev.Conn {
		return
	}
	if ev.Code == errcode.InvalidProducerEpoch { // the same, from older coordinators
		ev.Code = errcode.ProducerFenced
	}
	switch {
	case ev.Err == nil && ev.Code == errcode.None:
		c.identityN = 0
		c.identity.Grant(ev.ID)
		c.reconsider()
	case ev.Err != nil || ev.Code.Retriable():
		c.identityRefused()
	case ev.Code == errcode.ClusterAuthorizationFailed:
		// Not the producer's end: the right may be granted, and the next record
		// tries again. What waits now fails.
		c.identity.Refuse()
		c.failWaiting(batch.Failure{Code: ev.Code,
			Err: fmt.Errorf("ask for a producer id: %w", ev.Code)})
	default:
		c.identity.Condemn()
		c.die(batch.Failure{Code: ev.Code, Err: fmt.Errorf("ask for a producer id: %w", ev.Code)})
	}
}

// identityRefused asks again after a backoff.
func (c *Core) identityRefused() {
	c.identity.Refuse()
	c.identityAt = c.now.Add(c.settings.Backoff.Delay(c.identityN))
	c.identityN++
	c.alarms.set(alarm{at: c.identityAt, kind: identity})
}

// fatalAnswer reports whether a produce answer ends an idempotent producer.
func (c *Core) fatalAnswer(code errcode.Code) bool {
	if !c.settings.Idempotent {
		return false
	}
	switch code {
	case errcode.ClusterAuthorizationFailed, errcode.TransactionalIdAuthorizationFailed,
		errcode.ProducerFenced, errcode.UnsupportedVersion, errcode.InvalidProducerIdMapping:
		return true
	}
	return false
}

// die ends the producer: everything fails with f, now and later.
func (c *Core) die(f batch.Failure) {
	if c.fatal != nil {
		return
	}
	c.fatal = &f
	c.do(Effect{Do: PublishFatal, Failure: &f})
	c.failWaiting(f)
	c.endTransactions(&f)
}

// abandon fails everything that is unresolved, in flight or not.
func (c *Core) abandon(f *batch.Failure) {
	if c.fatal == nil {
		c.fatal = f
	}
	c.failWaiting(*f)
	c.endTransactions(f)
}

// failWaiting fails all batches with f.
func (c *Core) failWaiting(f batch.Failure) {
	for _, p := range c.partitions {
		if p != nil {
			c.failPartition(p, &f)
		}
	}
}

// failPartition fails p's batches, taken or not. One that is being compressed
// by a caller gives notice when it is ready, and fails then.
func (c *Core) failPartition(p *partition, f *batch.Failure) {
	for _, b := range append([]*batch.Batch(nil), p.batches...) {
		if !b.Settled {
			c.giveUp(p, b, *f)
		}
	}
	c.failQueued(p, f)
}

// failQueued fails the batches that p has not sent yet and its source holds.
func (c *Core) failQueued(p *partition, f *batch.Failure) {
	for {
		b := c.source.Take(p.id, true)
		if b == nil {
			c.source.Look(p.id) // arms the notice
			break
		}
		c.take(p, b)
		b.Uncompressed()
		c.giveUp(p, b, *f)
	}
	if len(p.batches) == 0 && c.source.Look(p.id).Empty() {
		c.deactivate(p)
	}
}
