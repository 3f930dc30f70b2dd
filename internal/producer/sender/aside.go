package sender

import (
	"errors"
	"math"
	"time"
)

// A broker answers a connection in turn. When a broker dies, produce requests
// with acks=all hang at the others too, until the cluster no longer counts it as
// in sync, and metadata behind them hangs as well, although new leaders are
// elected by then. So while records wait, metadata that stands behind produce
// requests is asked for aside: over a connection that carries none.
const (
	asideID       = math.MinInt32         // no broker's, and of no bootstrap address
	asidePatience = 20 * time.Millisecond // for metadata behind produce requests
	asideIdle     = 30 * time.Second      // or connections.max.idle.ms if less
)

// errSilent is why the connection aside is given up.
var errSilent = errors.New("no answer on the connection for metadata")

// broker is the id of the broker that n is a connection to.
func (n *node) broker() int32 {
	if n.id == asideID {
		return n.asideOf
	}
	return n.id
}

// home is the node of the broker that n is a connection to; nil if it is gone.
func (c *Core) home(n *node) *node {
	switch {
	case n.home != nil:
		return n.home
	case n.id == asideID:
		return c.nodes[n.asideOf]
	}
	return n
}

// dialAside makes the connection aside unless there is one: to the next broker
// that is not doubtful, and rather not to the one that was asked. One that does
// not come up soon is given up if there is another broker to try.
func (c *Core) dialAside(asked *node) {
	a := c.nodes[asideID]
	if a == nil {
		a = &node{id: asideID, asideOf: asideID}
		c.addNode(a)
	}
	to := c.nextAside(a.asideOf, asked)
	switch {
	case to == nil:
	case a.state == dialing && c.now.Sub(a.dialedAt) >= dialPatience && to.id != a.asideOf:
		c.hangUp(a, errSilent)
	case a.state == disconnected && c.now.Before(a.retryAt):
		c.connect(a) // sets the alarm for that
	case a.state == disconnected:
		a.asideOf, a.addr = to.id, to.addr
		c.connect(a)
		c.alarms.set(alarm{at: c.now.Add(dialPatience), kind: wake, n: a})
	}
}

// nextAside is whom to dial after the broker with the id last.
func (c *Core) nextAside(last int32, asked *node) *node {
	var best *node
	bestCost := 0
	for _, n := range c.sorted() {
		if n.id == asideID || n.state != connected || n.retiring {
			continue
		}
		cost := 0
		if c.doubtful(n) {
			cost += 4
		}
		if n == asked {
			cost += 2
		}
		if n.id <= last {
			cost++ // its turn comes after the others'
		}
		if best == nil || cost < bestCost {
			best, bestCost = n, cost
		}
	}
	return best
}

// turnAside gives the connection aside up if its broker is doubtful and another is
// there to be asked. That one is dialled when needed.
func (c *Core) turnAside() {
	a := c.nodes[asideID]
	if a == nil || a.state != connected || !c.doubtful(a) ||
		c.now.Sub(a.dialedAt) < c.suspectAfter() {
		return
	}
	if next := c.nextAside(a.asideOf, nil); next != nil && next.id != a.asideOf {
		c.hangUp(a, errIdle)
	}
}

// moveAside follows the brokers of a new snapshot.
func (c *Core) moveAside() {
	a := c.nodes[asideID]
	if a == nil || a.asideOf < 0 {
		return
	}
	if b, member := c.snapshot.Brokers[a.asideOf]; !member || b.Addr() != a.addr {
		c.hangUp(a, errIdle)
	}
}

// isStuck reports whether records wait for metadata that n was asked for so long
// ago, and n owes more than that, or nothing could hold it up.
func (c *Core) isStuck(n *node, waited time.Duration) bool {
	urgent := c.metaUrgent || c.refresh.Hurry > 0
	return urgent && waited >= asidePatience && (len(n.inFlight) > 0 || n.id == asideID)
}

// watchMetadata makes sure that the request for metadata that n was just given
// is looked at when it has waited for too long.
func (c *Core) watchMetadata(n *node) {
	c.metaUrgent = c.refresh.Hurry > 0
	switch {
	case n.id == asideID:
		c.alarms.set(alarm{at: c.now.Add(c.suspectAfter()), kind: wake, n: n})
	case len(n.inFlight) > 0:
		c.alarms.set(alarm{at: c.now.Add(asidePatience), kind: wake, n: n})
	}
}

// maxIdle is how long a connection to n may be unused; zero for ever.
func (c *Core) maxIdle(n *node) time.Duration {
	beside := n.id == asideID || n.home != nil
	if beside && (c.settings.MaxIdle == 0 || c.settings.MaxIdle > asideIdle) {
		return asideIdle
	}
	return c.settings.MaxIdle
}
