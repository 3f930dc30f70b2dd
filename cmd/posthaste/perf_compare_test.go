package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/posthaste-go/posthaste/broker"
)

func TestParseCompare(t *testing.T) {
	one := func(settings ...setting) []setting { return settings }
	tests := []struct {
		text string
		want [][]setting
	}{
		{"linger.ms=5", [][]setting{one(setting{"linger.ms", "5"})}},
		{"linger.ms=5,batch.size=65536", [][]setting{one(setting{"linger.ms", "5"},
			setting{"batch.size", "65536"})}},
		{"linger.ms=0,5", [][]setting{one(setting{"linger.ms", "0"}),
			one(setting{"linger.ms", "5"})}},
		{"linger.ms=0,5,acks=1", [][]setting{
			one(setting{"linger.ms", "0"}, setting{"acks", "1"}),
			one(setting{"linger.ms", "5"}, setting{"acks", "1"})}},
		{"a=1,2,b=3,4", [][]setting{
			one(setting{"a", "1"}, setting{"b", "3"}), one(setting{"a", "1"}, setting{"b", "4"}),
			one(setting{"a", "2"}, setting{"b", "3"}), one(setting{"a", "2"}, setting{"b", "4"})}},
		{"fast.properties,acks=1", [][]setting{one(setting{"", "fast.properties"},
			setting{"acks", "1"})}},
		{`x=a\,b,y=`, [][]setting{one(setting{"x", "a,b"}, setting{"y", ""})}},
		{"ssl.engine=a=b", [][]setting{one(setting{"ssl.engine", "a=b"})}},
		{"", nil}, {"linger.ms", nil}, {"=5", nil}, {"a=1,a=2", nil}, {"f.properties,5", nil},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, err := parseCompare(tt.text)
			if (err != nil) != (tt.want == nil) || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("parseCompare = %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// compared is what perf --compare --json prints.
type compared struct {
	Rounds   int
	Variants []struct {
		Name     string
		Settings map[string]string
		Records  int
		Figures  map[string]map[string]*float64
		Ratios   map[string]map[string]*float64
		Turns    []map[string]*float64
	}
}

func TestCompareTimesVariantsInRounds(t *testing.T) {
	b, flags := testBroker(t, broker.Config{Topics: map[string]int{"t": 1}})
	plot := filepath.Join(t.TempDir(), "plot.html")
	r := must(t, "", with(flags, "perf", "--topic", "t", "--num-records", "1100", "--warmup-records",
		"100", "--record-size", "100", "--compare", "compression.type=none,gzip", "--compare",
		"batch.size=200,linger.ms=1", "--rounds", "2", "--json", "--plot", plot)...)
	c := decode[compared](t, r.out)[0]
	if c.Rounds != 2 || len(c.Variants) != 3 || c.Variants[2].Name != "batch.size=200, linger.ms=1" ||
		c.Variants[2].Settings["batch.size"] != "200" {
		t.Fatalf("perf printed %s", r.out)
	}
	for _, v := range c.Variants {
		if v.Records != 2000 || len(v.Turns) != 2 || *v.Figures["p99_ms"]["median"] <= 0 {
			t.Errorf("%s = %+v, want 2 rounds of 1000", v.Name, v)
		}
	}
	if got := *c.Variants[1].Ratios["wire_bytes_per_record"]["high"]; got >= 1 {
		t.Errorf("gzip makes %v of the bytes", got)
	}
	if got := *c.Variants[2].Figures["records_per_batch"]["high"]; got > 2 {
		t.Errorf("%v records in a batch of 200 bytes", got)
	}
	if end := b.End("t", 0); end != 3*2*1100 {
		t.Errorf("the log holds %d records, want 6600", end)
	}
	page, err := os.ReadFile(plot)
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"http://", "https://", "src=", "href="} {
		if text := strings.ReplaceAll(string(page), "http://www.w3.org/2000/svg", ""); strings.Contains(
			text, link) {
			t.Errorf("the plot has %s in it: it does not open offline", link)
		}
	}
}

// One setting alone is compared with the configuration without it.
func TestCompareWithTheConfigurationAsItIs(t *testing.T) {
	_, flags := testBroker(t, broker.Config{Topics: map[string]int{"t": 1}})
	tuned := file(t, "tuned.properties", "linger.ms=7\nbootstrap.servers=nowhere:1\n")
	r := must(t, "", with(flags, "perf", "--topic", "t", "--num-records", "200", "--record-size", "10",
		"--throughput", "2000", "--compare", tuned, "--rounds", "1")...)
	for _, want := range []string{"A  as configured\n", "B  " + tuned + "\n", "B / A",
		"1 round of 180 records each to topic t, at 2,000 a second"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("perf printed %s, want %q in it", r.out, want)
		}
	}
}

func TestCompareRefusesWhatItCannotTime(t *testing.T) {
	_, flags := testBroker(t, broker.Config{Topics: map[string]int{"t": 1}})
	tests := []struct {
		args []string
		want string
	}{
		{[]string{"--compare", "linger.ms"}, `"linger.ms" is no KEY=VALUE`},
		{[]string{"--compare", "linger.ms=soon"}, "linger.ms"},
		{[]string{"--compare", "linger.ms=1,2,3,4,5,6,7,8,9"}, "9 variants"},
		{[]string{"--compare", "transactional.id=x"}, "transactional.id"},
		{[]string{"--compare", "acks=1", "--rounds", "0"}, "--rounds 0"},
		{[]string{"--compare", "acks=1", "--plot", "x.png"}, "--plot x.png"},
	}
	for _, tt := range tests {
		t.Run(tt.want, func(t *testing.T) {
			r := runCommand(t, "", with(flags, append([]string{"perf", "--topic", "t", "--num-records",
				"10", "--record-size", "10"}, tt.args...)...)...)
			if r.code != exitUsage || !strings.Contains(r.err, tt.want) {
				t.Errorf("exit code %d: %s; want %q", r.code, r.err, tt.want)
			}
		})
	}
	r := must(t, "", with(flags, "perf", "--topic", "t", "--num-records", "10", "--record-size", "10",
		"--compare", "linger=5", "--rounds", "1")...)
	if !strings.Contains(r.err, "linger") {
		t.Errorf("a setting without effect gave no warning: %s", r.err)
	}
}

func TestPerfDrawsASingleRun(t *testing.T) {
	_, flags := testBroker(t, broker.Config{})
	plot := filepath.Join(t.TempDir(), "plot.svg")
	must(t, "", with(flags, "perf", "--topic", "t", "--num-records", "1000", "--record-size", "10",
		"--plot", plot)...)
	drawn, err := os.ReadFile(plot)
	if err != nil || !strings.HasPrefix(string(drawn), "<svg ") {
		t.Errorf("plot = %.50s, %v", drawn, err)
	}
}
