package sender

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/batch"
	"github.com/posthaste-go/posthaste/internal/producer/producerid"
	"github.com/posthaste-go/posthaste/internal/producer/txn"
)

// ErrTransactionAborted is the cause of a batch that was not sent because its
// transaction was aborted, or can only be aborted.
var ErrTransactionAborted = errors.New("the transaction was aborted before the record was sent")

// Transact is a call of the user on its way: to Core as an event, and back with
// the Transacted effect.
type Transact struct {
	Call    txn.Event
	Group   Group         // of SendOffsets
	Offsets []GroupOffset // of SendOffsets
	Keep    bool          // of Init: leave open what an earlier producer prepared
	Closing bool          // of Abort: but not what is prepared
	// Means is the transaction that Complete is to commit: the one that is prepared,
	// or that is aborted. A transaction is known by its producer id and epoch.
	Means producerid.ID

	// Prepared is what Init has kept or Prepare has prepared; else NoID.
	Prepared producerid.ID
	Finished batch.Flush // its Done is closed when Err is valid and callbacks have run
	Err      error       // nil, a *txn.StateError or a *TransactionError
}

// Name is the call as whoever made it knows it.
func (t *Transact) Name() string {
	switch {
	case t.Call == txn.Init && t.Keep:
		return "InitTransactionsKeepPrepared"
	case t.Call == txn.Complete && t.Means.ID < 0:
		return "CompleteTransaction of no transaction"
	case t.Call == txn.Complete:
		return fmt.Sprintf("%v of %d:%d", t.Call, t.Means.ID, t.Means.Epoch)
	}
	return t.Call.String()
}

// Same reports whether t and o ask for the same.
func (t *Transact) Same(o *Transact) bool {
	return t.Call == o.Call && t.Keep == o.Keep && t.Means == o.Means
}

// TransactionError is why a transactional call failed.
type TransactionError struct {
	// State is what became of the producer: AbortableError, Fatal, or
	// Uninitialized if the call may simply be made again.
	State   txn.State
	Code    errcode.Code // the broker's answer; None if the cause is Err
	Err     error        // a cause that is not an answer
	Doing   string       // what was being done
	Unknown bool         // a commit was under way, and may have happened
}

func (e *TransactionError) Error() string {
	cause := e.Err
	if cause == nil {
		cause = e.Code
	}
	text := fmt.Sprintf("%s: %v", e.Doing, cause)
	if e.Unknown {
		text += "; whether the transaction was committed is not known"
	}
	return text
}

// transaction is the transactional side of Core: what it knows of the open
// transaction, and of the coordinators.
//
// A version 1 transaction announces each partition to its coordinator before
// anything is sent there; with version 2 (KIP-890) the brokers do that, and
// every transaction has an epoch of its own.
type transaction struct {
	machine txn.Machine
	v2      bool              // of the open transaction, or of the next
	call    *Transact         // Init, Commit or Abort under way
	cause   *TransactionError // of AbortableError
	doom    *batch.Failure    // what unsent batches fail with; nil while they are sent
	gate    int               // changes of state made public
	held    bool              // nothing is added any more, and all that was is known

	prepared producerid.ID // what a transaction that was prepared is known by; else NoID

	number  int64        // of the open transaction; partition.joined is compared with it
	waiting []*partition // to be announced (version 1)
	asked   []*partition // announced, without a final answer yet
	offsets []*offsets   // SendOffsets calls, the first under way
	started bool         // the coordinator has something to end, or may have
	raise   bool         // the epoch must be raised after the end (version 1)
	unknown bool         // an EndTxn that commits was sent and never answered

	coordinator coordinator
	group       coordinator // of the group groupID
	groupID     string
	canRaise    bool        // the coordinator can raise epochs (InitProducerId v3)
	out         *TxnRequest // without an answer
	outConn     ConnID
	retries     int // refusals in a row
	retryAt     time.Time
	alarmAt     time.Time
	sweep       bool // unsent batches are to fail with doom
}

// transact takes a call of the user.
func (c *Core) transact(call *Transact) {
	t := c.txn
	state := t.machine.State()
	call.Prepared = producerid.NoID
	switch {
	case c.fatal != nil:
		c.finish(call, c.fatalError("the producer has failed for good", c.fatal))
		return
	case state == txn.AbortableError && call.Call != txn.Abort:
		c.finish(call, t.cause)
		return
	}
	event := call.Call
	if state == txn.Prepared {
		switch {
		case event == txn.Complete && call.Means != t.prepared:
			event = txn.Abort
		case event == txn.Abort && call.Closing:
			c.finish(call, nil)
			return
		}
	}
	if err := t.machine.Call(event); err != nil {
		if e, ok := errors.AsType[*txn.StateError](err); ok {
			e.Name = call.Name()
		}
		c.finish(call, err)
		return
	}
	switch event {
	case txn.Init:
		t.call = call
	case txn.Begin:
		t.number++
		t.started, t.unknown = false, false
		c.publishState()
		c.finish(call, nil)
	case txn.Commit, txn.Complete, txn.Prepare:
		t.call = call
		c.publishState()
	case txn.Abort:
		c.abort(call)
	case txn.SendOffsets:
		if len(call.Offsets) == 0 {
			c.finish(call, nil)
			return
		}
		t.offsets = append(t.offsets,
			&offsets{group: call.Group, call: call, left: slices.Clone(call.Offsets)})
	}
}

// abort has what is unsent fail, and what is out awaited.
func (c *Core) abort(call *Transact) {
	t := c.txn
	t.call = call
	t.doom = &batch.Failure{Err: ErrTransactionAborted}
	t.waiting = nil
	c.dropOffsets(&TransactionError{State: txn.AbortableError,
		Doing: "send offsets", Err: ErrTransactionAborted})
	t.sweep = true
	c.publishState()
}

// finish ends a call.
func (c *Core) finish(call *Transact, err error) {
	call.Err = err
	c.do(Effect{Do: Transacted, Transact: call})
}

// finishCall ends the Init, Commit or Abort under way, if there is one.
func (c *Core) finishCall(err error) {
	if call := c.txn.call; call != nil {
		c.txn.call = nil
		c.finish(call, err)
	}
}

// publishState makes the state public. In all but InTransaction the
// accumulator takes no new batches from then on, and Held follows.
func (c *Core) publishState() {
	t := c.txn
	t.gate++
	t.held = false
	e := Effect{Do: PublishTransaction, State: t.machine.State(), Count: t.gate}
	if t.cause != nil {
		e.Err = t.cause
	}
	c.do(e)
}

// heldBack notes that no record is added any more. What was is flushed.
func (c *Core) heldBack(ev Held) {
	t := c.txn
	if t == nil || ev.Gate != t.gate {
		return
	}
	t.held = true
	for _, id := range ev.Partitions {
		c.partition(id)
	}
	for _, p := range c.partitions {
		if p == nil {
			continue
		}
		if t.machine.State().Sends() {
			p.flushTo = c.source.Look(p.id).Opened
		}
		c.evaluate(p)
	}
}

// admits reports whether batches of p may be sent as far as the transaction
// goes. A version 1 transaction announces p first. Of a transaction that has
// failed only what was sent before is sent again.
func (c *Core) admits(p *partition) bool {
	t := c.txn
	if t.doom != nil {
		return p.retrying > 0
	}
	if !t.machine.State().Sends() {
		return false
	}
	if t.v2 || p.joined == t.number {
		return true
	}
	if p.joining != t.number {
		p.joining = t.number
		t.waiting = append(t.waiting, p)
	}
	return false
}

// failUnsent fails the batches of p that no broker can have.
func (c *Core) failUnsent(p *partition, f *batch.Failure) {
	for _, b := range slices.Clone(p.batches) {
		if !b.Settled && !b.Sequenced() {
			c.giveUp(p, b, *f)
		}
	}
	c.failQueued(p, f)
}

// batchFailed: a record of the transaction is lost, so it cannot be committed.
// Source: TransactionManager.maybeTransitionToErrorState.
func (c *Core) batchFailed(p *partition, b *batch.Batch, f *batch.Failure) {
	t := c.txn
	if b.Sequenced() && !t.v2 {
		t.raise = true
	}
	if c.fatal != nil || !t.machine.State().Sends() {
		return
	}
	err := &TransactionError{State: txn.AbortableError, Code: f.Code, Err: f.Err,
		Doing: fmt.Sprintf("deliver to %s-%d", p.topic, p.index)}
	c.failTransaction(err, &batch.Failure{
		Err: fmt.Errorf("%w: another record of it failed: %v", ErrTransactionAborted, err)})
}

// spoil: a record that the user wanted in the transaction is not part of it.
// Source: KafkaProducer.doSend.
func (c *Core) spoil(ev Spoil) {
	if c.txn == nil || c.txn.machine.State() != txn.InTransaction {
		return
	}
	err := &TransactionError{State: txn.AbortableError, Err: ev.Err,
		Doing: "send to topic " + ev.Topic}
	c.failTransaction(err, &batch.Failure{
		Err: fmt.Errorf("%w: another record of it was refused: %v", ErrTransactionAborted, ev.Err)})
}

// failTransaction leaves the transaction nothing but an abort. Batches that
// were not sent fail with doom.
func (c *Core) failTransaction(err *TransactionError, doom *batch.Failure) {
	t := c.txn
	if s := t.machine.State(); s == txn.Aborting || s == txn.AbortableError {
		return // that is where it leads
	}
	t.machine.Move(txn.Fail)
	t.cause, t.doom = err, doom
	t.waiting = nil
	t.sweep = true
	c.dropOffsets(err)
	c.publishState()
	c.finishCall(err)
}

// abortable is failTransaction because of a coordinator's answer.
func (c *Core) abortable(doing string, code errcode.Code) {
	c.failTransaction(
		&TransactionError{State: txn.AbortableError, Code: code, Doing: doing},
		&batch.Failure{Code: code, Message: "the transaction cannot be committed: " + doing})
}

// condemn ends the producer because of a coordinator's answer.
func (c *Core) condemn(doing string, code errcode.Code) {
	if code == errcode.InvalidProducerEpoch {
		code = errcode.ProducerFenced // that is how a coordinator says so before KIP-588
	}
	c.die(batch.Failure{Code: code, Err: fmt.Errorf("%s: %w", doing, code)})
}

// refuseInit fails an InitTransactions that cannot succeed for now: no broker
// lets us in.
func (c *Core) refuseInit(err error) {
	if t := c.txn; t != nil && t.machine.State() == txn.Initializing &&
		c.identity.State() != producerid.Assigned {
		t.machine.Move(txn.Refuse)
		c.finishCall(&TransactionError{State: txn.Uninitialized, Err: err,
			Doing: "ask for a producer id"})
	}
}

// endTransactions fails every call under way, and each after it: the producer
// has come to its end.
func (c *Core) endTransactions(f *batch.Failure) {
	t := c.txn
	if t == nil {
		return
	}
	t.machine.Move(txn.Condemn)
	t.doom, t.waiting, t.asked = nil, nil, nil
	doing := "the producer has failed for good"
	c.dropOffsets(c.fatalError(doing, f))
	c.finishCall(c.fatalError(doing, f))
}

func (c *Core) fatalError(doing string, f *batch.Failure) *TransactionError {
	t := c.txn
	return &TransactionError{State: txn.Fatal, Code: f.Code, Err: f.Err, Doing: doing,
		Unknown: t.unknown || t.out != nil && t.out.Ask == EndTxn && t.out.Commit}
}

// quiet reports whether nothing is unsent or without an answer.
func (c *Core) quiet() bool {
	if c.active > 0 {
		return false
	}
	for _, n := range c.nodes {
		if len(n.inFlight) > 0 {
			return false
		}
	}
	return true
}

// ended: the coordinator has ended the transaction, or there was none. id is
// the one for the next if the coordinator gave one (version 2).
func (c *Core) ended(id producerid.ID) {
	t := c.txn
	t.unknown = false
	if id.ID >= 0 {
		c.identity.Adopt(id)
	}
	upgrade := !t.v2 && c.transactionVersion >= 2
	if t.raise || upgrade || c.identity.State() != producerid.Assigned {
		t.machine.Move(txn.Raise)
		c.publishState()
		return
	}
	t.machine.Move(txn.End)
	c.readyAgain()
}

// readyAgain: the next transaction may begin.
func (c *Core) readyAgain() {
	t := c.txn
	t.v2 = c.transactionVersion >= 2
	t.raise, t.started = false, false
	t.doom, t.cause, t.prepared = nil, nil, producerid.NoID
	for _, p := range c.partitions {
		if p != nil && p.lost {
			p.lost, p.lostOrder = false, -1
		}
	}
	c.publishState()
	c.finishCall(nil)
}
