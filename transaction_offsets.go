package posthaste

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/posthaste-go/posthaste/internal/producer/sender"
	"github.com/posthaste-go/posthaste/internal/producer/txn"
)

// OffsetAndMetadata is where a consumer group goes on reading a partition.
type OffsetAndMetadata struct {
	Offset      int64  // of the next record to read
	LeaderEpoch *int32 // of the last record read; nil if not known
	Metadata    string // for whoever reads the group's offsets
}

// GroupMetadata is a consumer group and the member that speaks for it, as the
// consumer gives them: they keep a member that was replaced from committing.
//
// Source: KIP-447, ConsumerGroupMetadata.
type GroupMetadata struct {
	GroupID         string
	GenerationID    int32  // or the member's epoch; of no meaning without MemberID
	MemberID        string // empty: offsets are committed unconditionally
	GroupInstanceID string // group.instance.id, empty for none
}

// SendOffsetsToTransaction makes a consumer group's offsets part of the open
// transaction: they are committed if it is, and only then. It waits at most
// Config.MaxBlock until the group's coordinator has taken them. Without offsets
// it does nothing.
//
// Errors: ErrInvalidState outside a transaction, ErrAbortable (a member that is
// not part of the group any more, no right to the group, …), ErrTimeout (it may
// be called again), ErrFatal, ErrFenced, the context's cause. Source: KIP-98,
// KIP-447.
func (p *Producer) SendOffsetsToTransaction(
	ctx context.Context, offsets map[TopicPartition]OffsetAndMetadata, group GroupMetadata,
) error {
	if err := p.mayTransact(&sender.Transact{Call: txn.SendOffsets}); err != nil {
		return err
	}
	if err := p.over(); err != nil {
		return err
	}
	if group.GroupID == "" {
		return errors.New("SendOffsetsToTransaction: the group has no GroupID")
	}
	if group.GenerationID > 0 && group.MemberID == "" {
		return fmt.Errorf("SendOffsetsToTransaction: generation %d of group %s without a MemberID",
			group.GenerationID, group.GroupID)
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	op := &sender.Transact{Call: txn.SendOffsets, Group: sender.Group{
		ID: group.GroupID, Generation: group.GenerationID, Member: group.MemberID,
		Instance: group.GroupInstanceID,
	}}
	if group.MemberID == "" {
		op.Group.Generation = -1
	}
	for tp, o := range offsets {
		if o.Offset < 0 || tp.Topic == "" || tp.Partition < 0 {
			return fmt.Errorf("SendOffsetsToTransaction: offset %d of %v cannot be", o.Offset, tp)
		}
		g := sender.GroupOffset{Offset: o.Offset, LeaderEpoch: -1, Metadata: o.Metadata,
			TopicPartition: sender.TopicPartition{Topic: tp.Topic, Index: tp.Partition}}
		if o.LeaderEpoch != nil {
			g.LeaderEpoch = *o.LeaderEpoch
		}
		op.Offsets = append(op.Offsets, g)
	}
	slices.SortFunc(op.Offsets, func(a, b sender.GroupOffset) int {
		if c := strings.Compare(a.Topic, b.Topic); c != 0 {
			return c
		}
		return int(a.Index) - int(b.Index)
	})
	p.loop.Transact(op)
	if err := p.awaitCall(ctx, op); err != nil {
		return err
	}
	return p.transactionError(op.Err)
}

// InTransaction runs fn in a transaction of its own. If fn returns nil it is
// committed, and if fn returns an error or panics, aborted. fn sends records
// with this producer and needs not wait for them.
//
//	nil                         committed
//	fn's error                  aborted
//	matches ErrAbortable        a record or offset failed; aborted
//	matches ErrOutcomeUnknown   the commit was asked for, and ctx ended before the answer
//	matches ErrFatal, ErrFenced the producer is of no use any more; the transaction is
//	                            not committed unless ErrOutcomeUnknown matches as well
//	matches ErrInvalidState     the producer is in no state to begin
//
// An error that says that the abort failed as well: the coordinator aborts the
// transaction after transaction.timeout.ms (with transaction.two.phase.commit.enable
// the id's next producer does), and nobody commits it. The next InTransaction first
// waits for what an earlier one left unfinished.
func (p *Producer) InTransaction(ctx context.Context, fn func(context.Context) error) error {
	if err := p.finishPending(ctx); err != nil {
		return err
	}
	if err := p.BeginTransaction(); err != nil {
		return err
	}
	returned := false
	defer func() {
		if !returned { // fn panicked, or ended its goroutine
			if err := p.abortAfter(ctx, nil); err != nil {
				p.settings.logger.Error("abort after a panic failed", "error", err)
			}
		}
	}()
	err := fn(ctx)
	returned = true
	if err != nil {
		return p.abortAfter(ctx, err)
	}
	for {
		err = p.CommitTransaction(ctx)
		if !errors.Is(err, ErrTimeout) || !errors.Is(err, ErrOutcomeUnknown) {
			break // it is known, or ctx has ended
		}
	}
	if err != nil && (errors.Is(err, ErrAbortable) || p.mayAbort(ctx)) {
		return p.abortAfter(ctx, err)
	}
	return err
}

// mayAbort reports whether a commit was not even begun because ctx had ended.
func (p *Producer) mayAbort(ctx context.Context) bool {
	p.transactions.mu.Lock()
	defer p.transactions.mu.Unlock()
	return ctx.Err() != nil && p.transactions.pending == nil
}

// finishPending waits for a commit or abort that an earlier call gave up on.
func (p *Producer) finishPending(ctx context.Context) error {
	p.transactions.mu.Lock()
	op := p.transactions.pending
	p.transactions.mu.Unlock()
	if op == nil {
		return nil
	}
	return p.transact(ctx, &sender.Transact{Call: op.Call, Keep: op.Keep, Means: op.Means})
}

// abortAfter aborts because of err, also when ctx has ended, and returns err.
func (p *Producer) abortAfter(ctx context.Context, err error) error {
	aborting := p.AbortTransaction(context.WithoutCancel(ctx))
	switch {
	case aborting == nil, errors.Is(aborting, ErrInvalidState): // fn has ended it itself
		return err
	case err == nil:
		return aborting
	}
	return &failure{is: err, cause: aborting, text: fmt.Sprintf(
		"%v; and the abort after it: %v; %s", err, aborting, p.leftOpen())}
}
