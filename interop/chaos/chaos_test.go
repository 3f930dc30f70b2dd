//go:build unix

package chaos

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/interop/need"
)

var (
	clientsFlag = flag.String("chaos.clients", "posthaste", "which clients, of "+
		strings.Join(Clients, ","))
	seedFlag    = flag.Uint64("chaos.seed", 1, "seed of load and events")
	eventsFlag  = flag.Int("chaos.events", 18, "number of events")
	kindsFlag   = flag.String("chaos.kinds", "", "kinds of events, separated by commas; else all")
	rateFlag    = flag.Int("chaos.rate", 2000, "records a second")
	recordsFlag = flag.Int("chaos.records", 0, "records to send at least")
	txnFlag     = flag.Int("chaos.transactions", 0,
		"send in transactions of so many records in the mean; 0: no transactions")
	tableFlag = flag.String("chaos.table", "", "Markdown file whose table is rewritten")
	dirFlag   = flag.String("chaos.dir", "", "folder for outcomes and logs, kept; else a temporary one")
	floorFlag = flag.Bool("chaos.floor", false,
		"find out as well how soon killed leaders' successors can acknowledge at all")
	goalsFlag = flag.Bool("chaos.goals", false, "fail where recovery misses the goals, too")
)

// Without flags this is what CI runs: every kind of event once, and some more.
// The whole table is made by make chaos.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	need.Programs(t, "java")
	dir := *dirFlag
	if dir == "" {
		dir = t.TempDir()
	}
	of := KindsOf(*txnFlag > 0)
	if *kindsFlag != "" {
		var err error
		if of, err = ParseKinds(*kindsFlag); err != nil {
			t.Fatal(err)
		}
	}
	var results []Result
	for _, client := range strings.Split(*clientsFlag, ",") {
		if !slices.Contains(Clients, client) {
			t.Fatalf("no client is called %q; there are %v", client, Clients)
		}
		t.Run(client, func(t *testing.T) {
			r := Run(t, Config{Client: client, Seed: *seedFlag, Events: *eventsFlag, Kinds: of,
				Rate: *rateFlag, Records: *recordsFlag, TxnRecords: *txnFlag, Dir: dir,
				Floor: *floorFlag})
			results = append(results, r)
			t.Logf("%+v", r.Counts)
			if f := r.Floor; len(f.Took) > 0 {
				t.Logf("floor: %d ms (p50), %d ms (p99) of %d", f.Quantile(0.5).Milliseconds(),
					f.Quantile(0.99).Milliseconds(), len(f.Took))
			}
			lines := slices.Concat(r.Examples, r.Why)
			for _, took := range r.Recoveries {
				lines = append(lines, took.Slowest...)
			}
			t.Log(strings.Join(lines, "\n"))
			judge(t, r)
		})
		if *tableFlag != "" { // each time: a night may be cut short
			if err := WriteTable(*tableFlag, results); err != nil {
				t.Error(err)
			}
		}
	}
	t.Logf("\n%s", Table(results))
	if t.Failed() {
		keep(t, dir)
	}
}

// judge holds Posthaste to its promises; the others are measured.
func judge(t *testing.T, r Result) {
	t.Helper()
	if r.Config.Client != "posthaste" {
		return
	}
	if n := r.Counts.Broken(); n > 0 {
		t.Errorf("%d promises are broken: %+v", n, r.Counts)
	}
	if r.Counts.Acked == 0 {
		t.Error("no record was acknowledged")
	}
	if n := r.Recoveries[Frozen].Never; n > 0 {
		t.Errorf("%d partitions waited for a frozen leader although others led", n)
	}
	if !*goalsFlag {
		return
	}
	killed, frozen := r.Recoveries[Killed], r.Recoveries[Frozen]
	if got := killed.Quantile(0.5); got > KilledMedian {
		t.Errorf("half of the killed leaders' partitions took more than %v, want %v", got, KilledMedian)
	}
	if got := killed.Quantile(0.99); got > KilledP99 {
		t.Errorf("1 %% of the killed leaders' partitions took more than %v, want %v", got, KilledP99)
	}
	if got := frozen.Quantile(1); got > FrozenMost {
		t.Errorf("a frozen leader's partition took %v, want %v", got, FrozenMost)
	}
}

// keep saves what a failed run wrote in a temporary folder.
func keep(t *testing.T, dir string) {
	t.Helper()
	if *dirFlag != "" {
		t.Logf("outcomes and logs are in %s", dir)
		return
	}
	kept := filepath.Join(os.TempDir(), "posthaste-chaos")
	if err := os.RemoveAll(kept); err == nil {
		err = os.CopyFS(kept, os.DirFS(dir))
		t.Logf("outcomes and logs are kept in %s (%v)", kept, err)
	}
}
