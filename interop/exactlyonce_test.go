//go:build unix

package interop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
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
	n       int
}

// flow creates two topics and writes n records, one in ten of them aborted.
func (s *transactional) flow(partitions int32, n int) *flow {
	s.Helper()
	name := s.topic(partitions)
	f := &flow{s, name, name + ".out", n}
	s.createTopic(s.T, f.out, partitions)
	p := s.open(name + "-writer")
	for i := 0; i < n; {
		s.ok(p.BeginTransaction())
		for range 1000 {
			_, err := p.Send(s.Context(), posthaste.Record{Topic: f.in, Value: fmt.Append(nil, i)})
			s.ok(err)
			if i++; i == n {
				break
			}
		}
		s.ok(p.CommitTransaction(s.Context()))
		s.ok(p.BeginTransaction())
		s.send(p, f.in, "aborted", "aborted")
		s.ok(p.Flush(s.Context()))
		s.ok(p.AbortTransaction(s.Context()))
	}
	return f
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
	return out.Send(posthaste.Record{Topic: f.out, Value: in.Value})
}

// await waits until the group has read everything.
func (f *flow) await(ctx context.Context) {
	f.Helper()
	for {
		lags, err := f.admin.Lag(ctx, f.in)
		f.ok(err)
		lag := lags[f.in].Lag.Total()
		if len(lags[f.in].Lag[f.in]) > 0 && lag == 0 {
			return
		}
		select {
		case <-ctx.Done():
			f.Fatalf("the group is still %d records behind", lag)
		case <-time.After(50 * time.Millisecond):
		}
	}
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
	f := s.flow(6, 30_000)
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
		time.Sleep(time.Second)
		stopB()
		stopB = run("b")
	}
	f.await(ctx)
	stopA()
	stopB()
	f.check()
}

func (s *transactional) handlerError() {
	f := s.flow(2, 2000)
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
	f := s.flow(2, 1000)
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
	ended, stop := context.WithCancel(ctx)
	second := make(chan error, 1)
	go func() { second <- exactlyonce.Run(ended, f.config("same"), f.copy) }()
	time.Sleep(time.Second)
	close(proceed)
	if err := <-first; !errors.Is(err, posthaste.ErrFenced) {
		f.Errorf("the older instance ends with %v, want ErrFenced", err)
	}
	f.await(ctx)
	stop()
	f.ok(<-second)
	f.check()
}
