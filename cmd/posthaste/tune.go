package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/load"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/tune"
)

type tuneCmd struct {
	Goal       string        `required:"" placeholder:"GOAL" help:"throughput; bytes; cpu; latency-p99 (the lowest); latency-p99=10ms (least CPU within it); bytes,latency-p99=10ms (fewest bytes within it)."`
	Throughput float64       `default:"-1" placeholder:"RATE" help:"Records per second that must be kept up; goals about latency and CPU need it."`
	Time       time.Duration `default:"2m" placeholder:"TIME" help:"How long the search may take (default: ${default}). Longer is surer."`
	Topic      string        `placeholder:"TOPIC" help:"Send to this topic (default: one made for the search and deleted afterwards)."`
	Partitions int32         `default:"6" placeholder:"N" help:"Partitions of the topic made for the search (default: ${default})."`

	Out      string `placeholder:"FILE" help:"Write the recommended settings to this .properties file."`
	Plot     string `placeholder:"FILE" help:"Draw what was measured into this .svg or .html file."`
	JSON     bool   `name:"json" help:"Print the result as one JSON object."`
	Progress bool   `help:"Say how the search goes on standard error although it is no terminal."`
	Search   string `enum:"adaptive,grid" default:"adaptive" hidden:"" help:"grid measures a coarse grid as a whole."`

	payloadFlags
	connection `group:"Cluster:"`
}

// Help is what --help adds.
func (*tuneCmd) Help() string {
	return withExample(`Searches batch.size, linger.ms, compression.type with its level and
max.in.flight.requests.per.connection by sending your records to your cluster. Settings are measured
in turns, again and again, so that neither noise nor a machine that slows down decides. Prints the
best settings, those between which the goal's two sides trade, and what the settings you have now
reach. Other settings stay as they are given.`,
		"posthaste tune --payload-file flights.ndjson --goal latency-p99=10ms --throughput 10000 "+
			"--bootstrap-server broker:9092 --out tuned.properties --plot tuned.html")
}

// Run searches.
func (c *tuneCmd) Run(e *env) (err error) {
	goal, values, err := c.check()
	if err != nil {
		return err
	}
	cfg, err := c.config()
	if err != nil {
		return err
	}
	if cfg.TransactionalID != "" {
		return usagef("tune sends outside of transactions; leave out transactional.id")
	}
	cfg.Logger = quietLogger(e)
	for _, text := range cfg.Warnings() {
		e.warn("%s", text)
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
	a, err := cl.admin()
	if err != nil {
		return err
	}
	defer a.Client.Close()
	m := &tuneMeasurer{cmd: c, admin: a, cfg: cl.cfg, payloads: values, topic: c.Topic}
	defer func() { err = errors.Join(err, m.close()) }()
	if err := m.prepare(e.ctx); err != nil {
		return err
	}
	t := &tuning{e: e, cmd: c, goal: goal, embedded: cl.embedded != nil}
	return t.conclude(t.search(m))
}

func (c *tuneCmd) check() (tune.Goal, payloads, error) {
	goal, err := tune.ParseGoal(c.Goal, max(c.Throughput, 0))
	switch {
	case c.Throughput == 0 || c.Throughput < -1:
		return goal, nil, usagef("--throughput %v: give records per second, or -1 for no limit",
			c.Throughput)
	case err != nil && c.Throughput < 0:
		return goal, nil, usagef("--goal: %v; --throughput gives one", err)
	case err != nil:
		return goal, nil, usagef("--goal: %v", err)
	case c.Time < time.Second:
		return goal, nil, usagef("--time %v: give at least 1s; minutes give surer results", c.Time)
	case c.Partitions < 1:
		return goal, nil, usagef("--partitions %d: give a number above 0", c.Partitions)
	}
	if c.Topic != "" {
		if err := checkTopic(c.Topic); err != nil {
			return goal, nil, err
		}
	}
	if err := checkPlot(c.Plot); err != nil {
		return goal, nil, err
	}
	values, err := c.payloads()
	return goal, values, err
}

// tuneMeasurer sends with settings and measures.
type tuneMeasurer struct {
	cmd      *tuneCmd
	admin    *admin
	cfg      posthaste.Config
	payloads payloads
	topic    string // the one in use
	written  int64  // bytes in it
	made     []string
}

// scratchBytes is how much is written to one topic before the next one is made:
// disks fill fast at full speed.
const scratchBytes = 512 << 20

// prepare makes a topic for the search, unless one was named, and deletes the one
// before.
func (m *tuneMeasurer) prepare(ctx context.Context) error {
	if m.cmd.Topic != "" {
		return nil
	}
	name := "posthaste-tune-" + uuid.NewString()[:8]
	at := func(s string) *string { return &s }
	configs := map[string]*string{"file.delete.delay.ms": at("1000")}
	if _, err := m.admin.create(ctx, name, m.cmd.Partitions, 0, configs); err != nil {
		return err
	}
	err := m.close()
	m.made, m.topic, m.written = []string{name}, name, 0
	return err
}

// close deletes what was made, also after an interruption.
func (m *tuneMeasurer) close() error {
	for _, name := range m.made {
		ctx, cancel := context.WithTimeout(context.Background(), adminTimeout)
		defer cancel()
		if _, err := m.admin.DeleteTopic(ctx, name); err != nil {
			return fmt.Errorf("cannot delete topic %s, which was made for the search: %w; delete it "+
				"with posthaste topics delete --topic %s", name, err, name)
		}
	}
	m.made = nil
	return nil
}

// length is how long one measurement sends: long enough for a p99, short enough
// for some 150 measurements.
func (c *tuneCmd) length() time.Duration {
	length := min(c.Time/220, 3*time.Second)
	if c.Throughput > 0 {
		length = max(length, time.Duration(1000/c.Throughput*float64(time.Second)))
	}
	return min(max(length, 20*time.Millisecond), c.Time/50)
}

// Measure sends for a while with settings of the search in place of those given.
func (m *tuneMeasurer) Measure(ctx context.Context, s tune.Settings) (f tune.Figures, err error) {
	if m.written > scratchBytes {
		if err := m.prepare(ctx); err != nil {
			return f, err
		}
	}
	cfg := m.cfg
	for _, p := range s.Properties() {
		if err := cfg.Set(p.Key, p.Value); err != nil {
			return f, err
		}
	}
	p, err := posthaste.NewProducer(cfg)
	if err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, p.Close(context.Background())) }()
	work := load.Workload{Topic: m.topic, Value: m.payloads, Rate: max(m.cmd.Throughput, 0),
		Length: m.cmd.length() / 4}
	warm, err := load.Run(ctx, p, &work)
	if err != nil {
		return f, err
	}
	work.Length = m.cmd.length()
	r, err := load.Run(ctx, p, &work)
	m.written += int64(warm.WireBytes + r.WireBytes)
	switch {
	case err != nil:
		return f, err
	case r.Failed > 0:
		return f, fmt.Errorf("%s not acknowledged: %w", report.Plural(r.Failed, "record"), r.First)
	}
	n := float64(r.Records)
	return tune.Figures{Rate: n / r.Elapsed.Seconds(), CPU: float64(r.CPU.Nanoseconds()) / 1e3 / n,
		P99: float64(r.Latency.At(99).Microseconds()) / 1000, Bytes: float64(r.WireBytes) / n}, nil
}

// reference is the settings in force without the search.
func (m *tuneMeasurer) reference() *tune.Settings {
	codec := m.cfg.CompressionType
	level := map[posthaste.Compression]int{
		posthaste.CompressionGzip: m.cfg.CompressionGzipLevel,
		posthaste.CompressionLz4:  m.cfg.CompressionLz4Level,
		posthaste.CompressionZstd: m.cfg.CompressionZstdLevel,
	}[codec]
	size := m.cfg.BatchSize
	if slices.ContainsFunc(m.cfg.Properties(), func(p posthaste.Property) bool {
		return p.Key == "batch.size" && p.Source == "default"
	}) {
		size = 0 // unlike the same size when it is given, it grows
	}
	return &tune.Settings{BatchSize: size, LingerMs: int(m.cfg.Linger.Milliseconds()),
		Compression: tune.Compression{Type: string(codec), Level: level},
		MaxInFlight: m.cfg.MaxInFlight}
}
