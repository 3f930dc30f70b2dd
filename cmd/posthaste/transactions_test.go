package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/input"
)

// script is a producer that acknowledges at once, writes down what it is asked
// to do, and fails where it is told.
type script struct {
	steps []string
	fails map[string]error // by step
	next  int64
}

func (s *script) step(name string) error {
	s.steps = append(s.steps, name)
	return s.fails[name]
}

func (s *script) SendAsync(_ context.Context, r posthaste.Record, done posthaste.Callback) {
	md := posthaste.RecordMetadata{Topic: r.Topic, Offset: s.next, KeySize: -1,
		ValueSize: len(r.Value)}
	err := s.step(string(r.Value))
	if err == nil {
		s.next++
	}
	done(md, err)
}

func (s *script) Flush(context.Context) error             { return nil }
func (s *script) Close(context.Context) error             { return s.step("close") }
func (s *script) Metrics() posthaste.Metrics              { return posthaste.Metrics{} }
func (s *script) InitTransactions(context.Context) error  { return s.step("init") }
func (s *script) BeginTransaction() error                 { return s.step("begin") }
func (s *script) CommitTransaction(context.Context) error { return s.step("commit") }
func (s *script) SendOffsetsToTransaction(context.Context,
	map[posthaste.TopicPartition]posthaste.OffsetAndMetadata, posthaste.GroupMetadata) error {
	return s.step("offsets")
}
func (s *script) AbortTransaction(context.Context) error { return s.step("abort") }

func TestTransactionsDivideTheInput(t *testing.T) {
	fenced := fmt.Errorf("taken over: %w", posthaste.ErrFenced)
	tests := []struct {
		name    string
		in      string
		each    int64
		fails   map[string]error
		steps   string
		acked   int64
		aborted int64
		want    string // the error; "" for none
	}{
		{name: "one transaction for the whole input", in: "a\nb\nc\n",
			steps: "init begin a b c commit close", acked: 3},
		{name: "so many records each", in: "a\nb\nc\n", each: 2,
			steps: "init begin a b commit begin c commit close", acked: 3},
		{name: "no empty transaction at the end", in: "a\nb\n", each: 2,
			steps: "init begin a b commit close", acked: 2},
		{name: "nothing to send", in: "", steps: "init close"},
		{name: "a record that fails aborts its transaction and ends the run", in: "a\nb\nc\nd\n",
			each: 2, fails: map[string]error{"d": errors.New("too late")},
			steps: "init begin a b commit begin c d abort close", acked: 2, aborted: 1,
			want: "1 record failed; the open transaction of 1 record is aborted"},
		{name: "a commit that fails aborts", in: "a\n",
			fails: map[string]error{"commit": errors.New("no coordinator")},
			steps: "init begin a commit abort close", aborted: 1, want: "cannot commit the transaction " +
				"of 1 record: no coordinator; the open transaction of 1 record is aborted"},
		{name: "an abort that fails is said", in: "a\n", fails: map[string]error{"commit": fenced,
			"abort": fenced}, steps: "init begin a commit abort close", aborted: 1,
			want: "cannot commit the transaction of 1 record: taken over: producer is fenced\n" +
				"cannot abort the transaction: taken over: producer is fenced; the coordinator aborts it " +
				"after transaction.timeout.ms"},
		{name: "no transactions at all", in: "a\n", fails: map[string]error{"init": fenced},
			steps: "init close", want: "cannot begin transactions under the id tx: taken over: producer " +
				"is fenced"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &script{fails: tt.fails}
			run := transactionalRun(t, s, tt.in, tt.each)
			err := run.all()
			summary := run.finish()
			if got := strings.Join(s.steps, " "); got != tt.steps {
				t.Errorf("steps  %s\nwant   %s", got, tt.steps)
			}
			if got := fmt.Sprint(err); got != tt.want && (tt.want != "" || err != nil) {
				t.Errorf("error  %s\nwant   %s", got, tt.want)
			}
			if summary.Acked != tt.acked || summary.Aborted != tt.aborted ||
				summary.Records != summary.Acked+summary.Aborted+summary.Failed {
				t.Errorf("summary = %+v, want %d committed and %d aborted", summary, tt.acked, tt.aborted)
			}
		})
	}
}

// transactionalRun is a produce command over lines, with s for the producer.
func transactionalRun(t *testing.T, s recordProducer, in string, each int64) *production {
	t.Helper()
	e := &env{ctx: t.Context(), streams: streams{in: strings.NewReader(in), out: &bytes.Buffer{},
		err: &bytes.Buffer{}}}
	c := &produceCmd{Topic: "t", OnError: "fail", TransactionalID: "tx", TransactionRecords: each}
	return newProduction(e, c, s, input.Options{})
}

func TestAnInterruptAbortsTheOpenTransaction(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	s := &script{}
	run := transactionalRun(t, s, "a\nb\nc\n", 2)
	run.e.ctx = ctx
	s.fails = map[string]error{}
	run.producer = &interrupting{script: s, at: "c", cancel: func() { cancel(errInterrupted) }}
	err := run.all()
	if !errors.Is(err, errInterrupted) || !slices.Equal(s.steps,
		[]string{"init", "begin", "a", "b", "commit", "begin", "c", "abort"}) {
		t.Errorf("error %v after steps %v, want an interrupt and an abort", err, s.steps)
	}
	summary := run.finish()
	if summary.Acked != 2 || summary.Aborted != 1 || !summary.Interrupted {
		t.Errorf("summary = %+v, want 2 committed, 1 aborted", summary)
	}
	err = run.cmd.conclude(run.e, summary, err)
	if want := "interrupted; the open transaction of 1 record is aborted"; fmt.Sprint(err) != want {
		t.Errorf("the command ends with %v, want %s", err, want)
	}
}

// interrupting is a script during whose record at a signal comes.
type interrupting struct {
	*script
	at     string
	cancel func()
}

func (i *interrupting) SendAsync(ctx context.Context, r posthaste.Record, done posthaste.Callback) {
	i.script.SendAsync(ctx, r, done)
	if string(r.Value) == i.at {
		i.cancel()
	}
}

func TestResumePassesOverWhatIsCommitted(t *testing.T) {
	_, flags := testBroker(t, broker.Config{Topics: map[string]int{"t": 1}})
	rows := file(t, "rows.txt", "a\nb\nc\nd\ne\n")
	produce := with(flags, "produce", "--topic", "t", "--transactional-id", "load",
		"--transaction-records", "2", "--resume")
	must(t, "", append(produce, rows)...)
	again := must(t, "", append(produce, rows)...)
	if !strings.Contains(again.err, "5 rows of the input are produced already") {
		t.Errorf("the second run says %q", again.err)
	}
	consumeAll(t, flags, "t", 5, "--isolation-level", "read_committed")
	r := runCommand(t, "", append(produce, file(t, "other.txt", "f\n"))...)
	if r.code != exitFailed || !strings.Contains(r.err, "had other input (rows.txt:10, now other.txt:2)") {
		t.Errorf("another input: exit code %d, %q", r.code, r.err)
	}
	for want, args := range map[string][]string{
		"--resume goes with --transactional-id": {"produce", "--topic", "t", "--resume", rows},
		"--resume needs files": {"produce", "--topic", "t", "--transactional-id", "load",
			"--resume"},
	} {
		if r := runCommand(t, "", args...); r.code != exitUsage || !strings.Contains(r.err, want) {
			t.Errorf("%q: exit code %d, %q, want %q", args, r.code, r.err, want)
		}
	}
}
