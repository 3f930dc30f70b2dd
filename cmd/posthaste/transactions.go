package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
)

// transactor is a producer with transactions.
type transactor interface {
	InitTransactions(ctx context.Context) error
	BeginTransaction() error
	CommitTransaction(ctx context.Context) error
	AbortTransaction(ctx context.Context) error
	SendOffsetsToTransaction(ctx context.Context,
		offsets map[posthaste.TopicPartition]posthaste.OffsetAndMetadata,
		group posthaste.GroupMetadata) error
}

// transactions divides a production into transactions. A nil one does nothing.
type transactions struct {
	producer  transactor
	id        string
	each      int64 // records in a transaction; 0: all
	open      bool
	read      *int64 // rows of the input so far
	records   int64  // of the open one
	committed int64

	resumption *resumption // nil without --resume

	// The outcomes when the open transaction began: what an abort takes back.
	acked, bytes int64
	counts       []int64
}

// newTransactions returns nil unless the command is transactional.
func newTransactions(c *produceCmd, p recordProducer) *transactions {
	if c.TransactionalID == "" {
		return nil
	}
	t := &transactions{id: c.TransactionalID, each: c.TransactionRecords}
	t.producer, _ = p.(transactor)
	return t
}

func (t *transactions) init(ctx context.Context) error {
	switch {
	case t == nil:
		return nil
	case t.producer == nil:
		return fmt.Errorf("transactional.id=%s: this producer has no transactions; leave it out", t.id)
	}
	if err := t.producer.InitTransactions(ctx); err != nil {
		return fmt.Errorf("cannot begin transactions under the id %s: %w", t.id, err)
	}
	return nil
}

// begin opens a transaction if none is.
func (t *transactions) begin() error {
	if t == nil || t.open {
		return nil
	}
	if err := t.producer.BeginTransaction(); err != nil {
		return fmt.Errorf("cannot begin a transaction: %w", err)
	}
	t.open, t.records = true, 0
	return nil
}

// sent counts a record of the open transaction and commits a full one. A record
// that failed ends everything: the transaction cannot be committed.
func (t *transactions) sent(ctx context.Context, o *outcomes) error {
	if t == nil {
		return nil
	}
	if err := o.anyFailed(); err != nil {
		return err
	}
	if t.records++; t.each > 0 && t.records == t.each {
		return t.commit(ctx, o)
	}
	return nil
}

// commit ends the open transaction, if there is one. When it returns nil every
// record of it is acknowledged.
func (t *transactions) commit(ctx context.Context, o *outcomes) error {
	if t == nil || !t.open {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	var err error
	if r := t.resumption; r != nil {
		err = t.producer.SendOffsetsToTransaction(ctx, r.position(*t.read),
			posthaste.GroupMetadata{GroupID: r.group})
	}
	if err == nil {
		err = t.producer.CommitTransaction(ctx)
	}
	if err == nil {
		err = o.anyFailed()
	}
	if err != nil {
		if errors.Is(err, errInterrupted) {
			return err
		}
		return fmt.Errorf("cannot commit the transaction of %s: %w",
			report.Plural(t.records, "record"), err)
	}
	t.open = false
	t.committed++
	o.mu.Lock()
	defer o.mu.Unlock()
	t.acked, t.bytes, t.counts = o.acked, o.bytes, slices.Clone(o.counts)
	return nil
}

// abort ends the open transaction because of err, which it returns. What was
// acknowledged in it counts as aborted from then on.
func (t *transactions) abort(o *outcomes, err error) error {
	if t == nil || !t.open {
		return err
	}
	t.open = false
	// Not the command's context: a signal has ended that, and the abort must
	// still reach the coordinator. A second signal ends the process.
	if aborting := t.producer.AbortTransaction(context.Background()); aborting != nil {
		err = errors.Join(err, fmt.Errorf("cannot abort the transaction: %w; the coordinator "+
			"aborts it after transaction.timeout.ms", aborting))
	} else {
		err = fmt.Errorf("%w; the open transaction of %s is aborted", err,
			report.Plural(t.records, "record"))
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.aborted += o.acked - t.acked
	o.acked, o.bytes = t.acked, t.bytes
	o.counts = slices.Clone(t.counts)
	return err
}

// anyFailed returns an error if a record failed.
func (o *outcomes) anyFailed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failed == 0 {
		return nil
	}
	return fmt.Errorf("%s failed", report.Plural(o.failed, "record"))
}
