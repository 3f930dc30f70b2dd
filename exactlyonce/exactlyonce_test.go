package exactlyonce

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/internal/errcode"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a broker with the topics in and out.
type bench struct {
	*testing.T
	broker *broker.Broker
	n      int // records in the input
	ctx    context.Context
}

func newBench(t *testing.T, partitions int) *bench {
	b := &bench{T: t, broker: broker.Run(t, broker.Config{
		Topics: map[string]int{"in": partitions, "out": 1}, Logger: slog.New(slog.DiscardHandler),
	})}
	var cancel context.CancelFunc
	b.ctx, cancel = context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return b
}

func (b *bench) producer() posthaste.Config {
	cfg := posthaste.DefaultConfig()
	cfg.BootstrapServers = []string{b.broker.Addr()}
	cfg.Logger = slog.New(slog.NewTextHandler(b.Output(), nil))
	cfg.RetryBackoff, cfg.RetryBackoffMax = 10*time.Millisecond, 20*time.Millisecond
	return cfg
}

// write adds n numbered records to the input.
func (b *bench) write(n int) {
	b.Helper()
	p, err := posthaste.NewProducer(b.producer())
	b.ok(err)
	for range n {
		_, err := p.Send(b.ctx, posthaste.Record{Topic: "in", Key: fmt.Append(nil, b.n),
			Value: fmt.Append(nil, b.n)})
		b.ok(err)
		b.n++
	}
	b.ok(p.Close(b.ctx))
}

func (b *bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) config(instance string) Config {
	cfg := Config{Producer: b.producer(), Group: "g", Topics: []string{"in"},
		CommitInterval: 10 * time.Millisecond,
		Consumer: []kgo.Opt{kgo.HeartbeatInterval(50 * time.Millisecond),
			kgo.FetchMaxWait(100 * time.Millisecond)}}
	cfg.Producer.TransactionalID = "t-" + instance
	return cfg
}

func toOut(_ context.Context, in *kgo.Record, out *Output) error {
	return out.Send(posthaste.Record{Topic: "out", Value: in.Value})
}

// start runs an instance until stop, which returns Run's error.
func (b *bench) start(cfg Config, h Handler) (stop func() error) {
	ctx, cancel := context.WithCancel(b.ctx)
	done := make(chan error, 1)
	go func() { done <- Run(ctx, cfg, h) }()
	return func() error { cancel(); return <-done }
}

// read returns the committed values of the output once there are n, or what there
// is at the end of a minute.
func (b *bench) read(n int) []string {
	b.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(b.broker.Addr()), kgo.ConsumeTopics("out"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(50*time.Millisecond))
	b.ok(err)
	defer c.Close()
	var values []string
	for len(values) < n && b.ctx.Err() == nil {
		for r := range c.PollFetches(b.ctx).RecordsAll() {
			values = append(values, string(r.Value))
		}
	}
	return values
}

// exactly fails unless the output holds each input once.
func (b *bench) exactly() {
	b.Helper()
	seen := map[string]int{}
	for _, v := range b.read(b.n) {
		seen[v]++
	}
	var missing, twice []int
	for i := range b.n {
		switch seen[fmt.Sprint(i)] {
		case 0:
			missing = append(missing, i)
		case 1:
		default:
			twice = append(twice, i)
		}
	}
	if len(missing)+len(twice) > 0 || len(seen) != b.n {
		b.Errorf("%d different records are in the output, want %d; missing: %v; more than once: %v",
			len(seen), b.n, missing, twice)
	}
}

func TestEachRecordOnceWhileInstancesComeAndGo(t *testing.T) {
	b := newBench(t, 4)
	cfg := b.config("steady")
	cfg.Concurrency = 2
	steady := b.start(cfg, toOut)
	for i := range 4 {
		stop := b.start(b.config("guest"), toOut)
		b.write(500)
		b.read(400 * (i + 1))
		b.ok(stop())
	}
	b.exactly()
	b.ok(steady())
}

// What the brokers do to requests of a transaction makes it be done again, not
// twice.
func TestEachRecordOnceInSpiteOf(t *testing.T) {
	for name, faults := range map[string][]broker.Fault{
		"answers to produce requests that are lost": {broker.Produce().Client("producer-t-a").Nth(3).DropResponse()},
		"answers to commits that are lost":          {broker.Request("EndTxn").Nth(2).DropResponse()},
		"offsets of a generation that is over": {broker.Request("TxnOffsetCommit").Nth(2).
			Error(int16(errcode.IllegalGeneration))},
		"a producer epoch that is refused": {broker.Produce().Client("producer-t-a").Nth(4).
			Error(int16(errcode.InvalidProducerEpoch))},
		"a transaction that can only be aborted": {broker.Produce().Client("producer-t-a").Nth(4).
			Error(int16(errcode.TransactionAbortable))},
		"a broker that is killed": {broker.Request("TxnOffsetCommit").Nth(3).Kill()},
		"a group session that ends": {broker.Request("Heartbeat").Nth(2).
			Error(int16(errcode.UnknownMemberId))},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, 2)
			b.write(200)
			cfg := b.config("a")
			cfg.MaxPollRecords = 20
			b.broker.Inject(faults...)
			stop := b.start(cfg, toOut)
			b.read(200)
			b.write(100)
			b.exactly()
			b.ok(stop())
		})
	}
}

func TestAHandlersErrorEndsRunAndItsRecordComesAgain(t *testing.T) {
	b := newBench(t, 1)
	b.write(20)
	mistake := errors.New("mistake")
	err := Run(b.ctx, b.config("a"), func(ctx context.Context, in *kgo.Record, out *Output) error {
		if string(in.Value) == "13" {
			return mistake
		}
		return toOut(ctx, in, out)
	})
	e, ok := errors.AsType[*HandlerError](err)
	if !ok || !errors.Is(err, mistake) || e.Topic != "in" || e.Offset != 13 {
		t.Errorf("Run is %v, want a *HandlerError about in-0 at 13", err)
	}
	stop := b.start(b.config("a"), toOut)
	b.exactly()
	b.ok(stop())
}

// What cannot be sent spoils the transaction, whatever the Handler makes of it.
func TestASendThatFailedIsNotCommittedWithout(t *testing.T) {
	b := newBench(t, 1)
	b.write(5)
	err := Run(b.ctx, b.config("a"), func(ctx context.Context, in *kgo.Record, out *Output) error {
		_ = out.Send(posthaste.Record{Topic: "out", Value: make([]byte, 2<<20)})
		return nil
	})
	if !errors.Is(err, posthaste.ErrRecordTooLarge) {
		t.Errorf("Run is %v, want ErrRecordTooLarge", err)
	}
	stop := b.start(b.config("a"), toOut)
	b.exactly()
	b.ok(stop())
}

func TestASendAfterTheHandlerIsRefused(t *testing.T) {
	b := newBench(t, 1)
	b.write(1)
	var kept *Output
	stop := b.start(b.config("a"), func(ctx context.Context, in *kgo.Record, out *Output) error {
		kept = out
		return toOut(ctx, in, out)
	})
	b.read(1)
	b.ok(stop())
	if err := kept.Send(posthaste.Record{Topic: "out"}); !errors.Is(err, errOver) {
		t.Errorf("Send is %v, want %v", err, errOver)
	}
}

func TestAPanicAbortsAndComesThrough(t *testing.T) {
	b := newBench(t, 1)
	b.write(3)
	func() {
		defer func() {
			if v := recover(); v != "panic" {
				t.Errorf("recovered %v, want the Handler's panic", v)
			}
		}()
		_ = Run(b.ctx, b.config("a"), func(ctx context.Context, in *kgo.Record, out *Output) error {
			if string(in.Value) == "2" {
				panic("panic")
			}
			return toOut(ctx, in, out)
		})
	}()
	stop := b.start(b.config("a"), toOut) // at once: nothing is open any more
	b.exactly()
	b.ok(stop())
}

func TestAnInstanceThatIsFencedStops(t *testing.T) {
	b := newBench(t, 1)
	b.write(10)
	handling, proceed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	first := make(chan error, 1)
	go func() {
		h := func(ctx context.Context, in *kgo.Record, out *Output) error {
			err := toOut(ctx, in, out)
			once.Do(func() { close(handling); <-proceed })
			return err
		}
		first <- Run(b.ctx, b.config("same"), h)
	}()
	<-handling
	cfg := b.config("same")
	p, err := posthaste.NewProducer(cfg.Producer)
	b.ok(err)
	b.ok(p.InitTransactions(b.ctx))
	close(proceed)
	if err := <-first; !errors.Is(err, posthaste.ErrFenced) {
		t.Errorf("Run is %v, want ErrFenced", err)
	}
	b.ok(p.Close(b.ctx))
	stop := b.start(cfg, toOut)
	b.exactly()
	b.ok(stop())
}

// A rebalance that takes a partition away waits for the record being handled, and
// what was handled is committed first: the next owner does not see it again.
func TestWhatWasHandledIsCommittedBeforeARebalance(t *testing.T) {
	b := newBench(t, 2)
	b.write(40)
	cfg := b.config("a")
	cfg.CommitInterval = 50 * time.Second // no commit but for the rebalance
	var handled atomic.Int64
	all := make(chan struct{})
	count := func(ctx context.Context, in *kgo.Record, out *Output) error {
		if handled.Add(1) == 40 {
			close(all)
		}
		return toOut(ctx, in, out)
	}
	stopA := b.start(cfg, count)
	select {
	case <-all:
	case <-b.ctx.Done():
		t.Fatal("not all is handled in a minute")
	}
	stopB := b.start(b.config("b"), count)
	b.exactly()
	if n := handled.Load(); n != 40 {
		t.Errorf("%d records were handled, want 40: none twice", n)
	}
	b.ok(stopA())
	b.ok(stopB())
}

// Handlers end after the record that they are at, and that counts.
func TestStopCommitsWhatWasHandled(t *testing.T) {
	b := newBench(t, 1)
	b.write(10)
	ctx, stop := context.WithCancel(b.ctx)
	var values []string
	h := func(ctx context.Context, in *kgo.Record, out *Output) error {
		if values = append(values, string(in.Value)); len(values) == 4 {
			stop()
		}
		return toOut(ctx, in, out)
	}
	b.ok(Run(ctx, b.config("a"), h))
	ctx, stop = context.WithCancel(b.ctx)
	b.ok(Run(ctx, b.config("a"), func(ctx context.Context, in *kgo.Record, out *Output) error {
		if string(in.Value) == "9" {
			stop()
		}
		values = append(values, string(in.Value))
		return toOut(ctx, in, out)
	}))
	b.exactly()
	if !slices.IsSorted(values) || len(values) != 10 {
		t.Errorf("handled were %v, want each once, in order", values)
	}
}

func TestConfigsThatCannotBeAreRefused(t *testing.T) {
	good := Config{Producer: posthaste.DefaultConfig(), Group: "g", Topics: []string{"in"}}
	good.Producer.TransactionalID = "t"
	for want, change := range map[string]func(*Config){
		"transactional.id":       func(c *Config) { c.Producer.TransactionalID = "" },
		"Group is empty":         func(c *Config) { c.Group = "" },
		"Topics is empty":        func(c *Config) { c.Topics = nil },
		"not negative":           func(c *Config) { c.CommitInterval = -1 },
		"transaction.timeout.ms": func(c *Config) { c.CommitInterval = time.Hour },
	} {
		cfg := good
		change(&cfg)
		if err := Run(t.Context(), cfg, toOut); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Run is %v, want an error that names %q", err, want)
		}
	}
	if err := Run(t.Context(), good, nil); err == nil {
		t.Error("Run takes no Handler")
	}
}
