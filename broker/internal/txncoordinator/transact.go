package txncoordinator

import (
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/mutation"
)

// checkLocked reports why p may not work on the transaction.
func (t *transaction) checkLocked(p Producer) errcode.Code {
	switch client := t.m.client(); {
	case client.ID != p.ID:
		return errcode.InvalidProducerIdMapping
	case client.Epoch != p.Epoch:
		return errcode.ProducerFenced
	case t.m.state.prepared():
		return errcode.ConcurrentTransactions
	case t.m.nextEpoch != noEpoch: // what was prepared is only to be ended
		return errcode.InvalidTxnState
	}
	return errcode.None
}

// Add puts partitions into a producer's transaction, which begins with the
// first. v is the version that the client speaks.
//
// Codes: INVALID_REQUEST, INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED,
// CONCURRENT_TRANSACTIONS (the last one is being ended),
// COORDINATOR_NOT_AVAILABLE. Source: handleAddPartitionsToTransaction.
func (c *Coordinator) Add(
	id string, p Producer, list []TopicPartition, v Version,
) errcode.Code {
	return c.with(id, func(t *transaction) errcode.Code {
		if code := t.checkLocked(p); code != errcode.None {
			return code
		}
		if t.m.state == Ongoing && t.m.hasAll(list) {
			return errcode.None
		}
		return c.storeLocked(t, t.m.adding(list, v, c.nowMillis()))
	})
}

// Verify tells whether partitions are in a producer's open transaction: a code
// for each, TRANSACTION_ABORTABLE for one that is not (KIP-890). Other codes as
// Add. Source: handleVerifyPartitionsInTransaction.
func (c *Coordinator) Verify(id string, p Producer, list []TopicPartition) []errcode.Code {
	codes := make([]errcode.Code, len(list))
	code := c.with(id, func(t *transaction) errcode.Code {
		code := t.checkLocked(p)
		if code != errcode.None {
			return code
		}
		for i, tp := range list {
			if t.m.state != Ongoing || !t.m.has(tp) {
				codes[i] = errcode.TransactionAbortable
			}
		}
		return errcode.None
	})
	if code != errcode.None {
		for i := range codes {
			codes[i] = code
		}
	}
	return codes
}

// End commits or aborts a producer's transaction. Once it returns no error the
// end is decided and stays so; unless something keeps a marker from being
// written, all of them are. With version 2 the producer returned is the one to
// go on with.
//
// Codes: INVALID_REQUEST, INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED,
// CONCURRENT_TRANSACTIONS, INVALID_TXN_STATE, COORDINATOR_NOT_AVAILABLE.
// Source: TransactionCoordinator.handleEndTransaction.
func (c *Coordinator) End(id string, p Producer, commit bool, v Version) (Producer, errcode.Code) {
	following := nobody
	code := c.with(id, func(t *transaction) errcode.Code {
		r := t.m.judge(endRequest{Producer: p, commit: commit, version: v})
		switch {
		case r.code != errcode.None:
			return r.code
		case r.retry:
			following = t.m.Producer
			return errcode.None
		}
		nextID := noID
		if v.bumps() && exhausted(t.m.client().Epoch) {
			var err error
			if nextID, err = c.cfg.NewID(); err != nil {
				c.cfg.Logger.Error("producer ids cannot be stored", "error", err)
				return errcode.CoordinatorNotAvailable
			}
		}
		next := t.m.preparing(r.prepare, v, nextID, c.nowMillis())
		if code := c.storeLocked(t, next); code != errcode.None {
			return code
		}
		following = next.following()
		c.decidedLocked(t)
		return errcode.None
	})
	if code != errcode.None || !v.bumps() {
		following = nobody
	}
	return following, code
}

// retryMarkers is how long a marker that could not be written waits.
const retryMarkers = 100 * time.Millisecond

// decidedLocked is what follows a Prepare state.
func (c *Coordinator) decidedLocked(t *transaction) {
	if c.cfg.MarkerDelay > 0 {
		c.finishAfter(t, c.cfg.MarkerDelay)
		return
	}
	c.finishLocked(t)
}

func (c *Coordinator) finishAfter(t *transaction, d time.Duration) {
	c.after(d, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		c.finishLocked(t)
	})
}

// finishLocked writes the markers that are missing and completes the
// transaction; what cannot be done now is tried again later.
func (c *Coordinator) finishLocked(t *transaction) {
	if !t.m.state.prepared() {
		return
	}
	if !c.markLocked(t) || c.storeLocked(t, t.m.completing(c.nowMillis())) != errcode.None {
		c.finishAfter(t, retryMarkers)
	}
}

// markLocked writes markers and reports whether every partition has one.
func (c *Coordinator) markLocked(t *transaction) bool {
	if len(t.m.partitions) == 0 {
		return true
	}
	epoch, err := c.cfg.Log.Epoch(t.partition)
	if err != nil {
		c.cfg.Logger.Error("markers cannot be written", "transactional.id", t.id, "error", err)
		return false
	}
	marker := Marker{Producer: t.m.Producer, CoordinatorEpoch: epoch,
		Commit: t.m.state == PrepareCommit, OwnEpoch: t.m.version.bumps()}
	var left []TopicPartition
	for i, tp := range t.m.partitions {
		if mutation.On(mutation.MarkerLost) && i > 0 {
			continue
		}
		switch code := c.cfg.Markers.WriteMarker(tp, marker); {
		case code == errcode.None:
		case code == errcode.UnknownTopicOrPartition, code == errcode.InvalidProducerEpoch,
			code == errcode.TransactionCoordinatorFenced:
			// The topic is gone, or a later epoch has written there and with it ended
			// what this one began: nothing is left to end.
			c.cfg.Logger.Warn("marker is left out", "transactional.id", t.id,
				"topic", tp.Topic, "partition", tp.Partition, "reason", code.Name())
		default:
			c.cfg.Logger.Error("marker cannot be written", "transactional.id", t.id,
				"topic", tp.Topic, "partition", tp.Partition, "reason", code.Name())
			left = append(left, tp)
		}
	}
	t.m.partitions = left
	return len(left) == 0
}
