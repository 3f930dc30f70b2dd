package sender

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/producerid"
)

// connState is where a node's connection stands.
type connState uint8

const (
	disconnected connState = iota // not wanted, or waiting for its backoff
	dialing                       // being made and authenticated
	connected
	closing // hung up on; ConnDown is to come
)

// ErrRequestTimeout is the cause of a connection that was closed because an
// answer did not come within request.timeout.ms.
var ErrRequestTimeout = errors.New("no answer within request.timeout.ms")

// node is one broker, one address of the bootstrap list (negative id), or the
// connection aside (asideID).
type node struct {
	id         int32
	asideOf    int32 // of the connection aside: the broker at its other end
	home       *node // of a detour: the node whose second connection it is
	detour     *node // the second connection; nil if there never was one
	addr       string
	state      connState
	conn       ConnID
	inFlight   []*Request   // oldest first
	proving    []*partition // unproven, on this connection; or were
	control    int          // metadata and other requests out
	controlAt  time.Time    // since when there have been some
	ready      []*partition
	readySince time.Time // since when something waits for it
	sentAt     time.Time // when it was last given a produce request
	answeredAt time.Time // when it last answered one
	pacedTo    time.Time // for what time its pause has an alarm
	window     window
	urgent     bool // some of ready is not to wait for an answer
	dialedAt   time.Time
	patient    ConnID // dial for which an alarm is set

	sessionConn ConnID    // connection whose session has an alarm
	retiring    bool      // gets nothing new: its session is about to end
	failures    int       // connections in a row that failed or broke
	retryAt     time.Time // backoff: no connection before
	throttled   time.Time // quota: no request before
	lastUsed    time.Time
	hasAlarm    bool      // a request alarm is set
	waking      bool      // a reconnect alarm is set
	watched     bool      // an availability alarm is set
	idling      bool      // an alarm for connections.max.idle.ms is set
	suspecting  bool      // an alarm for late answers is set
	blocked     bool      // partitioner.availability.timeout.ms has passed
	dullSince   time.Time // since when it has had no news although records wait
	dullUntil   time.Time // others are rather asked for metadata
	cause       error
}

func (c *Core) removeInFlight(n *node, r *Request) {
	for i, have := range n.inFlight {
		if have == r {
			n.inFlight = append(n.inFlight[:i], n.inFlight[i+1:]...)
			c.flying--
			return
		}
	}
}

// hasRoom reports whether n can take a produce request now.
func (c *Core) hasRoom(n *node) bool {
	return n.state == connected && !n.retiring && len(n.inFlight) < c.settings.MaxInFlight &&
		!c.now.Before(c.home(n).throttled)
}

// connect makes a connection unless there is one, or its backoff lasts.
func (c *Core) connect(n *node) {
	if n.state != disconnected {
		return
	}
	if c.now.Before(n.retryAt) {
		if n.waking {
			return
		}
		n.waking = true
		c.alarms.set(alarm{at: n.retryAt, kind: reconnect, n: n})
		return
	}
	c.nextConn++
	n.state, n.conn = dialing, c.nextConn
	c.conns[n.conn] = n
	n.dialedAt = c.now
	e := Effect{Do: Dial, Conn: n.conn, Node: n.broker(), Addr: n.addr}
	e.Timeout = c.settings.Setup.Delay(n.failures)
	if c.settings.ClusterCheck && e.Node >= 0 {
		e.Cluster = c.snapshot.ClusterID
	}
	c.do(e)
	if n.home != nil {
		c.alarms.set(alarm{at: c.now.Add(dialPatience), kind: wake, n: n})
	}
}

// hangUp gives a connection up. What is in flight is dealt with at ConnDown,
// when nobody touches its bytes any more.
func (c *Core) hangUp(n *node, cause error) {
	if n.state != connected && n.state != dialing {
		return
	}
	n.state, n.cause = closing, cause
	c.do(Effect{Do: HangUp, Conn: n.conn, Node: n.id})
}

func (c *Core) connUp(ev *ConnUp) {
	n := c.conns[ev.Conn]
	if n == nil || n.state != dialing {
		return
	}
	n.state, n.lastUsed, n.retiring = connected, c.now, false
	if ev.Session > 0 {
		n.sessionConn = n.conn
		c.alarms.set(alarm{at: c.now.Add(ev.Session * 85 / 100), kind: session, n: n})
	}
	c.features(ev)
	c.metaFail = time.Time{}
	if c.settings.Idempotent && !ev.Idempotent {
		c.die(batch.Failure{Code: errcode.UnsupportedVersion, Err: errors.New("broker " + n.addr +
			" is older than Kafka 0.11 and knows no idempotence: set enable.idempotence=false")})
	}
	c.idleAlarm(n)
}

func (c *Core) connDown(ev *ConnDown) {
	n := c.conns[ev.Conn]
	if n == nil {
		return
	}
	delete(c.conns, ev.Conn)
	err := ev.Err
	if n.cause != nil {
		err = n.cause
	}
	wasIdle, unreachable := n.cause == errIdle, n.state == dialing && n.home == nil
	n.state, n.cause, n.control = disconnected, nil, 0
	if !wasIdle {
		c.counters.ConnectionsLost++
		n.retryAt = c.now.Add(c.settings.Reconnect.Delay(n.failures))
		n.failures++
		c.refresh.Stale()
	}
	c.controlLost(ev.Conn)
	c.transactionLost(n, ev.Conn, wasIdle)
	if wasIdle {
		err = nil
	}
	hopeless := ev.Fatal && !c.anyConnected()
	c.do(Effect{Do: Gone, Conn: ev.Conn, Node: n.broker(), Addr: n.addr, Err: err, Fatal: hopeless})
	if hopeless {
		defer c.failWaiting(batch.Failure{Err: err})
		defer c.refuseInit(err)
	}
	lost := n.inFlight
	c.flying -= len(n.inFlight)
	n.inFlight = nil
	for _, r := range lost {
		for i := range r.Entries {
			c.lostEntry(&r.Entries[i], r.Written, err)
		}
	}
	for _, r := range lost {
		for i := range r.Entries {
			c.evaluate(r.Entries[i].partition)
		}
		c.freeRequest(r)
	}
	switch {
	case n.home != nil:
		c.endDetour(n)
	case len(n.ready) > 0:
		c.connect(n)
	}
	if unreachable {
		c.prepareDetours(n)
	}
	c.noteFailure()
	if ev.Misrouted {
		c.rebootstrap()
	}
	c.forgetNode(n)
}

// controlLost notes that requests which are not produce requests went down with
// their connection.
func (c *Core) controlLost(conn ConnID) {
	if c.refresh.Pending() && c.metaConn == conn {
		c.refresh.Failed()
	}
	if c.identity.State() == producerid.Requesting && c.identityConn == conn {
		c.identityRefused()
	}
}

func (c *Core) anyConnected() bool {
	for _, n := range c.nodes {
		if n.state == connected {
			return true
		}
	}
	return false
}

// lostEntry is what becomes of a batch whose connection is gone.
func (c *Core) lostEntry(e *Entry, written bool, err error) {
	p, b := e.partition, e.Batch
	p.inFlight--
	b.Lent = false
	switch {
	case b.Settled:
		c.takeBack(b)
	case !written: // never left: as if it had not been tried
		b.Attempts--
		c.putBack(p, b)
		b.LastFailure = batch.Failure{Code: errcode.NetworkException, Err: err}
		b.RetryAt = c.now
	case c.mayRetry(b):
		c.retryLater(p, b, errcode.NetworkException, err)
	default:
		c.giveUp(p, b, batch.Failure{
			Code: errcode.NetworkException, Err: err, MaybeWritten: true,
		})
	}
	c.settle(p)
}

// throttle holds requests to n back as its quota asks (KIP-219).
func (c *Core) throttle(n *node, d time.Duration) {
	c.counters.ThrottleMillis += uint64(d.Milliseconds())
	n = c.home(n) // a quota is for all connections
	n.throttled = c.now.Add(d)
	c.alarms.set(alarm{at: n.throttled, kind: wake, n: n})
}

// noteAvailability tells the adaptive choice of nodes that do not take what is
// ready for them. Source: RecordAccumulator.updateNodeLatencyStats.
func (c *Core) noteAvailability(n *node) {
	limit := c.settings.AvailabilityTimeout
	if limit <= 0 || n.home != nil {
		return
	}
	since := n.readySince
	if n.sentAt.After(since) { // it is busy, but it takes
		since = n.sentAt
	}
	stuck := len(n.ready) > 0 && c.now.Sub(since) > limit
	switch {
	case stuck && !n.blocked:
		n.blocked = true
		c.do(Effect{Do: BlockNode, Node: n.id})
	case !stuck && n.blocked:
		c.unblock(n)
	case len(n.ready) > 0 && !n.blocked && !n.watched:
		n.watched = true
		c.alarms.set(alarm{at: since.Add(limit + 1), kind: available, n: n})
	}
}

func (c *Core) unblock(n *node) {
	if n.blocked {
		n.blocked = false
		c.do(Effect{Do: UnblockNode, Node: n.id})
	}
}

// anyNode is a connected node for a metadata or other request: the one with the
// least under way, and a suspect one only if there is no other and none is being
// dialled. If there is none, some are dialled, and nil is returned.
func (c *Core) anyNode() *node {
	best := c.leastLoaded(nil)
	if best != nil && !c.suspects(best) {
		return best
	}
	if c.dialSome() { // what a silent node is asked may never be answered
		return nil
	}
	return best
}

// leastLoaded is the connected node with the least under way; a doubtful one only
// if all are, and then the one that owes the fewest answers beside produce
// requests'. It is never but.
func (c *Core) leastLoaded(but *node) *node {
	var best *node
	for _, n := range c.sorted() {
		if n != but && n.id != asideID && c.mayAsk(n) && (best == nil || c.before(n, best)) {
			best = n
		}
	}
	a := c.nodes[asideID]
	if a != nil && a != but && c.mayAsk(a) && (best == nil || c.before(a, best)) {
		return a
	}
	return best
}

func (c *Core) mayAsk(n *node) bool {
	return n.state == connected && !n.retiring && !c.now.Before(n.throttled)
}

// before reports whether a is asked rather than b.
func (c *Core) before(a, b *node) bool {
	sa, sb := c.doubtful(a), c.doubtful(b)
	if sa != sb {
		return sb
	}
	if sa && a.control != b.control {
		return a.control < b.control
	}
	return a.load() < b.load()
}

func (n *node) load() int { return len(n.inFlight) + n.control }

// control counts a request that is not a produce request.
func (c *Core) sendControl(n *node) {
	if n.control == 0 {
		n.controlAt = c.now
	}
	n.control++
	c.setRequestAlarm(n)
}

// dialSome makes sure that some connection is being made: to the node that may
// be tried first. It reports whether one is.
func (c *Core) dialSome() bool {
	var best *node
	for _, n := range c.sorted() {
		if n.state == dialing && c.now.Sub(n.dialedAt) < dialPatience {
			if n.patient != n.conn {
				n.patient = n.conn
				c.alarms.set(alarm{at: n.dialedAt.Add(dialPatience), kind: wake, n: n})
			}
			return true
		}
		if n.state == disconnected && n.id != asideID &&
			(best == nil || n.retryAt.Before(best.retryAt)) {
			best = n
		}
	}
	if best == nil {
		return false
	}
	c.connect(best)
	return best.state == dialing
}

// forgetNode drops a node that is not part of the cluster any more.
func (c *Core) forgetNode(n *node) {
	if _, member := c.snapshot.Brokers[n.id]; member || c.nodes[n.id] != n || n.id == asideID {
		return
	}
	if n.id >= 0 || len(c.snapshot.Brokers) > 0 {
		c.removeNode(n)
	}
}

func (c *Core) addNode(n *node) {
	c.nodes[n.id] = n
	c.order = nil
}

func (c *Core) removeNode(n *node) {
	dropReady(n)
	c.closeDetour(n)
	c.unblock(n)
	delete(c.nodes, n.id)
	c.order = nil
}

// sorted is the nodes by id, so that equal events have equal effects.
func (c *Core) sorted() []*node {
	if c.order == nil {
		c.order = make([]*node, 0, len(c.nodes))
		for _, n := range c.nodes {
			c.order = append(c.order, n)
		}
		slices.SortFunc(c.order, func(a, b *node) int { return cmp.Compare(a.id, b.id) })
	}
	return c.order
}

// bootstrap makes nodes of the bootstrap list.
func (c *Core) bootstrap() {
	for i, addr := range c.settings.Bootstrap {
		id := int32(-1 - i)
		if c.nodes[id] == nil {
			c.addNode(&node{id: id, addr: addr})
		}
	}
}

var (
	errIdle  = errors.New("idle for connections.max.idle.ms")
	errMoved = errors.New("the broker's address has changed")
)
