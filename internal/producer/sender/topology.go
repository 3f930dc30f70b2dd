package sender

import (
	"maps"
	"slices"
	"time"

	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/producerid"
)

// wantTopic makes metadata be asked for a topic.
func (c *Core) wantTopic(ev WantTopic) {
	if ev.Missing || c.refresh.Wanted(ev.Topic) && !c.has(ev.Topic) {
		c.refresh.Again(ev.Topic, c.now)
		return
	}
	c.refresh.Want(ev.Topic, c.now)
}

func (c *Core) has(topic string) bool {
	t := c.snapshot.Topics[topic]
	return t != nil && len(t.Partitions) > 0
}

// refreshFor asks for metadata because p has no leader.
func (c *Core) refreshFor(p *partition) { c.refresh.Again(p.topic, c.now) }

// askMetadata asks when it is due, or sets the alarm for that.
func (c *Core) askMetadata() {
	c.askAnother()
	if c.refresh.Hurry = 0; c.refresh.IsStale() {
		c.refresh.Hurry = c.urgency()
	}
	due := c.refresh.Due(c.now)
	if due.IsZero() {
		return
	}
	if due.After(c.now) {
		if !c.metaWait || due.Before(c.metaAt) {
			c.metaWait, c.metaAt = true, due
			c.alarms.set(alarm{at: due, kind: refresh})
		}
		return
	}
	n := c.anyNode()
	if n == nil {
		c.retryDial()
		return
	}
	topics := c.refresh.Ask(c.now)
	c.metaConn = n.conn
	c.sendControl(n)
	n.lastUsed = c.now
	c.watchMetadata(n)
	c.counters.MetadataRefresh++
	c.do(Effect{Do: AskMetadata, Conn: n.conn, Node: n.id, Topics: topics})
}

// retryDial wakes up when some node may be dialled again.
func (c *Core) retryDial() {
	var at time.Time
	for _, n := range c.nodes {
		if n.state == disconnected && n.id != asideID && (at.IsZero() || n.retryAt.Before(at)) {
			at = n.retryAt
		}
	}
	if at.After(c.now) && (!c.metaWait || at.Before(c.metaAt) || !c.metaAt.After(c.now)) {
		c.metaWait, c.metaAt = true, at
		c.alarms.set(alarm{at: at, kind: refresh})
	}
}

func (c *Core) metadataAnswer(ev *MetadataAnswer) {
	if n := c.conns[ev.Conn]; n != nil {
		n.control--
	}
	awaited := c.refresh.Pending() && c.metaConn == ev.Conn
	if !awaited && !slices.Contains(c.metaLate, ev.Conn) {
		return
	}
	if ev.Err != nil || len(ev.Answer.Brokers) == 0 {
		if awaited {
			c.refresh.Failed() // no brokers: a broker that is starting
		}
		if ev.Answer != nil && ev.Answer.Rebootstrap {
			c.rebootstrap()
		}
		return
	}
	next := c.snapshot.Merge(ev.Answer, c.refresh.Wanted)
	news := changed(c.snapshot, next)
	c.adopt(next)
	c.metaLate = c.metaLate[:0]
	if awaited {
		c.refresh.Answered(c.now, news)
	}
	if n := c.conns[ev.Conn]; n != nil {
		if n.id == asideID {
			n.failures = 0
		}
		c.noteNews(n, news)
		c.retire(n)
	}
	c.do(Effect{Do: PublishMetadata, Snapshot: next})
	for _, t := range ev.Answer.Topics {
		if t.Err.Retriable() && c.waitsFor(t.Name) {
			c.refresh.Again(t.Name, c.now)
		}
	}
	c.reconsider()
	for _, n := range c.sorted() {
		if len(n.ready) > 0 && n.state != connected {
			c.refresh.Stale() // its partitions may get another leader
		}
		c.giveUpSuperseded(n)
		if n.detour != nil {
			c.giveUpSuperseded(n.detour)
		}
	}
}

// waitsFor reports whether records of a topic wait for a leader.
func (c *Core) waitsFor(topic string) bool {
	for _, p := range c.partitions {
		if p != nil && p.active && p.topic == topic {
			return true
		}
	}
	return false
}

// changed reports whether b tells anything that a does not.
func changed(a, b *metadata.Snapshot) bool {
	if len(a.Brokers) != len(b.Brokers) || len(a.Topics) != len(b.Topics) {
		return true
	}
	for id, broker := range b.Brokers {
		if a.Brokers[id] != broker {
			return true
		}
	}
	for name, t := range b.Topics {
		old := a.Topics[name]
		if old == nil || old.ID != t.ID || old.Err != t.Err ||
			len(old.Partitions) != len(t.Partitions) {
			return true
		}
		for i := range t.Partitions {
			if old.Partitions[i] != t.Partitions[i] {
				return true
			}
		}
	}
	return false
}

// adopt makes a snapshot the one in force: nodes, leaders, topic identities.
func (c *Core) adopt(next *metadata.Snapshot) {
	old := c.snapshot
	c.snapshot = next
	c.adoptNodes()
	for _, p := range c.partitions {
		if p == nil {
			continue
		}
		leader, epoch := next.Leader(p.topic, p.index)
		was, is := old.Topics[p.topic], next.Topics[p.topic]
		if was != nil && is != nil && was.ID != is.ID && !was.ID.None() && !is.ID.None() {
			c.recreated(p)
		}
		c.lead(p, leader, epoch)
	}
}

// lead moves p to a leader. A batch that waits out its backoff goes to a newer
// leader at once (KIP-951).
func (c *Core) lead(p *partition, leader, epoch int32) {
	newer, first := epoch > p.epoch && leader != metadata.NoLeader, p.epoch < 0
	if leader != p.leader {
		c.unlist(p)
	}
	p.leader, p.epoch = leader, epoch
	if !newer {
		return
	}
	p.ledSince, p.early = c.now, 0
	if !first {
		c.takeDetour(p)
	}
	for _, b := range p.batches {
		if !b.Settled && b.LeaderEpoch < epoch && b.RetryAt.After(c.now) {
			b.RetryAt = c.now
		}
	}
}

// recreated: the topic was deleted and created anew, so that no broker knows
// our numbers.
func (c *Core) recreated(p *partition) {
	if !c.settings.Idempotent || p.sequences.ID == producerid.NoID || c.txn != nil {
		return // in a transaction the broker's answer says what follows
	}
	p.lost = true
	p.lostOrder = max(p.lostOrder, p.nextOrder)
}

// adoptNodes makes nodes of the snapshot's brokers and drops those that left. A
// connection to a bootstrap address is kept under the broker's own id.
func (c *Core) adoptNodes() {
	for _, id := range slices.Sorted(maps.Keys(c.snapshot.Brokers)) {
		b := c.snapshot.Brokers[id]
		n := c.nodes[id]
		if n == nil {
			if n = c.bootstrapNode(b.Addr()); n != nil {
				c.removeNode(n)
				if a := c.nodes[asideID]; a != nil && a.asideOf == n.id {
					a.asideOf = id
				}
				n.id = id
			} else {
				n = &node{id: id, addr: b.Addr()}
			}
			c.addNode(n)
			continue
		}
		if n.addr != b.Addr() {
			n.addr, n.retryAt, n.failures = b.Addr(), c.now, 0
			c.hangUp(n, errMoved)
			c.moveDetour(n)
		}
	}
	c.moveAside()
	for _, n := range c.sorted() {
		if _, member := c.snapshot.Brokers[n.id]; member || n.id == asideID {
			continue
		}
		if n.state == disconnected {
			c.forgetNode(n)
		} else if n.load() == 0 || n.state == dialing {
			c.hangUp(n, errIdle)
		}
	}
}

func (c *Core) bootstrapNode(addr string) *node {
	for _, n := range c.sorted() {
		if n.id < 0 && n.id != asideID && n.addr == addr && n.state == connected {
			return n
		}
	}
	return nil
}

// leaderHints takes up new leaders that produce answers name (KIP-951).
func (c *Core) leaderHints(r *Request) {
	next := c.snapshot
	for i := range r.Entries {
		e := &r.Entries[i]
		if e.Leader >= 0 {
			next = next.WithLeader(e.Topic, e.Index, e.Leader, e.LeaderEpoch, r.Nodes)
		}
	}
	if next == c.snapshot {
		return
	}
	c.adopt(next)
	c.do(Effect{Do: PublishMetadata, Snapshot: next})
	c.reconsider()
}

// noteFailure starts again from the bootstrap list when no known broker could
// be reached for too long (KIP-899, KIP-1102).
func (c *Core) noteFailure() {
	if c.anyConnected() {
		c.metaFail = time.Time{}
		return
	}
	if c.metaFail.IsZero() {
		c.metaFail = c.now
	}
	if c.settings.Rebootstrap > 0 && c.now.Sub(c.metaFail) >= c.settings.Rebootstrap {
		c.rebootstrap()
	}
}

// rebootstrap forgets all brokers and starts again from the bootstrap list.
func (c *Core) rebootstrap() {
	c.metaFail = time.Time{}
	next := c.snapshot.WithoutBrokers()
	for _, n := range c.sorted() {
		c.hangUp(n, errIdle)
		c.closeDetour(n)
	}
	c.bootstrap()
	for _, p := range c.partitions {
		if p != nil {
			c.unlist(p)
			p.leader = metadata.NoLeader
		}
	}
	c.snapshot = next
	c.refresh.Stale()
	for _, n := range c.sorted() {
		if n.id >= 0 && n.state == disconnected {
			c.removeNode(n)
		}
	}
}
