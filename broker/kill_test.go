package broker_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste/broker"
)

// killRounds is how often the broker is killed; killTime bounds the whole.
const (
	killRounds      = 100
	killRoundsShort = 20
	killTime        = 90 * time.Second
	killPartitions  = 4
)

// A broker in a process of its own is killed at random moments while an
// idempotent producer writes. Afterwards every acknowledged record must be there
// exactly once, no record twice, and each partition in the order of sending.
func TestKillDashNineLosesNothingAcknowledged(t *testing.T) {
	rounds := killRounds
	if testing.Short() {
		rounds = killRoundsShort
	}
	dir, addr := t.TempDir(), freeAddr(t)
	ctx, cancel := context.WithTimeout(t.Context(), killTime)
	defer cancel()
	w := startWriter(ctx, t, addr)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for round := range rounds {
		child := startChild(ctx, t, dir, addr)
		if round == 0 {
			// kgo takes a connection that ends with its first request, which is for a
			// producer id, for missing SASL and fails its records.
			<-w.begun
		}
		timer := time.NewTimer(time.Duration(rng.IntN(250)) * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			t.Fatal("out of time")
		}
		child.kill(t)
	}
	child := startChild(ctx, t, dir, addr)
	sent := w.finish(ctx, t)
	child.kill(t)

	b := broker.Run(t, broker.Config{DataDir: dir})
	total := 0
	for n := range killPartitions {
		total += checkPartition(t, b, n, sent[n])
	}
	t.Logf("%d records survived %d kills", total, rounds)
	if total < rounds {
		t.Errorf("only %d records in %d rounds: the test has lost its bite", total, rounds)
	}
}

// checkPartition compares a log with what was sent, in order; acked says which.
func checkPartition(t *testing.T, b *broker.Broker, n int, sent []bool) int {
	t.Helper()
	records, err := b.Records("orders", int32(n))
	if err != nil {
		t.Fatal(err)
	}
	seen := make([]bool, len(sent))
	last := -1
	for _, r := range records {
		i, err := strconv.Atoi(string(r.Value))
		if err != nil || i >= len(sent) {
			t.Fatalf("partition %d offset %d: %q was never sent", n, r.Offset, r.Value)
		}
		if seen[i] {
			t.Errorf("partition %d offset %d: record %d is there twice", n, r.Offset, i)
		}
		if i < last {
			t.Errorf("partition %d offset %d: record %d comes after %d", n, r.Offset, i, last)
		}
		seen[i], last = true, i
	}
	for i, acked := range sent {
		if acked && !seen[i] {
			t.Errorf("partition %d: record %d was acknowledged and is lost", n, i)
		}
	}
	return len(records)
}

// writer sends numbers to each partition until finish.
type writer struct {
	cl   *kgo.Client
	stop chan struct{}
	done sync.WaitGroup

	mu     sync.Mutex
	sent   [killPartitions][]bool // acknowledged
	failed error                  // the first failure of a record
	begun  chan struct{}          // closed with the first outcome
	once   sync.Once
}

func startWriter(ctx context.Context, t *testing.T, addr string) *writer {
	t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.DefaultProduceTopic("orders"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0),
		kgo.MaxBufferedRecords(256), kgo.UnknownTopicRetries(-1),
		kgo.RetryBackoffFn(func(int) time.Duration { return 5 * time.Millisecond }),
		kgo.MetadataMinAge(10*time.Millisecond), kgo.AllowAutoTopicCreation())
	if err != nil {
		t.Fatal(err)
	}
	w := &writer{cl: cl, stop: make(chan struct{}), begun: make(chan struct{})}
	w.done.Go(func() { w.run(ctx) })
	t.Cleanup(cl.Close)
	return w
}

func (w *writer) run(ctx context.Context) {
	for n := 0; ; n = (n + 1) % killPartitions {
		select {
		case <-w.stop:
			return
		case <-ctx.Done():
			return
		default:
		}
		w.mu.Lock()
		i := len(w.sent[n])
		w.sent[n] = append(w.sent[n], false)
		w.mu.Unlock()
		r := &kgo.Record{Partition: int32(n), Value: strconv.AppendInt(nil, int64(i), 10)}
		w.cl.Produce(ctx, r, func(_ *kgo.Record, err error) {
			w.once.Do(func() { close(w.begun) })
			w.mu.Lock()
			defer w.mu.Unlock()
			if err == nil {
				w.sent[n][i] = true
			} else if w.failed == nil {
				w.failed = fmt.Errorf("partition %d: record %d: %w", n, i, err)
			}
		})
	}
}

// finish waits until all that was sent is acknowledged.
func (w *writer) finish(ctx context.Context, t *testing.T) [killPartitions][]bool {
	t.Helper()
	close(w.stop)
	w.done.Wait()
	if err := w.cl.Flush(ctx); err != nil {
		t.Fatalf("flush: %v", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed != nil {
		t.Errorf("not acknowledged in the end: %v", w.failed)
	}
	return w.sent
}

type child struct {
	cmd *exec.Cmd
}

// startChild runs a broker in a process of its own and returns when it serves.
func startChild(ctx context.Context, t *testing.T, dir, addr string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, exe)
	cmd.Env = append(os.Environ(), childDir+"="+dir, childAddr+"="+addr)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "ready ") {
		t.Fatalf("broker did not start: %q, %v", line, err)
	}
	return &child{cmd: cmd}
}

func (c *child) kill(t *testing.T) {
	t.Helper()
	if err := c.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Wait(); err == nil {
		t.Fatal("the broker ended by itself")
	}
}

// freeAddr is an address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr())
}
