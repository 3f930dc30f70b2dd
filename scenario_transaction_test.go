package posthaste

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/posthaste-go/posthaste/internal/errcode"
	"github.com/posthaste-go/posthaste/internal/protocol"
)

// Scenarios 248, 250: a record belongs to a transaction, or is refused.
func TestRecordsOutsideATransactionAreRefused(t *testing.T) {
	b := &coordinating{TB: t, version: 2}
	p := transactional(t, b)
	ctx := t.Context()
	send := func() error {
		_, err := p.Send(ctx, Record{Topic: "t", Value: []byte("v")})
		return err
	}
	refused := func(when, remedy string) {
		t.Helper()
		if err := send(); !errors.Is(err, ErrInvalidState) || !strings.Contains(err.Error(), remedy) {
			t.Errorf("%s Send is %v, want ErrInvalidState with %q", when, err, remedy)
		}
	}
	refused("before InitTransactions", "call InitTransactions")
	must(t, p.InitTransactions(ctx))
	refused("before BeginTransaction", "call BeginTransaction first")
	must(t, p.BeginTransaction())
	must(t, send())
	must(t, p.CommitTransaction(ctx))
	refused("after the commit", "call BeginTransaction first")
	must(t, p.BeginTransaction()) // nothing was damaged
	must(t, send())
	must(t, p.AbortTransaction(ctx))
	refused("after the abort", "call BeginTransaction first")
	b.end(p)
}

// Scenario 257: InitTransactions may be called again, and waits for the same.
func TestInitTransactionsThatTimedOutIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &coordinating{TB: t, version: 2, hold: protocol.InitProducerID,
			release: make(chan struct{})}
		p := transactional(t, b)
		ctx := t.Context()
		for range 2 {
			if err := p.InitTransactions(ctx); !errors.Is(err, ErrTimeout) {
				t.Errorf("InitTransactions is %v, want ErrTimeout", err)
			}
			if err := p.BeginTransaction(); !errors.Is(err, ErrInvalidState) {
				t.Errorf("BeginTransaction is %v, want ErrInvalidState", err)
			}
		}
		close(b.release)
		synctest.Wait()
		must(t, p.InitTransactions(ctx))
		must(t, p.BeginTransaction())
		b.end(p)
		if n := strings.Count(strings.Join(b.requests, "\n"), "InitProducerId"); n != 1 {
			t.Errorf("%d InitProducerId were sent, want 1", n)
		}
	})
}

// Scenarios 65, 263: a closed producer has no transactions. Ours: a commit that
// comes when Close has begun is refused; one that had begun is finished.
func TestTransactionalCallsAfterClose(t *testing.T) {
	b := &coordinating{TB: t, version: 2}
	p := transactional(t, b)
	b.end(p)
	for name, err := range map[string]error{
		"init": p.InitTransactions(t.Context()), "begin": p.BeginTransaction(),
		"commit": p.CommitTransaction(t.Context()), "abort": p.AbortTransaction(t.Context()),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s is %v, want ErrClosed", name, err)
		}
	}
}

// Scenario 65: Close waits for a commit that is under way, and does not abort it.
func TestCloseFinishesACommitThatHasBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &coordinating{TB: t, version: 2, release: make(chan struct{})}
		p := transactional(t, b)
		must(t, p.InitTransactions(t.Context()))
		must(t, p.BeginTransaction())
		_, err := p.SendSync(t.Context(), Record{Topic: "t", Value: []byte("v")})
		must(t, err)
		committed := make(chan error, 1)
		go func() { committed <- p.CommitTransaction(t.Context()) }()
		synctest.Wait()
		closed := make(chan error, 1)
		go func() { closed <- p.Close(t.Context()) }()
		synctest.Wait()
		close(b.release)
		must(t, <-closed)
		if err := <-committed; err != nil && !errors.Is(err, ErrClosed) {
			t.Errorf("the commit is %v", err)
		}
		b.conns.Wait()
		if all := strings.Join(b.requests, "\n"); strings.Count(all, "EndTxn") != 1 ||
			!strings.Contains(all, "EndTxn v5 commit") {
			t.Errorf("the requests were\n%s\nwant one commit", all)
		}
	})
}

// Scenario 66: whoever waits is freed when the producer is closed by force.
func TestCloseByForceFreesTransactionalCalls(t *testing.T) {
	calls := map[string]struct {
		hold protocol.Key
		call func(*Producer, context.Context) error
	}{
		"InitTransactions": {protocol.InitProducerID, (*Producer).InitTransactions},
		"CommitTransaction": {protocol.EndTxn, func(p *Producer, ctx context.Context) error {
			must(t, p.InitTransactions(ctx))
			must(t, p.BeginTransaction())
			_, err := p.SendSync(ctx, Record{Topic: "t", Value: []byte("v")})
			must(t, err)
			return p.CommitTransaction(ctx)
		}},
		"SendOffsetsToTransaction": {protocol.AddOffsetsToTxn,
			func(p *Producer, ctx context.Context) error {
				must(t, p.InitTransactions(ctx))
				must(t, p.BeginTransaction())
				return p.SendOffsetsToTransaction(ctx, map[TopicPartition]OffsetAndMetadata{
					{Topic: "t"}: {Offset: 1}}, GroupMetadata{GroupID: "g"})
			}},
	}
	for name, tt := range calls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &coordinating{TB: t, version: 1, hold: tt.hold, release: make(chan struct{})}
				p := transactional(t, b)
				done := make(chan error, 1)
				go func() { done <- tt.call(p, t.Context()) }()
				synctest.Wait()
				began := time.Now()
				ended, cancel := context.WithCancel(t.Context())
				cancel()
				if err := p.Close(ended); !errors.Is(err, context.Canceled) {
					t.Errorf("Close is %v, want context.Canceled", err)
				}
				if err := <-done; err == nil || time.Since(began) > 100*time.Millisecond {
					t.Errorf("%s is %v after %v, want an error at once", name, err, time.Since(began))
				}
				close(b.release)
				b.conns.Wait()
			})
		})
	}
}

// Scenarios 67, 304: a fenced producer refuses everything but Close, which is
// quick.
func TestAFencedProducerCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &coordinating{TB: t, version: 2, where: "EndTxn (commit)", nth: 1,
			code: errcode.ProducerFenced}
		p := transactional(t, b)
		ctx := t.Context()
		must(t, p.InitTransactions(ctx))
		must(t, p.BeginTransaction())
		_, err := p.SendSync(ctx, Record{Topic: "t", Value: []byte("v")})
		must(t, err)
		_, sending := p.Send(ctx, Record{Topic: "t"})
		must(t, sending)
		for name, err := range map[string]error{
			"commit": p.CommitTransaction(ctx), "abort": p.AbortTransaction(ctx),
			"begin": p.BeginTransaction(), "init": p.InitTransactions(ctx),
		} {
			if !errors.Is(err, ErrFenced) && name != "commit" {
				t.Errorf("%s is %v, want ErrFenced", name, err)
			}
		}
		began := time.Now()
		b.end(p)
		if took := time.Since(began); took > time.Second {
			t.Errorf("Close took %v", took)
		}
	})
}

// Scenario 56: ours fails at once, where Java's blocks its I/O thread.
func TestCommitInACallbackIsRefused(t *testing.T) {
	b := &coordinating{TB: t, version: 2}
	p := transactional(t, b)
	ctx := t.Context()
	must(t, p.InitTransactions(ctx))
	must(t, p.BeginTransaction())
	refused := make(chan error, 1)
	p.SendAsync(ctx, Record{Topic: "t"}, func(RecordMetadata, error) {
		refused <- p.CommitTransaction(ctx)
	})
	if err := <-refused; !errors.Is(err, ErrInvalidState) {
		t.Errorf("the commit is %v, want ErrInvalidState", err)
	}
	must(t, p.CommitTransaction(ctx))
	b.end(p)
}

// Scenarios 280, 292: a transaction without one of its records is not committed.
func TestARecordThatIsTooLargeSpoilsItsTransaction(t *testing.T) {
	b := &coordinating{TB: t, version: 2}
	p := transactional(t, b)
	ctx := t.Context()
	must(t, p.InitTransactions(ctx))
	must(t, p.BeginTransaction())
	_, err := p.Send(ctx, Record{Topic: "t", Value: make([]byte, 2<<20)})
	if !errors.Is(err, ErrRecordTooLarge) {
		t.Errorf("Send is %v, want ErrRecordTooLarge", err)
	}
	err = p.CommitTransaction(ctx)
	if !errors.Is(err, ErrAbortable) || !errors.Is(err, ErrRecordTooLarge) {
		t.Errorf("the commit is %v, want ErrAbortable because of ErrRecordTooLarge", err)
	}
	if _, err := p.Send(ctx, Record{Topic: "t"}); !errors.Is(err, ErrAbortable) {
		t.Errorf("Send is %v, want ErrAbortable", err)
	}
	must(t, p.AbortTransaction(ctx))
	must(t, p.BeginTransaction())
	must(t, p.CommitTransaction(ctx))
	b.end(p)
}

// Scenarios 313, 315: who speaks for the group is told to its coordinator.
func TestOffsetsCarryTheMember(t *testing.T) {
	offsets := map[TopicPartition]OffsetAndMetadata{{Topic: "t"}: {Offset: 5}}
	member := GroupMetadata{GroupID: "g", MemberID: "m", GenerationID: 3, GroupInstanceID: "i"}
	for name, oldest := range map[string]bool{"new": false, "before KIP-447": true} {
		t.Run(name, func(t *testing.T) {
			b := &coordinating{TB: t, version: 1, oldest: oldest}
			p := transactional(t, b)
			ctx := t.Context()
			must(t, p.InitTransactions(ctx))
			must(t, p.BeginTransaction())
			for _, wrong := range []GroupMetadata{{}, {GroupID: "g", GenerationID: 1}} {
				if err := p.SendOffsetsToTransaction(ctx, offsets, wrong); err == nil {
					t.Errorf("SendOffsetsToTransaction takes %+v", wrong)
				}
			}
			must(t, p.SendOffsetsToTransaction(ctx, nil, member)) // no request
			err := p.SendOffsetsToTransaction(ctx, offsets, member)
			if oldest {
				if !errors.Is(err, ErrFatal) || !strings.Contains(err.Error(), "KIP-447") {
					t.Errorf("SendOffsetsToTransaction is %v, want ErrFatal with KIP-447", err)
				}
				b.end(p)
				return
			}
			must(t, err)
			must(t, p.CommitTransaction(ctx))
			b.end(p)
			want := "TxnOffsetCommit v4 group=g epoch=0 member=m gen=3 n=1 instance=i"
			if !slices.Contains(b.requests, want) {
				t.Errorf("the requests were\n%s\nwithout\n%s", strings.Join(b.requests, "\n"), want)
			}
		})
	}
}
