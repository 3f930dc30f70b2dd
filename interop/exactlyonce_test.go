//go:build unix

package interop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/exactlyonce"
	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/franz"
	"github.com/posthaste-go/posthaste/interop/kafka"
)

func TestExactlyOnceOnKafka(t *testing.T) {
	tg := newTarget(t, kafka.StartNode(t, kafka.Options{}).Bootstrap(), 1)
	testExactlyOnce(t, tg)
}

func testExactlyOnce(t *testing.T, tg target) {
	for name, test := range map[string]func(*transactional){
		"instances come and go":                   (*transactional).instances,
		"a failing handler sees its record again": (*transactional).handlerError,
		"a second instance fences":                (*transactional).fencedInstance,
	} {
		t.Run(name, func(t *testing.T) { test(&transactional{T: t, target: tg}) })
	}
}

// flow is a consume-transform-produce from one topic to another.
type flow struct {
	*transactional
	in, out string
	writer  *posthaste.Producer
	n       int // records written
	handled atomic.Int64
}

// flow creates two topics.
func (s *transactional) flow(partitions int32) *flow {
	s.Helper()
	name := s.topic(partitions)
	f := &flow{transactional: s, in: name, out: name + ".out"}
	s.createTopic(s.T, f.out, partitions)
	f.writer = s.open(name + "-writer")
	return f
}

// write writes n more records, and among them some that are aborted.
func (f *flow) write(n int) {
	f.Helper()
	for end := f.n + n; f.n < end; {
		f.ok(f.writer.BeginTransaction())
		for range min(1000, end-f.n) {
			_, err := f.writer.Send(f.Context(),
				posthaste.Record{Topic: f.in, Value: fmt.Append(nil, f.n)})
			f.ok(err)
			f.n++
		}
		f.ok(f.writer.CommitTransaction(f.Context()))
		f.ok(f.writer.BeginTransaction())
		f.send(f.writer, f.in, "aborted", "aborted")
		f.ok(f.writer.Flush(f.Context()))
		f.ok(f.writer.AbortTransaction(f.Context()))
	}
}

func (f *flow) config(instance string) exactlyonce.Config {
	cfg := posthaste.DefaultConfig()
	cfg.BootstrapServers = []string{f.bootstrap}
	cfg.TransactionalID = f.in + "-" + instance
	cfg.TransactionTimeout = 10 * time.Second
	cfg.Logger = slog.New(slog.NewTextHandler(f.Output(), nil))
	return exactlyonce.Config{Producer: cfg, Group: f.in, Topics: []string{f.in},
		CommitInterval: 20 * time.Millisecond, Concurrency: 2,
		Consumer: []kgo.Opt{kgo.HeartbeatInterval(100 * time.Millisecond)}}
}

func (f *flow) copy(_ context.Context, in *kgo.Record, out *exactlyonce.Output) error {
	f.handled.Add(1)
	return out.Send(posthaste.Record{Topic: f.out, Value: in.Value})
}

// until waits for a condition.
func (f *flow) until(ctx context.Context, what string, met func() bool) {
	f.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !met() {
		select {
		case <-ctx.Done():
			f.Fatalf("gave up waiting until %s", what)
		case <-tick.C:
		}
	}
}

// await waits until the group has read everything.
func (f *flow) await(ctx context.Context) {
	f.Helper()
	f.until(ctx, "the group has read all", func() bool {
		lags, err := f.admin.Lag(ctx, f.in)
		f.ok(err)
		return len(lags[f.in].Lag[f.in]) > 0 && lags[f.in].Lag.Total() == 0
	})
}

// check compares what is committed in the output with the input.
func (f *flow) check() {
	f.Helper()
	records, err := franz.Client{}.Consume(f.Context(), driver.Consume{
		Bootstrap: f.bootstrap, Topic: f.out, ReadCommitted: true,
	})
	f.ok(err)
	seen := map[string]int{}
	for _, r := range records {
		seen[string(r.Value)]++
	}
	missing, twice := 0, 0
	for i := range f.n {
		switch seen[fmt.Sprint(i)] {
		case 1:
		case 0:
			missing++
		default:
			twice++
		}
	}
	if missing > 0 || twice > 0 || len(records) != f.n {
		f.Errorf("%d records in the output, want %d; %d are missing, %d come more than once",
			len(records), f.n, missing, twice)
	}
}

func (s *transactional) instances() {
	f := s.flow(6)
	ctx, cancel := context.WithTimeout(f.Context(), patience)
	defer cancel()
	run := func(name string) (stop func()) {
		ctx, cancel := context.WithCancel(ctx)
		var group sync.WaitGroup
		group.Go(func() {
			if err := exactlyonce.Run(ctx, f.config(name), f.copy); err != nil {
				f.Errorf("instance %s: %v", name, err)
			}
		})
		return func() { cancel(); group.Wait() }
	}
	stopA, stopB := run("a"), run("b")
	for range 3 {
		before := f.handled.Load()
		f.write(10_000)
		f.until(ctx, "some are handled", func() bool { return f.handled.Load() > before+2000 })
		stopB()
		stopB = run("b")
	}
	f.await(ctx)
	stopA()
	stopB()
	f.check()
}

func (s *transactional) handlerError() {
	f := s.flow(2)
	f.write(2000)
	ctx, cancel := context.WithTimeout(f.Context(), patience)
	defer cancel()
	mistake := errors.New("mistake")
	failing := func(ctx context.Context, in *kgo.Record, out *exactlyonce.Output) error {
		if string(in.Value) == "1500" {
			return mistake
		}
		return f.copy(ctx, in, out)
	}
	for range 2 {
		err := exactlyonce.Run(ctx, f.config("a"), failing)
		e, ok := errors.AsType[*exactlyonce.HandlerError](err)
		if !ok || !errors.Is(err, mistake) || e.Topic != f.in {
			f.Errorf("Run is %v, want a *HandlerError", err)
		}
	}
	ended, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- exactlyonce.Run(ended, f.config("a"), f.copy) }()
	f.await(ctx)
	stop()
	f.ok(<-done)
	f.check()
}

func (s *transactional) fencedInstance() {
	f := s.flow(2)
	f.write(1000)
	ctx, cancel := context.WithTimeout(f.Context(), patience)
	defer cancel()
	handling, proceed := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow := func(ctx context.Context, in *kgo.Record, out *exactlyonce.Output) error {
		once.Do(func() { close(handling); <-proceed })
		return f.copy(ctx, in, out)
	}
	first := make(chan error, 1)
	go func() { first <- exactlyonce.Run(ctx, f.config("same"), slow) }()
	<-handling
	described, err := f.admin.DescribeTransactions(ctx, f.in+"-same")
	f.ok(err)
	epoch := described[f.in+"-same"].ProducerEpoch
	ended, stop := context.WithCancel(ctx)
	second := make(chan error, 1)
	go func() { second <- exactlyonce.Run(ended, f.config("same"), f.copy) }()
	f.until(ctx, "the second has taken over", func() bool {
		d, err := f.admin.DescribeTransactions(ctx, f.in+"-same")
		f.ok(err)
		return d[f.in+"-same"].ProducerEpoch > epoch
	})
	close(proceed)
	if err := <-first; !errors.Is(err, posthaste.ErrFenced) {
		f.Errorf("the older instance ends with %v, want ErrFenced", err)
	}
	f.await(ctx)
	stop()
	f.ok(<-second)
	f.check()
}

func TestExactlyOnceOnTheEmbeddedBroker(t *testing.T) {
	b, _ := runBroker(t)
	testExactlyOnce(t, newTarget(t, b.Addr(), 1))
}
