package posthaste

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/producer/sender"
	"github.com/posthaste-go/posthaste/internal/producer/txn"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// transactional starts a producer with a transactional id over b.
func transactional(t *testing.T, b *coordinating) *Producer {
	t.Helper()
	cfg := DefaultConfig()
	cfg.BootstrapServers = []string{"broker:9092"}
	cfg.TransactionalID, cfg.Dial = "x", b.dial
	cfg.MaxBlock = time.Second
	cfg.Logger = slog.New(slog.DiscardHandler)
	p, err := NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// end closes p and waits for the broker's goroutines.
func (b *coordinating) end(p *Producer) {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		b.Errorf("Close: %v", err)
	}
	b.conns.Wait()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A record whose Send returned nil is part of the transaction that was open
// then, or was refused: the broker sees no batch of a transaction after its
// end, and every record that was accepted has been acknowledged by then.
func TestSendsThatRaceWithACommitAreInItOrRefused(t *testing.T) {
	b := &coordinating{TB: t, version: 2}
	p := transactional(t, b)
	ctx := t.Context()
	must(t, p.InitTransactions(ctx))
	var accepted, acknowledged, refused atomic.Int64
	stop, sent := make(chan struct{}), make(chan struct{})
	var senders sync.WaitGroup
	for range 4 {
		senders.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				d, err := p.Send(ctx, Record{Topic: "t", Value: []byte("v")})
				switch {
				case errors.Is(err, ErrInvalidState):
					refused.Add(1)
					runtime.Gosched()
					continue
				case err != nil:
					t.Errorf("Send: %v", err)
					return
				}
				accepted.Add(1)
				select {
				case sent <- struct{}{}:
				default:
				}
				if _, err := d.Wait(ctx); err != nil {
					t.Errorf("an accepted record failed: %v", err)
				}
				acknowledged.Add(1)
			}
		})
	}
	for range 50 {
		must(t, p.BeginTransaction())
		<-sent
		must(t, p.CommitTransaction(ctx))
	}
	close(stop)
	senders.Wait()
	if accepted.Load() != acknowledged.Load() {
		t.Errorf("%d accepted, %d acknowledged", accepted.Load(), acknowledged.Load())
	}
	t.Logf("%d accepted, %d refused", accepted.Load(), refused.Load())
	b.end(p)
}

func TestACallThatTimedOutIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &coordinating{TB: t, version: 2, release: make(chan struct{})}
		p := transactional(t, b)
		ctx := t.Context()
		must(t, p.InitTransactions(ctx))
		must(t, p.BeginTransaction())
		_, err := p.SendSync(ctx, Record{Topic: "t", Value: []byte("v")})
		must(t, err)

		err = p.CommitTransaction(ctx)
		if !errors.Is(err, ErrTimeout) || !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("commit is %v, want ErrTimeout and ErrOutcomeUnknown", err)
		}
		for name, err := range map[string]error{
			"abort": p.AbortTransaction(ctx), "begin": p.BeginTransaction(),
		} {
			if !errors.Is(err, ErrInvalidState) {
				t.Errorf("%s is %v, want ErrInvalidState", name, err)
			}
		}
		if _, err := p.Send(ctx, Record{Topic: "t"}); !errors.Is(err, ErrInvalidState) {
			t.Errorf("Send is %v, want ErrInvalidState", err)
		}
		close(b.release)
		synctest.Wait() // the answer comes between the calls
		if err := p.BeginTransaction(); !errors.Is(err, ErrInvalidState) {
			t.Errorf("begin before the result was taken is %v, want ErrInvalidState", err)
		}
		must(t, p.CommitTransaction(ctx))
		must(t, p.BeginTransaction())
		must(t, p.AbortTransaction(ctx))
		b.end(p)
		if n := strings.Count(strings.Join(b.requests, "\n"), "EndTxn"); n != 1 {
			t.Errorf("%d EndTxn were sent, want 1: the call waits for the same request", n)
		}
	})
}

func TestInTransactionTellsAnOutcomeThatIsNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &coordinating{TB: t, version: 2, release: make(chan struct{})}
		p := transactional(t, b)
		must(t, p.InitTransactions(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		send := func(context.Context) error {
			_, err := p.Send(t.Context(), Record{Topic: "t"})
			return err
		}
		err := p.InTransaction(ctx, send)
		if !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("InTransaction is %v, want ErrOutcomeUnknown and context.DeadlineExceeded", err)
		}
		close(b.release)
		must(t, p.InTransaction(t.Context(), send)) // which waits for the first to end
		b.end(p)
	})
}

func TestCloseAbortsAnOpenTransaction(t *testing.T) {
	b := &coordinating{TB: t, version: 2}
	p := transactional(t, b)
	must(t, p.InitTransactions(t.Context()))
	must(t, p.BeginTransaction())
	_, err := p.SendSync(t.Context(), Record{Topic: "t"})
	must(t, err)
	b.end(p)
	last := b.requests[len(b.requests)-1]
	if !strings.HasPrefix(last, "EndTxn v5 abort") {
		t.Errorf("the last request is %q, want an abort", last)
	}
	if err := p.CommitTransaction(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("commit after Close is %v, want ErrClosed", err)
	}
}

// Close does not wait for ever, and what a commit that it interrupts has come to
// is not known: neither to who waits in the call, nor to who calls again.
func TestACommitThatIsInterruptedByCloseIsNotKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &coordinating{TB: t, version: 2, release: make(chan struct{})}
		p := transactional(t, b)
		must(t, p.InitTransactions(t.Context()))
		must(t, p.BeginTransaction())
		_, err := p.SendSync(t.Context(), Record{Topic: "t"})
		must(t, err)
		waiting := make(chan error)
		go func() { waiting <- p.CommitTransaction(t.Context()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close is %v, want context.DeadlineExceeded", err)
		}
		for name, err := range map[string]error{
			"the call that waits": <-waiting, "the next one": p.CommitTransaction(t.Context()),
		} {
			if !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, ErrClosed) {
				t.Errorf("%s is %v, want ErrOutcomeUnknown and ErrClosed", name, err)
			}
		}
		close(b.release)
		b.conns.Wait()
	})
}

// Two goroutines that make the same call wait for one request and hear its end both.
func TestTheSameCallTwiceIsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &coordinating{TB: t, version: 2, release: make(chan struct{}),
			hold: protocol.InitProducerID}
		p := transactional(t, b)
		var calls sync.WaitGroup
		for range 2 {
			calls.Go(func() {
				if err := p.InitTransactions(t.Context()); err != nil {
					t.Errorf("InitTransactions: %v", err)
				}
			})
		}
		synctest.Wait() // both wait for the answer
		close(b.release)
		calls.Wait()
		b.end(p)
		if n := strings.Count(strings.Join(b.requests, "\n"), "InitProducerId"); n != 1 {
			t.Errorf("%d InitProducerId were sent, want 1:\n%s", n, strings.Join(b.requests, "\n"))
		}
	})
}

// What a text tells the user to call again is the call that the user made, and with
// two-phase commit nobody is said to abort a transaction that nobody does.
func TestTextsNameTheCallsOfTwoPhaseCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.BootstrapServers = []string{"broker:9092"}
		cfg.TransactionalID, cfg.Transaction2PC, cfg.MaxBlock = "x", true, time.Second
		cfg.Logger = slog.New(slog.DiscardHandler)
		cfg.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		p, err := NewProducer(cfg)
		must(t, err)
		_, keep := p.InitTransactionsKeepPrepared(t.Context())
		complete := p.CompleteTransaction(t.Context(), PreparedTxnState{id: 1001, epoch: 3})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, tt := range []struct {
			err   error
			parts []string
		}{
			{keep, []string{"InitTransactionsKeepPrepared has not come to an end",
				"call InitTransactionsKeepPrepared again"}},
			{p.InitTransactions(t.Context()), []string{
				"InitTransactions: the end of InitTransactionsKeepPrepared is not known"}},
			{complete, []string{"CompleteTransaction of 1000:3: the end of"}},
			{p.Close(ctx), []string{"close: InitTransactionsKeepPrepared",
				"posthaste transactions force-terminate"}},
			{p.transactionError(&sender.TransactionError{State: txn.Fatal, Doing: "commit",
				Code: errcode.ProducerFenced}), []string{"posthaste transactions force-terminate"}},
		} {
			if tt.err == nil {
				t.Errorf("no error, want %q", tt.parts)
				continue
			}
			text := tt.err.Error()
			for _, part := range tt.parts {
				if !strings.Contains(text, part) || strings.Contains(text, "transaction.timeout.ms") {
					t.Errorf("%q, want %q in it and no timeout", text, part)
				}
			}
		}
	})
}

func TestTwoPhaseCommitNeedsACoordinatorThatHasIt(t *testing.T) {
	b := &coordinating{TB: t, version: 2}
	cfg := DefaultConfig()
	cfg.BootstrapServers = []string{"broker:9092"}
	cfg.TransactionalID, cfg.Transaction2PC, cfg.Dial = "x", true, b.dial
	cfg.Logger = slog.New(slog.DiscardHandler)
	p, err := NewProducer(cfg)
	must(t, err)
	err = p.InitTransactions(t.Context())
	for _, part := range []string{"broker:9092", "transaction.two.phase.commit.enable",
		"InitProducerId version 6", "0 to 5", "unstable.api.versions.enable"} {
		if !errors.Is(err, ErrFatal) || !strings.Contains(err.Error(), part) {
			t.Errorf("InitTransactions is %v, want ErrFatal that says %q", err, part)
		}
	}
	b.end(p)
}

func TestTransactionalCallsNeedATransactionalID(t *testing.T) {
	cfg := DefaultConfig()
	cfg.BootstrapServers = []string{"127.0.0.1:1"}
	p, err := NewProducer(cfg)
	must(t, err)
	_, prepare := p.PrepareTransaction(t.Context())
	_, keep := p.InitTransactionsKeepPrepared(t.Context())
	for name, err := range map[string]error{
		"prepare": prepare, "keep": keep,
		"complete": p.CompleteTransaction(t.Context(), PreparedTxnState{}),

		"init":    p.InitTransactions(t.Context()),
		"begin":   p.BeginTransaction(),
		"commit":  p.CommitTransaction(t.Context()),
		"abort":   p.AbortTransaction(t.Context()),
		"offsets": p.SendOffsetsToTransaction(t.Context(), nil, GroupMetadata{GroupID: "g"}),
		"all":     p.InTransaction(t.Context(), func(context.Context) error { return nil }),
	} {
		if !errors.Is(err, ErrInvalidState) || !strings.Contains(err.Error(), "transactional.id") {
			t.Errorf("%s is %v, want ErrInvalidState that names transactional.id", name, err)
		}
	}
	must(t, p.Close(t.Context()))
}
