package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/java"
	"github.com/posthaste-go/posthaste/interop/record"
)

// build compiles the command line tool once, as a user would.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "posthaste-cli-*")
	if err != nil {
		return "", err
	}
	binary = filepath.Join(dir, "posthaste")
	cmd := exec.Command("go", "build", "-o", binary, "./cmd/posthaste")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
})

var binary string // what build has made, for TestMain to remove

func TestMain(m *testing.M) {
	code := m.Run()
	if binary != "" {
		os.RemoveAll(filepath.Dir(binary))
	}
	os.Exit(code)
}

// A run is what one run of posthaste printed.
type run struct{ stdout, stderr string }

// posthasteCLI runs the tool; it must exit with 0.
func posthasteCLI(t *testing.T, stdin string, args ...string) run {
	t.Helper()
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	cmd.Dir = t.TempDir() // nothing is left in the source tree
	if err := cmd.Run(); err != nil {
		t.Fatalf("posthaste %q: %v\n%s%s", args, err, &stdout, &stderr)
	}
	return run{stdout.String(), stderr.String()}
}

// javaProperties is the file of a Java service: two ways to write a setting, a
// continued line, an escape, class names of Kafka's serializers, and a setting
// that belongs to somebody else.
const javaProperties = `# orders-service, production
bootstrap.servers = %s
key.serializer=org.apache.kafka.common.serialization.StringSerializer
value.serializer: org.apache.kafka.common.serialization.StringSerializer
client.id=caf\u00e9
acks=all
enable.idempotence=true
compression.type=zstd
linger.ms=20
batch.size=\
    32768
buffer.memory=33554432
retries=2147483647
delivery.timeout.ms=60000
max.in.flight.requests.per.connection=5
spring.application.name=orders
`

func testCLI(t *testing.T, tg target) {
	t.Run("produce takes a Java service's properties as they are",
		func(t *testing.T) { testJavaProperties(t, tg) })
	t.Run("topics manages topics", func(t *testing.T) { testTopicsCLI(t, tg) })
	t.Run("consume prints what Java wrote", func(t *testing.T) { testConsumeCLI(t, tg) })
}

func testJavaProperties(t *testing.T, tg target) {
	const topic, partitions, n = "cli-properties", 4, 5000
	tg.createTopic(t, topic, partitions)
	file := filepath.Join(t.TempDir(), "producer.properties")
	text := fmt.Sprintf(javaProperties, tg.bootstrap)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var input strings.Builder
	want := make([]record.Record, n)
	keys := make([][]byte, n)
	for i := range n {
		keys[i] = fmt.Appendf(nil, "order-%d", i)
		want[i] = record.Record{Topic: topic, Offset: -1, Key: keys[i],
			Value: fmt.Appendf(nil, `{"n":%d,"customer":"Zoë"}`, i)}
		fmt.Fprintf(&input, "%s\t%s\n", keys[i], want[i].Value)
	}
	javas, err := java.Driver(t).Partitions(t.Context(), keys, partitions)
	if err != nil {
		t.Fatal(err)
	}
	ran := posthasteCLI(t, input.String(), "produce", "--topic", topic,
		"--producer.config", file, "--property", "parse.key=true",
		"--delivery-report=json")
	if !strings.Contains(ran.stderr, "spring.application.name") {
		t.Errorf("no word about the unknown setting on standard error:\n%s", ran.stderr)
	}
	for line := range strings.Lines(ran.stdout) {
		var report struct {
			N, Offset, Timestamp int64
			Partition            int32
			Error                string
		}
		if err := json.Unmarshal([]byte(line), &report); err != nil {
			t.Fatalf("delivery report %q: %v", line, err)
		}
		if report.Error != "" || report.Partition != javas[report.N] {
			t.Errorf("%s, want partition %d", line, javas[report.N])
		}
		r := &want[report.N]
		r.Partition, r.Offset, r.Timestamp = report.Partition, report.Offset, report.Timestamp
	}
	slices.SortFunc(want, record.ByPlace)
	readByAll(t, tg, driver.Consume{Topic: topic}, "zstd", want)
}

func testTopicsCLI(t *testing.T, tg target) {
	topics := func(action string, args ...string) string {
		t.Helper()
		return posthasteCLI(t, "", append([]string{"topics", action,
			"--bootstrap-server", tg.bootstrap}, args...)...).stdout
	}
	topics("create", "--topic", "cli-topic", "--partitions", "3", "--config", "retention.ms=60000")
	if out := topics("list"); !strings.Contains(out, "cli-topic") {
		t.Errorf("list: %q", out)
	}
	topics("alter", "--topic", "cli-topic", "--partitions", "5")
	out := topics("describe", "--topic", "cli-topic")
	for _, want := range []string{"cli-topic", "5", "retention.ms=60000"} {
		if !strings.Contains(out, want) {
			t.Errorf("describe prints %q without %q", out, want)
		}
	}
	s := shell{java.Driver(t), tg.bootstrap}
	s.must(t, java.TopicCommand, []string{"--describe", "--topic", "cli-topic"},
		"PartitionCount: 5", "retention.ms=60000")
	topics("delete", "--topic", "cli-topic")
	if out := topics("list"); strings.Contains(out, "cli-topic") {
		t.Errorf("a deleted topic is listed: %q", out)
	}
}

func testConsumeCLI(t *testing.T, tg target) {
	const topic = "cli-consume"
	tg.createTopic(t, topic, 1)
	want := writeShapes(t, tg, javaWriter, topic, map[string]string{"compression.type": "lz4"})
	ran := posthasteCLI(t, "", "consume", "--bootstrap-server", tg.bootstrap, "--topic", topic,
		"--from-beginning", "--max-messages", fmt.Sprint(len(want)), "--json", "--base64")
	var got []record.Record
	for line := range strings.Lines(ran.stdout) {
		var r record.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%.200q: %v", line, err)
		}
		got = append(got, r)
	}
	if diff := record.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
