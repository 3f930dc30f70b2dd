package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/posthaste-go/posthaste/broker"
)

// summary is what produce --json prints.
type summary struct {
	Topic      string
	Records    int64
	Acked      int64
	Failed     int64
	Skipped    int64
	Bytes      int64
	Batches    int64
	Retries    int64
	Seconds    float64
	Partitions map[string]int64

	Interrupted bool
	Warnings    []string
	Compression string
	Ratio       float64 `json:"compression_ratio"`
}

// last decodes the last line of out.
func last[T any](t *testing.T, out string) T {
	t.Helper()
	all := strings.Split(strings.TrimSpace(out), "\n")
	return decode[T](t, all[len(all)-1])[0]
}

func TestProduceAirportsByKeyAndReadThemBack(t *testing.T) {
	_, flags := testBroker(t, broker.Config{})
	const data = "../../testdata/data/airports.csv"
	r := must(t, "", append([]string{"produce", "--topic", "airports", "--partitions", "6",
		"--key-field", "iata", "--json", data}, flags...)...)
	s := last[summary](t, r.out)
	if s.Records != 3376 || s.Acked != 3376 || s.Failed != 0 || s.Batches == 0 ||
		len(s.Partitions) != 6 || s.Seconds <= 0 || s.Bytes < 400_000 || len(s.Warnings) != 0 {
		t.Errorf("summary = %+v", s)
	}
	counts := map[string]int64{}
	rows := map[string]string{}
	for _, m := range consumeAll(t, flags, "airports", 3376) {
		counts[fmt.Sprint(m.Partition)]++
		rows[str(m.Key)] = str(m.Value)
	}
	if d := cmp.Diff(s.Partitions, counts); d != "" {
		t.Errorf("records per partition differ from the summary (-summary +read):\n%s", d)
	}
	want := `{"iata":"00M","name":"Thigpen","city":"Bay Springs","state":"MS","country":"USA",` +
		`"latitude":31.95376472,"longitude":-89.23450472}`
	if rows["00M"] != want {
		t.Errorf("airport 00M = %s, want %s", rows["00M"], want)
	}
}

func TestProduceTakesEveryPartOfARecordFromTheInput(t *testing.T) {
	_, flags := testBroker(t, broker.Config{Topics: map[string]int{"t": 4}})
	must(t, "", append([]string{"produce", "--topic", "t", "--key-field", "id.n", "--partition-field",
		"p", "--timestamp-field", "at", "--header-field", "h", "--header-field", "none",
		file(t, "in.ndjson", `{"id":{"n":7},"p":3,"at":"2026-01-31T08:00:00Z","h":"x","none":null}`+
			"\n")}, flags...)...)
	m := consumeAll(t, flags, "t", 1)[0]
	if m.Partition != 3 || str(m.Key) != "7" || m.Timestamp != 1769846400000 {
		t.Errorf("record = %+v, want partition 3, key 7 and the time of the row", m)
	}
	if len(m.Headers) != 2 || *m.Headers[0][0] != "h" || *m.Headers[0][1] != "x" ||
		*m.Headers[1][0] != "none" || m.Headers[1][1] != nil {
		t.Errorf("headers = %v, want h=x and a null", m.Headers)
	}
}

func TestProduceReadsLinesAsKafkasConsoleProducer(t *testing.T) {
	_, flags := testBroker(t, broker.Config{})
	props := file(t, "reader.properties", "parse.key=true\nkey.separator=|\n")
	must(t, "h:1\tk:v\nh:2\tNULL:w", append([]string{"produce", "--topic", "t", "--reader-config",
		props, "--property", "key.separator=:", "--property", "parse.headers=true",
		"--property", "null.marker=NULL"}, flags...)...)
	out := must(t, "", append([]string{"consume", "--topic", "t", "--from-beginning",
		"--max-messages", "2", "--property", "print.key=true", "--property", "print.headers=true",
		"--property", "key.separator=|", "--property", "print.partition=true", "--property",
		"print.offset=true", "--property", "null.literal=-"}, flags...)...).out
	if want := "Partition:0|Offset:0|h:1|k|v\nPartition:0|Offset:1|h:2|-|w\n"; out != want {
		t.Errorf("consume printed %q, want %q", out, want)
	}
}

func TestProduceReadsManyFilesOfManyFormats(t *testing.T) {
	type row struct {
		ID string `parquet:"id"`
	}
	path := file(t, "a.parquet", "")
	if err := parquet.WriteFile(path, []row{{"p1"}, {"p2"}}); err != nil {
		t.Fatal(err)
	}
	_, flags := testBroker(t, broker.Config{})
	must(t, "", append([]string{"produce", "--topic", "t", "--key-field", "id", path,
		file(t, "b.tsv", "id\tx\nt1\t1\n"), file(t, "c.jsonl", `{"id":"j1"}`)}, flags...)...)
	var keys []string
	for _, m := range consumeAll(t, flags, "t", 4) {
		keys = append(keys, str(m.Key))
	}
	if want := []string{"p1", "p2", "t1", "j1"}; !slices.Equal(keys, want) {
		t.Errorf("keys = %v, want %v in this order", keys, want)
	}
}

// report is what --delivery-report=json prints.
type deliveryReport struct {
	N         int64
	Topic     string
	Partition *int32
	Offset    *int64
	Timestamp *int64
	Error     string
	Code      string
	Outcome   string
}

func TestDeliveryReportsTellEachRecordsFate(t *testing.T) {
	b, flags := testBroker(t, broker.Config{})
	b.Inject(broker.Produce().Nth(2).Error(29)) // TOPIC_AUTHORIZATION_FAILED
	in := "a\n" + strings.Repeat("b", 2_000_000) + "\nc\nd\n"
	r := runCommand(t, in, append([]string{"produce", "--topic", "t", "--sync", "--delivery-report",
		"json", "--json", "--on-error", "skip"}, flags...)...)
	if r.code != exitFailed || !strings.Contains(r.err, "1 record of 3 not acknowledged") {
		t.Errorf("exit code %d, want 1: %s", r.code, r.err)
	}
	reports := decode[deliveryReport](t, r.out[:strings.LastIndex(strings.TrimSpace(r.out), "\n")])
	if len(reports) != 3 {
		t.Fatalf("%d reports, want 3: %s", len(reports), r.out)
	}
	if a := reports[0]; a.N != 0 || a.Topic != "t" || *a.Partition != 0 || *a.Offset != 0 ||
		*a.Timestamp == 0 || a.Error != "" {
		t.Errorf("first report = %+v", a)
	}
	// Row 1 was skipped, and still counts as a record of the input.
	if c := reports[1]; c.N != 2 || c.Code != "TOPIC_AUTHORIZATION_FAILED" ||
		c.Outcome != "not_written" || c.Error == "" || c.Offset != nil {
		t.Errorf("second report = %+v", c)
	}
	if d := reports[2]; d.N != 3 || *d.Offset != 1 {
		t.Errorf("third report = %+v", d)
	}
	s := last[summary](t, r.out)
	if s.Records != 3 || s.Acked != 2 || s.Failed != 1 || s.Skipped != 1 {
		t.Errorf("summary = %+v", s)
	}
	want := "posthaste: skipped: standard input:2: line too long: 2000000 bytes, at most 1114112 " +
		"are taken; split the record, or raise max.request.size here and message.max.bytes on the " +
		"broker\n"
	if !strings.Contains(r.err, want) {
		t.Errorf("standard error = %s\nwant %s", r.err, want)
	}
}

func TestDeliveryReportsAsText(t *testing.T) {
	_, flags := testBroker(t, broker.Config{})
	r := must(t, "a\nb\n", with(flags, "produce", "--topic", "t", "--delivery-report")...)
	if want := "0 t-0@0\n1 t-0@1\n"; r.out != want {
		t.Errorf("standard output = %q, want %q", r.out, want)
	}
}

func TestARecordTooLargeFailsAloneAndIsNamed(t *testing.T) {
	_, flags := testBroker(t, broker.Config{})
	in := "a\n" + strings.Repeat("b", 3000) + "\nc\n"
	r := runCommand(t, in, append([]string{"produce", "--topic", "t", "--json",
		"--producer-property", "max.request.size=2000"}, flags...)...)
	s := last[summary](t, r.out)
	if r.code != exitFailed || s.Records != 3 || s.Acked != 2 || s.Failed != 1 {
		t.Errorf("exit code %d, summary %+v", r.code, s)
	}
	for _, part := range []string{"record 1 (standard input:2) failed: ", "3000",
		"max.request.size=2000"} {
		if !strings.Contains(r.err, part) {
			t.Errorf("standard error lacks %q: %s", part, r.err)
		}
	}
}

func TestABrokenRowStopsTheInputOrIsSkipped(t *testing.T) {
	csv := file(t, "in.csv", "id,n\na,1\nb,2,3\nc,4\n")
	_, flags := testBroker(t, broker.Config{})
	args := append([]string{"produce", "--topic", "t", "--json", "--key-field", "id", csv}, flags...)
	r := runCommand(t, "", args...)
	if s := last[summary](t, r.out); r.code != exitFailed || s.Acked != 1 || s.Records != 1 {
		t.Errorf("exit code %d, summary %+v; want the row before the broken one", r.code, s)
	}
	problem := csv + ":3: the row has 3 fields and the header row 2; put fields that contain a " +
		"comma in double quotes"
	if want := "posthaste: " + problem + " (--on-error skip goes on without such rows); nothing " +
		"behind it was sent\n"; r.err != want {
		t.Errorf("standard error = %s\nwant %s", r.err, want)
	}
	r = must(t, "", append(args, "--on-error", "skip")...)
	if s := last[summary](t, r.out); s.Acked != 2 || s.Skipped != 1 {
		t.Errorf("summary with --on-error skip = %+v", s)
	}
	if want := "posthaste: skipped: " + problem + "\n"; r.err != want {
		t.Errorf("standard error = %s\nwant %s", r.err, want)
	}
}

func TestLinesAreSentAsTheyAreRead(t *testing.T) {
	_, flags := testBroker(t, broker.Config{})
	p := start(t, with(flags, "produce", "--topic", "t", "--delivery-report", "json")...)
	for n := 1; n <= 3; n++ {
		if _, err := fmt.Fprintf(p.in, "line %d\n", n); err != nil {
			t.Fatal(err)
		}
		p.out.wait(t, n) // acknowledged although the input goes on
	}
	if err := p.in.Close(); err != nil {
		t.Fatal(err)
	}
	if r := <-p.done; r.code != exitOK {
		t.Errorf("exit code %d: %s", r.code, r.err)
	}
}

func TestAnInterruptDeliversWhatWasAccepted(t *testing.T) {
	b, flags := testBroker(t, broker.Config{})
	p := start(t, with(flags, "produce", "--topic", "t", "--delivery-report", "--json")...)
	if _, err := fmt.Fprint(p.in, "one\ntwo\nhalf a li"); err != nil {
		t.Fatal(err)
	}
	p.out.wait(t, 2)
	p.interrupt()
	r := <-p.done
	s := last[summary](t, r.out)
	if r.code != exitFailed || !s.Interrupted || s.Records != 2 || s.Acked != 2 {
		t.Errorf("exit code %d, summary %+v", r.code, s)
	}
	want := "posthaste: interrupted: the input was not read to its end; all 2 records that were " +
		"read are acknowledged\n"
	if r.err != want {
		t.Errorf("standard error = %q, want %q", r.err, want)
	}
	if got := b.End("t", 0); got != 2 {
		t.Errorf("the log ends at %d, want 2", got)
	}
}

func TestASecondInterruptEndsTheProcess(t *testing.T) {
	b, flags := testBroker(t, broker.Config{Topics: map[string]int{"t": 1}})
	b.Inject(broker.Produce().Drop(), broker.Produce().Nth(2).Always().Drop())
	p := start(t, append([]string{"produce", "--topic", "t", "--producer-property",
		"delivery.timeout.ms=60000"}, flags...)...)
	if _, err := fmt.Fprintln(p.in, "one"); err != nil {
		t.Fatal(err)
	}
	for b.PendingFaults() > 1 { // until the record is under way
		runtime.Gosched()
	}
	p.interrupt()
	p.interrupt()
	if code := <-p.killed; code != exitFailed {
		t.Errorf("the process ends with %d, want %d", code, exitFailed)
	}
	b.ClearFaults() // lets the command end for the sake of the test
	<-p.done
}

func TestPoorKeysAreWarnedAbout(t *testing.T) {
	_, flags := testBroker(t, broker.Config{})
	var in strings.Builder
	in.WriteString("state,n\n")
	for i := range 600 {
		fmt.Fprintf(&in, "%s,%d\n", []string{"CA", "TX", "NY"}[i%3], i)
	}
	r := must(t, "", append([]string{"produce", "--topic", "t", "--partitions", "12", "--json",
		"--key-field", "state", file(t, "in.csv", in.String())}, flags...)...)
	s := last[summary](t, r.out)
	if len(s.Warnings) != 1 || !strings.HasPrefix(s.Warnings[0], `the key field "state" has only `+
		`3 different values for 12 partitions, so the keys cannot spread: partition `) {
		t.Errorf("warnings = %q", s.Warnings)
	}
	r = must(t, "", append([]string{"produce", "--topic", "t", "--json", "--key-field", "state",
		"--producer-property", "partitioner.ignore.keys=true", file(t, "in.csv", in.String())},
		flags...)...)
	if s := last[summary](t, r.out); len(s.Warnings) != 0 {
		t.Errorf("warnings = %q although keys choose no partition", s.Warnings)
	}
}

func TestSettingsComeFromFilePropertiesAndFlags(t *testing.T) {
	b, _ := testBroker(t, broker.Config{})
	config := file(t, "producer.properties", "bootstrap.servers="+b.Addr()+
		"\ncompression.type=gzip\nlinger.ms=5\nlingr.ms=6\n")
	in := strings.Repeat("the same line again and again\n", 1000)
	r := must(t, in, "produce", "--topic", "t", "--json", "--producer.config", config,
		"--compression-codec", "zstd")
	if s := last[summary](t, r.out); s.Compression != "zstd" || s.Ratio > 0.5 || s.Acked != 1000 {
		t.Errorf("summary = %+v, want zstd and a small ratio", s)
	}
	if want := "posthaste: warning: " + config + ":4: unknown setting lingr.ms; did you mean " +
		"linger.ms?\n"; r.err != want {
		t.Errorf("standard error = %q, want %q", r.err, want)
	}
}

func TestProduceWithoutABrokerBringsItsOwn(t *testing.T) {
	t.Chdir(t.TempDir())
	r := must(t, "a\nb\n", "produce", "--topic", "t")
	if !strings.Contains(r.err, "2 records acknowledged, none failed") ||
		!strings.Contains(r.err, "the embedded broker in .posthaste") {
		t.Errorf("summary = %s", r.err)
	}
	if _, err := os.Stat(".posthaste/t-0"); err != nil {
		t.Errorf("no log of the partition: %v", err)
	}
	out := must(t, "", "consume", "--topic", "t", "--from-beginning", "--max-messages", "2").out
	if out != "a\nb\n" {
		t.Errorf("consume printed %q", out)
	}
}

func TestTransactionsWithoutABroker(t *testing.T) {
	t.Chdir(t.TempDir())
	for range 2 { // the second finds what the first has left
		r := must(t, "a\nb\nc\n", "produce", "--topic", "t", "--transactional-id", "one",
			"--transaction-records", "2")
		if !strings.Contains(r.err, "3 records committed, none failed") {
			t.Errorf("summary = %s", r.err)
		}
	}
	out := must(t, "", "consume", "--topic", "t", "--from-beginning", "--max-messages", "6",
		"--isolation-level", "read_committed").out
	if out != "a\nb\nc\na\nb\nc\n" {
		t.Errorf("consume printed %q", out)
	}
}

func TestACommandUsesTheBrokerThatServesItsDirectory(t *testing.T) {
	dir := t.TempDir()
	server := start(t, "broker", "--listen", "127.0.0.1:0", "--data", dir)
	addr := strings.TrimPrefix(strings.TrimSpace(server.out.wait(t, 1)), "ready ")
	r := must(t, "a\n", "produce", "--topic", "t", "--data", dir)
	if !strings.Contains(r.err, "the broker of "+dir+" at "+addr) {
		t.Errorf("summary = %s, want that it talked to %s", r.err, addr)
	}
	server.interrupt()
	if r := <-server.done; r.code != exitOK || r.err != "" {
		t.Errorf("the broker ended with %d: %s", r.code, r.err)
	}
}

func TestTwoCommandsShareOneDirectory(t *testing.T) {
	dir := t.TempDir()
	first := start(t, "produce", "--topic", "t", "--data", dir, "--delivery-report")
	fmt.Fprintln(first.in, "a")
	first.out.wait(t, 1)
	second := start(t, "produce", "--topic", "t", "--data", dir, "--delivery-report")
	fmt.Fprintln(second.in, "b")
	second.out.wait(t, 1)
	first.in.Close() // its broker stays until the second is done
	fmt.Fprintln(second.in, "c")
	second.out.wait(t, 2)
	second.in.Close()
	for _, p := range []*background{second, first} {
		if r := <-p.done; r.code != exitOK {
			t.Errorf("exit code %d: %s", r.code, r.err)
		}
	}
}

func TestProgressIsForStandardErrorAndManySkippedRowsAreNotAllShown(t *testing.T) {
	_, flags := testBroker(t, broker.Config{})
	var in strings.Builder
	for i := range 50 {
		fmt.Fprintf(&in, "{\"n\":%d}\n{\n", i)
	}
	r := must(t, "", with(flags, "produce", "--topic", "t", "--progress", "--json", "--on-error",
		"skip", file(t, "in.ndjson", in.String()))...)
	if s := last[summary](t, r.out); s.Acked != 50 || s.Skipped != 50 ||
		strings.Count(r.out, "\n") != 1 {
		t.Errorf("standard output = %s", r.out)
	}
	if n := strings.Count(r.err, "skipped: "); n != 10 ||
		!strings.Contains(r.err, "more rows are skipped; they are counted, not shown") {
		t.Errorf("%d skipped rows shown, want 10: %q", n, r.err)
	}
}
