package posthaste_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/broker"
)

// twoPhase starts producers of one transactional id on a broker of its own.
type twoPhase struct {
	*testing.T
	b *broker.Broker
	n int64 // transactions prepared
}

func newTwoPhase(t *testing.T, dir string, enabled string) *twoPhase {
	t.Helper()
	return &twoPhase{T: t, b: broker.Run(t, broker.Config{DataDir: dir,
		Topics:     map[string]int{"orders": 2},
		Properties: map[string]string{"transaction.two.phase.commit.enable": enabled}})}
}

func (s *twoPhase) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *twoPhase) producer() *posthaste.Producer {
	s.Helper()
	cfg := posthaste.DefaultConfig()
	cfg.BootstrapServers = []string{s.b.Addr()}
	cfg.TransactionalID, cfg.Transaction2PC = "billing", true
	cfg.MaxBlock = 20 * time.Second
	p, err := posthaste.NewProducer(cfg)
	s.ok(err)
	s.Cleanup(func() { s.close(p) })
	return p
}

func (s *twoPhase) close(p *posthaste.Producer) {
	if err := p.Close(context.Background()); err != nil && !errors.Is(err, posthaste.ErrClosed) {
		s.Errorf("Close: %v", err)
	}
}

// prepare sends values in a transaction, with an offset of the same topic, and
// prepares it. The n-th has offset n.
func (s *twoPhase) prepare(p *posthaste.Producer, values ...string) posthaste.PreparedTxnState {
	s.Helper()
	s.ok(p.BeginTransaction())
	for _, v := range values {
		_, err := p.Send(s.Context(), posthaste.Record{Topic: "orders", Value: []byte(v)})
		s.ok(err)
	}
	s.n++
	s.ok(p.SendOffsetsToTransaction(s.Context(),
		map[posthaste.TopicPartition]posthaste.OffsetAndMetadata{{Topic: "orders"}: {Offset: s.n}},
		posthaste.GroupMetadata{GroupID: "readers"}))
	state, err := p.PrepareTransaction(s.Context())
	s.ok(err)
	return state
}

// offset is where the group goes on.
func (s *twoPhase) offset() int64 {
	s.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(s.b.Addr()))
	s.ok(err)
	defer c.Close()
	offsets, err := kadm.NewClient(c).FetchOffsets(s.Context(), "readers")
	s.ok(err)
	o, _ := offsets.Lookup("orders", 0)
	return o.At
}

// committed is the values that a reader of committed records sees, sorted.
func (s *twoPhase) committed() string {
	s.Helper()
	c, err := kgo.NewClient(kgo.SeedBrokers(s.b.Addr()), kgo.ConsumeTopics("orders"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	s.ok(err)
	defer c.Close()
	ends, err := kadm.NewClient(c).ListCommittedOffsets(s.Context(), "orders")
	s.ok(err)
	left := map[int32]int64{}
	for _, o := range ends["orders"] {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	}
	var values []string
	for len(left) > 0 {
		fetches := c.PollFetches(s.Context())
		s.ok(fetches.Err())
		for r := range fetches.RecordsAll() {
			if !r.Attrs.IsControl() {
				values = append(values, string(r.Value))
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		}
	}
	slices.Sort(values)
	return strings.Join(values, " ")
}

// The way of KIP-939: the state is stored with what an outside system decides, the
// producer dies, and its successor does what was decided.
func TestAPreparedTransactionIsCompletedByTheNextProducer(t *testing.T) {
	s := newTwoPhase(t, "", "true")
	p := s.producer()
	s.ok(p.InitTransactions(t.Context()))
	one := s.prepare(p, "one")
	if !one.HasTransaction() || one.ProducerID() < 0 || one.Epoch() < 0 {
		t.Errorf("state %q", one)
	}
	s.ok(p.CompleteTransaction(t.Context(), one))
	s.ok(p.BeginTransaction())
	s.ok(p.AbortTransaction(t.Context()))
	two := s.prepare(p, "two")
	if two == one {
		t.Errorf("two transactions are known by %q", two)
	}
	s.close(p) // leaves it open

	q := s.producer()
	kept, err := q.InitTransactionsKeepPrepared(t.Context())
	s.ok(err)
	if kept != two {
		t.Errorf("kept is %q, want %q", kept, two)
	}
	_, err = q.Send(t.Context(), posthaste.Record{Topic: "orders"})
	if !errors.Is(err, posthaste.ErrInvalidState) || !strings.Contains(err.Error(), "Prepared") {
		t.Errorf("a send of a prepared transaction is %v", err)
	}
	if got := s.committed(); got != "one" {
		t.Errorf("before the decision a reader sees %s", got)
	}
	s.ok(q.CompleteTransaction(t.Context(), two))
	three := s.prepare(q, "three")

	r := s.producer() // while q lives
	kept, err = r.InitTransactionsKeepPrepared(t.Context())
	s.ok(err)
	if kept != three {
		t.Errorf("kept is %q, want %q", kept, three)
	}
	if err := q.CommitTransaction(t.Context()); !errors.Is(err, posthaste.ErrFenced) {
		t.Errorf("the earlier producer's commit is %v, want ErrFenced", err)
	}
	s.ok(r.CompleteTransaction(t.Context(), two)) // the decision about three was never stored
	s.ok(r.InTransaction(t.Context(), func(ctx context.Context) error {
		_, err := r.Send(ctx, posthaste.Record{Topic: "orders", Value: []byte("four")})
		return err
	}))
	s.close(r)

	last := s.producer()
	kept, err = last.InitTransactionsKeepPrepared(t.Context())
	s.ok(err)
	if kept.HasTransaction() {
		t.Errorf("kept is %q, and nothing is open", kept)
	}
	err = last.CompleteTransaction(t.Context(), three)
	if !errors.Is(err, posthaste.ErrInvalidState) ||
		!strings.Contains(err.Error(), "CompleteTransaction of "+three.String()+" leads to") {
		t.Errorf("complete with nothing prepared is %v", err)
	}
	if got := s.committed(); got != "four one two" || s.offset() != 2 {
		t.Errorf("a reader of committed records sees %s, the group is at %d", got, s.offset())
	}
}

func TestAPreparedTransactionOutlivesTheBroker(t *testing.T) {
	dir := t.TempDir()
	s := newTwoPhase(t, dir, "true")
	p := s.producer()
	s.ok(p.InitTransactions(t.Context()))
	state := s.prepare(p, "one")
	s.close(p)
	q := s.producer()
	_, err := q.InitTransactionsKeepPrepared(t.Context())
	s.ok(err)
	s.close(q)
	s.ok(s.b.Close())

	s = newTwoPhase(t, dir, "true")
	r := s.producer()
	kept, err := r.InitTransactionsKeepPrepared(t.Context())
	s.ok(err)
	if kept != state {
		t.Errorf("after the restart %q is kept, want %q", kept, state)
	}
	s.ok(r.CompleteTransaction(t.Context(), state))
	if got := s.committed(); got != "one" {
		t.Errorf("a reader of committed records sees %s", got)
	}
}

// Close aborts what was prepared if nobody was told of it, and then nobody is.
func TestAPreparedTransactionThatNobodyKnowsOfIsAbortedByClose(t *testing.T) {
	s := newTwoPhase(t, "", "true")
	cfg := posthaste.DefaultConfig()
	cfg.BootstrapServers = []string{s.b.Addr()}
	cfg.TransactionalID, cfg.Transaction2PC = "billing", true
	p, err := posthaste.NewProducer(cfg)
	s.ok(err)
	s.ok(p.InitTransactions(t.Context()))
	s.ok(p.BeginTransaction())
	s.b.Inject(broker.Produce().DelayResponse(time.Second))
	_, err = p.Send(t.Context(), posthaste.Record{Topic: "orders", Value: []byte("one")})
	s.ok(err)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err = p.PrepareTransaction(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("prepare without an answer is %v", err)
	}
	s.ok(p.Close(t.Context()))
	state, err := p.PrepareTransaction(t.Context())
	if state.HasTransaction() || !errors.Is(err, posthaste.ErrClosed) {
		t.Errorf("prepare after Close is %q, %v, want ErrClosed", state, err)
	}
	kept, err := s.producer().InitTransactionsKeepPrepared(t.Context())
	s.ok(err)
	if kept.HasTransaction() {
		t.Errorf("%q is kept, and Close had aborted it", kept)
	}
}

func TestTwoPhaseCommitHasToBeEnabled(t *testing.T) {
	s := newTwoPhase(t, "", "false")
	err := s.producer().InitTransactions(t.Context())
	if !errors.Is(err, posthaste.KafkaError(53)) ||
		!strings.Contains(err.Error(), "transaction.two.phase.commit.enable") {
		t.Errorf("where the broker has it disabled: %v", err)
	}
	cfg := posthaste.DefaultConfig()
	cfg.BootstrapServers, cfg.TransactionalID = []string{s.b.Addr()}, "other"
	p, err := posthaste.NewProducer(cfg)
	s.ok(err)
	defer s.close(p)
	_, keep := p.InitTransactionsKeepPrepared(t.Context())
	s.ok(p.InitTransactions(t.Context()))
	s.ok(p.BeginTransaction())
	_, prepare := p.PrepareTransaction(t.Context())
	for name, err := range map[string]error{"keep": keep, "prepare": prepare,
		"complete": p.CompleteTransaction(t.Context(), posthaste.PreparedTxnState{})} {
		if !errors.Is(err, posthaste.ErrInvalidState) ||
			!strings.Contains(err.Error(), "transaction.two.phase.commit.enable") {
			t.Errorf("%s is %v", name, err)
		}
	}
}

// What a PreparedTxnState is as text is what Java's is.
func TestPreparedTxnStateIsText(t *testing.T) {
	for _, text := range []string{"", "0:0", "1000:3", "9223372036854775806:32767"} {
		s, err := posthaste.ParsePreparedTxnState(text)
		if err != nil || s.String() != text || s.HasTransaction() != (text != "") {
			t.Errorf("%q becomes %q, %v", text, s, err)
		}
		j, err := json.Marshal(s)
		var back posthaste.PreparedTxnState
		if err == nil {
			err = json.Unmarshal(j, &back)
		}
		if err != nil || back != s {
			t.Errorf("%q as JSON is %s, and back %q, %v", text, j, back, err)
		}
	}
	if s := (posthaste.PreparedTxnState{}); s.ProducerID() != -1 || s.Epoch() != -1 {
		t.Errorf("no transaction is %d:%d", s.ProducerID(), s.Epoch())
	}
	for _, text := range []string{"1000", "1:2:3", ":", "a:1", "-1:0", "1:-1", "1:32768", " 1:2",
		"9223372036854775807:0"} {
		if s, err := posthaste.ParsePreparedTxnState(text); err == nil || s.HasTransaction() {
			t.Errorf("%q becomes %q", text, s)
		}
	}
}
