//go:build unix

package interop

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/java"
	"github.com/posthaste-go/posthaste/interop/kafka"
)

// Two-phase commit (KIP-939). Apache Kafka has its first half behind unstable API
// versions: transactions without a timeout, prepared and completed by one producer.
func TestTwoPhaseCommitOnKafka(t *testing.T) {
	const unstable, enabled = "unstable.api.versions.enable", "transaction.two.phase.commit.enable"
	t.Run("enabled", func(t *testing.T) {
		c := kafka.StartNode(t, kafka.Options{Properties: map[string]string{
			unstable: "true", enabled: "true"}})
		s := &transactional{T: t, target: newTarget(t, c.Bootstrap(), 1)}
		topic := s.twoPhase()
		_, err := s.openTwoPhase("kept").InitTransactionsKeepPrepared(t.Context())
		if !errors.Is(err, posthaste.KafkaError(35)) && err != nil {
			t.Errorf("keeping is %v, want UNSUPPORTED_VERSION", err)
		}
		t.Logf("keeping what was prepared, on Kafka: %v", err)
		if err == nil { // a Kafka that can
			s.keepPrepared(topic)
		}
	})
	for name, tt := range map[string]struct {
		properties map[string]string
		wants      []string
	}{
		"disabled": {map[string]string{unstable: "true"},
			[]string{enabled, "TRANSACTIONAL_ID_AUTHORIZATION_FAILED"}},
		"stable versions only": {map[string]string{enabled: "true"},
			[]string{enabled, unstable, "version 6"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := kafka.StartNode(t, kafka.Options{Properties: tt.properties})
			s := &transactional{T: t, target: newTarget(t, c.Bootstrap(), 1)}
			err := s.openTwoPhase("x").InitTransactions(t.Context())
			for _, part := range tt.wants {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("InitTransactions is %v, want %s", err, part)
				}
			}
		})
	}
}

func TestTwoPhaseCommitOnTheEmbeddedBroker(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	b := broker.Run(t, broker.Config{DataDir: dir,
		Properties: map[string]string{"transaction.two.phase.commit.enable": "true"}})
	s := &transactional{T: t, target: newTarget(t, b.Addr(), 1)}
	s.keepPrepared(s.twoPhase())
	// Kafka's own decoder reads who goes on with what was kept.
	files, err := filepath.Glob(filepath.Join(dir, "__transaction_state-*", "*.log"))
	s.ok(err)
	out, err := runTool(t, java.Driver(t), driver.Tool{Class: java.DumpLogSegments,
		Args: []string{"--transaction-log-decoder", "--files", strings.Join(files, ",")}})
	s.ok(err)
	for epoch := 1; epoch <= 4; epoch++ { // three that took over, and the commit
		if want := fmt.Sprintf(`"nextProducerEpoch":%d`, epoch); !strings.Contains(out, want) {
			t.Errorf("no %s in\n%.3000s", want, out)
		}
	}
}

// openTwoPhase starts a producer that has not called InitTransactions.
func (s *transactional) openTwoPhase(id string) *posthaste.Producer {
	s.Helper()
	p, err := newOurs(s.bootstrap, map[string]string{"transactional.id": id,
		"transaction.two.phase.commit.enable": "true", "max.block.ms": "30000"})
	s.ok(err)
	s.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			s.Errorf("Close: %v", err)
		}
	})
	return p
}

func (s *transactional) prepare(
	p *posthaste.Producer, topic string, values ...string,
) posthaste.PreparedTxnState {
	s.Helper()
	s.ok(p.BeginTransaction())
	s.send(p, topic, values...)
	state, err := p.PrepareTransaction(s.Context())
	s.ok(err)
	if !state.HasTransaction() {
		s.Errorf("prepared is %q", state)
	}
	return state
}

// twoPhase prepares and completes transactions with one producer.
func (s *transactional) twoPhase() (topic string) {
	topic = s.topic(2)
	p := s.openTwoPhase(topic)
	s.ok(p.InitTransactions(s.Context()))
	a := s.prepare(p, topic, "a", "b")
	s.sees(topic, true)
	listed, err := s.admin.DescribeTransactions(s.Context(), topic)
	s.ok(err)
	d, err := listed.On(topic, nil)
	s.ok(err)
	if d.State != "Ongoing" || d.TimeoutMillis != math.MaxInt32 ||
		d.ProducerID != a.ProducerID() || d.ProducerEpoch != a.Epoch() {
		s.Errorf("prepared is %q, and to the coordinator %+v", a, d)
	}
	s.ok(p.CompleteTransaction(s.Context(), a))
	empty := s.prepare(p, topic)
	s.ok(p.CompleteTransaction(s.Context(), empty))
	c := s.prepare(p, topic, "x", "y")
	if c == a || c == empty {
		s.Errorf("%q, %q and %q are three transactions", a, empty, c)
	}
	s.ok(p.CompleteTransaction(s.Context(), a)) // another one: aborts
	s.prepare(p, topic, "c", "d")
	s.ok(p.CommitTransaction(s.Context()))
	s.prepare(p, topic, "z")
	s.ok(p.AbortTransaction(s.Context()))
	s.sees(topic, true, "a", "b", "c", "d")
	s.ok(p.InTransaction(s.Context(), func(context.Context) error {
		s.send(p, topic, "e")
		return nil
	}))
	s.sees(topic, true, "a", "b", "c", "d", "e")
	s.sees(topic, false, "a", "b", "c", "d", "e", "x", "y", "z")
	return topic
}

// keepPrepared lets each of several producers find what the one before prepared.
func (s *transactional) keepPrepared(topic string) {
	p := s.openTwoPhase("keeper")
	s.ok(p.InitTransactions(s.Context()))
	state := s.prepare(p, topic, "f", "g")
	for range 3 {
		p = s.openTwoPhase("keeper")
		kept, err := p.InitTransactionsKeepPrepared(s.Context())
		s.ok(err)
		if kept != state {
			s.Errorf("kept is %q, want %q", kept, state)
		}
	}
	s.ok(p.CompleteTransaction(s.Context(), state))
	s.sees(topic, true, "a", "b", "c", "d", "e", "f", "g")
	next := s.prepare(p, topic, "lost")
	if next == state {
		s.Errorf("two transactions are known by %q", next)
	}
	p = s.openTwoPhase("keeper")
	s.ok(p.InitTransactions(s.Context())) // keeps nothing
	s.ok(p.InTransaction(s.Context(), func(context.Context) error {
		s.send(p, topic, "h")
		return nil
	}))
	s.sees(topic, true, "a", "b", "c", "d", "e", "f", "g", "h")
}
