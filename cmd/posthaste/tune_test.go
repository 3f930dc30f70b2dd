package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/broker"
)

// tuned is what tune --json prints.
type tuned struct {
	Goal         string
	Met          bool
	Recommended  *tunedCandidate
	Configured   *tunedCandidate
	Front, All   []tunedCandidate
	Measurements int
	Interrupted  bool
}

type tunedCandidate struct {
	Settings map[string]string
	Figures  map[string]float64
	Measured int
}

// A real search, too short to find the best, must still end in time with
// settings that a producer takes, and leave nothing behind.
func TestTuneOnTheEmbeddedBroker(t *testing.T) {
	b, flags := testBroker(t, broker.Config{})
	dir := t.TempDir()
	out, plot := filepath.Join(dir, "tuned.properties"), filepath.Join(dir, "tuned.html")
	sample := file(t, "sample", strings.Repeat(
		`{"carrier":"AA","origin":"SFO","destination":"JFK","delay":0}`+"\n", 100))
	r := must(t, "", with(flags, "tune", "--goal", "bytes", "--throughput", "20000", "--payload-file",
		sample, "--time", "3s", "--json", "--out", out, "--plot", plot)...)
	got := decode[tuned](t, r.out)[0]
	if got.Goal != "bytes" || !got.Met || got.Recommended == nil || got.Configured == nil ||
		got.Measurements < 30 || got.Interrupted || len(got.Front) == 0 {
		t.Fatalf("tune printed %s", r.out)
	}
	// Text that repeats itself compresses: no noise hides that.
	best, before := got.Recommended.Figures["wire_bytes_per_record"],
		got.Configured.Figures["wire_bytes_per_record"]
	if best > before/2 {
		t.Errorf("%v bytes a record with %v, %v as configured", best, got.Recommended.Settings, before)
	}
	cfg, err := posthaste.LoadPropertiesFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := cfg.Set("bootstrap.servers", b.Addr()); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Validate(); err != nil {
		t.Errorf("no producer takes the recommendation: %v", err)
	}
	for key, want := range got.Recommended.Settings {
		if value, _ := cfg.Lookup(key); value != want {
			t.Errorf("the file has %s=%s, the report %s", key, value, want)
		}
	}
	if page, err := os.ReadFile(plot); err != nil || !strings.Contains(string(page), "Pareto front") {
		t.Errorf("plot = %.80s, %v", page, err)
	}
	if left := must(t, "", with(flags, "topics", "list")...).out; strings.Contains(left, "tune") {
		t.Errorf("topics left behind: %s", left)
	}
}

// Which setting wins is the machine's to say; batch.size is not among what it
// prints where the one that wins leaves it out.
func TestTuneSaysItInWords(t *testing.T) {
	_, flags := testBroker(t, broker.Config{Topics: map[string]int{"mine": 2}})
	r := must(t, "", with(flags, "tune", "--goal", "throughput", "--record-size", "100", "--time",
		"2s", "--topic", "mine", "--progress")...)
	for _, want := range []string{"most records per second\n", "Pareto front, bytes on the wire",
		"▶ ", "recommended: ", "    linger.ms=", "    compression.type="} {
		if !strings.Contains(r.out, want) {
			t.Errorf("tune printed %s, want %q in it", r.out, want)
		}
	}
	if !strings.Contains(r.err, "final: measuring ") {
		t.Errorf("no progress in %s", r.err)
	}
}

func TestTuneFailsIfNoSettingMeetsTheGoal(t *testing.T) {
	_, flags := testBroker(t, broker.Config{})
	out := filepath.Join(t.TempDir(), "tuned.properties")
	r := runCommand(t, "", with(flags, "tune", "--goal", "latency-p99=1us", "--throughput", "2000",
		"--record-size", "10", "--time", "1s", "--out", out)...)
	if r.code != exitFailed || !strings.Contains(r.err, "no setting meets the goal") ||
		!strings.Contains(r.out, "✗ ") && !strings.Contains(r.out, "▶ ") {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("settings that miss the goal were written")
	}
}

func TestTuneRefusesWhatItCannotSearch(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"--goal", "speed", "--record-size", "10"}, `"speed" is no goal`},
		{[]string{"--goal", "cpu", "--record-size", "10"}, "needs a rate"},
		{[]string{"--goal", "bytes"}, "what is to be sent?"},
		{[]string{"--goal", "bytes", "--record-size", "10", "--time", "1ms"}, "--time 1ms"},
		{[]string{"--goal", "bytes", "--record-size", "10", "--plot", "x"}, "--plot x"},
		{[]string{"--goal", "bytes", "--record-size", "10", "--throughput", "0"}, "--throughput 0"},
		{[]string{"--goal", "bytes", "--record-size", "10", "--topic", "a b"}, "not legal"},
		{[]string{"--goal", "bytes", "--record-size", "10", "--producer-property",
			"transactional.id=x"}, "transactional.id"},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			r := runCommand(t, "", slices.Concat([]string{"tune"}, tt.args)...)
			if r.code != exitUsage || !strings.Contains(r.err, tt.want) {
				t.Errorf("exit code %d: %s; want %q", r.code, r.err, tt.want)
			}
		})
	}
}

func TestAnInterruptEndsTuneWithWhatItFound(t *testing.T) {
	_, flags := testBroker(t, broker.Config{})
	p := start(t, with(flags, "tune", "--goal", "bytes", "--throughput", "5000", "--record-size", "10",
		"--time", "10s", "--progress")...)
	p.err.wait(t, 2) // the first round is over
	p.interrupt()
	r := <-p.done
	if r.code != exitFailed || !strings.Contains(r.out, "recommended: ") ||
		!strings.Contains(r.err, "interrupted before the search was over") {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	if left := must(t, "", with(flags, "topics", "list")...).out; strings.Contains(left, "tune") {
		t.Errorf("topics left behind: %s", left)
	}
}
