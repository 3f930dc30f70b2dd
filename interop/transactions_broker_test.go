//go:build unix

package interop

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/franz"
	"github.com/posthaste-go/posthaste/interop/java"
	"github.com/posthaste-go/posthaste/interop/python"
	"github.com/posthaste-go/posthaste/interop/record"
)

// Our producer on the embedded broker, in both versions of transactions, as
// TestTransactionsOnKafka has it on Apache Kafka.
func TestTransactionsOnTheEmbeddedBroker(t *testing.T) {
	for _, version := range []string{"1", "2"} {
		t.Run("version "+version, func(t *testing.T) {
			b := broker.Run(t, broker.Config{DataDir: filepath.Join(t.TempDir(), "data"),
				Properties: map[string]string{"posthaste.transaction.version": version},
				Logger: slog.New(slog.NewTextHandler(t.Output(),
					&slog.HandlerOptions{Level: slog.LevelWarn}))})
			(&transactional{T: t, target: newTarget(t, b.Addr(), 1)}).all()
		})
	}
}

// Every client's transactions on one embedded broker at a time, those of version
// 1 beside those of version 2: each commits, aborts, and commits with the same
// transactional id. Then everybody reads what is committed.
func TestTransactionsOfAllClientsOnTheEmbeddedBroker(t *testing.T) {
	b, _ := runBroker(t)
	tg := newTarget(t, b.Addr(), 1)
	const topic = "transactions"
	tg.createTopic(t, topic, 2)
	var want []record.Record
	records := func(name string, partition int32) []record.Record {
		list := make([]record.Record, 20)
		for i := range list {
			list[i] = record.Record{Topic: topic, Partition: partition, Offset: -1,
				Timestamp: record.Base, Key: fmt.Append(nil, name), Value: fmt.Append(nil, i)}
		}
		return list
	}
	for _, w := range []writer{ours, javaWriter, franzWriter, librdkafkaWriter, kafkaPythonWriter,
		kafkaJSWriter, saramaWriter} {
		t.Run("written by "+w.name, func(t *testing.T) {
			for round, abort := range []bool{false, true, false} {
				list := records(fmt.Sprint(w.name, " ", round), int32(round%2))
				config := map[string]string{"transactional.id": w.name}
				for name, value := range w.config {
					config[name] = value
				}
				_, err := w.open(t).Produce(t.Context(), driver.Produce{Bootstrap: tg.bootstrap,
					Records: list, Config: config, Abort: abort})
				if err != nil {
					t.Fatal(err)
				}
				if !abort {
					want = append(want, list...)
				}
			}
		})
	}
	for partition := range int32(2) { // kafkajs waits for a record at the end, not a marker
		plain := records("plain", partition)
		write(t, tg, ours, map[string]string{"acks": "all"}, plain)
		want = append(want, plain...)
	}
	readByAll(t, tg, driver.Consume{Topic: topic, ReadCommitted: true}, "none", want)
}

// Consume, transform, produce by clients of other makes, which take over from
// each other as members of one group: each input is in the output once.
func TestTransformLoopsOfOtherClientsOnTheEmbeddedBroker(t *testing.T) {
	b, _ := runBroker(t)
	tg := newTarget(t, b.Addr(), 1)
	tg.createTopic(t, "in", 3)
	tg.createTopic(t, "out", 2)
	const each = 60
	var input []record.Record
	for i := range 4 * each {
		input = append(input, record.Record{Topic: "in", Key: fmt.Append(nil, i),
			Value: fmt.Append(nil, "v", i), Partition: int32(i % 3), Timestamp: record.Base})
	}
	write(t, tg, ours, map[string]string{"acks": "all"}, input)
	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	for _, d := range []*driver.Driver{java.Driver(t), python.Librdkafka(t), java.Driver(t)} {
		err := d.Transform(ctx, driver.Transform{Bootstrap: tg.bootstrap, From: "in", To: "out",
			Group: "loop", Count: each, Config: map[string]string{"transactional.id": "loop"}})
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := franz.Client{}.Consume(ctx, driver.Consume{Bootstrap: tg.bootstrap, Topic: "out",
		ReadCommitted: true})
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]int{}
	for _, r := range got {
		values[string(r.Value)]++
	}
	for value, n := range values {
		if n != 1 {
			t.Errorf("%s is there %d times", value, n)
		}
	}
	if len(values) < 3*each || len(values) > len(input) {
		t.Errorf("%d of %d records are there, %d were to be committed", len(values), len(input), 3*each)
	}
	committed, err := tg.admin.FetchOffsets(ctx, "loop")
	if err != nil {
		t.Fatal(err)
	}
	read := int64(0)
	for partition := range int32(3) {
		o, _ := committed.Lookup("in", partition)
		read += o.At
	}
	if int(read) != len(values) {
		t.Errorf("the group has read %d records, and the output has %d", read, len(values))
	}
}

// Kafka's tools on transactions that the embedded broker coordinates.
func TestKafkasTransactionToolsOnTheEmbeddedBroker(t *testing.T) {
	b, _ := runBroker(t)
	tg := newTarget(t, b.Addr(), 1)
	s := shell{java.Driver(t), b.Addr()}
	tg.createTopic(t, "orders", 2)
	write := func(id string) {
		config := map[string]string{"transactional.id": id}
		list := []record.Record{{Topic: "orders", Value: []byte("v"), Timestamp: record.Base}}
		if _, err := (oursClient{}).Produce(t.Context(), driver.Produce{Bootstrap: tg.bootstrap,
			Records: list, Config: config}); err != nil {
			t.Fatal(err)
		}
	}
	write("done")
	open, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.TransactionalID("open"),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := open.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	r := &kgo.Record{Topic: "orders", Partition: 1, Value: []byte("open")}
	if err := open.ProduceSync(t.Context(), r).FirstErr(); err != nil {
		t.Fatal(err)
	}
	id, _, err := open.ProducerID(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tool := func(class string, args []string, wants ...string) string {
		t.Helper()
		out, err := runTool(t, s.java, driver.Tool{Class: class,
			Args: append([]string{"--bootstrap-server", s.bootstrap}, args...)})
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("%s %q printed\n%s\nwithout %q", class, args, out, want)
			}
		}
		return out
	}
	tool(java.Transactions, []string{"list"}, "done", "CompleteCommit", "open", "Ongoing")
	tool(java.Transactions, []string{"describe", "--transactional-id", "open"},
		"Ongoing", "orders-1", fmt.Sprint(id))
	tool(java.Transactions, []string{"describe-producers", "--topic", "orders",
		"--partition", "1"}, fmt.Sprint(id))
	out := tool(java.Transactions, []string{"find-hanging", "--broker-id", "1",
		"--max-transaction-timeout", "0"})
	if strings.Contains(out, "orders") {
		t.Errorf("a transaction that its coordinator knows hangs:\n%s", out)
	}
	tool(java.Transactions, []string{"abort", "--topic", "orders", "--partition", "1",
		"--start-offset", "0"})
	tool(java.Features, []string{"describe"}, "transaction.version")
}

// Kafka's own decoder reads __transaction_state, and __consumer_offsets with
// offsets of transactions.
func TestKafkasDecodersReadTheStateTopics(t *testing.T) {
	oracle := java.Driver(t)
	for _, version := range []string{"0", "1", "2"} {
		t.Run("version "+version, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			b, err := broker.Start(broker.Config{DataDir: dir,
				Properties: map[string]string{"posthaste.transaction.version": version}})
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			s := &transactional{T: t, target: newTarget(t, b.Addr(), 1)}
			s.offsets()
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			decode := func(topic, decoder string, wants ...string) {
				t.Helper()
				files, err := filepath.Glob(filepath.Join(dir, topic+"-*", "*.log"))
				if err != nil || len(files) == 0 {
					t.Fatalf("segments of %s: %v, %v", topic, files, err)
				}
				out, err := runTool(t, oracle, driver.Tool{Class: java.DumpLogSegments,
					Args: []string{decoder, "--files", strings.Join(files, ",")}})
				if err != nil {
					t.Fatal(err)
				}
				for _, want := range wants {
					if !strings.Contains(out, want) {
						t.Errorf("%s without %q:\n%.3000s", topic, want, out)
					}
				}
				for line := range strings.Lines(out) {
					if !strings.HasPrefix(line, "| offset:") && complaints.MatchString(line) {
						t.Errorf("%s: %s", topic, line)
					}
				}
			}
			wants := []string{`"version":"1"`, `{"topic":"__consumer_offsets","partitionIds":[`}
			switch version {
			case "0":
				wants[0] = `"version":"0"`
			case "2":
				wants = append(wants, `"clientTransactionVersion":2`)
			}
			for state := range 6 { // Empty to CompleteAbort
				wants = append(wants, fmt.Sprintf(`"transactionStatus":%d,`, state))
			}
			decode("__transaction_state", "--transaction-log-decoder", wants...)
			decode("__consumer_offsets", "--offsets-decoder", `"topic":`, "COMMIT", "ABORT")
		})
	}
}
