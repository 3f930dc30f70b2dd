//go:build unix

package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/interop/chaos/load"
)

// A Config is what a run is.
type Config struct {
	Client     string
	Seed       uint64
	Events     int
	Kinds      []Kind
	Rate       int // records a second
	Records    int // the run goes on until so many are sent, also after the last event
	TxnRecords int // mean size of a transaction; 0: none
	Dir        string
	Floor      bool // find out as well what no client can beat; for killed leaders
}

// Of every run: many keys, so that each partition has some, also when there are
// mostPartitions.
const (
	keys            = 128
	firstPartitions = 6
)

// A Result is what came of a run.
type Result struct {
	Config     Config
	Counts     Counts
	Recoveries [classes]Recoveries
	Floor      Recoveries    // if it was asked for
	Events     int           // carried out
	Cuts       int           // connections cut
	Took       time.Duration // from the first record to the last outcome
	Why        []string      // the reasons of failures, the most frequent first
	Examples   []string      // of broken promises
	Load       string        // the machine's load averages at the end
}

// Run carries a run out. What keeps it from that fails t; what the client did
// wrong is in the result.
func Run(t testing.TB, c Config) Result {
	t.Helper()
	ctx := t.Context()
	dir := filepath.Join(c.Dir, c.Client)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := newStage(t, firstPartitions)
	floor := startFloor(t, s, c)
	var news func(int, leadership)
	if floor != nil {
		news = floor.probe
	}
	w, err := watch(ctx, s.cluster, news)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	spec := load.Spec{Client: c.Client, Bootstrap: s.bootstrap(), Topic: topic,
		Outcomes: filepath.Join(dir, "outcomes"), Seed: c.Seed, Rate: c.Rate, Keys: keys,
		TxnRecords: c.TxnRecords}
	began := time.Now()
	p := startClient(t, spec, dir)
	d := &director{stage: s, watcher: w, logf: t.Logf, floor: floor}
	failure := hold(ctx, 2*time.Second)
	if failure == nil {
		failure = d.play(ctx, Plan(c.Seed, c.Events, c.Kinds))
	}
	if failure == nil {
		failure = awaitRecords(ctx, c, began)
	}
	if failure != nil {
		t.Errorf("%s: %v", c.Client, failure)
	}
	sent, err := p.finish()
	if err != nil {
		t.Errorf("%s: %v", c.Client, err)
	}
	r := Result{Config: c, Events: d.done, Cuts: d.cuts, Took: time.Since(began), Load: loadAverage()}
	a := newAudit(keys)
	if err := a.run(ctx, spec, s.cluster.Bootstrap()); err != nil {
		t.Fatalf("%s: audit: %v", c.Client, err)
	}
	if int(sent) != a.counts.Sent {
		t.Errorf("%s wrote %d outcomes, %d can be read", c.Client, sent, a.counts.Sent)
	}
	r.Counts, r.Examples, r.Why = a.counts, a.examples, a.reasons()
	r.Recoveries = recoveries(d.takeovers, a.acks)
	if floor != nil {
		r.Floor = floor.recoveries()
	}
	return r
}

func startFloor(t testing.TB, s *stage, c Config) *floor {
	t.Helper()
	if !c.Floor {
		return nil
	}
	f, err := newFloor(t.Context(), s, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// awaitRecords lets the load go on until enough must have been sent.
func awaitRecords(ctx context.Context, c Config, began time.Time) error {
	whole := time.Duration(float64(c.Records) / float64(c.Rate) * float64(time.Second))
	return hold(ctx, max(0, whole-time.Since(began)))
}

// run does all of an audit.
func (a *audit) run(ctx context.Context, s load.Spec, bootstrap string) error {
	if err := a.readOutcomes(s.Outcomes); err != nil {
		return err
	}
	transactions := s.TxnRecords > 0
	err := a.readLog(ctx, strings.Split(bootstrap, ","), transactions)
	if err == nil && transactions {
		err = a.concludeTxns(s)
	}
	a.conclude(transactions)
	return err
}

// reason is an error without what differs from record to record.
func reason(o load.Outcome) string {
	why, _, _ := strings.Cut(o.Why, " (")
	return o.What + ": " + topicPartition.ReplaceAllString(why, topic)
}

var topicPartition = regexp.MustCompile(topic + `-\d+`)

// reasons is why records failed, the most frequent first.
func (a *audit) reasons() []string {
	var all []string
	for why := range a.why {
		all = append(all, why)
	}
	slices.SortFunc(all, func(x, y string) int { return a.why[y] - a.why[x] })
	for i, why := range all {
		all[i] = fmt.Sprintf("%d × %.200s", a.why[why], why)
	}
	return all[:min(len(all), 10)]
}

// loadAverage is what the system says of how busy it is; only Linux does.
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	if errors.Is(err, os.ErrNotExist) {
		return "unknown"
	}
	f := strings.Fields(string(b))
	return strings.Join(f[:min(3, len(f))], " ")
}
