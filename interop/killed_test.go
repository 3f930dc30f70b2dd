//go:build unix

package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/interop/driver"
	"github.com/posthaste-go/posthaste/interop/flights"
	"github.com/posthaste-go/posthaste/interop/franz"
	"github.com/posthaste-go/posthaste/interop/java"
	"github.com/posthaste-go/posthaste/interop/kafka"
	"github.com/posthaste-go/posthaste/interop/python"
	"github.com/posthaste-go/posthaste/interop/record"
)

// killEach is how many records a transaction has.
const killEach = 1000

// killPlan is how much is produced, and how often the tool is killed with -9 on
// the way: POSTHASTE_KILLS=20 is the whole proof, which make eos runs.
func killPlan(t *testing.T) (rows, kills int, patience time.Duration) {
	t.Helper()
	n := os.Getenv("POSTHASTE_KILLS")
	if n == "" {
		return 40_000, 4, 4 * time.Minute
	}
	if _, err := fmt.Sscan(n, &kills); err != nil {
		t.Fatal(err)
	}
	return 200_000, kills, 15 * time.Minute
}

func TestAKilledProduceIsResumedOnKafka(t *testing.T) {
	testKilledProduce(t, newTarget(t, kafka.StartNode(t, kafka.Options{}).Bootstrap(), 1))
}

func TestAKilledProduceIsResumedOnTheEmbeddedBroker(t *testing.T) {
	b, _ := runBroker(t)
	testKilledProduce(t, newTarget(t, b.Addr(), 1))
}

// testKilledProduce runs posthaste produce --resume again and again over real rows,
// kills it in the middle, and lets three makes of readers look: after each kill
// there are whole transactions only, and at the end each row once, in order.
func testKilledProduce(t *testing.T, tg target) {
	killRows, kills, patience := killPlan(t)
	const topic = "killed"
	tg.createTopic(t, topic, 1)
	want := flights.Rows(t, killRows)
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	rows := filepath.Join(t.TempDir(), "flights.json")
	if err := os.WriteFile(rows, text, 0o600); err != nil {
		t.Fatal(err)
	}
	path, err := build()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	killed := 0
	for done := false; !done; {
		// After the last kill, as long as it takes.
		target := killRows / killEach * (killed + 1) / (kills + 1) * killEach
		if killed == kills {
			target = 10 * killRows
		}
		done = runUntil(t, ctx, tg, exec.CommandContext(ctx, path, "produce", "--topic", topic,
			"--bootstrap-server", tg.bootstrap, "--transactional-id", "killed", "--transaction-records",
			fmt.Sprint(killEach), "--resume", "--json", rows), target)
		if !done {
			killed++
		}
		n := len(read(t, ctx, tg, "franz-go", topic))
		if n%killEach != 0 {
			t.Fatalf("a reader of committed records sees %d, which is not whole transactions", n)
		}
		if ctx.Err() != nil {
			t.Fatalf("not done after %d kills: %v", killed, context.Cause(ctx))
		}
	}
	t.Logf("killed %d times", killed)
	for _, reader := range []string{"franz-go", "Java", "librdkafka"} {
		got := read(t, ctx, tg, reader, topic)
		if len(got) != killRows {
			t.Errorf("%s sees %d records, want %d", reader, len(got), killRows)
		}
		for i, r := range got[:min(len(got), len(want))] {
			if !bytes.Equal(r.Value, want[i]) {
				t.Errorf("%s: record %d is %s, want %s", reader, i, r.Value, want[i])
				break
			}
		}
	}
}

// runUntil runs a command and kills it once the topic's end is behind target. It
// reports whether the command came to its own end.
func runUntil(t *testing.T, ctx context.Context, tg target, cmd *exec.Cmd, target int) bool {
	t.Helper()
	cmd.Dir = t.TempDir()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				t.Fatalf("posthaste produce: %v\n%s", err, &out)
			}
			return true
		case <-tick.C:
		}
		ends, err := tg.admin.ListEndOffsets(ctx, "killed")
		if err != nil {
			t.Fatal(err)
		}
		if o, _ := ends.Lookup("killed", 0); o.Offset > int64(target) {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-ended
			return false
		}
	}
}

// read reads a topic's committed records with one make of client.
func read(t *testing.T, ctx context.Context, tg target, make, topic string) []record.Record {
	t.Helper()
	c := driver.Consume{Bootstrap: tg.bootstrap, Topic: topic, ReadCommitted: true}
	var records []record.Record
	var err error
	switch make {
	case "franz-go":
		records, err = franz.Client{}.Consume(ctx, c)
	case "Java":
		records, err = java.Driver(t).Consume(ctx, c)
	case "librdkafka":
		records, err = python.Librdkafka(t).Consume(ctx, c)
	}
	if err != nil {
		t.Fatalf("%s: %v", make, err)
	}
	return records
}
