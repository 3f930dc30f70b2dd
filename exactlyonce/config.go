package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/internal/backoff"
	"github.com/posthaste-go/posthaste/internal/franz"
)

// DefaultCommitInterval is Kafka Streams' commit.interval.ms under exactly-once.
const DefaultCommitInterval = 100 * time.Millisecond

// Config says what Run reads and how it writes.
type Config struct {
	// Producer says how to reach the brokers, for reading too, and how to write.
	//
	// Its TransactionalID is needed. Each running instance needs one of its own,
	// which it has again after a restart: with the same one twice, the older
	// instance is fenced. Its TransactionTimeout (60 s) is how long others wait for
	// partitions of an instance that died and does not come back; Kafka Streams
	// takes 10 s.
	Producer posthaste.Config

	Group  string   // group.id
	Topics []string // to read; at least one

	// CommitInterval is how long a transaction is open: what is written becomes
	// visible that much later, and each commit costs some requests. 0 is
	// DefaultCommitInterval.
	CommitInterval time.Duration

	// Concurrency is how many partitions are handled at the same time. Records of
	// one partition are handled one after the other, in order. 0 is 1.
	Concurrency int

	// MaxPollRecords bounds what is handled between two chances to rebalance, which
	// together must not take longer than the group's rebalance timeout. 0 is 500,
	// as max.poll.records.
	MaxPollRecords int

	// Consumer has further options: fetch sizes, a balancer, kgo.InstanceID. What
	// exactly-once depends on is not for them: the group, the topics, isolation,
	// commits and rebalance callbacks are Run's own.
	Consumer []kgo.Opt
}

// Handler makes of a record what is to be written. What it sends with out and the
// record's offset are committed together, or not at all; then the record comes
// again, to this instance or another.
//
// An error ends Run; nothing since the last commit counts. Several calls run at
// the same time if Concurrency allows, each for another partition. When ctx, which
// is Run's, ends, a Handler may finish, and its record counts; or return an error
// that matches ctx.Err(), which aborts what was not committed. The record is not
// to be changed.
type Handler func(ctx context.Context, in *kgo.Record, out *Output) error

// HandlerError is a Handler's error and the record that it was about.
type HandlerError struct {
	Topic     string
	Partition int32
	Offset    int64
	Err       error
}

func (e *HandlerError) Error() string {
	return fmt.Sprintf("handle %s-%d at offset %d: %v; the transaction is aborted, and the record"+
		" comes again", e.Topic, e.Partition, e.Offset, e.Err)
}

// Unwrap is the Handler's error.
func (e *HandlerError) Unwrap() error { return e.Err }

// check completes c, or says what is wrong with it.
func (c *Config) check(handle Handler) error {
	switch {
	case c.Producer.TransactionalID == "":
		return &posthaste.ConfigError{Key: "transactional.id", Reason: "is not set",
			Remedy: "give each instance an id of its own that outlives restarts"}
	case c.Group == "":
		return errors.New("exactlyonce: Config.Group is empty: name the consumer group")
	case len(c.Topics) == 0:
		return errors.New("exactlyonce: Config.Topics is empty: name what to read")
	case handle == nil:
		return errors.New("exactlyonce: there is no Handler")
	case c.CommitInterval < 0, c.Concurrency < 0, c.MaxPollRecords < 0:
		return errors.New("exactlyonce: CommitInterval, Concurrency and MaxPollRecords are not negative")
	case c.CommitInterval >= c.Producer.TransactionTimeout:
		return &posthaste.ConfigError{Key: "transaction.timeout.ms",
			Value:  fmt.Sprint(c.Producer.TransactionTimeout.Milliseconds()),
			Reason: fmt.Sprintf("the coordinator would abort before CommitInterval=%v", c.CommitInterval),
			Remedy: "commit more often"}
	}
	c.CommitInterval = orDefault(c.CommitInterval, DefaultCommitInterval)
	c.Concurrency = orDefault(c.Concurrency, 1)
	c.MaxPollRecords = orDefault(c.MaxPollRecords, 500)
	return nil
}

func orDefault[T int | time.Duration](v, byDefault T) T {
	if v == 0 {
		return byDefault
	}
	return v
}

// Run handles records until ctx ends or something fails for good. It returns nil
// when ctx has ended and everything that was handled is committed.
//
//	*HandlerError                  the Handler's error; its record is not counted
//	matches posthaste.ErrFenced    another instance has the TransactionalID now: stop
//	matches posthaste.ErrOutcomeUnknown
//	                               it is not known whether the last transaction was
//	                               committed; the next Run goes on where that ended
//	another                        the cluster refuses for good, or the Config is wrong
//
// Records are counted exactly once in each of these cases, also if Run is called
// again or the process is killed. Whatever passes by itself is tried again and
// logged: a rebalance, a broker that is gone, a delivery that took too long.
func Run(ctx context.Context, cfg Config, handle Handler) error {
	if err := cfg.check(handle); err != nil {
		return err
	}
	p, err := posthaste.NewProducer(cfg.Producer)
	if err != nil {
		return err
	}
	l := &loop{cfg: cfg, handle: handle, producer: p, log: cfg.Producer.Logger, ctx: ctx,
		backoff: backoff.Policy{Initial: cfg.Producer.RetryBackoff,
			Max: cfg.Producer.RetryBackoffMax, Jitter: backoff.Jitter}}
	if l.log == nil {
		l.log = slog.Default()
	}
	l.reset()
	err = errPanic // until something else is known
	defer func() {
		if err == errPanic {
			_ = l.close(ctx, err) // the panic says more
		}
	}()
	err = l.open(ctx)
	switch {
	case err == nil:
		err = errPanic
		err = l.run(ctx)
	case ctx.Err() != nil && errors.Is(err, context.Cause(ctx)):
		err = nil // asked to stop before there was anything to handle
	}
	err = l.close(ctx, err)
	return err
}

// errPanic is the reason for an abort when a Handler does not come to its end.
var errPanic = errors.New("exactlyonce: the Handler panicked, or ended its goroutine")

// open readies the producer, which ends what an earlier one of its id left open,
// and only then joins the group.
func (l *loop) open(ctx context.Context) error {
	for {
		err := l.producer.InitTransactions(ctx)
		if err == nil {
			break
		}
		if !errors.Is(err, posthaste.ErrTimeout) || ctx.Err() != nil {
			return err
		}
		l.log.Warn("the transaction coordinator is not ready", "error", err)
	}
	reach, err := franz.Options(&l.cfg.Producer)
	if err != nil {
		return err
	}
	opts := append(reach, l.cfg.Consumer...)
	l.consumer, err = kgo.NewClient(append(opts,
		kgo.ConsumerGroup(l.cfg.Group),
		kgo.ConsumeTopics(l.cfg.Topics...),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // they are read past, too
		kgo.DisableAutoCommit(),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsRevoked(l.revoked),
		kgo.OnPartitionsLost(l.lost),
	)...)
	if err != nil {
		return fmt.Errorf("exactlyonce: %w", err)
	}
	l.instance, _ = l.consumer.OptValue(kgo.InstanceID).(*string)
	return nil
}
