package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
)

type perfCmd struct {
	Topic         string  `placeholder:"TOPIC" help:"The topic." required:""`
	NumRecords    int64   `name:"num-records" placeholder:"N" help:"Records to send." required:""`
	Throughput    float64 `default:"-1" placeholder:"RATE" help:"Records per second; -1 is as fast as can be (default)."`
	WarmupRecords int64   `name:"warmup-records" placeholder:"N" help:"Report the records behind the first N on their own as well."`
	Partitions    int32   `placeholder:"N" help:"Create the topic with so many partitions if it is not there."`

	TransactionalID       string `name:"transactional-id" placeholder:"ID" help:"Send in transactions under this id."`
	TransactionDurationMs int64  `name:"transaction-duration-ms" placeholder:"MS" help:"Commit this long after a transaction began (default with --transactional-id: 3000)."`

	ReportingInterval int64 `name:"reporting-interval" default:"5000" placeholder:"MS" help:"Time between lines of interim figures (default: ${default})."`
	PrintMetrics      bool  `name:"print-metrics" help:"Print the producer's counters at the end."`
	JSON              bool  `name:"json" help:"Print the report as one JSON object."`
	Progress          bool  `help:"With --json or --compare: interim figures on standard error although it is no terminal."`

	Compare []string `sep:"none" placeholder:"KEY=VALUE,…" group:"Comparison:" help:"Time these settings against those of the other --compare, or against the configuration as it is. KEY=V1,V2 compares two values; KEY=VALUE,KEY2=VALUE2 sets both; FILE.properties sets what the file does. Repeatable."`
	Rounds  int      `default:"5" placeholder:"N" group:"Comparison:" help:"Turns of each, interleaved, with a fresh producer and --num-records each (default: ${default})."`
	Plot    string   `placeholder:"FILE" group:"Comparison:" help:"Draw latencies and figures into this .svg or .html file."`

	payloadFlags
	connection `group:"Cluster:"`
}

// Help is what --help adds.
func (*perfCmd) Help() string {
	return withExample(`Sends records and reports rate and latency, as Kafka's producer performance tool does, whose
flags it takes. With --throughput a record's latency counts from the moment at which it was due,
so that a stall shows in every record that it held up; without it, every 64th record is timed, so
that timing does not slow down what is timed. 1 MB is 2^20 bytes here.

--compare shows what a setting does. Each variant has its turn in every round, and the report has
the ratios to the first one round by round: they hold although a machine's speed drifts.`,
		"posthaste perf --topic load --partitions 6 --num-records 1000000 --record-size 100\n\t"+
			"posthaste perf --topic load --num-records 100000 --record-size 1000 --throughput 10000 "+
			"--compare linger.ms=0,5 --plot linger.html")
}

// Run measures.
func (c *perfCmd) Run(e *env) (err error) {
	payloads, err := c.check()
	if err != nil {
		return err
	}
	cfg, err := c.settings(e)
	if err != nil {
		return err
	}
	cl, err := c.connect(e, cfg)
	if err != nil {
		return err
	}
	defer func() {
		if closing := cl.close(e); closing != nil {
			err = errors.Join(err, closing)
		}
	}()
	if err := c.ensureTopic(e, cl); err != nil {
		return err
	}
	if len(c.Compare) > 0 {
		return c.compare(e, cl, payloads)
	}
	p, err := posthaste.NewProducer(cl.cfg)
	if err != nil {
		return err
	}
	run := newPerfRun(e, c, p, payloads)
	return c.conclude(e, run, run.all())
}

// check looks at the flags and makes the payloads.
func (c *perfCmd) check() (payloads, error) {
	if err := checkTopic(c.Topic); err != nil {
		return nil, err
	}
	switch {
	case c.NumRecords <= 0:
		return nil, usagef("--num-records %d: give a number above 0", c.NumRecords)
	case c.WarmupRecords < 0 || c.WarmupRecords >= c.NumRecords:
		return nil, usagef("--warmup-records %d: give a number from 0 and below --num-records",
			c.WarmupRecords)
	case c.Throughput == 0 || c.Throughput < -1:
		return nil, usagef("--throughput %v: give records per second, or -1 for no limit", c.Throughput)
	case c.TransactionDurationMs < 0 || c.ReportingInterval <= 0 || c.Partitions < 0:
		return nil, usagef("--transaction-duration-ms, --reporting-interval and --partitions take " +
			"numbers above 0")
	case c.Rounds <= 0:
		return nil, usagef("--rounds %d: give a number above 0", c.Rounds)
	case len(c.Compare) > 0 && c.TransactionDurationMs > 0:
		return nil, usagef("--compare times records outside of transactions; leave out " +
			"--transaction-duration-ms")
	}
	if err := checkPlot(c.Plot); err != nil {
		return nil, err
	}
	return c.payloads()
}

func (c *perfCmd) settings(e *env) (posthaste.Config, error) {
	cfg, err := c.config()
	if err != nil {
		return cfg, err
	}
	set := func(key, value string) {
		if err == nil && value != "" {
			err = cfg.Set(key, value)
		}
	}
	if id, _ := cfg.Lookup("client.id"); id == "" {
		set("client.id", "perf-producer-client")
	}
	set("transactional.id", c.TransactionalID)
	if c.TransactionDurationMs > 0 && cfg.TransactionalID == "" {
		set("transactional.id", "performance-producer-"+uuid.NewString())
	}
	c.TransactionalID = cfg.TransactionalID
	if c.TransactionalID != "" && c.TransactionDurationMs == 0 {
		c.TransactionDurationMs = 3000
	}
	cfg.Logger = quietLogger(e)
	for _, text := range cfg.Warnings() {
		e.warn("%s", text)
	}
	return cfg, err
}

func (c *perfCmd) ensureTopic(e *env, cl *cluster) error {
	a, err := cl.admin()
	if err != nil {
		return err
	}
	defer a.Client.Close()
	_, err = a.topic(e.ctx, c.Topic)
	if _, refused := errors.AsType[*kerr.Error](err); refused || err == nil {
		return nil
	}
	if !errors.Is(err, errNoTopic) {
		return err
	}
	if c.Partitions == 0 {
		return nil // whether the brokers create it, sending shows
	}
	if _, err := a.create(e.ctx, c.Topic, c.Partitions, 0, nil); !errors.Is(err,
		kerr.TopicAlreadyExists) {
		return err
	}
	return nil
}

// perfReport is what --json prints.
type perfReport struct {
	Topic            string         `json:"topic"`
	Records          int64          `json:"records"` // acknowledged
	Failed           int64          `json:"failed"`
	Bytes            int64          `json:"bytes"` // of acknowledged values
	Seconds          report.Seconds `json:"seconds"`
	RecordsPerSecond report.Rate    `json:"records_per_second"`
	BytesPerSecond   report.Rate    `json:"bytes_per_second"`
	MBPerSecond      report.Millis  `json:"mb_per_second"` // of 2^20 bytes
	Latency          report.Figures `json:"latency_ms"`
	Throughput       report.Rate    `json:"throughput"` // asked for; -1: no limit
	Batches          uint64         `json:"batches"`
	Retries          uint64         `json:"retries"`
	Transactions     int64          `json:"transactions,omitempty"`
	Interrupted      bool           `json:"interrupted"`
	Steady           *perfReport    `json:"steady_state,omitempty"`
	Metrics          map[string]any `json:"metrics,omitempty"`
}

// conclude prints the report and decides how the command ends.
func (c *perfCmd) conclude(e *env, run *perfRun, failure error) error {
	// Bounded by delivery.timeout.ms; a second signal ends the process.
	if err := run.producer.Close(context.Background()); err != nil {
		e.warn("%v", err)
	}
	m := run.producer.Metrics()
	failed := run.stats.settle(c.WarmupRecords)
	r := run.stats.total.report(run.ended)
	r.Topic, r.Throughput = c.Topic, report.Rate(c.Throughput)
	r.Failed, r.Batches, r.Retries = failed, m.Batches, m.Retries
	r.Transactions, r.Interrupted = run.committed, errors.Is(failure, errInterrupted)
	if run.stats.steady != nil {
		steady := run.stats.steady.report(run.ended)
		steady.Topic = c.Topic
		r.Steady = &steady
	}
	if c.PrintMetrics {
		r.Metrics = metricsByName(m)
	}
	err := c.write(e.out, &r)
	if err == nil && c.Plot != "" {
		err = c.plotRun(e, run, m)
	}
	switch {
	case failure != nil && !r.Interrupted:
		return errors.Join(failure, err)
	case err != nil:
		return err
	case r.Failed > 0:
		return fmt.Errorf("%s not acknowledged", report.Plural(r.Failed, "record"))
	case r.Interrupted:
		return fmt.Errorf("interrupted after %s of %s", report.Plural(r.Records, "record"),
			report.Count(c.NumRecords))
	}
	return nil
}

func (c *perfCmd) write(w io.Writer, r *perfReport) error {
	if c.JSON {
		return unwritten(0, json.NewEncoder(w).Encode(r))
	}
	var b strings.Builder
	b.WriteString(r.line("") + "\n")
	if r.Steady != nil {
		b.WriteString(r.Steady.line(" steady state") + "\n")
	}
	if c.PrintMetrics {
		b.WriteString("\n" + metricsTable(r.Metrics))
	}
	return unwritten(io.WriteString(w, b.String()))
}

// unwritten words the error of writing a report.
func unwritten(_ int, err error) error {
	if err != nil {
		return fmt.Errorf("cannot write the report: %w", err)
	}
	return nil
}

// line has the words of Kafka's tool, so that scripts that read those read this.
func (r *perfReport) line(kind string) string {
	l := r.Latency
	return fmt.Sprintf("%d%s records sent, %.1f records/sec (%.2f MB/sec), %.2f ms avg latency, "+
		"%.2f ms max latency, %.2f ms 50th, %.2f ms 95th, %.2f ms 99th, %.2f ms 99.9th.", r.Records,
		kind, r.RecordsPerSecond, r.MBPerSecond, l.Avg, l.Max, l.P50, l.P95, l.P99, l.P999)
}

// metricsByName lists the producer's counters by their names in snake case.
func metricsByName(m posthaste.Metrics) map[string]any {
	all := map[string]any{}
	v := reflect.ValueOf(m)
	for i := range v.NumField() {
		all[snake(v.Type().Field(i).Name)] = v.Field(i).Interface()
	}
	return all
}

// snake turns RecordsSent into records_sent.
func snake(name string) string {
	var b strings.Builder
	for i, r := range name {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteRune(r)
	}
	return strings.ToLower(b.String())
}

func metricsTable(metrics map[string]any) string {
	var b strings.Builder
	for _, name := range sortedKeys(metrics) {
		fmt.Fprintf(&b, "%-20s %v\n", name, metrics[name])
	}
	return b.String()
}

// report sums a stretch up that ended at now.
func (s *perfFigures) report(now time.Time) perfReport {
	seconds := now.Sub(s.begun)
	rate := report.Per(s.bytes, seconds)
	return perfReport{Records: s.records, Bytes: s.bytes, Seconds: report.Seconds(seconds.Seconds()),
		RecordsPerSecond: report.Per(s.records, seconds), BytesPerSecond: rate,
		MBPerSecond: report.Millis(float64(rate) / (1 << 20)), Latency: s.latency.Figures()}
}
