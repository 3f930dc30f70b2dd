package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/clock"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

// handleAll handles what was polled, Concurrency partitions at a time, in a
// transaction that it opens if there is none. It returns nil if everything is
// handled, or the transaction is aborted and its records come again.
func (l *loop) handleAll(ctx context.Context, fetches kgo.Fetches) error {
	var work []kgo.FetchTopicPartition
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		if len(p.Records) > 0 {
			work = append(work, p)
		}
	})
	if len(work) == 0 {
		return nil
	}
	if !l.active {
		if err := l.producer.BeginTransaction(); err != nil {
			return err
		}
		l.active, l.began = true, clock.Now()
	}
	for _, p := range work {
		l.from.setDefault(p.Topic, p.Partition, p.Records[0].Offset)
	}
	err := l.handlePartitions(ctx, work)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()): // asked to stop, not failed
		return l.abort(ctx, err)
	}
	if e, ok := errors.AsType[*HandlerError](err); ok {
		return errors.Join(e, l.abort(ctx, err))
	}
	return l.abandon(ctx, err)
}

// handlePartitions returns the first error of a Handler or of what it sent. If
// ctx ends, what was handled until then counts.
func (l *loop) handlePartitions(ctx context.Context, work []kgo.FetchTopicPartition) error {
	last := make([]*kgo.Record, len(work)) // that was handled, of each partition
	var first error
	if l.cfg.Concurrency == 1 || len(work) == 1 { // so that a panic is the caller's
		for i := 0; i < len(work) && first == nil; i++ {
			last[i], first = l.handlePartition(ctx, work[i])
		}
	} else {
		first = l.handleBeside(ctx, work, last)
	}
	for _, r := range last {
		if r != nil {
			l.next[posthaste.TopicPartition{Topic: r.Topic, Partition: r.Partition}] =
				posthaste.OffsetAndMetadata{Offset: r.Offset + 1, LeaderEpoch: &r.LeaderEpoch}
		}
	}
	return first
}

// handleBeside handles Concurrency partitions at a time.
func (l *loop) handleBeside(
	ctx context.Context, work []kgo.FetchTopicPartition, last []*kgo.Record,
) (first error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	var once sync.Once
	queue := make(chan int)
	for range min(l.cfg.Concurrency, len(work)) {
		group.Go(func() {
			for i := range queue {
				var err error
				if last[i], err = l.handlePartition(ctx, work[i]); err != nil {
					once.Do(func() { first = err; cancel() })
				}
			}
		})
	}
	for i := range work {
		queue <- i
	}
	close(queue)
	group.Wait()
	return first
}

// handlePartition handles the records of one partition in their order until ctx
// ends. It returns the last one.
func (l *loop) handlePartition(
	ctx context.Context, p kgo.FetchTopicPartition,
) (last *kgo.Record, err error) {
	out := &Output{ctx: context.WithoutCancel(ctx), producer: l.producer}
	defer out.end()
	for _, r := range p.Records {
		if ctx.Err() != nil {
			break
		}
		if !r.Attrs.IsControl() {
			if err := l.handleOne(ctx, r, out); err != nil {
				return last, err
			}
		}
		last = r
	}
	return last, out.end()
}

func (l *loop) handleOne(ctx context.Context, r *kgo.Record, out *Output) error {
	err := l.handle(ctx, r, out)
	if failure := out.failure.Load(); failure != nil {
		if passes(*failure) || stops(*failure) {
			return *failure // not the Handler's fault
		}
		err = *failure
	}
	if err != nil {
		return &HandlerError{Topic: r.Topic, Partition: r.Partition, Offset: r.Offset, Err: err}
	}
	return nil
}

// checkFetches returns what makes further polls useless, and logs the rest.
func (l *loop) checkFetches(ctx context.Context, fetches kgo.Fetches) error {
	for _, e := range fetches.Errors() {
		var loss *kgo.ErrDataLoss
		switch {
		case ctx.Err() != nil, errors.Is(e.Err, context.DeadlineExceeded):
		case errors.As(e.Err, &loss):
			l.log.Error("records are gone that were not read", "error", e.Err)
		case errors.Is(e.Err, kgo.ErrClientClosed):
			return e.Err
		case passes(e.Err):
			l.log.Warn("cannot read for the moment", "topic", e.Topic, "partition", e.Partition,
				"error", e.Err)
		case e.Topic == "":
			return fmt.Errorf("consumer group %s: %w", l.cfg.Group, e.Err)
		default:
			return fmt.Errorf("read %s-%d: %w", e.Topic, e.Partition, e.Err)
		}
	}
	return nil
}

// stops reports whether the producer, or its transaction, cannot be gone on with.
func stops(err error) bool {
	return errors.Is(err, posthaste.ErrFenced) || errors.Is(err, posthaste.ErrFatal) ||
		errors.Is(err, posthaste.ErrOutcomeUnknown) || errors.Is(err, posthaste.ErrClosed)
}

// passing are the codes of what is over with the transaction, beside the
// retriable ones: membership, and numbers that the broker does not follow.
var passing = map[errcode.Code]bool{
	errcode.UnknownMemberId: true, errcode.IllegalGeneration: true,
	errcode.RebalanceInProgress: true, errcode.FencedMemberEpoch: true,
	errcode.StaleMemberEpoch: true, errcode.MemberIdRequired: true,
	errcode.OutOfOrderSequenceNumber: true, errcode.UnknownProducerId: true,
	errcode.InvalidProducerEpoch: true, errcode.TransactionAbortable: true,
	errcode.InvalidTxnState: true,
}

// passes reports whether trying again may succeed.
func passes(err error) bool {
	if stops(err) {
		return false
	}
	var code errcode.Code
	if e, ok := errors.AsType[posthaste.KafkaError](err); ok {
		code = errcode.Code(e)
	} else if e, ok := errors.AsType[*kerr.Error](err); ok {
		code = errcode.Code(e.Code)
	} else {
		return errors.Is(err, posthaste.ErrTimeout) || errors.Is(err, errNoMember) ||
			errors.Is(err, posthaste.ErrBufferExhausted) || isNetwork(err)
	}
	return code.Retriable() || passing[code]
}

func isNetwork(err error) bool {
	_, ok := errors.AsType[net.Error](err)
	return ok || errors.Is(err, io.EOF) || kgo.IsRetryableBrokerErr(err)
}
