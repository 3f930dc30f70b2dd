//go:build unix

package interop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/interop/kafka"
)

// Two processes copy a topic in transactions, and every few seconds one of them is
// killed with -9 and started again: the copy holds each record exactly once.
func TestKilledCopiersOnKafka(t *testing.T) {
	c := kafka.StartNode(t, kafka.Options{Properties: map[string]string{
		"group.min.session.timeout.ms": "1000"}})
	testKilledCopiers(t, newTarget(t, c.Bootstrap(), 1))
}

func TestKilledCopiersOnTheEmbeddedBroker(t *testing.T) {
	b := broker.Run(t, broker.Config{DataDir: filepath.Join(t.TempDir(), "data"),
		Properties: map[string]string{"group.min.session.timeout.ms": "1000"}})
	testKilledCopiers(t, newTarget(t, b.Addr(), 1))
}

var buildCopier = sync.OnceValues(func() (string, error) {
	if _, err := build(); err != nil { // its folder goes at the end
		return "", err
	}
	path := filepath.Join(filepath.Dir(binary), "copier")
	if out, err := exec.Command("go", "build", "-o", path, "./copier").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// copier is one process that is started again and again.
type copier struct {
	*testing.T
	path string
	args []string
	cmd  *exec.Cmd
	err  *strings.Builder
}

func (c *copier) start() {
	c.Helper()
	c.cmd, c.err = exec.Command(c.path, c.args...), &strings.Builder{}
	c.cmd.Stderr = c.err
	if err := c.cmd.Start(); err != nil {
		c.Fatal(err)
	}
}

// stop ends the process with a signal and reports whether it went well.
func (c *copier) stop(signal os.Signal) {
	c.Helper()
	if err := c.cmd.Process.Signal(signal); err != nil {
		c.Errorf("%v\n%s", err, c.err)
	}
	if err := c.cmd.Wait(); err != nil && signal != os.Kill {
		c.Errorf("copier: %v\n%s", err, c.err)
	}
}

// copyPlan is how many records are copied, in how many rounds with a kill each.
// POSTHASTE_EOS_RECORDS=1000000 is the whole proof, which make eos runs.
func copyPlan(t *testing.T) (records, rounds int, patience time.Duration) {
	t.Helper()
	n := os.Getenv("POSTHASTE_EOS_RECORDS")
	if n == "" {
		return 20_000, 4, 4 * time.Minute
	}
	if _, err := fmt.Sscan(n, &records); err != nil {
		t.Fatal(err)
	}
	return records, 25, 30 * time.Minute
}

func testKilledCopiers(t *testing.T, tg target) {
	path, err := buildCopier()
	if err != nil {
		t.Fatal(err)
	}
	records, rounds, patience := copyPlan(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	f := (&transactional{T: t, target: tg}).flow(6)
	var copiers []*copier
	for _, id := range []string{"a", "b"} {
		c := &copier{T: t, path: path, args: []string{"-bootstrap", tg.bootstrap, "-in", f.in,
			"-out", f.out, "-id", f.in + "-" + id, "-session", "2s"}}
		c.start()
		copiers = append(copiers, c)
	}
	began := time.Now()
	for round := range rounds {
		before := f.copied(ctx)
		f.write(records / rounds)
		f.until(ctx, "some are copied", func() bool {
			return f.copied(ctx)-before >= int64(records/rounds/4)
		})
		copiers[round%2].stop(os.Kill)
		copiers[round%2].start()
	}
	f.await(ctx)
	for _, c := range copiers {
		c.stop(os.Interrupt)
	}
	t.Logf("%d records, %d kills, %v", f.n, rounds, time.Since(began).Round(time.Second))
	f.checkCopy(ctx)
}

// copied is where the output ends, in all partitions together.
func (f *flow) copied(ctx context.Context) (sum int64) {
	f.Helper()
	ends, err := f.admin.ListEndOffsets(ctx, f.out)
	f.ok(err)
	for _, o := range ends[f.out] {
		sum += o.Offset
	}
	return sum
}

// checkCopy is check for more records than one wants to hold.
func (f *flow) checkCopy(ctx context.Context) {
	f.Helper()
	ends, err := f.admin.ListCommittedOffsets(ctx, f.out)
	f.ok(err)
	left := map[int32]int64{}
	for _, o := range ends[f.out] {
		if o.Offset > 0 {
			left[o.Partition] = o.Offset
		}
	}
	c, err := kgo.NewClient(kgo.SeedBrokers(f.bootstrap), kgo.ConsumeTopics(f.out),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords())
	f.ok(err)
	defer c.Close()
	seen := make([]uint8, f.n)
	for len(left) > 0 {
		fetches := c.PollFetches(ctx)
		f.ok(fetches.Err())
		for r := range fetches.RecordsAll() {
			if !r.Attrs.IsControl() {
				var n int
				if _, err := fmt.Sscan(string(r.Value), &n); err != nil || n >= f.n {
					f.Fatalf("the output holds %q", r.Value)
				}
				seen[n]++
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		}
	}
	missing, twice := 0, 0
	for _, times := range seen {
		switch {
		case times == 0:
			missing++
		case times > 1:
			twice++
		}
	}
	if missing+twice > 0 {
		f.Errorf("of %d records %d are missing in the output, %d are in it more than once",
			f.n, missing, twice)
	}
}
