//go:build unix

package interop

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/java"
	"github.com/posthaste-go/posthaste/interop/kafka"
)

// What transactions cost: throughput with one every 100 ms beside that of the
// idempotent producer, in turns, and how long a commit takes beside Java's and
// franz-go's. make txn-cost prints it; it proves nothing on a busy machine.
func TestTransactionCost(t *testing.T) {
	if os.Getenv("POSTHASTE_COST") == "" {
		t.Skip("figures, not a test: make txn-cost")
	}
	c := kafka.StartNode(t, kafka.Options{})
	c.CreateTopic("cost", 6)
	const rounds, records = 7, 500_000
	var ratios []float64
	throughput(t, c.Bootstrap(), records/2, 0) // warm
	for round := range rounds {
		plain := throughput(t, c.Bootstrap(), records, 0)
		transactional := throughput(t, c.Bootstrap(), records, 100*time.Millisecond)
		ratios = append(ratios, transactional/plain)
		t.Logf("round %d: idempotent %.0f rec/s, transactions of 100 ms %.0f rec/s: %.1f %%", round+1,
			plain, transactional, 100*transactional/plain)
	}
	slices.Sort(ratios)
	t.Logf("throughput with transactions of 100 ms: %.1f %% of idempotent (median of %d; %.1f to %.1f)",
		100*ratios[rounds/2], rounds, 100*ratios[0], 100*ratios[rounds-1])

	const transactions, each = 300, 100
	makes := map[string]func() ([]time.Duration, error){
		"posthaste": func() ([]time.Duration, error) {
			return ourCommits(c.Bootstrap(), transactions, each)
		},
		"franz-go": func() ([]time.Duration, error) {
			return franzCommits(c.Bootstrap(), transactions, each)
		},
		"Java": func() ([]time.Duration, error) {
			return java.Driver(t).Commits(t.Context(), driver.Commits{Bootstrap: c.Bootstrap(),
				Topic: "cost", Transactions: transactions, Records: each,
				Config: map[string]string{"transactional.id": "cost-java"}})
		},
	}
	for range 2 { // the first warms
		for _, name := range []string{"posthaste", "franz-go", "Java"} {
			times, err := makes[name]()
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			slices.Sort(times)
			t.Logf("commit latency, %-9s  p50 %v  p95 %v  p99 %v", name, times[len(times)/2],
				times[len(times)*95/100], times[len(times)*99/100])
		}
	}
}

// throughput sends records of 100 bytes, in transactions that are committed this
// long after they began, or without any.
func throughput(t *testing.T, bootstrap string, records int, each time.Duration) float64 {
	t.Helper()
	settings := map[string]string{"linger.ms": "5"}
	if each > 0 {
		settings["transactional.id"] = "cost-throughput"
	}
	p, err := newOurs(bootstrap, settings)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if each > 0 {
		do(p.InitTransactions(ctx))
	}
	value := make([]byte, 100)
	began := time.Now()
	open := began
	if each > 0 {
		do(p.BeginTransaction())
	}
	for i := range records {
		_, err := p.Send(ctx, posthaste.Record{Topic: "cost", Value: value})
		do(err)
		if each > 0 && i%64 == 0 && time.Since(open) >= each {
			do(p.CommitTransaction(ctx))
			do(p.BeginTransaction())
			open = time.Now()
		}
	}
	if each > 0 {
		do(p.CommitTransaction(ctx))
	} else {
		do(p.Flush(ctx))
	}
	took := time.Since(began)
	do(p.Close(ctx))
	return float64(records) / took.Seconds()
}

func ourCommits(bootstrap string, transactions, records int) (times []time.Duration, err error) {
	ctx := context.Background()
	p, err := newOurs(bootstrap, map[string]string{"transactional.id": "cost-ours"})
	if err != nil {
		return nil, err
	}
	defer func() { err = p.Close(ctx) }()
	if err := p.InitTransactions(ctx); err != nil {
		return nil, err
	}
	value := make([]byte, 100)
	for range transactions {
		if err := p.BeginTransaction(); err != nil {
			return nil, err
		}
		for range records {
			if _, err := p.Send(ctx, posthaste.Record{Topic: "cost", Value: value}); err != nil {
				return nil, err
			}
		}
		if err := p.Flush(ctx); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := p.CommitTransaction(ctx); err != nil {
			return nil, err
		}
		times = append(times, time.Since(began))
	}
	return times, nil
}

func franzCommits(bootstrap string, transactions, records int) (times []time.Duration, err error) {
	ctx := context.Background()
	c, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.TransactionalID("cost-franz"),
		kgo.DefaultProduceTopic("cost"), kgo.ProducerLinger(0))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	value := make([]byte, 100)
	for range transactions {
		if err := c.BeginTransaction(); err != nil {
			return nil, err
		}
		for range records {
			c.Produce(ctx, &kgo.Record{Value: value}, nil)
		}
		if err := c.Flush(ctx); err != nil {
			return nil, err
		}
		began := time.Now()
		if err := c.EndTransaction(ctx, kgo.TryCommit); err != nil {
			return nil, fmt.Errorf("commit: %w", err)
		}
		times = append(times, time.Since(began))
	}
	return times, nil
}
