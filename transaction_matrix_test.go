package posthaste

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/posthaste-go/posthaste/internal/errcode"
)

// One error answer at one place, and what a transactional producer makes of it:
// the requests that follow and the result of each call, as Kafka's own producer
// has them. testdata/error-matrix-transactional.json was made by that.
func TestErrorMatrixOfTransactions(t *testing.T) {
	text, err := os.ReadFile("testdata/error-matrix-transactional.json")
	if err != nil {
		t.Fatal(err)
	}
	var matrix struct{ Rows []matrixRow }
	if err := json.Unmarshal(text, &matrix); err != nil {
		t.Fatal(err)
	}
	for _, row := range matrix.Rows {
		name := row.Where + "/" + strings.TrimPrefix(row.Mode, "transactional, ") + "/" + row.Error
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			row.test(t)
		})
	}
}

type matrixRow struct {
	Where, Mode, Error string
	Results            [][2]string // of the calls, in their order
	Requests           []string
}

// differs names the rows in which we do better than Java, and why.
func (r *matrixRow) differs() string {
	switch {
	case r.Where == "InitProducerId" && r.Error == "TRANSACTION_ABORTABLE":
		return "the abort gets an id, so that the next transaction can be written"
	case r.Where == "EndTxn (abort)" && r.Error == "UNKNOWN_PRODUCER_ID":
		return "fatal, where Java is stuck in an illegal state"
	case strings.HasPrefix(r.Where, "FindCoordinator") && r.Error == "PRODUCER_FENCED":
		return "fenced, whoever says so"
	case strings.HasPrefix(r.Where, "FindCoordinator (group)"):
		return "a call that fails says why at once, where Java waits for max.block.ms"
	}
	return ""
}

func (r *matrixRow) test(t *testing.T) {
	code, ok := errcode.ByName(r.Error)
	if !ok {
		t.Fatalf("no code %s", r.Error)
	}
	b := &coordinating{TB: t, version: 1, where: r.Where, code: code, nth: 1}
	if strings.HasSuffix(r.Mode, "2") {
		b.version = 2
	}
	if r.Where == "Produce" {
		b.nth = 2
	}
	cfg := DefaultConfig()
	cfg.BootstrapServers = []string{"broker:9092"}
	cfg.TransactionalID, cfg.Linger = "x", 0
	cfg.RetryBackoff, cfg.RetryBackoffMax = 10*time.Millisecond, 20*time.Millisecond
	cfg.Dial = b.dial
	cfg.Logger = slog.New(slog.DiscardHandler)
	p, err := NewProducer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range r.Results {
		got, err := call(p, result[0])
		r.compare(t, result, got, err)
	}
	b.mu.Lock()
	requests := b.requests
	b.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
	b.conns.Wait()
	if diff := cmp.Diff(strings.Join(r.Requests, "\n"), strings.Join(requests, "\n")); diff != "" &&
		r.Where+r.Error != "InitProducerIdTRANSACTION_ABORTABLE" {
		t.Errorf("requests (-Java, +ours):\n%s", diff)
	}
}

// call makes the call that a result is of.
func call(p *Producer, name string) (string, error) {
	ctx := context.Background()
	what := name[strings.LastIndex(name, " ")+1:]
	switch {
	case strings.Contains(name, "record"):
		md, err := p.SendSync(ctx, Record{Topic: "t", Partition: ToPartition(0), Value: []byte("v")})
		return fmt.Sprintf("ok@%d", md.Offset), err
	case strings.HasPrefix(name, "init"):
		return "ok", p.InitTransactions(ctx)
	case what == "begin":
		return "ok", p.BeginTransaction()
	case what == "commit":
		return "ok", p.CommitTransaction(ctx)
	case what == "abort":
		return "ok", p.AbortTransaction(ctx)
	case what == "offsets":
		// Java's producer had the topic in its metadata, and so its id.
		wait := time.Second
		if _, err := p.topic(ctx, "t", &wait); err != nil && !errors.Is(err, ErrInvalidState) {
			return "", err
		}
		return "ok", p.SendOffsetsToTransaction(ctx, map[TopicPartition]OffsetAndMetadata{
			{Topic: "t", Partition: 0}: {Offset: 5},
		}, GroupMetadata{GroupID: "g"})
	}
	return "", fmt.Errorf("no call %s", name)
}

func (r *matrixRow) compare(t *testing.T, want [2]string, got string, err error) {
	t.Helper()
	name, java := want[0], want[1]
	switch {
	case err == nil && got == java:
	case r.differs() != "" && (err == nil || java != "ok"):
		t.Logf("%s: Java %s, ours %v: %s", name, java, err, r.differs())
	case err == nil:
		t.Errorf("%s: Java %s, ours %s", name, java, got)
	case strings.HasPrefix(java, "ok"):
		t.Errorf("%s: Java %s, ours %v", name, java, err)
	case errors.Is(err, ErrInvalidState) != (java == "IllegalStateException"):
		t.Errorf("%s: Java %s, ours %v", name, java, err)
	case errors.Is(err, ErrFenced) != (java == "ProducerFencedException"):
		t.Errorf("%s: Java %s, ours %v", name, java, err)
	case errors.Is(err, ErrInvalidState), errors.Is(err, ErrFenced):
	default:
		code, _ := errcode.ByName(r.Error)
		if !errors.Is(err, KafkaError(code)) {
			t.Errorf("%s: %v does not match %v", name, err, KafkaError(code).Name())
		}
	}
}
