package sender

import (
	"errors"
	"time"

	"github.com/posthaste-go/posthaste/internal/producer/metadata"
)

// A broker that is frozen, or cut off behind a firewall, neither answers nor
// closes its connections. The cluster elects new leaders all the same, and a
// client that waits for request.timeout.ms holds its records back for nothing.
// So a node that has owed an answer for suspectAfter is suspect: another broker
// is asked for metadata, again and again, and as soon as that shows a newer
// leader for a partition whose batches are out, the old connection is given up.
// What was out is sent to the new leader under the same sequences.
const (
	suspectAfter = 500 * time.Millisecond // or a quarter of request.timeout.ms if less
	hurrySuspect = 300 * time.Millisecond // between requests while a node is suspect
	hurryWaiting = 20 * time.Millisecond  // ... while records wait for a leader
	hurryTries   = 200                    // so many times, and then less and less often
	hurryCost    = time.Millisecond / 2   // ... and so much more for each partition
	hurryFree    = 100                    // ... above this many
	dialPatience = 250 * time.Millisecond // then another node is dialled beside the first
)

// errSuperseded is why the connection to a silent former leader is given up.
var errSuperseded = errors.New("no answer, and the cluster has a newer leader")

func (c *Core) suspectAfter() time.Duration {
	return min(suspectAfter, c.settings.RequestTimeout/4)
}

// watchAnswers makes sure that n is looked at when its oldest answer is late.
// One that was hung up on owes none any more.
func (c *Core) watchAnswers(n *node) {
	if !n.suspecting && n.state == connected && len(n.inFlight) > 0 {
		n.suspecting = true
		c.alarms.set(alarm{at: n.inFlight[0].sentAt.Add(c.suspectAfter()), kind: suspect, n: n})
	}
}

// suspects reports whether n has owed an answer for too long.
func (c *Core) suspects(n *node) bool {
	return len(n.inFlight) > 0 && n.state == connected &&
		c.now.Sub(n.inFlight[0].sentAt) >= c.suspectAfter()
}

// suspectsBroker reports whether either connection to n's broker is suspect.
func (c *Core) suspectsBroker(n *node) bool {
	return c.suspects(n) || n.detour != nil && c.suspects(n.detour)
}

// doubtful reports whether metadata is rather asked of another than of n: its
// broker is suspect, has had nothing new to say for a while although records wait,
// as one that is cut off from the others, or left the cluster.
func (c *Core) doubtful(n *node) bool {
	home := c.home(n)
	return home == nil || home.state != connected || c.suspectsBroker(home) ||
		c.now.Before(home.dullUntil)
}

// noteNews remembers which broker answers without news while records wait.
func (c *Core) noteNews(n *node, news bool) {
	if news {
		for _, n := range c.nodes {
			n.dullSince, n.dullUntil = time.Time{}, time.Time{}
		}
		return
	}
	home := c.home(n)
	switch {
	case home == nil:
	case !c.metaUrgent:
		home.dullSince = time.Time{}
	case home.dullSince.IsZero():
		home.dullSince = c.now
	case c.now.Sub(home.dullSince) >= c.suspectAfter():
		home.dullSince, home.dullUntil = time.Time{}, c.now.Add(2*c.suspectAfter())
	}
	c.turnAside()
}

// checkAnswers asks for metadata if n is suspect, and looks again later.
func (c *Core) checkAnswers(n *node) {
	n.suspecting = false
	if !c.suspects(n) {
		c.watchAnswers(n)
		return
	}
	n.suspecting = true
	c.alarms.set(alarm{at: c.now.Add(hurrySuspect), kind: suspect, n: n})
	c.refresh.Stale()
	c.giveUpSuperseded(n)
}

// giveUpSuperseded hangs up on a suspect node if a partition whose batches it
// has is led by another now.
func (c *Core) giveUpSuperseded(n *node) {
	if !c.suspects(n) {
		return
	}
	for _, r := range n.inFlight {
		for i := range r.Entries {
			e := &r.Entries[i]
			if e.partition.supersedes(n, e.epoch) {
				c.hangUp(n, errSuperseded)
				return
			}
		}
	}
}

// supersedes reports whether p is led by another than n since a batch was sent to
// n under epoch.
func (p *partition) supersedes(n *node, epoch int32) bool {
	return p.leader != metadata.NoLeader && p.leader != n.id && p.epoch > epoch
}

// askAnother gives up waiting for metadata that a node was asked for which owes
// more than that: a broker answers in turn, so what stands behind a produce
// request waits as long as that does. Another node is asked, at once if it
// answers others; if none does, each in turn, with a patience that doubles. What
// the first says in the end still counts, unless another was quicker.
func (c *Core) askAnother() {
	if !c.refresh.Pending() {
		return
	}
	n := c.conns[c.metaConn]
	if n == nil {
		return
	}
	waited := c.now.Sub(c.refresh.LastTry())
	other := c.leastLoaded(n)
	free := other != nil && other.load() == 0 && (c.doubtful(n) || !c.doubtful(other))
	if n.id == asideID && !free {
		known := other != nil && c.doubtful(n) && !c.doubtful(other)
		if known || waited >= c.suspectAfter()<<min(n.failures, 1) { // nothing stood before it
			c.hangUp(n, errSilent)
		}
		return
	}
	stuck := c.isStuck(n, waited)
	if stuck && !free {
		c.turnAside()
		c.dialAside(n)
	}
	patience := c.suspectAfter() << min(len(c.metaLate), 4)
	switch {
	case stuck && free:
		patience = 0
	case !c.suspects(n):
		patience *= 4 // it owes nothing but this: it may be slow
	case other != nil && !c.suspects(other):
		patience = 0
	}
	if waited < patience {
		return
	}
	if other == nil {
		c.dialSome() // and ask it when it is there
		return
	}
	c.metaLate = append(c.metaLate, c.metaConn)
	c.refresh.Failed()
}

// urgency is how soon metadata may be asked for again; zero for the usual
// backoff. An answer costs a broker what it has to say, so who has many
// partitions asks less often, and so does who has asked many times in vain.
func (c *Core) urgency() time.Duration {
	for _, n := range c.nodes {
		first := n.state == dialing && n.failures == 0 && c.now.Sub(n.dialedAt) < dialPatience
		if len(n.ready) > 0 && n.state != connected && !first {
			return c.hurry(hurryWaiting)
		}
	}
	for _, p := range c.partitions {
		if p != nil && p.active && p.leader == metadata.NoLeader && p.epoch >= 0 {
			return c.hurry(hurryWaiting)
		}
	}
	for _, n := range c.nodes {
		if c.suspectsBroker(n) {
			return c.hurry(hurrySuspect)
		}
	}
	return 0
}

func (c *Core) hurry(d time.Duration) time.Duration {
	d += time.Duration(max(len(c.partitions)-hurryFree, 0)) * hurryCost
	return d * time.Duration(max(c.refresh.Attempts(), hurryTries)) / hurryTries
}
