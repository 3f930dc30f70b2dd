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

// Granted is what a producer that was initialized is told.
type Granted struct {
	Producer
	Ongoing Producer // whose transaction was kept; -1, -1 if none was open
}

var nothing = Granted{nobody, nobody}

// Init gives a producer its id and a higher epoch than all before it. An open
// transaction is aborted first: the producer is told CONCURRENT_TRANSACTIONS and
// asks again. With KeepPrepared it stays open, for the new producer to end
// (KIP-939).
//
// Codes: INVALID_REQUEST, INVALID_TRANSACTION_TIMEOUT, CONCURRENT_TRANSACTIONS,
// PRODUCER_FENCED, COORDINATOR_NOT_AVAILABLE;
// TRANSACTIONAL_ID_AUTHORIZATION_FAILED for two-phase commit where it is not
// enabled, UNSUPPORTED_VERSION for KeepPrepared without two-phase commit.
// Source: TransactionCoordinator.handleInitProducerId.
func (c *Coordinator) Init(r InitRequest) (Granted, errcode.Code) {
	switch {
	case r.TransactionalID == "":
		return nothing, errcode.InvalidRequest
	case r.TwoPhaseCommit && !c.cfg.TwoPhaseCommit:
		return nothing, errcode.TransactionalIdAuthorizationFailed
	case r.KeepPrepared && (!r.TwoPhaseCommit || c.cfg.Version < Version1): // which stores no tags
		return nothing, errcode.UnsupportedVersion
	case r.Timeout <= 0,
		int64(r.Timeout) > c.cfg.MaxTimeout.Milliseconds() && !r.TwoPhaseCommit:
		return nothing, errcode.InvalidTransactionTimeout
	}
	if r.TwoPhaseCommit {
		r.Timeout = forever
	}
	for {
		t, code := c.findOrMake(r)
		if code != errcode.None {
			return nothing, code
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
		Producer: Producer{id, noEpoch}, previousID: noID, nextID: noID, nextEpoch: noEpoch,
		lastEpoch: noEpoch, timeout: r.Timeout, start: -1, updated: c.nowMillis()}}
	c.known[t.id] = t
	return t, errcode.None
}

func (c *Coordinator) initLocked(t *transaction, r InitRequest) (Granted, errcode.Code) {
	switch {
	case !t.m.expects(r.Expected):
		return nothing, errcode.ProducerFenced
	case t.m.state.prepared():
		return nothing, errcode.ConcurrentTransactions
	case t.m.state == Ongoing && r.KeepPrepared:
		return c.keepLocked(t, r)
	case t.m.state == Ongoing:
		if code := c.fenceLocked(t); code != errcode.None {
			return nothing, code
		}
		return nothing, errcode.ConcurrentTransactions
	}
	next, code := t.m.initializing(r.Expected, r.Timeout, c.nowMillis(), c.cfg.NewID)
	if code == errcode.None {
		code = c.storeLocked(t, next)
	}
	if code != errcode.None {
		return nothing, code
	}
	return Granted{next.Producer, nobody}, errcode.None
}

// keepLocked leaves an ongoing transaction to the producer that asks.
func (c *Coordinator) keepLocked(t *transaction, r InitRequest) (Granted, errcode.Code) {
	next, code := t.m.keeping(r.Timeout, c.nowMillis(), c.cfg.NewID)
	if code == errcode.None {
		code = c.storeLocked(t, next)
	}
	if code != errcode.None {
		return nothing, code
	}
	return Granted{next.client(), next.Producer}, errcode.None
}

// fenceLocked aborts an ongoing transaction under an epoch that its producer
// does not have.
func (c *Coordinator) fenceLocked(t *transaction) errcode.Code {
	fencing := t.m.fencing()
	next := fencing.preparing(PrepareAbort, c.cfg.Version, noID, c.nowMillis())
	if code := c.storeLocked(t, next); code != errcode.None {
		// Nobody was told of the epoch: the next attempt uses it.
		t.m.Epoch, t.m.lastEpoch, t.m.fenceNotKept = fencing.Epoch, fencing.lastEpoch, true
		t.m.nextEpoch = fencing.nextEpoch
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
