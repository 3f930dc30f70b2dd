package compare

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/load"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
	"github.com/posthaste-go/posthaste/internal/golden"
)

// turn is a round of 1,000 records of 100 bytes that took elapsed.
func turn(elapsed time.Duration, wire uint64) load.Result {
	r := load.Result{Records: 1000, Bytes: 100_000, Elapsed: elapsed, CPU: elapsed / 2, Batches: 10,
		Requests: 5, RawBytes: 110_000, WireBytes: wire, Latency: report.NewLatency()}
	for i := range 1000 {
		r.Latency.Add(elapsed/10 + time.Duration(i)*time.Microsecond)
	}
	return r
}

// drifting is two variants on a machine that becomes three times as slow while
// the second one always needs half of the time.
func drifting() *Report {
	a := &Variant{Name: "linger.ms=0"}
	b := &Variant{Name: "linger.ms=5, compression.type=lz4",
		Settings: map[string]string{"linger.ms": "5", "compression.type": "lz4"}}
	for _, slow := range []time.Duration{100, 200, 300} {
		a.Turns = append(a.Turns, turn(slow*time.Millisecond, 110_000))
		b.Turns = append(b.Turns, turn(slow*time.Millisecond/2, 55_000))
	}
	return &Report{Topic: "t", Rounds: 3, RecordsPerRound: 1000, Throughput: -1,
		Variants: []*Variant{a, b}, Notes: []string{}}
}

func TestDriftOfTheMachineIsNotInTheRatios(t *testing.T) {
	r := drifting()
	m := ByName("records_per_second")
	if got := r.Variants[1].Ratios(r.Variants[0], m); got != (Spread{2, 2, 2}) {
		t.Errorf("ratios = %+v, want 2 in every round", got)
	}
	want := Spread{5000, 1000 / 0.3, 10_000}
	if got := r.Variants[0].Values(m); got != want {
		t.Errorf("values = %+v, want %+v", got, want)
	}
}

func TestAVerdictNeedsEveryRound(t *testing.T) {
	rate, cpu, batches := ByName("records_per_second"), ByName("cpu_us_per_record"), ByName("batches")
	tests := []struct {
		name   string
		metric *Metric
		ratios Spread
		want   Verdict
	}{
		{"more is better", rate, Spread{1.5, 1.1, 2}, Better},
		{"less is worse", rate, Spread{0.5, 0.4, 0.98}, Worse},
		{"one round disagrees", rate, Spread{1.5, 0.9, 2}, Same},
		{"less than a hundredth", rate, Spread{1.005, 1.001, 1.009}, Same},
		{"less is better", cpu, Spread{0.5, 0.4, 0.6}, Better},
		{"more is worse", cpu, Spread{2, 1.4, 2.6}, Worse},
		{"neither is better", batches, Spread{2, 1.4, 2.6}, Other},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.metric.Judge(tt.ratios); got != tt.want {
				t.Errorf("Judge = %d, want %d", got, tt.want)
			}
		})
	}
}

func TestTheReportIsPleasantToRead(t *testing.T) {
	var text, page, drawn bytes.Buffer
	r := drifting()
	r.Notes = []string{"A note."}
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "testdata/report.txt", text.Bytes())
	if err := r.Figure().WriteSVG(&drawn); err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, "testdata/report.svg", drawn.Bytes())
	if err := r.Figure().WriteHTML(&page, r.Table()); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(page.String(), "<svg") || !strings.Contains(page.String(),
		"2.00 × (2.00 – 2.00) ▲") {
		t.Error("the page lacks the figure or the ratio")
	}
}

func TestTheReportAsJSON(t *testing.T) {
	b, err := json.Marshal(drifting())
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Rounds   int
		Variants []struct {
			Name     string
			Settings map[string]string
			Records  int
			Figures  map[string]map[string]float64
			Ratios   map[string]map[string]float64
			Turns    []map[string]float64
		}
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	v := got.Variants[1]
	if got.Rounds != 3 || v.Name != "linger.ms=5, compression.type=lz4" || v.Records != 3000 ||
		v.Settings["linger.ms"] != "5" || v.Ratios["records_per_second"]["median"] != 2 ||
		v.Figures["compression_ratio"]["median"] != 0.5 || len(v.Turns) != 3 ||
		v.Turns[0]["cpu_us_per_record"] != 25 || got.Variants[0].Ratios != nil {
		t.Errorf("report = %s", b)
	}
	if bytes.Contains(b, []byte("e+")) {
		t.Errorf("a number with an exponent in %s", b)
	}
}

func TestAFigureThatIsNotKnownIsNull(t *testing.T) {
	r := drifting()
	for i := range r.Variants[0].Turns {
		r.Variants[0].Turns[i].CPU = 0
		r.Variants[0].Turns[i].RawBytes = 0
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(`"compression_ratio":{"median":null`)) {
		t.Errorf("no null in %s", b)
	}
}
