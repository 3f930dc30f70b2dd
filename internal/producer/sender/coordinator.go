package sender

import (
	"fmt"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/mutation"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/metadata"
	"github.com/posthaste-go/posthaste/internal/producer/producerid"
	"github.com/posthaste-go/posthaste/internal/producer/txn"
)

// Ask is what a coordinator is asked for.
type Ask uint8

// The questions, each named as its API.
const (
	FindCoordinator Ask = iota
	InitProducerID
	AddPartitionsToTxn
	AddOffsetsToTxn
	TxnOffsetCommit
	EndTxn
)

func (a Ask) String() string {
	return [...]string{"FindCoordinator", "InitProducerId", "AddPartitionsToTxn",
		"AddOffsetsToTxn", "TxnOffsetCommit", "EndTxn"}[a]
}

// TopicPartition names a partition.
type TopicPartition struct {
	Topic string
	Index int32
}

// TxnRequest is a request of a transaction. One is out at a time.
type TxnRequest struct {
	Ask        Ask
	ID         producerid.ID
	V2         bool             // by the rules of transaction.version 2
	Commit     bool             // of EndTxn; false aborts
	TwoPhase   bool             // of InitProducerId: the transactions have no timeout (KIP-939)
	Keep       bool             // ... and an open one is not aborted
	Partitions []TopicPartition // of AddPartitionsToTxn
	Group      Group            // of the offsets' requests; of FindCoordinator if it has an ID
	Offsets    []GroupOffset    // of TxnOffsetCommit
}

// TxnAnswer: a TxnRequest was answered.
type TxnAnswer struct {
	Conn       ConnID
	Request    *TxnRequest
	Code       errcode.Code
	Err        error           // why it could not be asked; nil if Code is the broker's
	Node       metadata.Broker // of FindCoordinator
	ID         producerid.ID   // of InitProducerId, and of EndTxn in version 2
	Ongoing    producerid.ID   // of InitProducerId: what was kept; NoID if nothing
	Raises     bool            // of InitProducerId: the broker can raise epochs (v3)
	Partitions []PartitionCode // of AddPartitionsToTxn and TxnOffsetCommit
}

// PartitionCode is one partition's part of an answer.
type PartitionCode struct {
	TopicPartition
	Code errcode.Code
}

// coordinator is the broker that does the bookkeeping of a transactional id or
// of a group.
type coordinator struct {
	known bool
	node  int32
	addr  string
}

// firstAddBackoff is the wait when the transaction before is still being
// written out: that takes milliseconds. Source: TransactionManager
// ADD_PARTITIONS_RETRY_BACKOFF_MS.
const firstAddBackoff = 20 * time.Millisecond

// advance sends the next request of the transaction, if one is due.
func (c *Core) advance() {
	t := c.txn
	if t == nil || c.fatal != nil {
		return
	}
	if t.sweep {
		t.sweep = false
		c.reconsider()
	}
	if c.mustRaise(); c.fatal != nil {
		return
	}
	if t.out != nil {
		return
	}
	ask, wanted := c.nextAsk()
	if !wanted {
		return
	}
	if c.now.Before(t.retryAt) {
		if !t.alarmAt.Equal(t.retryAt) {
			t.alarmAt = t.retryAt
			c.alarms.set(alarm{at: t.retryAt, kind: transactional})
		}
		return
	}
	c.ask(ask)
}

// nextAsk is what the transaction needs from a coordinator next.
func (c *Core) nextAsk() (Ask, bool) {
	t := c.txn
	state := t.machine.State()
	switch {
	case state == txn.Initializing:
		return InitProducerID, true
	case !state.Open():
		return 0, false
	case len(t.asked) > 0, len(t.waiting) > 0:
		return AddPartitionsToTxn, true
	case len(t.offsets) > 0:
		return c.nextOffsetsAsk(), true
	case state == txn.InTransaction, state == txn.Prepared, state == txn.AbortableError, !t.held,
		!c.quiet() && !mutation.On(mutation.MarkerBeforeData):
		return 0, false
	case state == txn.Preparing:
		c.flushed()
		return 0, false
	case !t.started && t.prepared == producerid.NoID:
		c.ended(producerid.NoID)
		return c.nextAsk()
	}
	return EndTxn, true
}

// ask sends a request to the coordinator it is for, or first asks who that is.
func (c *Core) ask(ask Ask) {
	t := c.txn
	r := &TxnRequest{Ask: ask, ID: c.identity.Current(), V2: t.v2}
	to := &t.coordinator
	if ask == TxnOffsetCommit {
		to = &t.group
	}
	var n *node
	if !to.known {
		if n = c.anyNode(); n == nil {
			return
		}
		r.Ask = FindCoordinator
		if ask == TxnOffsetCommit {
			r.Group = t.offsets[0].group
		}
	} else if n = c.coordinatorNode(to); n.state != connected || n.retiring ||
		c.now.Before(n.throttled) {
		c.connect(n)
		return
	}
	c.fill(r)
	t.out, t.outConn = r, n.conn
	n.lastUsed = c.now
	c.sendControl(n)
	c.do(Effect{Do: AskCoordinator, Conn: n.conn, Node: n.id, Ask: r})
}

// fill completes a request that goes out now.
func (c *Core) fill(r *TxnRequest) {
	t := c.txn
	switch r.Ask {
	case AddPartitionsToTxn:
		if len(t.asked) == 0 {
			t.asked, t.waiting = t.waiting, nil
		}
		for _, p := range t.asked {
			r.Partitions = append(r.Partitions, TopicPartition{p.topic, p.index})
		}
	case AddOffsetsToTxn:
		t.offsets[0].adding = true
		r.Group = t.offsets[0].group
	case TxnOffsetCommit:
		t.started = true
		r.Group, r.Offsets = t.offsets[0].group, c.withIDs(t.offsets[0])
	case InitProducerID:
		r.TwoPhase = c.settings.TwoPhase
		r.Keep = t.call != nil && t.call.Keep
	case EndTxn:
		// An empty one was prepared: an abort raises the epoch all the same, so that
		// no later transaction is known by the same.
		r.Commit = t.machine.State() == txn.Committing && t.started
	}
}

// coordinatorNode is the node of a coordinator. One that metadata does not list
// yet is met here first.
func (c *Core) coordinatorNode(to *coordinator) *node {
	if n := c.nodes[to.node]; n != nil {
		return n
	}
	n := c.bootstrapNode(to.addr)
	if n != nil {
		c.removeNode(n)
		n.id = to.node
	} else {
		n = &node{id: to.node, addr: to.addr}
	}
	c.addNode(n)
	return n
}

// transactionLost notes what went down with a connection to n. Whoever was
// coordinator may have moved to another node, unless the connection was idle.
func (c *Core) transactionLost(n *node, conn ConnID, idle bool) {
	t := c.txn
	if t == nil {
		return
	}
	if !idle && n.home == nil {
		for _, co := range []*coordinator{&t.coordinator, &t.group} {
			if co.known && co.node == n.id {
				co.known = false
				c.askAgain(0)
			}
		}
	}
	if t.out != nil && t.outConn == conn {
		t.unknown = t.unknown || t.out.Ask == EndTxn && t.out.Commit
		t.out = nil
		c.askAgain(0)
	}
}

// askAgain repeats what was asked, after a wait if it is above 0 and else after
// the usual backoff.
func (c *Core) askAgain(wait time.Duration) {
	t := c.txn
	if wait == 0 {
		wait = c.settings.Backoff.Delay(t.retries)
		t.retries++
	}
	t.retryAt = c.now.Add(wait)
}

// txnAnswer takes the answer to a request of the transaction.
func (c *Core) txnAnswer(ev *TxnAnswer) {
	if n := c.conns[ev.Conn]; n != nil {
		n.control--
	}
	t := c.txn
	if t.out != ev.Request || c.fatal != nil {
		return
	}
	t.out = nil
	if ev.Err != nil {
		c.die(batch.Failure{Code: ev.Code, Err: ev.Err})
		return
	}
	refused := t.retries
	switch ev.Request.Ask {
	case FindCoordinator:
		c.coordinatorAnswer(ev)
	case InitProducerID:
		c.initAnswer(ev)
	case AddPartitionsToTxn:
		c.additionAnswer(ev)
	case AddOffsetsToTxn:
		c.offsetsAdded(ev)
	case TxnOffsetCommit:
		c.offsetsCommitted(ev)
	case EndTxn:
		c.endAnswer(ev)
	}
	if t.retries == refused {
		t.retries = 0
	}
}

// again deals with the answers that mean: ask again, perhaps somebody else. It
// reports false for every other one.
func (c *Core) again(to *coordinator, code errcode.Code) bool {
	switch {
	case code == errcode.NotCoordinator, code == errcode.CoordinatorNotAvailable:
		to.known = false
		c.askAgain(0)
	case code.Retriable():
		c.askAgain(0)
	default:
		return false
	}
	return true
}

func (c *Core) coordinatorAnswer(ev *TxnAnswer) {
	t := c.txn
	to, doing := &t.coordinator, "find the transaction coordinator"
	group := ev.Request.Group.ID
	if group != "" {
		to, doing = &t.group, "find the coordinator of group "+group
	}
	switch {
	case ev.Code == errcode.None:
		to.known, to.node, to.addr = true, ev.Node.ID, ev.Node.Addr()
		if group != "" {
			t.groupID = group
		}
		if n := c.coordinatorNode(to); n.addr != to.addr {
			c.refresh.Stale() // metadata is behind
		}
	case c.again(to, ev.Code):
	case ev.Code == errcode.TransactionAbortable && t.machine.State() != txn.Aborting,
		ev.Code == errcode.GroupAuthorizationFailed && group != "":
		c.abortable(doing, ev.Code)
	default:
		c.die(batch.Failure{Code: ev.Code, Err: fmt.Errorf("%s: %w", doing, ev.Code)})
	}
}

// initAnswer takes an id, or a raised epoch.
func (c *Core) initAnswer(ev *TxnAnswer) {
	t := c.txn
	doing := "ask for a producer id"
	switch {
	case ev.Request.Keep && ev.Code == errcode.UnsupportedVersion:
		doing = whileKeeping
	case ev.Request.TwoPhase && ev.Code == errcode.TransactionalIdAuthorizationFailed:
		doing = whileNotEnabled
	}
	first := c.identity.State() != producerid.Assigned
	switch {
	case ev.Code == errcode.None && ev.Request.TwoPhase && c.transactionVersion < 2:
		c.die(batch.Failure{Code: errcode.UnsupportedVersion, Err: errOneEpoch})
	case ev.Code == errcode.None:
		c.identity.Adopt(ev.ID)
		t.canRaise = ev.Raises
		if !first {
			c.counters.EpochRaises++
		}
		if ev.Request.Keep && ev.Ongoing.ID >= 0 {
			c.kept(ev.Ongoing)
			return
		}
		t.machine.Move(txn.Initialize)
		c.readyAgain()
	case c.again(&t.coordinator, ev.Code):
	case first && (ev.Code == errcode.TransactionalIdAuthorizationFailed ||
		ev.Code == errcode.ClusterAuthorizationFailed):
		// Not the producer's end: the right may be granted.
		t.machine.Move(txn.Refuse)
		c.finishCall(&TransactionError{State: txn.Uninitialized, Code: ev.Code, Doing: doing})
	case ev.Code == errcode.TransactionAbortable:
		c.abortable(doing, ev.Code)
	default:
		c.condemn(doing, ev.Code)
	}
}

// additionAnswer: partitions were added to the transaction, or were not.
// Source: TransactionManager.AddPartitionsToTxnHandler.
func (c *Core) additionAnswer(ev *TxnAnswer) {
	t := c.txn
	code := ev.Code
	for _, p := range ev.Partitions {
		if p.Code != errcode.None && (code == errcode.None || code == errcode.OperationNotAttempted) {
			code = p.Code
		}
	}
	const doing = "add partitions to the transaction"
	switch {
	case code == errcode.None:
		added := t.asked
		t.asked, t.started = nil, true
		for _, p := range added {
			p.joined = t.number
			c.evaluate(p)
		}
		return
	case code == errcode.ConcurrentTransactions && !t.started:
		c.askAgain(firstAddBackoff)
		return
	case c.again(&t.coordinator, code):
		return
	}
	t.asked = nil // none was added
	switch code {
	case errcode.ProducerFenced, errcode.InvalidProducerEpoch, errcode.InvalidTxnState,
		errcode.InvalidProducerIdMapping, errcode.TransactionalIdAuthorizationFailed:
		c.condemn(doing, code)
	case errcode.UnknownProducerId:
		t.raise = true
		c.abortable(doing, code)
	default:
		c.abortable(doing, code)
	}
}

// endAnswer takes the end of the transaction.
// Source: TransactionManager.EndTxnHandler.
func (c *Core) endAnswer(ev *TxnAnswer) {
	t := c.txn
	doing := "abort the transaction"
	if ev.Request.Commit {
		doing = "commit the transaction"
	}
	if ev.Request.Commit && mayBeWritten(ev.Code) {
		t.unknown = true
	}
	switch {
	case ev.Code == errcode.None:
		c.ended(ev.ID)
	case c.again(&t.coordinator, ev.Code):
	case ev.Code == errcode.TransactionAbortable && ev.Request.Commit:
		c.abortable(doing, ev.Code)
	case ev.Code == errcode.UnknownProducerId && ev.Request.Commit:
		t.raise = true
		c.abortable(doing, ev.Code)
	default:
		c.condemn(doing, ev.Code)
	}
}

// features takes what a broker said of the cluster's finalized features. The
// highest epoch is the newest.
func (c *Core) features(ev *ConnUp) {
	if ev.FeaturesEpoch > c.featuresEpoch || c.featuresEpoch == 0 && ev.TransactionVersion > 0 {
		c.featuresEpoch = ev.FeaturesEpoch
		c.transactionVersion = ev.TransactionVersion
	}
}

// mustRaise: an epoch cannot be raised by a coordinator before Kafka 2.5, and
// numbers that were lost cannot be made good without.
func (c *Core) mustRaise() {
	t := c.txn
	if t.raise && !t.canRaise && c.fatal == nil && t.machine.State().Open() {
		c.die(batch.Failure{Code: errcode.UnsupportedVersion, Err: errOldCoordinator})
	}
}
