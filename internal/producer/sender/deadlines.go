package sender

import (
	"errors"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
)

// ErrDeliveryTimeout is the cause of a batch that was not acknowledged within
// delivery.timeout.ms.
var ErrDeliveryTimeout = errors.New("delivery.timeout.ms passed")

// ring handles every alarm that is due.
func (c *Core) ring() {
	for {
		a, ok := c.alarms.due(c.now)
		if !ok {
			return
		}
		switch a.kind {
		case retry:
			c.evaluate(a.p)
		case expiry:
			c.expireOld(a.p)
		case request:
			c.checkRequests(a.n)
		case reconnect:
			a.n.waking = false
			if len(a.n.ready) > 0 && c.nodes[a.n.id] == a.n {
				c.connect(a.n)
			}
		case wake: // dispatch looks at every node that has something ready
			c.checkDetour(a.n)
		case available:
			a.n.watched = false
			c.noteAvailability(a.n)
		case idle:
			c.checkIdle(a.n)
		case session:
			if a.n.sessionConn == a.n.conn {
				a.n.retiring = true
				c.retire(a.n)
			}
		case suspect:
			c.checkAnswers(a.n)
		case refresh:
			c.metaWait = false
		case identity:
			c.askProducerID()
		case transactional: // advance looks at what is due
		}
	}
}

func (c *Core) retryAlarm(p *partition, at time.Time) {
	if !p.retryAt.Equal(at) {
		p.retryAt = at
		c.alarms.set(alarm{at: at, kind: retry, p: p})
	}
}

// linger queues p until its open batch has waited linger.ms.
func (c *Core) linger(p *partition, since time.Time) {
	if p.lingers {
		return
	}
	p.lingers = true
	c.lingering.add(lingerer{p, since.Add(c.settings.Linger)})
}

// ringLinger evaluates the partitions that have lingered.
func (c *Core) ringLinger() {
	q := c.lingering.queue
	n := 0
	for n < len(q) && !q[n].at.After(c.now) {
		p := q[n].p
		q[n] = lingerer{}
		n++
		p.lingers = false
		c.evaluate(p)
	}
	c.lingering.queue = c.lingering.queue[n:]
	if len(c.lingering.queue) == 0 {
		c.lingering.queue = nil
	}
}

// starve looks at all that lingers: somebody waits for its memory.
func (c *Core) starve() {
	for _, l := range c.lingering.queue {
		c.evaluate(l.p)
	}
}

// expire fails a batch whose time is over. If it is out its answer is still
// awaited, for the sake of its buffer and of the numbers behind it.
func (c *Core) expire(p *partition, b *batch.Batch) {
	c.giveUp(p, b, batch.Failure{Code: errcode.RequestTimedOut, Err: ErrDeliveryTimeout})
}

// expireOld fails p's batches that are out of time and sets the next alarm.
func (c *Core) expireOld(p *partition) {
	p.hasAlarm = false
	for _, b := range append([]*batch.Batch(nil), p.batches...) {
		if b.Settled {
			continue
		}
		if c.inTime(b) {
			break
		}
		c.expire(p, b)
	}
	oldest := p.oldest()
	for oldest.IsZero() {
		w := c.source.Look(p.id)
		if w.Empty() || w.Sealing && c.now.Sub(w.Oldest) >= c.settings.DeliveryTimeout {
			break // none, or expired when it gives notice
		}
		if c.now.Sub(w.Oldest) < c.settings.DeliveryTimeout {
			oldest = w.Oldest
			break
		}
		b := c.source.Take(p.id, true)
		if b == nil {
			continue // its caller has just closed it, and compresses it
		}
		c.take(p, b)
		b.Uncompressed()
		c.expire(p, b)
	}
	if !oldest.IsZero() {
		c.activate(p, oldest)
	} else if len(p.batches) == 0 {
		c.deactivate(p)
	}
	c.settle(p)
	c.evaluate(p)
}

// setRequestAlarm makes sure that n's oldest request is looked at when its time
// is over.
func (c *Core) setRequestAlarm(n *node) {
	if !n.hasAlarm {
		n.hasAlarm = true
		c.alarms.set(alarm{at: c.now.Add(c.settings.RequestTimeout), kind: request, n: n})
	}
}

// checkRequests hangs up on a node that did not answer in time.
func (c *Core) checkRequests(n *node) {
	n.hasAlarm = false
	var oldest time.Time
	if len(n.inFlight) > 0 {
		oldest = n.inFlight[0].sentAt
	}
	if n.control > 0 && (oldest.IsZero() || n.controlAt.Before(oldest)) {
		oldest = n.controlAt
	}
	if oldest.IsZero() {
		return
	}
	deadline := oldest.Add(c.settings.RequestTimeout)
	if !c.now.Before(deadline) {
		c.hangUp(n, ErrRequestTimeout)
		return
	}
	n.hasAlarm = true
	c.alarms.set(alarm{at: deadline, kind: request, n: n})
}

// idleAlarm watches for connections.max.idle.ms.
func (c *Core) idleAlarm(n *node) {
	if limit := c.maxIdle(n); limit > 0 && !n.idling {
		n.idling = true
		c.alarms.set(alarm{at: n.lastUsed.Add(limit), kind: idle, n: n})
	}
}

// retire ends a connection whose session is about to end, once nothing is under
// way on it; the next request makes a new one, with new credentials. Until then
// it gets nothing new. Source: KIP-368, which authenticates again in place.
func (c *Core) retire(n *node) {
	if n.retiring && n.state == connected && n.load() == 0 {
		c.hangUp(n, errIdle)
	}
}

// checkIdle closes a connection that nobody uses.
func (c *Core) checkIdle(n *node) {
	n.idling = false
	if n.state != connected {
		return
	}
	if n.load() > 0 {
		n.lastUsed = c.now
	}
	if c.now.Sub(n.lastUsed) >= c.maxIdle(n) {
		c.hangUp(n, errIdle)
		return
	}
	c.idleAlarm(n)
}
