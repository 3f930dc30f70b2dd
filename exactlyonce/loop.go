package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/backoff"
	"github.com/posthaste-go/posthaste/internal/clock"
)

// loop is one Run.
//
// A poll opens a window, in which no rebalance happens, and AllowRebalance ends
// it. The transaction belongs to run within a window and to the rebalance
// callbacks outside of them; it may be open over several windows.
//
// Locks: mu is held throughout a window and a callback. They exclude each other
// already, but for the one at the group's end.
type loop struct {
	cfg      Config
	handle   Handler
	producer *posthaste.Producer
	consumer *kgo.Client
	instance *string // group.instance.id
	log      *slog.Logger
	backoff  backoff.Policy
	ctx      context.Context // Run's, for callbacks

	mu       sync.Mutex
	active   bool // a transaction is open
	began    time.Time
	from     positions // where the open transaction began to read
	next     map[posthaste.TopicPartition]posthaste.OffsetAndMetadata
	rewind   positions // to be set before anything else is handled
	failures int       // transactions in a row that were aborted
	pause    bool      // wait before the next poll
	failed   error     // found in a callback; ends run
}

// positions are offsets to read next.
type positions map[string]map[int32]kgo.EpochOffset

// setDefault notes an offset unless there is one.
func (p positions) setDefault(topic string, partition int32, offset int64) {
	if p[topic] == nil {
		p[topic] = map[int32]kgo.EpochOffset{}
	}
	if _, there := p[topic][partition]; !there {
		p[topic][partition] = kgo.EpochOffset{Epoch: -1, Offset: offset}
	}
}

// reset forgets the transaction that has ended.
func (l *loop) reset() {
	l.active, l.from = false, positions{}
	l.next = map[posthaste.TopicPartition]posthaste.OffsetAndMetadata{}
}

// run handles what is polled until ctx ends.
func (l *loop) run(ctx context.Context) error {
	for ctx.Err() == nil {
		fetches := l.poll(ctx)
		wait, err := l.window(ctx, fetches)
		l.consumer.AllowRebalance()
		if err != nil {
			return err
		}
		if wait > 0 {
			timer := time.NewTimer(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
			}
		}
	}
	return nil
}

// poll waits for records, or until the open transaction is to be committed.
func (l *loop) poll(ctx context.Context) kgo.Fetches {
	l.mu.Lock()
	active, commitAt := l.active, l.began.Add(l.cfg.CommitInterval)
	l.mu.Unlock()
	if active {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, commitAt)
		defer cancel()
	}
	return l.consumer.PollRecords(ctx, l.cfg.MaxPollRecords)
}

// window handles what was polled and commits in its time. It returns how long to
// wait before the next poll.
func (l *loop) window(ctx context.Context, fetches kgo.Fetches) (time.Duration, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.failed
	if err == nil {
		err = l.checkFetches(ctx, fetches)
	}
	switch {
	case err != nil:
		return 0, err
	case ctx.Err() != nil:
		return 0, nil // what was polled was not handled, so it comes again
	case len(l.rewind) > 0: // and this may lie behind it
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			if len(p.Records) > 0 {
				l.rewind.setDefault(p.Topic, p.Partition, p.Records[0].Offset)
			}
		})
	default:
		err = l.handleAll(ctx, fetches)
		if err == nil && l.active && clock.Now().Sub(l.began) >= l.cfg.CommitInterval {
			err = l.commit(ctx)
		}
		if err != nil {
			return 0, err
		}
	}
	l.consumer.SetOffsets(l.rewind)
	l.rewind = nil
	if !l.pause {
		return 0, nil
	}
	l.pause = false
	return l.backoff.Delay(l.failures - 1), nil
}

// commit ends the open transaction. Without an error it is committed, or it is
// aborted and its records come again.
func (l *loop) commit(ctx context.Context) error {
	if !l.active {
		return nil
	}
	ending := context.WithoutCancel(ctx) // each call waits max.block.ms at most
	member, generation := l.consumer.GroupMetadata()
	group := posthaste.GroupMetadata{GroupID: l.cfg.Group, MemberID: member, GenerationID: generation}
	if l.instance != nil {
		group.GroupInstanceID = *l.instance
	}
	if member == "" {
		return l.abandon(ctx, errNoMember)
	}
	if err := l.producer.SendOffsetsToTransaction(ending, l.next, group); err != nil {
		return l.abandon(ctx, err)
	}
	err := l.producer.CommitTransaction(ending)
	for errors.Is(err, posthaste.ErrOutcomeUnknown) && errors.Is(err, posthaste.ErrTimeout) &&
		ctx.Err() == nil {
		l.log.Warn("the end of a commit is waited for", "error", err)
		err = l.producer.CommitTransaction(ending)
	}
	if err != nil {
		return l.abandon(ctx, err)
	}
	l.failures = 0
	l.reset()
	return nil
}

// errNoMember: the group session has ended, and what was read belongs to others.
var errNoMember = errors.New("this instance is no member of the group")

// abandon aborts the open transaction because of err and has its records read
// again. It returns nil if err passes by itself.
func (l *loop) abandon(ctx context.Context, err error) error {
	if err := l.abort(ctx, err); err != nil {
		return err
	}
	if !passes(err) {
		return err
	}
	l.failures++
	l.pause = true
	l.log.Warn("a transaction is aborted, its records are read again", "error", err)
	return nil
}

// abort ends the open transaction because of err, which it returns if the
// transaction cannot be aborted: then it is known to have ended, or is left to
// whoever has the transactional id next, or to transaction.timeout.ms.
func (l *loop) abort(ctx context.Context, err error) error {
	if !l.active {
		return nil
	}
	l.rewind = l.from
	l.reset()
	if stops(err) {
		return err
	}
	ending := context.WithoutCancel(ctx)
	aborting := l.producer.AbortTransaction(ending)
	for errors.Is(aborting, posthaste.ErrTimeout) && ctx.Err() == nil {
		l.log.Warn("the end of an abort is waited for", "error", aborting)
		aborting = l.producer.AbortTransaction(ending)
	}
	if aborting != nil {
		return fmt.Errorf("%w; and the abort because of: %w", aborting, err)
	}
	return nil
}

// revoked is a rebalance that takes partitions away: what was read of them is
// committed while they are still ours.
func (l *loop) revoked(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil {
		l.failed = l.commit(l.ctx)
	}
	l.forget(gone)
}

// lost is the end of our membership: the partitions are others' already.
func (l *loop) lost(_ context.Context, _ *kgo.Client, gone map[string][]int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil && l.active {
		l.failed = l.abandon(l.ctx, errNoMember)
	}
	l.forget(gone)
}

// forget drops what is known of partitions that are not ours any more.
func (l *loop) forget(gone map[string][]int32) {
	for topic, partitions := range gone {
		for _, p := range partitions {
			delete(l.rewind[topic], p)
		}
		if len(l.rewind[topic]) == 0 {
			delete(l.rewind, topic)
		}
	}
}

// close ends the open transaction, leaves the group, and closes the producer.
func (l *loop) close(ctx context.Context, err error) error {
	l.mu.Lock()
	if err == nil {
		err = l.failed
	}
	if err == nil {
		err = l.commit(ctx)
	} else {
		err = errors.Join(err, l.abort(ctx, err))
	}
	l.failed = errors.Join(err, errEnded) // the callback at the group's end has nothing to do
	l.mu.Unlock()
	if l.consumer != nil {
		l.consumer.CloseAllowingRebalance()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.cfg.Producer.MaxBlock)
	defer cancel()
	return errors.Join(err, l.producer.Close(ctx))
}

var errEnded = errors.New("exactlyonce: Run has ended")
