package broker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste/broker"
)

// transactional is a kgo producer with a transactional id.
func transactional(t *testing.T, b *broker.Broker, id string, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	return client(t, b, append([]kgo.Opt{kgo.TransactionalID(id),
		kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0)}, opts...)...)
}

// inTransaction sends values, turn about to partitions 0 and 1, and ends.
func inTransaction(t *testing.T, cl *kgo.Client, commit kgo.TransactionEndTry, values ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := cl.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		r := &kgo.Record{Topic: "orders", Partition: int32(i % 2), Value: []byte(v)}
		if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
			t.Fatalf("produce %s: %v", v, err)
		}
	}
	if err := cl.EndTransaction(ctx, commit); err != nil {
		t.Fatalf("end: %v", err)
	}
}

// visible is what a reader sees of the topic orders until its end, sorted.
func visible(t *testing.T, b *broker.Broker, level kgo.IsolationLevel) []string {
	t.Helper()
	c := dialRaw(t, b.Addr())
	id := topicID(c, "orders")
	cl := client(t, b, kgo.ConsumeTopics("orders"), kgo.FetchIsolationLevel(level),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchMaxWait(50*time.Millisecond),
		kgo.KeepControlRecords())
	_ = id
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var got []string
	for quiet := 0; quiet < 3; {
		step, end := context.WithTimeout(ctx, 150*time.Millisecond)
		fetches := cl.PollFetches(step)
		end()
		if err := fetches.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		quiet++
		fetches.EachRecord(func(r *kgo.Record) {
			quiet = 0
			if !r.Attrs.IsControl() {
				got = append(got, string(r.Value))
			}
		})
	}
	slices.Sort(got)
	return got
}

func TestReadersOfCommittedRecordsSeeWholeTransactionsOnly(t *testing.T) {
	for _, version := range []string{"0", "1", "2"} {
		t.Run("transaction.version="+version, func(t *testing.T) {
			b := broker.Run(t, broker.Config{Topics: map[string]int{"orders": 2},
				Properties: map[string]string{"posthaste.transaction.version": version}})
			cl := transactional(t, b, "one")
			inTransaction(t, cl, kgo.TryCommit, "a", "b", "c")
			inTransaction(t, cl, kgo.TryAbort, "x", "y")
			inTransaction(t, cl, kgo.TryCommit)
			inTransaction(t, cl, kgo.TryAbort)
			inTransaction(t, cl, kgo.TryCommit, "d", "e")
			other := transactional(t, b, "two")
			if err := other.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			open := &kgo.Record{Topic: "orders", Value: []byte("open")}
			if err := other.ProduceSync(t.Context(), open).FirstErr(); err != nil {
				t.Fatal(err)
			}
			inTransaction(t, cl, kgo.TryCommit, "hidden by the open one", "f")

			want := []string{"a", "b", "c", "d", "e", "f"}
			if got := visible(t, b, kgo.ReadCommitted()); !slices.Equal(got, want) {
				t.Errorf("read_committed sees %q, want %q", got, want)
			}
			all := []string{"a", "b", "c", "d", "e", "f", "hidden by the open one", "open", "x", "y"}
			if got := visible(t, b, kgo.ReadUncommitted()); !slices.Equal(got, all) {
				t.Errorf("read_uncommitted sees %q, want %q", got, all)
			}
			if err := other.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
				t.Fatal(err)
			}
			want = []string{"a", "b", "c", "d", "e", "f", "hidden by the open one", "open"}
			if got := visible(t, b, kgo.ReadCommitted()); !slices.Equal(got, want) {
				t.Errorf("then read_committed sees %q, want %q", got, want)
			}
		})
	}
}

func TestASecondProducerFencesTheFirst(t *testing.T) {
	for _, version := range []string{"1", "2"} {
		t.Run("transaction.version="+version, func(t *testing.T) {
			b := broker.Run(t, broker.Config{Topics: map[string]int{"orders": 2},
				Properties: map[string]string{"posthaste.transaction.version": version}})
			first := transactional(t, b, "one")
			if err := first.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			r := &kgo.Record{Topic: "orders", Value: []byte("lost")}
			if err := first.ProduceSync(t.Context(), r).FirstErr(); err != nil {
				t.Fatal(err)
			}
			inTransaction(t, transactional(t, b, "one"), kgo.TryCommit, "kept")

			late := &kgo.Record{Topic: "orders", Value: []byte("late")}
			err := first.ProduceSync(t.Context(), late).FirstErr()
			if err == nil {
				err = first.EndTransaction(t.Context(), kgo.TryCommit)
			}
			if !errors.Is(err, kerr.InvalidProducerEpoch) && !errors.Is(err, kerr.ProducerFenced) {
				t.Errorf("the first goes on with %v, want a fence", err)
			}
			if got := visible(t, b, kgo.ReadCommitted()); fmt.Sprint(got) != "[kept]" {
				t.Errorf("read_committed sees %q, want what the second wrote", got)
			}
		})
	}
}
