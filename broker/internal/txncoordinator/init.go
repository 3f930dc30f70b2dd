package txncoordinator

import (
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// InitRequest is a producer that wants to own a transactional id.
type InitRequest struct {
	TransactionalID string
	Timeout         int32     // milliseconds; transaction.timeout.ms
	Expected        *Producer // what a producer that recovers has (KIP-360), nil for a new one
	TwoPhaseCommit  bool      // no timeout: somebody else decides (KIP-939)
	KeepPrepared    bool      // leave an open transaction open (KIP-939)
}

// Init gives a producer its id and a higher epoch than all before it. An open
// transaction is aborted first: the producer is told CONCURRENT_TRANSACTIONS and
// asks again.
//
// Codes: INVALID_REQUEST, INVALID_TRANSACTION_TIMEOUT, CONCURRENT_TRANSACTIONS,
// PRODUCER_FENCED, COORDINATOR_NOT_AVAILABLE;
// TRANSACTIONAL_ID_AUTHORIZATION_FAILED for two-phase commit where it is not
// enabled, UNSUPPORTED_VERSION for KeepPrepared, as Kafka answers.
// Source: TransactionCoordinator.handleInitProducerId.
func (c *Coordinator) Init(r InitRequest) (Producer, errcode.Code) {
	switch {
	case r.TransactionalID == "":
		return nobody, errcode.InvalidRequest
	case r.TwoPhaseCommit && !c.cfg.TwoPhaseCommit:
		return nobody, errcode.TransactionalIdAuthorizationFailed
	case r.KeepPrepared:
		return nobody, errcode.UnsupportedVersion
	case r.Timeout <= 0,
		int64(r.Timeout) > c.cfg.MaxTimeout.Milliseconds() && !r.TwoPhaseCommit:
		return nobody, errcode.InvalidTransactionTimeout
	}
	if r.TwoPhaseCommit {
		r.Timeout = forever
	}
	for {
		t, code := c.findOrMake(r)
		if code != errcode.None {
			return nobody, code
		}
		t.mu.Lock()
		if t.m.state == Dead { // forgotten between the two locks
			t.mu.Unlock()
			c.forget(t)
			continue
		}
		p, code := c.initLocked(t, r)
		t.mu.Unlock()
		return p, code
	}
}

// findOrMake finds the transaction, or makes one that is not stored yet.
func (c *Coordinator) findOrMake(r InitRequest) (*transaction, errcode.Code) {
	t, p, code := c.find(r.TransactionalID)
	if t != nil || code != errcode.None {
		return t, code
	}
	id, err := c.cfg.NewID()
	if err != nil {
		c.cfg.Logger.Error("producer ids cannot be stored", "error", err)
		return nil, errcode.CoordinatorNotAvailable
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.known[r.TransactionalID]; t != nil {
		return t, errcode.None
	}
	t = &transaction{id: r.TransactionalID, partition: p, m: metadata{
		Producer: Producer{id, noEpoch}, previousID: noID, nextID: noID, lastEpoch: noEpoch,
		timeout: r.Timeout, start: -1, updated: c.nowMillis()}}
	c.known[t.id] = t
	return t, errcode.None
}

func (c *Coordinator) initLocked(t *transaction, r InitRequest) (Producer, errcode.Code) {
	switch {
	case !t.m.expects(r.Expected):
		return nobody, errcode.ProducerFenced
	case t.m.state.prepared():
		return nobody, errcode.ConcurrentTransactions
	case t.m.state == Ongoing:
		if code := c.fenceLocked(t); code != errcode.None {
			return nobody, code
		}
		return nobody, errcode.ConcurrentTransactions
	}
	next, code := t.m.initializing(r.Expected, r.Timeout, c.nowMillis(), c.cfg.NewID)
	if code == errcode.None {
		code = c.storeLocked(t, next)
	}
	if code != errcode.None {
		return nobody, code
	}
	return next.Producer, errcode.None
}

// fenceLocked aborts an ongoing transaction under an epoch that its producer
// does not have.
func (c *Coordinator) fenceLocked(t *transaction) errcode.Code {
	fencing := t.m.fencing()
	next := fencing.preparing(PrepareAbort, c.cfg.Version, noID, c.nowMillis())
	if code := c.storeLocked(t, next); code != errcode.None {
		// Nobody was told of the epoch: the next attempt uses it.
		t.m.Epoch, t.m.lastEpoch, t.m.fenceNotKept = fencing.Epoch, fencing.lastEpoch, true
		return code
	}
	c.decidedLocked(t)
	return errcode.None
}

// forget removes an id from the map.
func (c *Coordinator) forget(t *transaction) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known[t.id] == t {
		delete(c.known, t.id)
	}
}
