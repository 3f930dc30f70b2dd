package sender

import (
	"errors"

	"github.com/posthaste-go/posthaste/internal/producer/producerid"
	"github.com/posthaste-go/posthaste/internal/producer/txn"
)

// Two-phase commit (KIP-939). A broker knows nothing of preparing: to it the
// transaction is open until EndTxn, and has no timeout. What is prepared is known
// by its producer id and epoch, which only its end changes.

var errOneEpoch = errors.New("two-phase commit (transaction.two.phase.commit.enable) needs" +
	" transactions of version 2 (KIP-890): without them two transactions in a row have the same" +
	" producer id and epoch, and one could be completed in place of the other; raise the" +
	" cluster's feature transaction.version to 2")

// What was being done when a coordinator refuses two-phase commit.
const (
	whileNotEnabled = "ask for a producer id for two-phase commit, which the brokers' setting" +
		" transaction.two.phase.commit.enable has to allow, and an ACL for TWO_PHASE_COMMIT"
	whileKeeping = "keep what an earlier producer prepared (KIP-939), which no coordinator up to" +
		" Kafka 4.3 can"
)

// flushed: everything that belongs to the transaction is acknowledged.
func (c *Core) flushed() {
	t := c.txn
	t.machine.Move(txn.Flushed)
	c.nowPrepared(c.identity.Current())
}

// kept: the coordinator has kept open what an earlier producer of the
// transactional id began, and fenced that. We have a new id or epoch, and end it
// under that one.
func (c *Core) kept(ongoing producerid.ID) {
	t := c.txn
	t.machine.Move(txn.Keep)
	t.v2 = c.transactionVersion >= 2
	t.started = true
	c.nowPrepared(ongoing)
}

func (c *Core) nowPrepared(id producerid.ID) {
	t := c.txn
	t.prepared = id
	if t.call != nil {
		t.call.Prepared = id
	}
	c.publishState()
	c.finishCall(nil)
}
