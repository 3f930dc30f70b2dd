package posthaste

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/completion"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
	"github.com/posthaste-go/posthaste/internal/producer/txn"
)

// Errors of transactions, to compare with errors.Is.
var (
	// ErrAbortable: the transaction cannot be committed; abort it, and begin
	// another. The producer is well.
	ErrAbortable = errors.New("the transaction can only be aborted")
	// ErrTransactionAborted: a record was accepted, but its transaction came to
	// be aborted before it was sent.
	ErrTransactionAborted = sender.ErrTransactionAborted
	// ErrOutcomeUnknown: a commit was asked for, and the answer is not known.
	ErrOutcomeUnknown = errors.New("the outcome of the transaction is not known")
)

// transactions is the transactional side of a Producer.
//
// Locks: mu is a leaf and guards pending.
type transactions struct {
	mu sync.Mutex
	// pending is the call other than BeginTransaction and
	// SendOffsetsToTransaction whose result nobody has taken: one that timed out
	// goes on, and the same call made again waits for it.
	pending *sender.Transact
	// abandoned is a PrepareTransaction that Close found before anybody was told
	// what is prepared: it is aborted, and nobody may decide otherwise.
	abandoned *sender.Transact
}

// InitTransactions readies a producer with a transactional id: it finds the
// coordinator, fences earlier producers of the id, has their open transaction
// aborted, and gets a producer id. It comes once, before everything else.
//
// It waits at most Config.MaxBlock, and may be called again after ErrTimeout:
// the same request is then waited for. Other errors: ErrInvalidState, ErrFatal,
// ErrFenced, a KafkaError if the id is not authorised (a later call may
// succeed), and the context's cause. Source: KIP-98, KIP-360.
func (p *Producer) InitTransactions(ctx context.Context) error {
	return p.transact(ctx, &sender.Transact{Call: txn.Init})
}

// BeginTransaction opens a transaction: records sent from now on are part of
// it. Its errors are ErrInvalidState, which names the present state and the one
// that it would lead to, ErrAbortable, ErrFatal and ErrFenced.
func (p *Producer) BeginTransaction() error {
	return p.transact(context.Background(), &sender.Transact{Call: txn.Begin})
}

// CommitTransaction sends everything that was accepted, waits for its outcome
// and commits. When it returns nil every record of the transaction is in the
// log, all callbacks have run, and readers with isolation.level=read_committed
// will see all of it.
//
//	ErrAbortable       a record or offset failed, or the coordinator says so: abort it;
//	                   if that succeeds nothing is committed
//	ErrOutcomeUnknown  max.block.ms or ctx ended first: call it again to wait on;
//	                   with ErrClosed, the producer was closed meanwhile
//	ErrInvalidState    no transaction is open
//	ErrFenced          another producer of the same transactional id took over
//	ErrFatal           the producer is of no use any more
//
// Meanwhile, and until it has returned something else than ErrOutcomeUnknown,
// nothing can be sent.
func (p *Producer) CommitTransaction(ctx context.Context) error {
	return p.transact(ctx, &sender.Transact{Call: txn.Commit})
}

// AbortTransaction ends the open transaction so that readers with
// isolation.level=read_committed see none of it. Records that were not sent yet
// fail with ErrTransactionAborted; those that were are waited for.
//
// After ErrTimeout, or when ctx ends, the abort goes on; called again it waits
// for the same. Other errors: ErrInvalidState, ErrFatal, ErrFenced; ErrFatal with
// ErrOutcomeUnknown if a commit failed whose first request may have succeeded.
func (p *Producer) AbortTransaction(ctx context.Context) error {
	return p.transact(ctx, &sender.Transact{Call: txn.Abort})
}

// transact passes a call to the loop and waits for its end. A call like it that
// nobody has heard the end of is waited for instead, and tells its result.
func (p *Producer) transact(ctx context.Context, call *sender.Transact) error {
	if err := p.mayTransact(call); err != nil {
		return err
	}
	t := &p.transactions
	t.mu.Lock()
	op := t.pending
	switch over := p.over(); {
	case over != nil:
		t.mu.Unlock()
		return p.afterwards(op, call, over)
	case op == nil:
		if err := ctx.Err(); err != nil && call.Call != txn.Abort { // an abort is always wanted
			t.mu.Unlock()
			return context.Cause(ctx)
		}
		op = call
		p.loop.Transact(op)
		t.pending = op
	case !op.Same(call):
		t.mu.Unlock()
		return &failure{is: ErrInvalidState, text: fmt.Sprintf(
			"%v: the end of %v is not known yet: call that again first", call.Name(), op.Name())}
	}
	t.mu.Unlock()
	if err := p.awaitCall(ctx, op); err != nil {
		return err
	}
	if op != call { // else whoever waits for the same may be reading it
		call.Prepared = op.Prepared
	}
	err := p.transactionError(op.Err)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil && t.abandoned == op {
		return ErrClosed
	}
	if t.pending == op && !errors.Is(err, ErrOutcomeUnknown) { // who asks again hears it again
		t.pending = nil
	}
	return err
}

// mayTransact refuses calls that make no sense whatever the state is.
func (p *Producer) mayTransact(call *sender.Transact) error {
	if p.settings.transactionalID == "" {
		return &failure{is: ErrInvalidState, text: fmt.Sprintf(
			"%v: this producer has no transactions: set transactional.id", call.Name())}
	}
	twoPhase := call.Call == txn.Prepare || call.Call == txn.Complete || call.Keep
	if twoPhase && !p.settings.twoPhaseCommit {
		return &failure{is: ErrInvalidState, text: call.Name() +
			": this producer has no two-phase commit: set transaction.two.phase.commit.enable"}
	}
	if completion.Inside() {
		return &failure{is: ErrInvalidState, text: fmt.Sprintf(
			"%v in a callback would wait for itself", call.Name())}
	}
	return nil
}

// over is why the producer can do nothing more, nil while it can.
func (p *Producer) over() error {
	p.gate.Lock()
	defer p.gate.Unlock()
	if p.final {
		return *p.down.Load()
	}
	return nil
}

// afterwards is what a call says once the producer is over. One that was made
// before and timed out, pending, still has its own end; but what Close found
// prepared, and nobody knew of, it has aborted.
func (p *Producer) afterwards(pending, call *sender.Transact, over error) error {
	if pending == nil || !pending.Same(call) || call.Call == txn.Prepare {
		return over
	}
	err := p.ended(pending, over)
	if err == nil {
		call.Prepared = pending.Prepared
	}
	return err
}

// ended is what a call says that is not waited for any more because of cause.
func (p *Producer) ended(op *sender.Transact, cause error) error {
	select {
	case <-op.Finished.Done:
		return p.transactionError(op.Err)
	default:
	}
	if op.Call != txn.Commit && op.Call != txn.Complete {
		return cause
	}
	return &failure{is: cause, cause: ErrOutcomeUnknown, text: fmt.Sprintf(
		"%v: %v; whether the transaction was committed is not known", op.Name(), cause)}
}

// awaitCall waits for a call's end, at most max.block.ms.
func (p *Producer) awaitCall(ctx context.Context, op *sender.Transact) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.settings.maxBlock, errMaxBlock)
	defer cancel()
	select {
	case <-op.Finished.Done:
		return nil
	default:
	}
	select {
	case <-op.Finished.Done:
		return nil
	case <-p.closed:
		return p.ended(op, ErrClosed)
	case <-ctx.Done():
	}
	cause := context.Cause(ctx)
	f := &failure{is: cause}
	if errors.Is(cause, errMaxBlock) {
		f.is = ErrTimeout
		f.text = fmt.Sprintf("%v has not come to an end within max.block.ms=%d",
			op.Name(), p.settings.maxBlock.Milliseconds())
	} else {
		f.text = fmt.Sprintf("%v has not come to an end: %v", op.Name(), cause)
	}
	f.text += p.recently()
	switch op.Call {
	case txn.Commit, txn.Complete:
		f.cause = ErrOutcomeUnknown
		f.text += fmt.Sprintf("; whether the transaction will be committed is not known: "+
			"call %v again to wait on", op.Name())
	default:
		f.text += fmt.Sprintf("; call %v again to wait on", op.Name())
	}
	return f
}

// transactionError is what the user is told of a call's end.
func (p *Producer) transactionError(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*txn.StateError](err); ok {
		return &failure{is: ErrInvalidState, text: e.Error()}
	}
	e, ok := errors.AsType[*sender.TransactionError](err)
	if !ok {
		return err
	}
	f := &failure{text: e.Error()}
	causes := []error{e.Err}
	if e.Code != errcode.None {
		causes = append(causes, KafkaError(e.Code))
	}
	if e.Unknown {
		causes = append(causes, ErrOutcomeUnknown)
	}
	f.cause = errors.Join(causes...)
	switch {
	case e.State == txn.AbortableError:
		f.is = ErrAbortable
		f.text = "the transaction can only be aborted: " + f.text
	case e.State == txn.Fatal && e.Code == errcode.ProducerFenced:
		f.is = ErrFenced
		f.text += ": another producer with this transactional.id took over, or " +
			p.overtaker() + ": close this one"
	case e.State == txn.Fatal:
		f.is = ErrFatal
		f.text += ": close it and start a new one"
	default:
		f.is = KafkaError(e.Code)
	}
	return f
}

// overtaker is who has ended the transaction in our place, if not the next producer.
func (p *Producer) overtaker() string {
	if p.settings.twoPhaseCommit {
		return "somebody ended the transaction (as posthaste transactions force-terminate does)"
	}
	return "the coordinator aborted the transaction after transaction.timeout.ms"
}

// leftOpen is what becomes of a transaction that this producer cannot end.
func (p *Producer) leftOpen() string {
	if p.settings.twoPhaseCommit {
		return "the transaction may stay open, for it has no timeout, until the next producer" +
			" of the transactional.id or posthaste transactions force-terminate ends it"
	}
	return "the coordinator aborts the transaction after transaction.timeout.ms"
}

// transactionState makes Send legal or not. It runs on the loop's goroutine.
func (p *Producer) transactionState(state txn.State, cause error) {
	var err error
	switch {
	case state == txn.InTransaction:
	case cause != nil:
		err = p.transactionError(cause)
	default:
		err = outside(state)
	}
	p.gate.Lock()
	defer p.gate.Unlock()
	switch {
	case p.final:
	case err == nil:
		p.down.Store(nil)
	default:
		p.down.Store(&err)
	}
}

// outside is what Send answers while no transaction takes records.
func outside(state txn.State) error {
	do := map[txn.State]string{
		txn.Uninitialized: "call InitTransactions and BeginTransaction first",
		txn.Initializing:  "wait for it, then call BeginTransaction",
		txn.Ready:         "call BeginTransaction first",
		txn.Preparing:     "wait for PrepareTransaction, then end the transaction",
		txn.Prepared:      "commit, abort or complete the transaction, then begin another",
		txn.Committing:    "wait for CommitTransaction, then begin another",
		txn.Aborting:      "wait for AbortTransaction, then begin another",
	}
	return &failure{is: ErrInvalidState, text: fmt.Sprintf(
		"a record can be sent in state %v only, not in state %v: %s",
		txn.InTransaction, state, do[state])}
}

// goDown makes every later Send fail with err, unless there is a reason already.
func (p *Producer) goDown(err error) {
	p.gate.Lock()
	defer p.gate.Unlock()
	if !p.final {
		p.final = true
		p.down.Store(&err)
	}
}

// spoil keeps a transaction from being committed without a record that Send
// refused. It returns err.
func (p *Producer) spoil(topic string, err error) error {
	if p.settings.transactionalID == "" {
		return err
	}
	_, answered := errors.AsType[KafkaError](err)
	if answered || errors.Is(err, ErrTimeout) || errors.Is(err, ErrRecordTooLarge) {
		p.loop.Spoil(topic, err)
	}
	return err
}

// endTransaction aborts what is open when the producer is closed, but for what
// the user knows to be prepared: somebody else decides that. A call under way is
// waited for.
func (p *Producer) endTransaction(ctx context.Context) error {
	t := &p.transactions
	t.mu.Lock()
	op := t.pending
	t.mu.Unlock()
	if op == nil || op.Call != txn.Abort {
		closing := true
		if op != nil {
			if err := p.awaitEnd(ctx, op); err != nil {
				return err
			}
			closing = !t.abandon(op)
		}
		op = &sender.Transact{Call: txn.Abort, Closing: closing}
		p.loop.Transact(op)
	}
	return p.awaitEnd(ctx, op)
}

// abandon reports whether op has prepared a transaction that nobody was told of. From
// then on nobody is.
func (t *transactions) abandon(op *sender.Transact) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if op.Call != txn.Prepare || t.pending != op {
		return false
	}
	t.abandoned = op
	return true
}

func (p *Producer) awaitEnd(ctx context.Context, op *sender.Transact) error {
	select {
	case <-op.Finished.Done:
		return nil // or nothing was open
	case <-ctx.Done():
		return fmt.Errorf("close: %s has not come to an end: %w; %s",
			op.Name(), context.Cause(ctx), p.leftOpen())
	}
}
