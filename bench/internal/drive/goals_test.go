package drive

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// timed is a turn with a rate, CPU and latencies.
func timed(scenario, client string, rate, cpu, p50 float64) Measurement {
	m := turn(rate, cpu)
	m.Scenario, m.Client, m.Broker = scenario, client, OnSink
	m.P50Micros, m.P95Micros, m.P99Micros, m.P999Micros = p50, 2*p50, 4*p50, 8*p50
	m.BrokerCPUPerMRecords = cpu / 2
	return m
}

// sampleRows is what a small run measured, as it comes back from its raw lines.
func sampleRows(t *testing.T) []Row {
	t.Helper()
	var raw bytes.Buffer
	add := func(m Measurement) {
		if err := json.NewEncoder(&raw).Encode(m); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		add(timed("throughput-1KB", "limit", 4e6, 0.10, 0))
		add(timed("throughput-1KB", "posthaste", 3.2e6, 0.12, 0))
		add(timed("throughput-1KB", "franz", 1e6, 0.36, 0))
		add(timed("throughput-1KB", "sarama", 2e6, 0.60, 0))
		add(timed("latency-1k", "limit", 1000, 10, 50))
		add(timed("latency-1k", "posthaste", 1000, 11, 60))
		add(timed("latency-1k", "franz", 1000, 20, 55))
		kafka := timed("throughput-1KB", "posthaste", 4e5, 0.7, 0)
		kafka.Broker = OnKafka
		add(kafka)
		kafka = timed("throughput-1KB", "franz", 3e5, 1.4, 0)
		kafka.Broker = OnKafka
		add(kafka)
	}
	add(timed("partitions-10", "posthaste", 1e6, 0.2, 0))
	add(timed("partitions-1000", "posthaste", 1e6, 0.24, 0))
	rows, err := ReadRaw(&raw)
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestGoalsSayWhetherTheyAreMet(t *testing.T) {
	rows := sampleRows(t)
	if n := len(rows[0].Measurements["franz"]); rows[0].Name() != "throughput-1KB" || n != 3 {
		t.Fatalf("first row is %s with %d rounds", rows[0].Name(), n)
	}
	var out bytes.Buffer
	clients := []string{"limit", "posthaste", "franz", "sarama"}
	if err := WriteTables(&out, rows, clients); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| 3.00 × records per CPU second of franz · 0.80 × records/s of limit · " +
			"0.83 × records per CPU second of limit | met |\n",
		"**1.09 × p50 of franz** · **1.09 × p99 of franz** · **1.09 × p99.9 of franz** · " +
			"**1.20 × p50 of limit** · 1.20 × p99 of limit · 1.10 × CPU per record of limit | **missed** |\n",
		"| partitions-1000 | cost per record ≤ 1.3 × that at 10 | 1.20 × the CPU per record at 10 | met |\n",
		"| 0.50 × broker CPU per record of franz · 1.33 × records/s of franz · " +
			"2.00 × records per CPU second of franz | met |\n",
		"\nCPU seconds of the broker per million records:\n",
		"| throughput-1KB on kafka | – | 0.35 | 0.7 | – |\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "keyed") {
		t.Error("a goal of which nothing was measured is in the table")
	}
	lack := Unmeasured(rows)
	if !strings.Contains(lack, "throughput-keyed-100B, ") || strings.Contains(lack, " latency-1k,") ||
		strings.Contains(lack, "partitions-10000 on kafka") {
		t.Errorf("not measured: %s", lack)
	}
}

func TestEveryGoalNamesRowsThatThereAre(t *testing.T) {
	known := map[string]bool{}
	for _, s := range Scenarios() {
		known[s.Name], known[s.Name+" on kafka"] = true, true
	}
	asked := &results{rows: map[string]*Row{}, clients: ClientNames()}
	for name := range known {
		row := Row{Scenario: &Scenario{Name: name}, Measurements: map[string][]Measurement{}}
		for _, c := range ClientNames() {
			row.Measurements[c] = []Measurement{timed(name, c, 1, 1, 1)}
		}
		asked.rows[name] = &row
	}
	for _, g := range goals() {
		known := false
		for _, c := range g.checks(asked) {
			known = known || c.known()
		}
		if !known && g.name != "allocations" && !strings.HasSuffix(g.name, "1KB") {
			t.Errorf("%s finds nothing though every row was measured", g.name)
		}
	}
}

func TestPlotsAreMadeOfWhatWasMeasured(t *testing.T) {
	names, err := WritePlots(t.TempDir(), sampleRows(t), []string{"limit", "posthaste", "franz"})
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(names, " ")
	for _, want := range []string{"/throughput.svg", "/latency.svg", "/partitions.svg", "/kafka.svg"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %s among %s", want, all)
		}
	}
	if strings.Contains(all, "compression") || strings.Contains(all, "kafka-latency") {
		t.Errorf("a plot of nothing among %s", all)
	}
	for _, name := range names {
		if text, err := os.ReadFile(name); err != nil || !bytes.HasPrefix(text, []byte("<svg ")) ||
			bytes.Contains(text, []byte("NaN")) {
			t.Errorf("%s: %v, %.60s", name, err, text)
		}
	}
}

func TestRawLinesOfUnknownScenariosAreRefused(t *testing.T) {
	for _, text := range []string{`{"scenario":"of old"}`, `{`} {
		if rows, err := ReadRaw(strings.NewReader(text)); err == nil {
			t.Errorf("%s gave %d rows", text, len(rows))
		}
	}
}
