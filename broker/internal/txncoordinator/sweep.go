package txncoordinator

import (
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// all lists the transactions that are loaded.
func (c *Coordinator) all() []*transaction {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]*transaction, 0, len(c.known))
	for _, t := range c.known {
		list = append(list, t)
	}
	return list
}

// abortTimedOut aborts the transactions that are open longer than their
// producers asked for, and fences those. Source: abortTimedOutTransactions.
func (c *Coordinator) abortTimedOut() {
	c.Recover() // what could not be loaded before
	now := c.nowMillis()
	for _, t := range c.all() {
		t.mu.Lock()
		if t.m.state == Ongoing && t.m.timeout != forever && t.m.start+int64(t.m.timeout) < now {
			c.cfg.Logger.Info("transaction timed out and is aborted", "transactional.id", t.id,
				"producer", t.m.Producer.ID, "epoch", t.m.Epoch, "timeout.ms", t.m.timeout)
			c.fenceLocked(t) // a failure is in the log; the next round tries again
		}
		t.mu.Unlock()
	}
}

// expire forgets ids that nobody has used for transactional.id.expiration.ms.
func (c *Coordinator) expire() {
	now := c.nowMillis()
	for _, t := range c.all() {
		t.mu.Lock()
		dead := t.m.state.ended() && t.m.updated+c.cfg.Expiration.Milliseconds() <= now &&
			c.buryLocked(t)
		t.mu.Unlock()
		if dead {
			c.forget(t)
		}
	}
}

// buryLocked deletes the id from the log.
func (c *Coordinator) buryLocked(t *transaction) bool {
	if err := c.cfg.Log.Append(t.partition, Record{Key: encodeKey(t.id)}); err != nil {
		c.cfg.Logger.Error("transactional id cannot be forgotten", "transactional.id", t.id,
			"error", err)
		return false
	}
	t.m = t.m.becoming(Dead, c.nowMillis())
	return true
}

// Description is what is known of a transactional id.
type Description struct {
	TransactionalID string
	State           State
	Producer        Producer
	Timeout         int32 // milliseconds
	Start           int64 // milliseconds; -1 before the first transaction
	Partitions      []TopicPartition
}

func (t *transaction) describeLocked() Description {
	return Description{TransactionalID: t.id, State: t.m.state, Producer: t.m.Producer,
		Timeout: t.m.timeout, Start: t.m.start, Partitions: t.m.partitions}
}

// Describe tells what is known of a transactional id. Codes: INVALID_REQUEST,
// TRANSACTIONAL_ID_NOT_FOUND, COORDINATOR_NOT_AVAILABLE. Source: KIP-664.
func (c *Coordinator) Describe(id string) (d Description, code errcode.Code) {
	code = c.with(id, func(t *transaction) errcode.Code {
		d = t.describeLocked()
		return errcode.None
	})
	if code == errcode.InvalidProducerIdMapping {
		code = errcode.TransactionalIdNotFound
	}
	return d, code
}

// List describes all transactional ids, in no order. Code:
// COORDINATOR_NOT_AVAILABLE.
func (c *Coordinator) List() ([]Description, errcode.Code) {
	partitions, err := c.cfg.Log.Existing()
	if err != nil {
		c.cfg.Logger.Error("transactions cannot be loaded", "error", err)
		return nil, errcode.CoordinatorNotAvailable
	}
	for _, p := range partitions {
		if code := c.load(p); code != errcode.None {
			return nil, code
		}
	}
	var list []Description
	for _, t := range c.all() {
		t.mu.Lock()
		if t.m.state != Dead {
			list = append(list, t.describeLocked())
		}
		t.mu.Unlock()
	}
	return list, errcode.None
}
