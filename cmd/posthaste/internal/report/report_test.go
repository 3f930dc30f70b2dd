package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/internal/golden"
)

func sampleSummary() *Summary {
	return &Summary{Topic: "airports", Where: "the embedded broker in .posthaste", Records: 3376,
		Acked: 3376, Bytes: 412_345, Batches: 12, RecordsPerBatch: 281.3, Retries: 0,
		Compression: "lz4", Ratio: 0.41, Seconds: 0.0834, RecordsPerSecond: 40479.6,
		BytesPerSecond: 4944184, Latency: Figures{Avg: 2.3, P50: 0.84, P95: 3.4, P99: 12.9, P999: 20,
			Max: 12345}, Counts: []int64{571, 0, 2805}, Partitions: map[string]int64{"0": 571, "2": 2805}}
}

func TestSummaryIsPleasantToRead(t *testing.T) {
	bad := sampleSummary()
	bad.Acked, bad.Failed, bad.Skipped, bad.Interrupted = 3000, 376, 1, true
	bad.Warnings = []string{"state has only 3 different values for 12 partitions, so the keys cannot " +
		"spread: partition 4 gets 62 %, partition 0 gets 30 %, 9 get nothing; choose a key with " +
		"more values"}
	bad.Compression = "none"
	many := sampleSummary()
	many.Counts = make([]int64, 64)
	for i := range many.Counts {
		many.Counts[i] = int64(1000 + i)
	}
	txn := sampleSummary()
	txn.Transaction, txn.Transactions, txn.Aborted = true, 33, 76
	for name, s := range map[string]*Summary{"fine": sampleSummary(), "trouble": bad,
		"many-partitions": many, "transactions": txn,
		"nothing": {Topic: "t", Where: "127.0.0.1:9092"}} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := s.WriteText(&b); err != nil {
				t.Fatal(err)
			}
			golden.Compare(t, "testdata/summary-"+name+".txt", b.Bytes())
		})
	}
}

func TestSummaryAsJSONHasItsFixedNames(t *testing.T) {
	var b bytes.Buffer
	if err := sampleSummary().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "testdata/summary.json", b.Bytes())
	b.Reset()
	if err := (&Summary{}).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var empty map[string]any
	if err := json.Unmarshal(b.Bytes(), &empty); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"records", "acked", "failed", "bytes", "batches", "retries",
		"seconds", "partitions"} {
		if empty[name] == nil {
			t.Errorf("%s is missing from %s", name, b.Bytes())
		}
	}
}

func TestLatencyFigures(t *testing.T) {
	l := NewLatency()
	if got := l.Figures(); got != (Figures{}) {
		t.Errorf("figures of nothing = %+v", got)
	}
	for i := 1; i <= 1000; i++ {
		l.Add(time.Duration(i) * time.Millisecond)
	}
	l.Add(2 * time.Hour)
	l.Add(0)
	got := l.Figures()
	within := func(name string, got, want Millis) {
		if got < want*0.998 || got > want*1.002 {
			t.Errorf("%s = %v, want %v", name, float64(got), float64(want))
		}
	}
	within("p50", got.P50, 500)
	within("p95", got.P95, 951)
	within("p99", got.P99, 991)
	within("max", got.Max, 2*3600*1000)
	within("avg", got.Avg, (500500+7200000)/1002.0)
	if l.Count() != 1002 {
		t.Errorf("Count = %d, want 1002", l.Count())
	}
	l.Reset()
	if got := l.Figures(); got != (Figures{}) {
		t.Errorf("figures after Reset = %+v", got)
	}
}

func TestKeysWarnsAsAColleagueWould(t *testing.T) {
	spread := func(distinct, records int) func(*Keys) {
		return func(k *Keys) {
			for i := range records {
				k.Add(fmt.Appendf(nil, "key-%d", i%distinct))
			}
		}
	}
	tests := []struct {
		name       string
		add        func(*Keys)
		partitions []int64
		want       string
	}{
		{"few keys for many partitions", spread(3, 900), []int64{600, 0, 0, 300, 0, 0},
			"column \"state\" has only 3 different values for 6 partitions, so the keys cannot " +
				"spread: partition 0 gets 67 %, partition 3 gets 33 %, 4 get nothing; choose a key with " +
				"more values, or none if order within a key does not matter"},
		{"one key for all", spread(1, 500), []int64{500, 0}, "column \"state\" has only 1 different " +
			"value for 2 partitions, so the keys cannot spread: partition 0 gets 100 %, 1 gets nothing; " +
			"choose a key with more values, or none if order within a key does not matter"},
		{"one key has too much", func(k *Keys) {
			spread(5000, 5000)(k)
			for range 5000 {
				k.Add([]byte("key-1"))
			}
		}, []int64{1700, 6700, 1600, 0}, `column "state" is "key-1" in 50 % of the records, all of ` +
			"which share one of 4 partitions: partition 1 gets 67 %, partition 0 gets 17 %, " +
			"partition 2 gets 16 %, 1 gets nothing; expect that one to lag, or choose another key"},
		{"many keys", spread(5000, 10_000), []int64{5000, 5000}, ""},
		{"one partition", spread(1, 500), []int64{500}, ""},
		{"too few records to judge", spread(1, 50), []int64{50, 0}, ""},
		{"no keys", func(k *Keys) {
			for range 500 {
				k.Add(nil)
			}
		}, []int64{500, 0}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := NewKeys()
			tt.add(k)
			if got := k.Warning(`column "state"`, tt.partitions); got != tt.want {
				t.Errorf("Warning = %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestAddingAKnownKeyDoesNotAllocate(t *testing.T) {
	k := NewKeys()
	key := []byte("key")
	k.Add(key)
	if n := testing.AllocsPerRun(100, func() { k.Add(key) }); n != 0 {
		t.Errorf("Add allocates %v times, want 0", n)
	}
}

func TestNumbersForPeople(t *testing.T) {
	for got, want := range map[string]string{
		Count(0): "0", Count(999): "999", Count(-1234567): "-1,234,567", Plural(1, "row"): "1 row",
		Plural(1000, "row"): "1,000 rows", Bytes(999): "999 B", Bytes(1234): "1.2 kB",
		Bytes(999_999): "1.0 MB", Bytes(123_456_789): "123 MB", Duration(0.0834): "0.08 s",
		Duration(61.26): "61.3 s", Duration(125.4): "2 min 5 s", Millis(0.05).String(): "50 µs",
		Millis(4.25).String(): "4.2 ms", Millis(512.6).String(): "513 ms",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := Wrap("ab: ", "one two three", 12); got != "ab: one two\n    three\n" {
		t.Errorf("Wrap = %q", got)
	}
	if strings.Contains(Wrap("", "x", 5), " ") {
		t.Error("Wrap adds spaces")
	}
}
