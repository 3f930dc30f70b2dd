package sender

import (
	"slices"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/internal/mutation"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/producerid"
)

// evaluate puts p on its leader's ready list if it has something that may be
// sent now. It is called whenever something changed that p might wait for.
func (c *Core) evaluate(p *partition) {
	if c.fatal != nil {
		c.failPartition(p, c.fatal)
		return
	}
	if c.txn != nil && c.txn.doom != nil {
		c.failUnsent(p, c.txn.doom)
	}
	if !c.hasWork(p) { // asked also while listed: it sets what p waits for
		c.unlist(p)
		return
	}
	if p.listed != nil {
		p.listed.urgent = p.listed.urgent || p.urgent
		return
	}
	if !c.mayTake(p) {
		return
	}
	n := c.nodeFor(p)
	p.listed = n
	if len(n.ready) == 0 {
		n.readySince, n.urgent = c.now, false
	}
	n.ready = append(n.ready, p)
	n.urgent = n.urgent || p.urgent
	c.connect(n)
}

// unlist takes p off the ready list that it is on.
func (c *Core) unlist(p *partition) {
	n := p.listed
	if n == nil {
		return
	}
	p.listed = nil
	if i := slices.Index(n.ready, p); i >= 0 {
		n.ready = slices.Delete(n.ready, i, i+1)
	}
}

// hasWork reports whether p holds a batch that is due, and notes whether that is
// urgent: full, sent before, or flushed.
func (c *Core) hasWork(p *partition) bool {
	p.urgent = p.flushTo > p.resolved
	if len(p.batches) > 0 {
		c.activate(p, p.oldest())
		if b := c.nextReady(p); b != nil {
			if b.RetryAt.After(c.now) {
				c.retryAlarm(p, b.RetryAt)
				return false
			}
			p.urgent = p.urgent || b.Full || b.Attempts > 0 || b.Sequenced() ||
				c.source.Look(p.id).Ready // a full one behind it
			return true
		}
		if p.sealing() {
			return false
		}
	}
	w := c.source.Look(p.id)
	if w.Empty() {
		if len(p.batches) == 0 {
			c.deactivate(p)
		}
		return false
	}
	if w.Sealing && c.now.Sub(w.Oldest) >= c.settings.DeliveryTimeout {
		c.activate(p, time.Time{}) // it can be failed when it gives notice
		return false
	}
	c.activate(p, w.Oldest)
	if w.Ready {
		p.urgent = true
		return true
	}
	if w.Open && !w.Sealing {
		if c.due(p, &w) {
			p.urgent = p.urgent || w.Full
			return true
		}
		c.linger(p, w.OpenSince)
	}
	return false
}

// due reports whether an open batch need not wait for more records.
func (c *Core) due(p *partition, w *batch.Work) bool {
	return c.settings.Linger <= 0 || w.Full || p.flushTo > p.taken ||
		c.now.Sub(w.OpenSince) >= c.settings.Linger || c.source.Starving()
}

// mayTake reports whether p's next batch may be sent as far as order, identity
// and leader go. Whether its leader has room is dispatch's question.
func (c *Core) mayTake(p *partition) bool {
	if c.fatal != nil {
		c.failPartition(p, c.fatal)
		return false
	}
	if c.txn != nil && !c.admits(p) {
		return false
	}
	if p.leader == metadata.NoLeader {
		c.refreshFor(p)
		return false
	}
	if p.inFlight > 0 && p.flying != p.leader {
		return false // an old leader still has batches whose fate is open
	}
	if p.detours && p.inFlight > 0 {
		return false
	}
	if !c.settings.Idempotent {
		return c.settings.MaxInFlight > 1 || p.inFlight == 0
	}
	if p.retrying > 0 {
		return p.inFlight == 0 // one by one, in order
	}
	if p.lost && !c.settle(p) {
		return false
	}
	if !c.identified(p) {
		return false
	}
	if !p.sequences.Known {
		return p.inFlight == 0
	}
	return p.sequenced() < maxSequenced
}

// identified reports whether p can number a batch, and asks for a producer id
// if there is none.
func (c *Core) identified(p *partition) bool {
	if c.identity.State() != producerid.Assigned {
		c.askProducerID()
		return false
	}
	if current := c.identity.Current(); p.sequences.ID != current {
		if p.numbered() {
			return false // finish under the old epoch first
		}
		p.sequences.Restart(current)
	}
	return true
}

// dispatch sends what is ready for n as long as its window has room, and reports
// whether it had.
func (c *Core) dispatch(n *node) (had bool) {
	for len(n.ready) > 0 && c.hasRoom(n) && !c.paces(n) && !c.crowds(n) {
		had = true
		urgent := n.urgent
		r := c.gather(n)
		if r == nil {
			break
		}
		r.found, r.little = len(n.inFlight), !urgent
		n.window.sent(r.found, c.settings.MaxInFlight)
		n.inFlight = append(n.inFlight, r)
		c.flying++
		n.lastUsed = c.now
		r.sentAt, r.node, n.sentAt = c.now, n, c.now
		c.setRequestAlarm(n)
		c.watchAnswers(n)
		c.counters.Requests++
		c.do(Effect{Do: Produce, Conn: n.conn, Node: n.id, Request: r})
	}
	c.noteAvailability(n)
	return had
}

// gather makes a request from the partitions that are ready for n, in turn, one
// batch of each, up to max.request.size. It is nil if nothing can be sent after
// all.
func (c *Core) gather(n *node) *Request {
	r := c.newRequest()
	r.V1 = c.txn != nil && !c.txn.v2
	size, mixed := 0, false
	for turns := len(n.ready); turns > 0; turns-- {
		p := n.ready[0]
		if p.listed != n { // it moved away
			n.ready = dropFirst(n.ready)
			continue
		}
		b := c.nextBatch(p, n)
		if b == nil {
			n.ready = dropFirst(n.ready)
			p.listed = nil
			continue
		}
		if size > 0 && size+b.Size() > c.settings.MaxRequestSize {
			break // p keeps its turn, and b its place
		}
		n.ready = dropFirst(n.ready)
		p.listed = nil
		size += b.Size()
		mixed = mixed || len(r.Entries) > 0 && r.Entries[0].Topic != p.topic
		c.send(r, p, b, n)
		c.evaluate(p)
	}
	n.urgent = len(n.ready) > fewReady || slices.ContainsFunc(n.ready,
		func(p *partition) bool { return p.urgent })
	if len(r.Entries) == 0 {
		c.freeRequest(r)
		return nil
	}
	if mixed {
		slices.SortStableFunc(r.Entries, func(a, b Entry) int {
			return strings.Compare(a.Topic, b.Topic)
		})
	}
	return r
}

// nextBatch is the batch of p to send to n now, taken from the source if none
// waits; nil if there is none after all, or it has to be compressed first.
func (c *Core) nextBatch(p *partition, n *node) *batch.Batch {
	for {
		if p.leader != n.id || !c.mayTake(p) {
			return nil
		}
		b := c.nextReady(p)
		if b == nil {
			if p.sealing() {
				return nil
			}
			w := c.source.Look(p.id)
			if b = c.source.Take(p.id, w.Open && c.due(p, &w)); b == nil {
				c.hasWork(p) // sets what p waits for
				return nil
			}
			b.Full = w.Full || w.Ready
			c.take(p, b)
		}
		if b.RetryAt.After(c.now) {
			c.hasWork(p)
			return nil
		}
		if c.now.Sub(b.Created) >= c.settings.DeliveryTimeout {
			c.expire(p, b)
			continue
		}
		if b.State() == batch.Closed {
			c.do(Effect{Do: Compress, Batch: b})
			return nil
		}
		return b
	}
}

// nextReady is p's, unless a bug is put in.
func (c *Core) nextReady(p *partition) *batch.Batch {
	b := p.nextReady()
	if mutation.On(mutation.OvertakingRetry) && b != nil && b.RetryAt.After(c.now) {
		c.retryAlarm(p, b.RetryAt)
		return nil
	}
	return b
}

// take makes a batch from the source one of p's.
func (c *Core) take(p *partition, b *batch.Batch) {
	p.taken++
	b.Order = p.nextOrder
	p.nextOrder++
	p.batches = append(p.batches, b)
	c.activate(p, b.Created)
	c.refresh.Want(p.topic, c.now)
}

// send adds b to r. A sequence is given at the first send and stays.
func (c *Core) send(r *Request, p *partition, b *batch.Batch, n *node) {
	switch {
	case b.Sequenced():
		p.retrying--
		if mutation.On(mutation.RenumberedRetry) {
			b.Identify(b.ProducerID, b.ProducerEpoch, p.sequences.Take(b.Count()), c.txn != nil)
		}
	case c.settings.Idempotent:
		id := p.sequences.ID
		b.Identify(id.ID, id.Epoch, p.sequences.Take(b.Count()), c.txn != nil)
		if c.txn != nil {
			c.txn.started = true
		}
	}
	b.Move(batch.EventSend)
	b.Lent = true
	if b.Attempts > 0 {
		c.counters.Retries++
	} else {
		b.FirstSent = c.now
	}
	b.Attempts++
	b.LeaderEpoch = p.epoch
	p.inFlight++
	p.flying = n.id
	var id metadata.TopicID
	if t := c.snapshot.Topics[p.topic]; t != nil {
		id = t.ID
	}
	r.Entries = append(r.Entries, Entry{
		Batch: b, Topic: p.topic, TopicID: id, Index: p.index, partition: p,
		epoch:  p.epoch,
		Leader: metadata.NoLeader, AppendTime: -1, BaseOffset: batch.NoOffset, LogStart: -1,
	})
	c.do(Effect{Do: Unqueued, Batch: b, Count: 1})
}

func (c *Core) newRequest() *Request {
	if n := len(c.requests); n > 0 {
		r := c.requests[n-1]
		c.requests = c.requests[:n-1]
		return r
	}
	return &Request{Acks: c.settings.Acks, Timeout: c.settings.RequestTimeout}
}

func (c *Core) freeRequest(r *Request) {
	clear(r.Entries)
	*r = Request{Entries: r.Entries[:0], Acks: r.Acks, Timeout: r.Timeout}
	c.requests = append(c.requests, r)
}
