//go:build unix

package interop

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/internal/wire"
	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/java"
	"github.com/posthaste-go/posthaste/interop/kafka"
)

// Kafka 4 checks with the coordinator before it takes a transactional batch; with
// that off, a client of old can leave a transaction that nobody will end.
func TestTransactionsCommandOnKafka(t *testing.T) {
	c := kafka.StartNode(t, kafka.Options{Properties: map[string]string{
		"transaction.partition.verification.enable": "false"}})
	tg := newTarget(t, c.Bootstrap(), 1)
	testTransactionsCommand(t, tg)
	t.Run("as the tool of Kafka", func(t *testing.T) {
		testTransactionsLikeKafkas(&transactional{T: t, target: tg})
	})
}

func testTransactionsCommand(t *testing.T, tg target) {
	for name, test := range map[string]func(*transactional){
		"an open transaction is shown":        (*transactional).shown,
		"a hanging transaction is ended":      (*transactional).hanging,
		"force-terminate fences and unblocks": (*transactional).terminated,
	} {
		t.Run(name, func(t *testing.T) { test(&transactional{T: t, target: tg}) })
	}
}

// transactions runs the command and decodes what it prints.
func (s *transactional) transactions(args ...string) []map[string]any {
	s.Helper()
	out := posthasteCLI(s.T, "", append([]string{"transactions", "--bootstrap-server", s.bootstrap},
		args...)...).stdout
	var rows []map[string]any
	for line := range strings.Lines(out) {
		row := map[string]any{}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			s.Fatalf("%q: %v", line, err)
		}
		rows = append(rows, row)
	}
	return rows
}

func (s *transactional) shown() {
	topic := s.topic(2)
	p := s.open(topic)
	s.ok(p.BeginTransaction())
	s.send(p, topic, "a", "b")
	s.ok(p.Flush(s.Context()))

	d := s.transactions("describe", "--transactional-id", topic, "--json")[0]
	want := []any{topic + "-0", topic + "-1"}
	if d["state"] != "Ongoing" || fmt.Sprint(d["topic_partitions"]) != fmt.Sprint(want) ||
		d["duration_ms"] == nil || d["timeout_ms"] != 60000. {
		s.Errorf("describe prints %v, want Ongoing with %v", d, want)
	}
	state := func(flags ...string) any {
		for _, row := range s.transactions(append([]string{"list", "--json"}, flags...)...) {
			if row["transactional_id"] == topic {
				return row["state"]
			}
		}
		return nil
	}
	if got := state(); got != "Ongoing" {
		s.Errorf("list says %v, want Ongoing", got)
	}
	if got := state("--duration-filter", "0"); got != "Ongoing" {
		s.Errorf("list --duration-filter 0 says %v, want Ongoing", got)
	}
	if got := state("--duration-filter", "3600000"); got != nil {
		s.Errorf("list --duration-filter of an hour says %v, want nothing", got)
	}
	if got := state("--transactional-id-pattern", "no.*such"); got != nil {
		s.Errorf("list with another pattern says %v, want nothing", got)
	}
	producers := s.transactions("describe-producers", "--topic", topic, "--partition", "1", "--json")
	if len(producers) != 1 || producers[0]["producer_id"] != d["producer_id"] ||
		producers[0]["current_transaction_start_offset"] != 0. {
		s.Errorf("describe-producers prints %v", producers)
	}
	hanging := s.transactions("find-hanging", "--topic", topic, "--max-transaction-timeout", "0",
		"--json")
	if len(hanging) != 0 {
		s.Errorf("a transaction that its coordinator knows hangs: %v", hanging)
	}
	s.ok(p.CommitTransaction(s.Context()))
}

func (s *transactional) hanging() {
	topic := s.topic(2)
	id, start := s.hang(topic)
	s.sees(topic, true)

	flags := []string{"find-hanging", "--topic", topic, "--json"}
	if early := s.transactions(flags...); len(early) != 0 {
		s.Errorf("find-hanging does not wait for 15 minutes: %v", early)
	}
	found := s.transactions(append(flags, "--max-transaction-timeout", "0")...)
	if len(found) != 1 || found[0]["producer_id"] != float64(id) || found[0]["partition"] != 1. ||
		found[0]["start_offset"] != float64(start) {
		s.Fatalf("find-hanging prints %v, want producer id %d", found, id)
	}
	out := posthasteCLI(s.T, "", "transactions", "abort", "--bootstrap-server", s.bootstrap,
		"--topic", topic, "--partition", "1", "--start-offset", fmt.Sprint(start)).stdout
	if want := fmt.Sprintf("producer id %d on %s-1", id, topic); !strings.Contains(out, want) {
		s.Errorf("abort prints %q without %q", out, want)
	}
	if left := s.transactions(append(flags, "--max-transaction-timeout", "0")...); len(left) != 0 {
		s.Errorf("after the abort there hangs %v", left)
	}
	p := s.open(topic)
	s.ok(p.BeginTransaction())
	s.send(p, topic, "a", "b")
	s.ok(p.CommitTransaction(s.Context()))
	s.sees(topic, true, "a", "b") // nothing holds it back any more
}

// hang writes a transactional record to partition 1 that no coordinator knows of.
func (s *transactional) hang(topic string) (id, start int64) {
	s.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.bootstrap))
	s.ok(err)
	defer client.Close()
	ctx := s.Context()
	txnID := topic + "-hanging"
	init := kmsg.NewPtrInitProducerIDRequest()
	init.TransactionalID, init.TransactionTimeoutMillis = &txnID, 60_000
	identity, err := init.RequestWith(ctx, client)
	s.ok(err)
	s.ok(kerr.ErrorForCode(identity.ErrorCode))

	now := time.Now().Add(-time.Minute).UnixMilli()
	value := []byte("hanging")
	body := wire.RecordBodySize(0, 0, nil, value, 0, 0)
	batch := wire.AppendRecord(make([]byte, wire.BatchHeaderSize), body, 0, 0, nil, value, 0)
	h := wire.BatchHeader{LeaderEpoch: wire.NoLeaderEpoch, Attributes: wire.Transactional,
		BaseTimestamp: now, MaxTimestamp: now, ProducerID: identity.ProducerID,
		ProducerEpoch: identity.ProducerEpoch, Count: 1}
	h.Seal(batch)
	produce := kmsg.NewPtrProduceRequest()
	produce.TransactionID, produce.Acks, produce.TimeoutMillis = &txnID, -1, 10_000
	produce.Topics = []kmsg.ProduceRequestTopic{{Topic: topic,
		Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: 1, Records: batch}}}}
	old, err := kgo.NewClient(kgo.SeedBrokers(s.bootstrap), kgo.MaxVersions(kversion.V3_7_0()))
	s.ok(err)
	defer old.Close()
	resp, err := produce.RequestWith(ctx, old)
	s.ok(err)
	p := resp.Topics[0].Partitions[0]
	s.ok(kerr.ErrorForCode(p.ErrorCode))
	return identity.ProducerID, p.BaseOffset
}

func (s *transactional) terminated() {
	topic := s.topic(2)
	p := s.open(topic)
	s.ok(p.BeginTransaction())
	s.send(p, topic, "lost", "lost")
	s.ok(p.Flush(s.Context()))
	posthasteCLI(s.T, "", "transactions", "force-terminate", "--bootstrap-server", s.bootstrap,
		"--transactional-id", topic)
	if err := p.CommitTransaction(s.Context()); err == nil {
		s.Error("the terminated producer has committed")
	}
	d := s.transactions("describe", "--transactional-id", topic, "--json")[0]
	if d["state"] == "Ongoing" {
		s.Errorf("describe prints %v", d)
	}
	s.sees(topic, true)
}

// testTransactionsLikeKafkas compares with what kafka-transactions.sh prints.
func testTransactionsLikeKafkas(s *transactional) {
	topic := s.topic(2)
	id, start := s.hang(topic)
	p := s.open(topic)
	s.ok(p.BeginTransaction())
	s.send(p, topic, "a", "b")
	s.ok(p.Flush(s.Context()))
	kafkas := func(args ...string) string {
		s.Helper()
		out, err := runTool(s.T, java.Driver(s.T), driver.Tool{Class: java.TransactionsCommand,
			Args: append([]string{"--bootstrap-server", s.bootstrap}, args...)})
		s.ok(err)
		return out
	}
	for _, args := range [][]string{
		{"list"},
		{"describe-producers", "--topic", topic, "--partition", "1"},
		{"find-hanging", "--topic", topic, "--max-transaction-timeout", "0"},
	} {
		theirs := fields(kafkas(args...))
		ours := fields(posthasteCLI(s.T, "", append([]string{"transactions", "--bootstrap-server",
			s.bootstrap}, args...)...).stdout)
		if theirs != ours {
			s.Errorf("%v: Kafka's tool prints\n%s\nours\n%s", args, theirs, ours)
		}
	}
	kafkas("abort", "--topic", topic, "--partition", "1", "--start-offset", fmt.Sprint(start))
	found := s.transactions("find-hanging", "--topic", topic, "--max-transaction-timeout", "0",
		"--json")
	if len(found) != 0 {
		s.Errorf("Kafka's tool has aborted producer id %d, and ours finds %v", id, found)
	}
	s.ok(p.CommitTransaction(s.Context()))
}

// fields is a table with one blank between its cells, and its lines sorted.
func fields(table string) string {
	var lines []string
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); len(f) > 0 {
			lines = append(lines, strings.Join(f, " "))
		}
	}
	slices.Sort(lines[1:])
	return strings.Join(lines, "\n")
}

func TestTransactionsCommandOnTheEmbeddedBroker(t *testing.T) {
	b := broker.Run(t, broker.Config{DataDir: filepath.Join(t.TempDir(), "data"),
		Properties: map[string]string{"transaction.partition.verification.enable": "false"}})
	testTransactionsCommand(t, newTarget(t, b.Addr(), 1))
}
