//go:build unix

package interop

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/franz"
	"github.com/posthaste-go/posthaste/interop/kafka"
)

// Both versions of transactions against Apache Kafka: brokers add partitions by
// themselves (version 2, KIP-890), or are told by the client.
func TestTransactionsOnKafka(t *testing.T) {
	for version, features := range map[string][]string{
		"version 2": nil, "version 1": {"transaction.version=1"},
	} {
		t.Run(version, func(t *testing.T) {
			c := kafka.StartNode(t, kafka.Options{Features: features})
			s := &transactional{T: t, target: newTarget(t, c.Bootstrap(), 1)}
			s.all()
			t.Run("a restarted coordinator loses nothing", func(t *testing.T) {
				(&transactional{T: t, target: s.target}).restart(c)
			})
		})
	}
}

// all is what must hold on any cluster.
func (s *transactional) all() {
	for name, test := range map[string]func(*transactional){
		"read_committed sees commits and no aborts": (*transactional).commitAndAbort,
		"a second producer fences the first":        (*transactional).fencing,
		"a record that fails spoils its own only":   (*transactional).failure,
		"offsets are committed with the records":    (*transactional).offsets,
		"InTransaction commits or aborts":           (*transactional).inTransaction,
		"Close aborts what is open":                 (*transactional).closing,
		"the tool produces in transactions":         (*transactional).tool,
		"many transactions, several senders":        (*transactional).many,
	} {
		s.Run(name, func(t *testing.T) { test(&transactional{T: t, target: s.target}) })
	}
}

type transactional struct {
	*testing.T
	target
}

// topic creates a topic named after the test.
func (s *transactional) topic(partitions int32) string {
	s.Helper()
	name := strings.NewReplacer("/", ".", " ", "-", ",", "").Replace(s.Name())
	s.createTopic(s.T, name, partitions)
	return name
}

// open starts a producer with a transactional id and readies it.
func (s *transactional) open(id string) *posthaste.Producer {
	s.Helper()
	p, err := newOurs(s.bootstrap, map[string]string{
		"transactional.id": id, "linger.ms": "5", "max.block.ms": "30000",
	})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			s.Errorf("Close: %v", err)
		}
	})
	s.ok(p.InitTransactions(s.Context()))
	return p
}

func (s *transactional) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *transactional) send(p *posthaste.Producer, topic string, values ...string) {
	s.Helper()
	for i, v := range values {
		_, err := p.Send(s.Context(), posthaste.Record{Topic: topic, Value: []byte(v),
			Partition: posthaste.ToPartition(int32(i % 2))})
		s.ok(err)
	}
}

// sees compares the values of a topic, as a reader sees them. A commit is answered
// when it is decided; that its markers are written takes a moment more.
func (s *transactional) sees(topic string, committed bool, want ...string) {
	s.Helper()
	wanted := map[string]int{}
	for _, v := range want {
		wanted[v]++
	}
	ctx, cancel := context.WithTimeout(s.Context(), 20*time.Second)
	defer cancel()
	for {
		got := s.values(topic, committed)
		if maps.Equal(wanted, got) {
			return
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			s.Errorf("a reader of %s (committed: %v) sees %v, want %v", topic, committed, got, wanted)
			return
		}
	}
}

// values counts the values in a topic.
func (s *transactional) values(topic string, committed bool) map[string]int {
	s.Helper()
	records, err := franz.Client{}.Consume(s.Context(), driver.Consume{
		Bootstrap: s.bootstrap, Topic: topic, ReadCommitted: committed,
	})
	s.ok(err)
	got := map[string]int{}
	for _, r := range records {
		got[string(r.Value)]++
	}
	return got
}

func (s *transactional) commitAndAbort() {
	topic := s.topic(2)
	p := s.open(topic)
	s.ok(p.BeginTransaction())
	s.send(p, topic, "a", "b", "c")
	s.ok(p.CommitTransaction(s.Context()))

	s.ok(p.BeginTransaction())
	s.send(p, topic, "x", "y")
	s.ok(p.Flush(s.Context()))
	s.send(p, topic, "never sent")
	s.ok(p.AbortTransaction(s.Context()))

	s.ok(p.BeginTransaction()) // an empty one
	s.ok(p.CommitTransaction(s.Context()))
	s.ok(p.BeginTransaction())
	s.ok(p.AbortTransaction(s.Context()))

	s.ok(p.BeginTransaction())
	s.send(p, topic, "d", "e")
	s.ok(p.Flush(s.Context()))
	s.sees(topic, true, "a", "b", "c") // the open one hides itself
	s.ok(p.CommitTransaction(s.Context()))
	s.sees(topic, true, "a", "b", "c", "d", "e")
	s.sees(topic, false, "a", "b", "c", "d", "e", "x", "y")
}

func (s *transactional) fencing() {
	topic := s.topic(2)
	first := s.open(topic)
	s.ok(first.BeginTransaction())
	s.send(first, topic, "lost")
	s.ok(first.Flush(s.Context()))

	second := s.open(topic) // aborts the transaction of the first
	s.ok(second.BeginTransaction())
	s.send(second, topic, "kept")
	s.ok(second.CommitTransaction(s.Context()))

	if err := first.CommitTransaction(s.Context()); !errors.Is(err, posthaste.ErrFenced) {
		s.Errorf("commit of the first is %v, want ErrFenced", err)
	}
	_, err := first.Send(s.Context(), posthaste.Record{Topic: topic})
	if !errors.Is(err, posthaste.ErrFenced) {
		s.Errorf("a send of the first is %v, want ErrFenced", err)
	}
	if err := first.BeginTransaction(); !errors.Is(err, posthaste.ErrFenced) {
		s.Errorf("begin of the first is %v, want ErrFenced", err)
	}
	s.sees(topic, true, "kept")
}

func (s *transactional) failure() {
	topic := s.topic(2)
	small := topic + "-small"
	ctx := s.Context()
	tiny := "200"
	_, err := s.admin.CreateTopic(ctx, 2, 1, map[string]*string{"max.message.bytes": &tiny}, small)
	s.ok(err)
	p := s.open(topic)
	s.ok(p.BeginTransaction())
	s.send(p, topic, "spoilt")
	d, err := p.Send(ctx, posthaste.Record{Topic: small, Value: make([]byte, 1000)})
	s.ok(err)
	if _, err := d.Wait(ctx); !errors.Is(err, posthaste.ErrRecordTooLarge) {
		s.Errorf("the outcome is %v, want ErrRecordTooLarge", err)
	}
	err = p.CommitTransaction(ctx)
	if !errors.Is(err, posthaste.ErrAbortable) || !errors.Is(err, posthaste.MessageTooLarge) {
		s.Errorf("commit is %v, want ErrAbortable because of MESSAGE_TOO_LARGE", err)
	}
	if err := p.BeginTransaction(); !errors.Is(err, posthaste.ErrAbortable) {
		s.Errorf("begin is %v, want ErrAbortable", err)
	}
	s.ok(p.AbortTransaction(ctx))
	s.ok(p.BeginTransaction())
	s.send(p, topic, "fine")
	s.ok(p.CommitTransaction(ctx))
	s.sees(topic, true, "fine")
}

func (s *transactional) offsets() {
	topic := s.topic(2)
	p := s.open(topic)
	ctx := s.Context()
	group := posthaste.GroupMetadata{GroupID: topic}
	at := func(n int64) map[posthaste.TopicPartition]posthaste.OffsetAndMetadata {
		return map[posthaste.TopicPartition]posthaste.OffsetAndMetadata{
			{Topic: topic, Partition: 0}: {Offset: n, Metadata: "here"},
			{Topic: topic, Partition: 1}: {Offset: n + 1, LeaderEpoch: new(int32)},
		}
	}
	for n, end := range []func(context.Context) error{
		p.CommitTransaction, p.AbortTransaction,
	} {
		s.ok(p.BeginTransaction())
		s.send(p, topic, fmt.Sprint(n))
		s.ok(p.SendOffsetsToTransaction(ctx, at(int64(5+n)), group))
		s.ok(end(ctx))
	}
	s.ok(p.BeginTransaction())
	s.ok(p.SendOffsetsToTransaction(ctx, nil, group))
	member := posthaste.GroupMetadata{GroupID: topic, GenerationID: 3, MemberID: "gone"}
	err := p.SendOffsetsToTransaction(ctx, at(9), member)
	if !errors.Is(err, posthaste.ErrAbortable) {
		s.Errorf("offsets of a member that is gone: %v, want ErrAbortable", err)
	}
	s.ok(p.AbortTransaction(ctx))

	committed, err := s.admin.FetchOffsets(ctx, topic)
	s.ok(err)
	for partition, want := range map[int32]int64{0: 5, 1: 6} {
		if got, _ := committed.Lookup(topic, partition); got.At != want {
			s.Errorf("partition %d is at %d, want %d", partition, got.At, want)
		}
	}
}

func (s *transactional) inTransaction() {
	topic := s.topic(2)
	p := s.open(topic)
	ctx := s.Context()
	s.ok(p.InTransaction(ctx, func(context.Context) error {
		s.send(p, topic, "a", "b")
		return nil
	}))
	mistake := errors.New("mistake")
	err := p.InTransaction(ctx, func(context.Context) error {
		s.send(p, topic, "x")
		return mistake
	})
	if !errors.Is(err, mistake) {
		s.Errorf("InTransaction is %v, want the function's error", err)
	}
	func() {
		defer func() {
			if recover() != "panic" {
				s.Error("the panic did not come through")
			}
		}()
		s.ok(p.InTransaction(ctx, func(context.Context) error {
			s.send(p, topic, "y")
			panic("panic")
		}))
	}()
	err = p.InTransaction(ctx, func(context.Context) error {
		_, err := p.Send(ctx, posthaste.Record{Topic: topic, Value: make([]byte, 2<<20)})
		if !errors.Is(err, posthaste.ErrRecordTooLarge) {
			s.Errorf("Send is %v, want ErrRecordTooLarge", err)
		}
		return nil // although a record is missing
	})
	if !errors.Is(err, posthaste.ErrAbortable) {
		s.Errorf("InTransaction is %v, want ErrAbortable", err)
	}
	ended, cancel := context.WithCancel(ctx)
	err = p.InTransaction(ended, func(context.Context) error {
		s.send(p, topic, "z")
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		s.Errorf("InTransaction is %v, want context.Canceled", err)
	}
	s.ok(p.InTransaction(ctx, func(context.Context) error {
		s.send(p, topic, "c")
		return nil
	}))
	s.sees(topic, true, "a", "b", "c")
}

func (s *transactional) closing() {
	topic := s.topic(2)
	p := s.open(topic)
	s.ok(p.BeginTransaction())
	s.send(p, topic, "open")
	s.ok(p.Flush(s.Context()))
	s.ok(p.Close(s.Context()))
	s.sees(topic, true) // at once: the last stable offset moves with the abort
	s.sees(topic, false, "open")
	if err := p.CommitTransaction(s.Context()); !errors.Is(err, posthaste.ErrClosed) {
		s.Errorf("commit after Close is %v, want ErrClosed", err)
	}
}

// many has four goroutines send in each of many transactions, every third of
// which is aborted.
func (s *transactional) many() {
	topic := s.topic(2)
	p := s.open(topic)
	var want []string
	began := time.Now()
	const rounds, senders, records = 60, 4, 25
	for round := range rounds {
		s.ok(p.BeginTransaction())
		var group sync.WaitGroup
		for sender := range senders {
			group.Go(func() {
				for i := range records {
					v := fmt.Sprintf("%d/%d/%d", round, sender, i)
					s.send(p, topic, v)
				}
			})
		}
		group.Wait()
		if round%3 == 2 {
			s.ok(p.AbortTransaction(s.Context()))
			continue
		}
		s.ok(p.CommitTransaction(s.Context()))
		for sender := range senders {
			for i := range records {
				want = append(want, fmt.Sprintf("%d/%d/%d", round, sender, i))
			}
		}
	}
	s.Logf("%d transactions of %d records in %v", rounds, senders*records, time.Since(began))
	s.sees(topic, true, want...)
}

func (s *transactional) tool() {
	topic := s.topic(2)
	posthasteCLI(s.T, "a\nb\nc\nd\ne\n", "produce", "--topic", topic,
		"--bootstrap-server", s.bootstrap,
		"--transactional-id", topic, "--transaction-records", "2")
	s.sees(topic, true, "a", "b", "c", "d", "e")
}

// restart ends the only node in the middle of a transaction.
func (s *transactional) restart(c *kafka.Cluster) {
	topic := s.topic(2)
	p := s.open(topic)
	s.ok(p.BeginTransaction())
	s.send(p, topic, "before")
	s.ok(p.Flush(s.Context()))
	s.ok(c.Nodes[0].Kill())
	s.send(p, topic, "between")
	s.ok(c.Nodes[0].Start())
	s.ok(p.CommitTransaction(s.Context()))
	s.ok(p.BeginTransaction())
	s.send(p, topic, "after")
	s.ok(p.CommitTransaction(s.Context()))
	c.WaitReady()
	s.sees(topic, true, "before", "between", "after")
}
