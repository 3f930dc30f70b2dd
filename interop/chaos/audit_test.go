//go:build unix

package chaos

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste/interop/chaos/load"
	"github.com/posthaste-go/posthaste/interop/chaos/proxy"
)

// in is a record of the log: its key, number, partition and offset.
func in(key uint32, number uint64, partition int32, offset int64) *kgo.Record {
	return &kgo.Record{Partition: partition, Offset: offset,
		Value: load.Record{Key: key, Number: number, Size: 20}.Value()}
}

func TestAuditFindsWhatIsWrong(t *testing.T) {
	tests := []struct {
		name     string
		outcomes string
		log      []*kgo.Record
		want     Counts
	}{
		{"all is well", "0 0 acked 1 5 1\n0 1 maybe -1 -1 1 why\n0 2 not-written -1 -1 1\n",
			[]*kgo.Record{in(0, 0, 1, 5), in(0, 1, 1, 6)}, Counts{}},
		{"an acknowledged record is lost", "0 0 acked 1 5 1\n", nil, Counts{Lost: 1}},
		{"a failed record need not be there", "0 0 failed -1 -1 1\n", nil, Counts{}},
		{"a record is there twice", "0 0 acked 1 5 1\n",
			[]*kgo.Record{in(0, 0, 1, 5), in(0, 0, 2, 1)}, Counts{Duplicated: 1}},
		{"a record was overtaken", "0 0 acked 1 6 1\n0 1 acked 1 5 1\n",
			[]*kgo.Record{in(0, 1, 1, 5), in(0, 0, 1, 6)}, Counts{Reordered: 1}},
		{"other partitions and keys have orders of their own",
			"0 0 acked 1 6 1\n0 1 acked 2 5 1\n1 0 acked 2 6 1\n",
			[]*kgo.Record{in(0, 1, 2, 5), in(1, 0, 2, 6), in(0, 0, 1, 6)}, Counts{}},
		{"a record that is there was denied", "0 0 not-written -1 -1 1\n",
			[]*kgo.Record{in(0, 0, 1, 5)}, Counts{WronglyDenied: 1}},
		{"a refused record is there", "0 0 refused -1 -1 1\n",
			[]*kgo.Record{in(0, 0, 1, 5)}, Counts{WronglyDenied: 1}},
		{"a record is elsewhere", "0 0 acked 1 5 1\n",
			[]*kgo.Record{in(0, 0, 1, 6)}, Counts{Misplaced: 1}},
		{"an offset that is not known is not wrong", "0 0 acked 1 -1 1\n",
			[]*kgo.Record{in(0, 0, 1, 6)}, Counts{}},
		{"a record was forgotten", "0 1 acked 1 5 1\n",
			[]*kgo.Record{in(0, 1, 1, 5)}, Counts{WithoutOutcome: 1}},
		{"a record was told of twice", "0 0 acked 1 5 1\n0 0 maybe 1 5 1\n",
			[]*kgo.Record{in(0, 0, 1, 5)}, Counts{OutcomeTwice: 1}},
		{"a record comes from nowhere", "0 0 acked 1 5 1\n",
			[]*kgo.Record{in(0, 0, 1, 5), in(0, 1, 1, 6)}, Counts{NeverSent: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAudit(2)
			if err := load.Read(strings.NewReader(tt.outcomes), a.told); err != nil {
				t.Fatal(err)
			}
			last := map[[2]uint32]uint64{}
			for _, r := range tt.log {
				if err := a.found(r, last); err != nil {
					t.Fatal(err)
				}
			}
			a.conclude(false)
			got := a.counts
			got.Sent, got.Acked, got.NotWritten, got.Maybe, got.RecordsInTheLog = 0, 0, 0, 0, 0
			if got != tt.want {
				t.Errorf("found %+v, want %+v; %v", got, tt.want, a.examples)
			}
			if (got.Broken() > 0) != (len(a.examples) > 0) {
				t.Errorf("%d promises broken, examples %v", got.Broken(), a.examples)
			}
		})
	}
}

func TestAuditFindsTornAndWronglyReportedTransactions(t *testing.T) {
	s := load.Spec{Seed: 3, Keys: 4, TxnRecords: 10}
	tests := []struct {
		name    string
		told    string
		visible func(i, size int) bool
		want    Counts
	}{
		{"committed and there", load.Committed, func(int, int) bool { return true }, Counts{}},
		{"aborted and not there", load.Aborted, func(int, int) bool { return false }, Counts{}},
		{"not known, and there", load.Unknown, func(int, int) bool { return true }, Counts{}},
		{"not known, and not there", load.Unknown, func(int, int) bool { return false }, Counts{}},
		{"a part is there", load.Unknown, func(i, _ int) bool { return i == 0 }, Counts{TornTxns: 1}},
		{"committed, and one is missing", load.Committed,
			func(i, size int) bool { return i < size-1 }, Counts{TornTxns: 1}},
		{"committed and not there", load.Committed, func(int, int) bool { return false },
			Counts{WronglyTxns: 1}},
		{"aborted and there", load.Aborted, func(int, int) bool { return true },
			Counts{WronglyTxns: 1}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := newAudit(s.Keys)
			g := load.NewGenerator(s)
			size, _ := g.TxnSize(s.TxnRecords)
			if size < 2 {
				t.Fatalf("the seed gives a transaction of %d records", size)
			}
			for i := range size {
				r := g.Next()
				f, err := a.at(r.Key, r.Number)
				if err != nil {
					t.Fatal(err)
				}
				if tt.visible(i, size) {
					f.seen = 1
				}
			}
			if err := a.told(load.Outcome{Txn: true, Number: 1, What: tt.told}); err != nil {
				t.Fatal(err)
			}
			if err := a.concludeTxns(s); err != nil {
				t.Fatal(err)
			}
			got := Counts{TornTxns: a.counts.TornTxns, WronglyTxns: a.counts.WronglyTxns}
			if got != tt.want {
				t.Errorf("found %+v, want %+v; %v", got, tt.want, a.examples)
			}
		})
	}
}

func TestRecoveryIsFromTheNewLeaderToTheNextAcknowledgement(t *testing.T) {
	at := func(ms int) time.Time { return time.UnixMilli(int64(ms)) }
	acks := map[int][]time.Time{0: {at(300), at(100), at(250)}, 1: {at(100)}, 2: {at(1300)}}
	got := recoveries([]takeover{
		{Class: Killed, Partition: 0, Seen: at(200), Ended: at(1000)},
		{Class: Killed, Partition: 0, Seen: at(250), Ended: at(1000)},
		{Class: Frozen, Partition: 1, Seen: at(200), Ended: at(3000)},
		{Class: Frozen, Partition: 2, Seen: at(200), Ended: at(1200)},
		{Class: Frozen, Partition: 2, Seen: at(200), Ended: at(800)},
	}, acks)
	ms := time.Millisecond
	if want := []time.Duration{0, 50 * ms}; !slices.Equal(got[Killed].Took, want) {
		t.Errorf("killed: %v, want %v", got[Killed].Took, want)
	}
	if got[Killed].Quantile(0.5) != 0 || got[Killed].Quantile(0.99) != 50*ms {
		t.Errorf("quantiles %v and %v, want 0s and 50ms", got[Killed].Quantile(0.5),
			got[Killed].Quantile(0.99))
	}
	if got[Frozen].Never != 2 || len(got[Frozen].Took) != 2 {
		t.Errorf("frozen: %+v, want none for the first, one too late, and one that had no time",
			got[Frozen])
	}
}

func TestPlanIsTheSameForASeedAndHasEveryKind(t *testing.T) {
	a, b := Plan(7, 200, KindsOf(true)), Plan(7, 200, KindsOf(true))
	seen := map[Kind]int{}
	for i := range a {
		if a[i].String() != b[i].String() {
			t.Fatalf("event %d is %v and %v", i, a[i], b[i])
		}
		if i < int(kinds) {
			seen[a[i].Kind]++
		}
		if a[i].Kind == FreezeLeader && (a[i].Hold < time.Second || a[i].Hold > 20*time.Second) {
			t.Errorf("a leader is frozen for %v, want 1 to 20 s", a[i].Hold)
		}
	}
	if len(a) != 200 || len(seen) != int(kinds) {
		t.Errorf("%d events, %d kinds among the first %d, want 200 and all", len(a), len(seen), kinds)
	}
	for i, e := range Plan(7, 200, KindsOf(false)) {
		if e.Kind == KillCoordinator {
			t.Errorf("event %d kills a coordinator although there are no transactions", i)
		}
	}
	other := Plan(8, 200, KindsOf(true))
	if slices.EqualFunc(a, other, func(x, y Event) bool { return x.Kind == y.Kind }) {
		t.Error("another seed gives the same plan")
	}
}

func TestKindsAreParsed(t *testing.T) {
	got, err := ParseKinds("kill leader,grow")
	if want := []Kind{KillLeader, Grow}; err != nil || !slices.Equal(got, want) {
		t.Errorf("ParseKinds = %v, %v, want %v", got, err, want)
	}
	if _, err := ParseKinds("kill leader,rain"); err == nil || !strings.Contains(err.Error(), "rain") {
		t.Errorf("ParseKinds accepts a kind that there is not: %v", err)
	}
}

func TestNodesAreKnownByTheirClientIDs(t *testing.T) {
	for id, want := range map[string]string{"broker-2-fetcher-0": "2", "raft-client-3": "3",
		"1": "1", "broker-3-txn-marker-sender": "3", "somebody": proxy.Anybody} {
		if got := nodeOf(id); got != want {
			t.Errorf("%s is node %q, want %q", id, got, want)
		}
	}
}

func TestTableIsWrittenBetweenItsMarks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "doc.md")
	text := "before\n" + tableBegin + "\nold\n" + tableEnd + "\nafter\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var r Result
	r.Config.Client = "posthaste"
	r.Counts.Sent, r.Counts.Acked = 10, 9
	r.Recoveries[Killed].Took = []time.Duration{20 * time.Millisecond}
	for range 2 { // the second time over the first
		if err := WriteTable(file, []Result{r}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	line := "| posthaste | 10 | 1 | 0 | 0 | 0 | 0 | 20 / 20 / 20 ms (1) | – | – | – |"
	for _, want := range []string{"before\n" + tableBegin, line, tableEnd + "\nafter\n"} {
		if n := strings.Count(string(got), want); n != 1 {
			t.Errorf("%q is %d times in:\n%s", want, n, got)
		}
	}
	if err := os.WriteFile(file, []byte("no marks"), 0o644); err != nil {
		t.Fatal(err)
	}
	if WriteTable(file, nil) == nil {
		t.Error("a file without marks was accepted")
	}
}
