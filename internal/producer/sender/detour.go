package sender

import (
	"slices"
	"time"
)

// With acks=all a new leader acknowledges nothing before its followers fetch from
// it, and a follower that fetches from that broker already takes the partition up
// with its next fetch only. That comes at once if something new is written to the
// partitions that it fetches, and else after replica.fetch.wait.max.ms, half a
// second. But a broker deals with a connection's requests one after the other. So a
// request for the new partition keeps back what is sent to the others, for which the
// follower waits, for whose next fetch the request waits.
//
// Therefore a partition that got a new leader makes a detour: over a second
// connection to it, one batch at a time, until the first is acknowledged. It also
// overtakes what is on its way to the leader's other partitions. If the second
// connection cannot be had soon, the first has to do. If the first is not used, one
// of the partitions takes it: then two are apart, for a broker becomes the leader of
// one after the other, and a follower that was too early for some leaves them out.

// acksAll is the setting with which a leader waits for its followers.
const acksAll = -1

// lull is how long after the last produce request a connection counts as not used.
const lull = time.Second

// takeDetour notes that p has a newer leader.
func (c *Core) takeDetour(p *partition) {
	if c.settings.Acks == acksAll && p.active {
		p.unproven = true
		if !p.detours {
			p.detours = true
			c.unlist(p)
		}
	}
}

// nodeFor is the connection for p's next batch, which mayTake has allowed.
func (c *Core) nodeFor(p *partition) *node {
	home := c.nodes[p.leader]
	if p.detours && !c.unused(home) {
		if d := c.detour(home); d != nil {
			return d
		}
	}
	if p.detours {
		p.detours = false
		home.proves() // forgets who does not any more
		home.proving = append(home.proving, p)
	}
	return home
}

// unused reports whether nothing goes to n.
func (c *Core) unused(n *node) bool {
	return len(n.inFlight) == 0 && len(n.ready) == 0 &&
		(n.state != connected || c.now.Sub(n.sentAt) >= lull)
}

// arrive ends p's detour with an acknowledgement, unless what its leader was sent
// over the first connection hangs. Then p goes on as before, and so keeps followers
// fetching.
func (c *Core) arrive(p *partition) {
	p.unproven = false
	if !p.detours {
		return
	}
	if home := c.nodes[p.leader]; home != nil {
		p.detours = home.proves() ||
			len(home.inFlight) > 0 && home.answeredAt.Before(p.ledSince)
	}
}

// proves reports whether a partition that n has just become the leader of waits for
// its first acknowledgement on n's first connection.
func (n *node) proves() bool {
	n.proving = slices.DeleteFunc(n.proving, func(p *partition) bool {
		return !p.unproven || p.detours || p.leader != n.id
	})
	return len(n.proving) > 0
}

// detour is the second connection to a broker, which may have to be made; nil if
// the first is to be used.
func (c *Core) detour(home *node) *node {
	d := home.detour
	if d == nil {
		d = &node{id: home.id, addr: home.addr, home: home}
		home.detour = d
	}
	usable := false
	switch d.state {
	case disconnected:
		usable = !c.now.Before(d.retryAt)
	case dialing:
		usable = c.now.Sub(d.dialedAt) < dialPatience
	case connected:
		usable = !d.retiring
	}
	if !usable {
		return nil
	}
	return d
}

// prepareDetours makes the second connections that will be used when the
// partitions of a node that cannot be reached get other leaders.
func (c *Core) prepareDetours(lost *node) {
	if c.settings.Acks != acksAll || !c.leads(lost) {
		return
	}
	for _, n := range c.sorted() {
		if n == lost || n.id < 0 || n.state != connected || n.retiring || c.unused(n) {
			continue
		}
		if d := c.detour(n); d != nil {
			c.connect(d)
		}
	}
}

// leads reports whether records wait for n.
func (c *Core) leads(n *node) bool {
	return slices.ContainsFunc(c.partitions, func(p *partition) bool {
		return p != nil && p.active && p.leader == n.id
	})
}

// endDetour finds another way for what is ready for the second connection d.
func (c *Core) endDetour(d *node) {
	waiting := d.ready
	dropReady(d)
	for _, p := range waiting {
		c.evaluate(p)
	}
}

// checkDetour ends a detour whose connection does not come up.
func (c *Core) checkDetour(d *node) {
	if d.home != nil && d.state == dialing && c.now.Sub(d.dialedAt) >= dialPatience {
		c.endDetour(d)
	}
}

// moveDetour follows a broker to another address.
func (c *Core) moveDetour(home *node) {
	if d := home.detour; d != nil && d.addr != home.addr {
		d.addr, d.retryAt, d.failures = home.addr, c.now, 0
		c.hangUp(d, errMoved)
	}
}

// closeDetour is for a broker that is gone.
func (c *Core) closeDetour(home *node) {
	if d := home.detour; d != nil {
		dropReady(d)
		c.hangUp(d, errIdle)
	}
}

// dropReady forgets what is ready for n.
func dropReady(n *node) {
	for _, p := range n.ready {
		if p.listed == n {
			p.listed = nil
		}
	}
	n.ready = nil
}
