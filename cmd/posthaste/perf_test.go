package main

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/posthaste-go/posthaste/broker"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
)

// perfPrinted is what perf --json prints.
type perfPrinted struct {
	Topic    string
	Records  int64
	Failed   int64
	Bytes    int64
	Seconds  float64
	Rate     float64        `json:"records_per_second"`
	MB       float64        `json:"mb_per_second"`
	Latency  report.Figures `json:"latency_ms"`
	Steady   *perfPrinted   `json:"steady_state"`
	Metrics  map[string]float64
	Progress string
}

func TestPerfReportsInTheWordsOfKafkasTool(t *testing.T) {
	_, flags := testBroker(t, broker.Config{})
	r := must(t, "", with(flags, "perf", "--topic", "t", "--num-records", "5000", "--record-size",
		"100", "--warmup-records", "1000", "--throughput", "-1", "--producer-props", "acks=all",
		"linger.ms=1", "--print-metrics")...)
	const figures = ` records sent, \d+\.\d records/sec \(\d+\.\d\d MB/sec\), \d+\.\d\d ms avg ` +
		`latency, \d+\.\d\d ms max latency, \d+\.\d\d ms 50th, \d+\.\d\d ms 95th, \d+\.\d\d ms 99th, ` +
		`\d+\.\d\d ms 99\.9th\.\n`
	want := regexp.MustCompile(`(?s)^5000` + figures + `4000 steady state` + figures +
		`\nbatches .*records_sent +5000\n`)
	if !want.MatchString(r.out) {
		t.Errorf("perf printed %s", r.out)
	}
}

func TestPerfAsJSON(t *testing.T) {
	b, flags := testBroker(t, broker.Config{})
	r := must(t, "", with(flags, "perf", "--topic", "t", "--partitions", "3", "--num-records", "3000",
		"--record-size", "50", "--warmup-records", "1000", "--json", "--print-metrics")...)
	p := decode[perfPrinted](t, r.out)[0]
	if p.Topic != "t" || p.Records != 3000 || p.Bytes != 150_000 || p.Failed != 0 || p.Seconds <= 0 ||
		p.Rate <= 0 || p.MB <= 0 || p.Latency.Max < p.Latency.P50 || p.Latency.P50 <= 0 ||
		p.Steady == nil || p.Steady.Records != 2000 || p.Metrics["records_sent"] != 3000 {
		t.Errorf("perf printed %s", r.out)
	}
	if total := b.End("t", 0) + b.End("t", 1) + b.End("t", 2); total != 3000 {
		t.Errorf("the logs hold %d records, want 3000", total)
	}
}

// A stall must show in every record that was due while it lasted, not only in
// the one that met it: that is what coordinated omission hides.
func TestPerfWithARateCountsFromWhenARecordWasDue(t *testing.T) {
	b, flags := testBroker(t, broker.Config{Topics: map[string]int{"t": 1}})
	b.Inject(broker.Produce().Nth(20).Delay(300 * time.Millisecond))
	r := must(t, "", with(flags, "perf", "--topic", "t", "--num-records", "500", "--record-size", "10",
		"--throughput", "1000", "--json", "--producer-property",
		"max.in.flight.requests.per.connection=1", "--producer-property", "buffer.memory=16384",
		"--producer-property", "batch.size=100")...)
	p := decode[perfPrinted](t, r.out)[0]
	if p.Rate > 1010 {
		t.Errorf("%v records/s, asked for 1000", p.Rate)
	}
	// 300 of 500 records were due in the stall or right behind it.
	if p.Latency.Max < 290 || p.Latency.P50 < 20 {
		t.Errorf("latency = %+v, want the stall of 300 ms in half of the records", p.Latency)
	}
}

func TestPerfSendsTheValuesOfAFile(t *testing.T) {
	_, flags := testBroker(t, broker.Config{})
	payloads := file(t, "payloads", "a--b--c--")
	must(t, "", with(flags, "perf", "--topic", "t", "--num-records", "50", "--payload-file", payloads,
		"--payload-delimiter=--")...)
	seen := map[string]int{}
	for _, m := range consumeAll(t, flags, "t", 50) {
		seen[str(m.Value)]++
	}
	if len(seen) != 3 || seen["a"] == 0 || seen["b"] == 0 || seen["c"] == 0 {
		t.Errorf("values = %v, want a, b and c", seen)
	}
	must(t, "", with(flags, "perf", "--topic", "n", "--num-records", "3", "--payload-monotonic")...)
	var all []string
	for _, m := range consumeAll(t, flags, "n", 3) {
		all = append(all, str(m.Value))
	}
	if got := strings.Join(all, " "); got != "0 1 2" {
		t.Errorf("values = %s, want 0 1 2", got)
	}
}

func TestPerfSaysWhatFailed(t *testing.T) {
	b, flags := testBroker(t, broker.Config{Topics: map[string]int{"t": 1}})
	b.Inject(broker.Produce().Always().Error(29)) // TOPIC_AUTHORIZATION_FAILED
	r := runCommand(t, "", with(flags, "perf", "--topic", "t", "--num-records", "100000",
		"--record-size", "10", "--json")...)
	p := decode[perfPrinted](t, r.out)[0]
	if r.code != exitFailed || p.Failed == 0 || p.Records != 0 ||
		!strings.Contains(r.err, "gave up at the first record: ") ||
		!strings.Contains(r.err, "TOPIC_AUTHORIZATION_FAILED") {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
	empty := file(t, "empty", "")
	r = runCommand(t, "", with(flags, "perf", "--topic", "t", "--num-records", "1", "--payload-file",
		empty)...)
	if want := "posthaste: " + empty + " is empty; --payload-file needs at least one value\n"; r.code !=
		exitFailed || r.err != want {
		t.Errorf("an empty payload file: %d %s", r.code, r.err)
	}
}

func TestAnInterruptEndsPerfWithAReport(t *testing.T) {
	_, flags := testBroker(t, broker.Config{})
	p := start(t, with(flags, "perf", "--topic", "t", "--num-records", "1000000000", "--record-size",
		"10", "--throughput", "1000", "--reporting-interval", "20")...)
	p.out.wait(t, 2)
	p.interrupt()
	r := <-p.done
	if r.code != exitFailed || !strings.Contains(r.out, " 99.9th.\n") ||
		!strings.HasPrefix(r.err, "posthaste: interrupted after ") {
		t.Errorf("exit code %d: %s%s", r.code, r.out, r.err)
	}
}
