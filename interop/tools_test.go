package interop

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/java"
	"github.com/posthaste-go/posthaste/interop/record"
)

// A shell runs Apache Kafka's command line tools against one bootstrap server.
type shell struct {
	java      *driver.Driver
	bootstrap string
}

// run runs a tool with --bootstrap-server added. The error holds what it
// printed, if it did not exit with 0.
func (s shell) run(t *testing.T, class string, args ...string) (string, error) {
	t.Helper()
	return s.feed(t, "", class, args...)
}

// feed is run with standard input.
func (s shell) feed(t *testing.T, stdin, class string, args ...string) (string, error) {
	t.Helper()
	return runTool(t, s.java, driver.Tool{Class: class, Stdin: stdin,
		Args: append(args, "--bootstrap-server", s.bootstrap)})
}

// runTool runs a tool and returns what it printed on standard output. The error
// holds everything it printed, if it did not exit with 0.
func runTool(t *testing.T, java *driver.Driver, tool driver.Tool) (string, error) {
	t.Helper()
	r := result(t, java, tool)
	if r.Code != 0 {
		return r.Stdout, fmt.Errorf("%s %q: exit code %d\n%s%s", tool.Class, tool.Args, r.Code,
			r.Stdout, r.Stderr)
	}
	return r.Stdout, nil
}

func result(t *testing.T, java *driver.Driver, tool driver.Tool) driver.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	r, err := java.Run(ctx, tool)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// must runs a tool that is to succeed and print all of wants.
func (s shell) must(t *testing.T, class string, args []string, wants ...string) string {
	t.Helper()
	out, err := s.run(t, class, args...)
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

func TestKafkasToolsOnTheEmbeddedBroker(t *testing.T) {
	b, _ := runBroker(t)
	s := shell{java.Driver(t), b.Addr()}
	t.Run("kafka-topics", func(t *testing.T) { testTopicCommand(t, s) })
	t.Run("kafka-configs", func(t *testing.T) { testConfigCommand(t, s) })
	t.Run("kafka-console-producer and kafka-console-consumer",
		func(t *testing.T) { testConsole(t, s) })
	t.Run("kafka-broker-api-versions", func(t *testing.T) {
		s.must(t, java.BrokerAPIVersions, nil, b.Addr(), "Produce(0)", "Fetch(1)")
	})
	t.Run("kafka-cluster", func(t *testing.T) {
		s.must(t, java.ClusterTool, []string{"cluster-id"}, b.ClusterID())
	})
}

func testTopicCommand(t *testing.T, s shell) {
	topic := func(args ...string) []string { return append(args, "--topic", "orders") }
	create := topic("--create", "--partitions", "3", "--replication-factor", "1",
		"--config", "retention.ms=86400000")
	s.must(t, java.TopicCommand, create, "Created topic orders.")
	if out, err := s.run(t, java.TopicCommand, create...); err == nil ||
		!strings.Contains(err.Error(), "exists") {
		t.Errorf("creating a topic twice: %q, %v; want that it exists", out, err)
	}
	s.must(t, java.TopicCommand, topic("--describe"), "PartitionCount: 3",
		"ReplicationFactor: 1", "retention.ms=86400000", "Partition: 2	Leader: ")
	s.must(t, java.TopicCommand, []string{"--list"}, "orders\n")
	s.must(t, java.TopicCommand, topic("--alter", "--partitions", "5"))
	s.must(t, java.TopicCommand, topic("--describe"), "PartitionCount: 5")
	if out, err := s.run(t, java.TopicCommand, topic("--alter", "--partitions", "2")...); err == nil {
		t.Errorf("taking partitions away: %q, want an error", out)
	}
	s.must(t, java.GetOffsetShell, topic(), "orders:0:0", "orders:4:0")
	s.must(t, java.TopicCommand, topic("--delete"))
	if out := s.must(t, java.TopicCommand, []string{"--list"}); strings.Contains(out, "orders") {
		t.Errorf("a deleted topic is listed: %q", out)
	}
}

func testConfigCommand(t *testing.T, s shell) {
	s.must(t, java.TopicCommand, []string{"--create", "--topic", "configs"})
	entity := []string{"--entity-type", "topics", "--entity-name", "configs"}
	s.must(t, java.ConfigCommand, append(entity, "--alter", "--add-config",
		"max.message.bytes=2097152"))
	s.must(t, java.ConfigCommand, append(entity, "--describe"), "max.message.bytes=2097152")
	s.must(t, java.ConfigCommand, append(entity, "--alter", "--delete-config",
		"max.message.bytes"))
	s.must(t, java.ConfigCommand, append(entity, "--describe", "--all"),
		"max.message.bytes=1048588", "cleanup.policy=delete")
}

// testConsole writes lines with the console producer, idempotent as it is by
// default, and reads them with the console consumer: partition by partition,
// which needs no consumer group, and as a group's only member.
func testConsole(t *testing.T, s shell) {
	const partitions, n = 3, 600
	s.must(t, java.TopicCommand, []string{"--create", "--topic", "console",
		"--partitions", fmt.Sprint(partitions)})
	var input bytes.Buffer
	want := map[string]bool{}
	for i := range n {
		line := fmt.Sprintf("key-%d:value %d ü", i, i)
		want[line] = true
		fmt.Fprintln(&input, line)
	}
	if _, err := s.feed(t, input.String(), java.ConsoleProducer, "--topic", "console",
		"--reader-property", "parse.key=true", "--reader-property", "key.separator=:",
		"--compression-codec", "zstd"); err != nil {
		t.Fatal(err)
	}
	ends := s.must(t, java.GetOffsetShell, []string{"--topic", "console"})
	total := 0
	for p := range partitions {
		count := endOf(t, ends, "console", p)
		total += count
		out := s.must(t, java.ConsoleConsumer, []string{"--topic", "console",
			"--partition", fmt.Sprint(p), "--offset", "earliest",
			"--max-messages", fmt.Sprint(count), "--timeout-ms", "20000",
			"--formatter-property", "print.key=true", "--formatter-property", "key.separator=:"})
		for line := range strings.Lines(out) {
			delete(want, strings.TrimSuffix(line, "\n"))
		}
	}
	all := s.must(t, java.ConsoleConsumer, []string{"--topic", "console", "--from-beginning",
		"--max-messages", fmt.Sprint(n), "--timeout-ms", "20000", "--group", "console"})
	if got := strings.Count(all, "value "); got != n {
		t.Errorf("as a group's member the console consumer read %d records, want %d", got, n)
	}
	if total != n || len(want) != 0 {
		t.Errorf("%d records in the partitions, want %d; %d lines were not read",
			total, n, len(want))
	}
}

// endOf finds a partition's end in what GetOffsetShell printed.
func endOf(t *testing.T, ends, topic string, partition int) (end int) {
	t.Helper()
	prefix := fmt.Sprintf("%s:%d:", topic, partition)
	for line := range strings.Lines(ends) {
		if n, found := strings.CutPrefix(line, prefix); found {
			if _, err := fmt.Sscan(n, &end); err == nil {
				return end
			}
		}
	}
	t.Fatalf("no end of %s-%d in %q", topic, partition, ends)
	return 0
}

// Kafka's own reader of log files checks what the embedded broker has written
// to disk: records of every codec, several segments with their indexes, and
// producer snapshots.
func TestKafkasDumpLogSegmentsAcceptsTheDataDirectory(t *testing.T) {
	oracle := java.Driver(t)
	dir := filepath.Join(t.TempDir(), "data")
	b, err := broker.Start(broker.Config{DataDir: dir, Properties: map[string]string{
		"log.segment.bytes": "1048576"}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	tg := newTarget(t, b.Addr(), 1)
	for _, codec := range codecs {
		tg.createTopic(t, codec, 1)
		write(t, tg, ours, map[string]string{"compression.type": codec, "batch.size": "4000"},
			manyRecords(codec, 10_000))
		writeShapes(t, tg, javaWriter, "java-"+codec, map[string]string{"compression.type": codec})
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "0*"))
	if err != nil {
		t.Fatal(err)
	}
	byKind := map[string][]string{}
	for _, f := range files {
		byKind[filepath.Ext(f)] = append(byKind[filepath.Ext(f)], f)
	}
	for _, kind := range []string{".log", ".index", ".timeindex", ".snapshot", ".txnindex"} {
		t.Run(kind, func(t *testing.T) { testDump(t, oracle, dir, kind, byKind[kind]) })
	}
}

// manyRecords are n records with payloads that compress about as data does.
func manyRecords(topic string, n int) []record.Record {
	records := make([]record.Record, n)
	for i := range records {
		records[i] = record.Record{Topic: topic, Key: fmt.Append(nil, i),
			Value:     bytes.Repeat(fmt.Appendf(nil, "%08x", i*2_654_435_761), 20),
			Timestamp: record.Base + int64(i)}
	}
	return records
}

// complaints are words with which DumpLogSegments reports damage. Each segment
// but the first has "-1 is followed by" its base offset, Kafka's own too.
var complaints = regexp.MustCompile(`(?i)isvalid: false|mismatch|invalid|corrupt|` +
	`[^-\d]\d+ is followed by|out of order|exception|error|Found timestamp|not found`)

// complain returns the lines with which DumpLogSegments reports damage in files
// of one kind, and how many records it saw. Damage in an index goes to standard
// error.
func complain(t *testing.T, oracle *driver.Driver, kind string, files []string,
) (lines []string, records int) {
	t.Helper()
	modes := [][]string{{}}
	switch kind {
	case ".log":
		modes = [][]string{{"--deep-iteration", "--print-data-log"}}
	case ".index", ".timeindex":
		modes = [][]string{{"--verify-index-only"}, {"--index-sanity-check"}}
	}
	for _, mode := range modes {
		r := result(t, oracle, driver.Tool{Class: java.DumpLogSegments,
			Args: append(mode, "--files", strings.Join(files, ","))})
		if r.Code != 0 {
			lines = append(lines, fmt.Sprintf("exit code %d", r.Code))
		}
		for line := range strings.Lines(r.Stdout + r.Stderr) {
			if strings.HasPrefix(line, "| offset:") {
				records++ // its payload may say anything
			} else if !strings.HasPrefix(line, "Dumping ") && complaints.MatchString(line) {
				lines = append(lines, fmt.Sprintf("%q: %.300s", mode, line))
			}
		}
	}
	return lines, records
}

func testDump(t *testing.T, oracle *driver.Driver, dir, kind string, files []string) {
	if len(files) == 0 {
		if kind != ".txnindex" { // only transactions make one
			t.Fatalf("the broker wrote no %s file", kind)
		}
		return
	}
	lines, records := complain(t, oracle, kind, files)
	for _, line := range lines {
		t.Error(line)
	}
	if want := len(codecs) * (10_000 + len(record.Shapes("", 0))); kind == ".log" && records != want {
		t.Errorf("the dump shows %d records, want %d", records, want)
	}
	if kind == ".snapshot" || kind == ".txnindex" {
		return
	}
	t.Run("one byte changed is found", func(t *testing.T) {
		testDamage(t, oracle, kind, filepath.Join(dir, "none-0", strings.Repeat("0", 20)+kind))
	})
}

// testDamage shows that complain would see damage.
func testDamage(t *testing.T, oracle *driver.Driver, kind, file string) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{
		".log":       100, // in the first record's value
		".index":     7,   // the first entry's position
		".timeindex": 7,   // the first entry's timestamp
	}
	change := func() {
		b[at[kind]] ^= 0x10
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	change()
	defer change() // back: an index is checked with its log
	if lines, _ := complain(t, oracle, kind, []string{file}); len(lines) == 0 {
		t.Error("DumpLogSegments does not complain: this test would not see damage")
	}
}
