package broker_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/posthaste-go/posthaste/broker"
)

// outcome is what a writer of transactions knows of one.
type outcome int

const (
	unknown outcome = iota
	committed
	aborted
)

// txnWriter writes transactions of txnSize records, one after another, with one
// transactional id, and notes what became of each.
type txnWriter struct {
	t        *testing.T
	addr     string
	cl       *kgo.Client // nil after a failure
	outcomes []outcome
}

const txnSize = 6

// client is a producer that has the transactional id.
func (w *txnWriter) client() error {
	if w.cl != nil {
		return nil
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(w.addr), kgo.TransactionalID("writer"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.UnknownTopicRetries(-1), kgo.MetadataMinAge(10*time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 5 * time.Millisecond }))
	w.cl = cl
	return err
}

// write writes one transaction. Whatever fails ends the client: the next one
// fences it.
func (w *txnWriter) write(ctx context.Context) {
	n := len(w.outcomes)
	w.outcomes = append(w.outcomes, unknown)
	commit := n%3 != 2
	err := w.client()
	if err == nil {
		err = w.cl.BeginTransaction()
	}
	var records []*kgo.Record
	for i := range txnSize {
		records = append(records, &kgo.Record{Topic: "orders", Partition: int32(i % killPartitions),
			Value: fmt.Appendf(nil, "%d/%d", n, i)})
	}
	if err == nil {
		err = w.produce(ctx, records)
	}
	if err != nil {
		w.outcomes[n] = aborted // a commit was not asked for
	} else if err = w.cl.EndTransaction(ctx, kgo.TransactionEndTry(commit)); err == nil && commit {
		w.outcomes[n] = committed
	} else if !commit {
		w.outcomes[n] = aborted
	}
	if err != nil && w.cl != nil {
		w.cl.Close()
		w.cl = nil
	}
}

// produce waits for all records, or until ctx ends: kgo itself would wait on.
func (w *txnWriter) produce(ctx context.Context, records []*kgo.Record) error {
	failed := make(chan error, len(records))
	for _, r := range records {
		w.cl.Produce(ctx, r, func(_ *kgo.Record, err error) { failed <- err })
	}
	for range records {
		select {
		case err := <-failed:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// settle ends what is open, as a writer does that starts again.
func (w *txnWriter) settle(ctx context.Context) {
	w.t.Helper()
	if w.cl != nil {
		w.cl.Close()
		w.cl = nil
	}
	if err := w.client(); err != nil {
		w.t.Fatal(err)
	}
	defer w.cl.Close()
	if _, _, err := w.cl.ProducerID(ctx); err != nil {
		w.t.Fatalf("the writer cannot start again: %v", err)
	}
}

// check reads b as a reader of committed records does.
func (w *txnWriter) check(b *broker.Broker) (seen int) {
	w.t.Helper()
	found := make(map[int]map[string]int)
	for n := range killPartitions {
		for _, v := range readCommitted(w.t, b, int32(n)) {
			var txn, i int
			if _, err := fmt.Sscanf(v, "%d/%d", &txn, &i); err != nil || txn >= len(w.outcomes) {
				w.t.Fatalf("partition %d: %q was never sent", n, v)
			}
			if found[txn] == nil {
				found[txn] = make(map[string]int)
			}
			found[txn][v]++
		}
	}
	for n, outcome := range w.outcomes {
		got := found[n]
		whole := len(got) == txnSize
		for v, times := range got {
			if times > 1 {
				w.t.Errorf("record %s is there %d times", v, times)
			}
		}
		switch {
		case len(got) > 0 && !whole:
			w.t.Errorf("transaction %d: %d of %d records are visible: %v", n, len(got), txnSize,
				slices.Sorted(maps.Keys(got)))
		case outcome == committed && !whole:
			w.t.Errorf("transaction %d was committed and is not visible", n)
		case outcome == aborted && whole:
			w.t.Errorf("transaction %d was aborted and is visible", n)
		}
		if whole {
			seen++
		}
	}
	return seen
}

// readCommitted reads a partition to its end, which must be stable.
func readCommitted(t *testing.T, b *broker.Broker, n int32) (values []string) {
	t.Helper()
	c := dialRaw(t, b.Addr())
	end := b.End("orders", n)
	id := topicID(c, "orders")
	for offset := int64(0); offset < end; {
		req := fetchRequest("orders", id, offset)
		req.IsolationLevel = 1
		req.Topics[0].Partitions[0].Partition = n
		p := call[*kmsg.FetchResponse](c, 12, req).Topics[0].Partitions[0]
		if p.ErrorCode != 0 || p.LastStableOffset != end || len(p.RecordBatches) == 0 {
			t.Fatalf("partition %d at offset %d of %d: error %d, last stable offset %d, %d bytes",
				n, offset, end, p.ErrorCode, p.LastStableOffset, len(p.RecordBatches))
		}
		var fp kgo.FetchPartition
		fp, offset = kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{Topic: "orders",
			Partition: n, Offset: offset, IsolationLevel: kgo.ReadCommitted()}, &p,
			kgo.DefaultDecompressor(), nil)
		if fp.Err != nil {
			t.Fatalf("partition %d: %v", n, fp.Err)
		}
		for _, r := range fp.Records {
			values = append(values, string(r.Value))
		}
	}
	return values
}

// A broker in a process of its own is killed at random moments while a producer
// writes transactions. Readers of committed records must see all or nothing of
// each, all of what was committed and nothing of what was aborted.
func TestKillDashNineLeavesWholeTransactions(t *testing.T) {
	for _, version := range []string{"1", "2"} {
		t.Run("transaction.version="+version, func(t *testing.T) {
			testKilledTransactions(t, version)
		})
	}
}

func testKilledTransactions(t *testing.T, version string) {
	rounds := killRounds / 4
	if testing.Short() {
		rounds = 5
	}
	dir, addr := t.TempDir(), freeAddr(t)
	t.Setenv(childVersion, version)
	ctx, cancel := context.WithTimeout(t.Context(), killTime)
	defer cancel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	w := &txnWriter{t: t, addr: addr}
	for range rounds {
		child := startChild(ctx, t, dir, addr)
		life, end := context.WithTimeout(ctx, time.Duration(20+rng.IntN(300))*time.Millisecond)
		killed := make(chan struct{})
		go func() {
			defer close(killed)
			<-life.Done()
			child.kill(t)
		}()
		for life.Err() == nil {
			w.write(life)
		}
		<-killed
		end()
		if w.cl != nil {
			w.cl.Close()
			w.cl = nil
		}
	}
	b := broker.Run(t, broker.Config{DataDir: dir, Listen: addr,
		Properties: map[string]string{"posthaste.transaction.version": version}})
	w.settle(ctx)
	seen := w.check(b)
	t.Logf("%d of %d transactions are visible after %d kills", seen, len(w.outcomes), rounds)
	if seen < rounds/2 {
		t.Errorf("only %d transactions: the test has lost its bite", seen)
	}
}

// A copy of the disk as a kill leaves it, taken between any two writes of a
// transaction, is a log with all or nothing of it.
func TestACrashAnywhereInATransactionLeavesAllOrNothing(t *testing.T) {
	for write := 1; ; write++ {
		ended := crashAt(t, write)
		if ended {
			if write < 8 {
				t.Errorf("the transaction took %d writes only", write)
			}
			return
		}
	}
}

// crashAt kills the broker at its nth write of a transaction, and reports
// whether the transaction had fewer.
func crashAt(t *testing.T, nth int) (ended bool) {
	t.Helper()
	disk := broker.NewDisk(nil)
	cfg := broker.Config{Disk: disk, Topics: map[string]int{"orders": killPartitions}}
	b, err := broker.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := &txnWriter{t: t, addr: b.Addr()}
	w.settle(t.Context()) // what is made once is there
	w = &txnWriter{t: t, addr: b.Addr()}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if err := w.client(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.cl.ProducerID(ctx); err != nil {
		t.Fatal(err)
	}
	disk.FailFrom(nth)
	w.write(ctx)
	ended = w.outcomes[0] == committed
	if w.cl != nil {
		w.cl.Close()
		w.cl = nil
	}
	if err := b.Kill(); err != nil && !strings.Contains(err.Error(), "closed") {
		t.Fatal(err)
	}
	disk.Free()
	if b, err = broker.Start(cfg); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	w.addr = b.Addr()
	w.settle(t.Context())
	w.check(b)
	return ended
}

// A power cut between two transactions, or in one, when every append is synced.
func TestAPowerCutLeavesWholeTransactions(t *testing.T) {
	for seed := range uint64(6) {
		disk := broker.NewDisk(nil)
		cfg := broker.Config{Disk: disk, Topics: map[string]int{"orders": killPartitions},
			Properties: map[string]string{"log.flush.interval.messages": "1"}}
		b, err := broker.Start(cfg)
		if err != nil {
			t.Fatal(err)
		}
		w := &txnWriter{t: t, addr: b.Addr()}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		for range 3 {
			w.write(ctx)
		}
		cut, now := context.WithTimeout(ctx, time.Duration(seed)*time.Millisecond)
		w.write(cut)
		now()
		if w.cl != nil {
			w.cl.Close()
			w.cl = nil
		}
		if err := b.Kill(); err != nil {
			t.Fatal(err)
		}
		disk.PowerCut(seed)
		if b, err = broker.Start(cfg); err != nil {
			t.Fatal(err)
		}
		w.addr = b.Addr()
		w.settle(ctx)
		if seen := w.check(b); seen < 2 {
			t.Errorf("seed %d: %d transactions are visible, at least 2 were committed", seed, seen)
		}
		cancel()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}
