package drive

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/bench/internal/run"
)

func TestEveryScenarioIsUnderstoodByTheClients(t *testing.T) {
	for _, s := range Scenarios() {
		for _, client := range ClientNames() {
			o, err := run.ParseOptions(s.Args(client, "file", nil), t.Output())
			if err != nil {
				t.Errorf("%s: %s: %v", s.Name, client, err)
			}
			if o.Scenario != s.Name {
				t.Errorf("%s: %s: the scenario is %q", s.Name, client, o.Scenario)
			}
		}
	}
}

func TestEveryClientGetsEveryFlag(t *testing.T) {
	all := Scenarios()
	want := len(all[0].Args("franz", "", nil))
	for _, s := range all {
		extra := 0
		if s.Flags["data"] != "" {
			extra = 1
		}
		for _, client := range ClientNames() {
			if got := len(s.Args(client, "", nil)); got != want+extra {
				t.Errorf("%s: %s gets %d arguments, want %d", s.Name, client, got, want+extra)
			}
		}
	}
}

func TestSelect(t *testing.T) {
	got, err := Select("sync,latency-1*")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range got {
		names = append(names, s.Name)
	}
	if want := []string{"sync", "latency-1k", "latency-10k"}; !slices.Equal(names, want) {
		t.Errorf("selected %v, want %v", names, want)
	}
	if _, err := Select("sync,nothing"); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("an unknown name gave %v, want an error that names it", err)
	}
}

func TestOverridesBeatTheScenario(t *testing.T) {
	s := Scenario{Name: "x", Flags: map[string]string{"rate": "1"}}
	args := s.Args("franz", "", map[string]string{"rate": "2"})
	if !slices.Contains(args, "--rate=2") || slices.Contains(args, "--rate=1") {
		t.Errorf("arguments are %v, want --rate=2", args)
	}
}

func TestParseCPUTimes(t *testing.T) {
	got, ok := parseCPUTimes("cpu  100 10 50 9000 70 5 15 30 0 0")
	want := cpuTimes{busy: 1800 * time.Millisecond, stolen: 300 * time.Millisecond}
	if !ok || got != want {
		t.Errorf("times are %+v, %v; want %+v", got, ok, want)
	}
	for _, line := range []string{"", "cpu 1 2", "cpu0 1 2 3 4 5 6 7 8", "cpu a b c d e f g h"} {
		if _, ok := parseCPUTimes(line); ok {
			t.Errorf("%q was taken for CPU times", line)
		}
	}
}

func TestTheResultIsFoundAmongOtherOutput(t *testing.T) {
	out := "WARNING something\n{\"not\":\"ours\"}\n{\"client\":\"java\",\"records\":7}\n"
	r, err := parseResult([]byte(out))
	if err != nil || r.Client != "java" || r.Records != 7 {
		t.Errorf("result %+v, %v; want java's 7 records", r, err)
	}
	if _, err := parseResult([]byte("nothing\n")); err == nil {
		t.Error("output without a result gave no error")
	}
}

// turn is a measurement that a broker agrees with, on a quiet machine.
func turn(rate, cpu float64) Measurement {
	m := Measurement{Load: Load{Known: true}, Arrived: 10}
	m.Records, m.RecordsPerSec, m.CPUPerMRecords = 10, rate, cpu
	return m
}

func TestTables(t *testing.T) {
	quiet := Row{
		Scenario: &Scenario{Name: "quiet"},
		Measurements: map[string][]Measurement{
			"limit":     {turn(8e6, 0.1)},
			"posthaste": {turn(5e6, 0.3), turn(4e6, 0.2), turn(2e6, 0.25)},
			"franz":     {turn(1e6, 0.5), turn(3e6, 0.5)},
			"sarama":    {turn(1000, 5)},
		},
	}
	loud := turn(1e6, 1)
	loud.Load.Foreign = 1
	wrong := turn(1e6, 1)
	wrong.Arrived--
	doubtful := Row{
		Scenario:     &Scenario{Name: "doubtful"},
		Measurements: map[string][]Measurement{"franz": {loud}, "sarama": {wrong}},
	}
	slow := turn(10_000, 2)
	slow.P50Micros, slow.P99Micros, slow.P999Micros = 100, 1000, 12_345
	quick := turn(10_000, 1)
	quick.P50Micros, quick.P99Micros, quick.P999Micros = 50, 2000, 3000
	latency := Row{
		Scenario:     &Scenario{Name: "latency", Latency: true},
		Measurements: map[string][]Measurement{"franz": {slow}, "posthaste": {quick}},
	}
	var out bytes.Buffer
	clients := []string{"limit", "posthaste", "franz", "sarama"}
	if err := WriteTables(&out, []Row{quiet, doubtful, latency}, clients); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| scenario | limit | posthaste | franz | sarama |\n|---|---|---|---|---|\n",
		"| quiet | 8.00 M · 0.1 | 4.00 M · 0.25 | 2.00 M · 0.5 | 1.0 k · 5 |\n",
		"| doubtful * ! | – | – | 1.00 M · 1 | 1.00 M · 1 |\n",
		"| latency | – | 50 µs / 2.0 ms / 3.0 ms | 100 µs / 1.0 ms / 12.3 ms | – |\n",
		"| quiet | 2.00 × | 2.00 × | – | – | – | 0.50 × | 0.40 × | – | – | 3 | 2.50 × |\n",
		"| latency | – | 2.00 × | 2.00 × | 0.50 × | 4.12 × | – | – | – | – | 1 | 1.00 × |\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no line %q in\n%s", want, out.String())
		}
	}
}
