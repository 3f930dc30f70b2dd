package drive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/posthaste-go/posthaste/bench/internal/run"
	"github.com/posthaste-go/posthaste/bench/internal/sink"
)

// runTimeout bounds one client's turn, with building up and winding down.
const runTimeout = 4 * time.Minute

// Measurement is one client's turn in one round.
type Measurement struct {
	run.Result
	Broker string      `json:"broker"` // OnSink, OnKafka
	Round  int         `json:"round"`
	Load   Load        `json:"load"`
	Sink   *sink.Stats `json:"sink,omitempty"` // of warmup and measured part; nil on a real broker
	// Arrived is how far the topic's end offsets moved. It must be the records
	// acknowledged in warmup and measured part, unless there were errors.
	Arrived int64 `json:"arrived"`
	// Broker is the CPU time the broker spent per million records, 0 if its
	// process is not known.
	BrokerCPUPerMRecords float64 `json:"broker_cpu_s_per_mrec"`
}

// Checked reports whether the broker has just what the client says.
func (m *Measurement) Checked() bool {
	return m.Errors == 0 && m.Arrived == m.Records+m.WarmupRecords
}

// Driver runs clients.
type Driver struct {
	Programs  *Programs
	Bootstrap string            // a running broker; empty starts a null broker for each turn
	BrokerPID int               // process of Bootstrap, for its CPU time; 0 is unknown
	Override  map[string]string // flags that beat the scenario's
	WaitQuiet time.Duration     // wait at most this long for other processes to calm down
}

// broker is what a turn is measured against.
type broker struct {
	addr string
	pid  int
	stop func() (*sink.Stats, error)
}

// Measure gives client one turn in scenario s.
func (d *Driver) Measure(ctx context.Context, s *Scenario, client string) (Measurement, error) {
	ctx, cancel := context.WithTimeout(ctx, runTimeout)
	defer cancel()
	partitions, err := strconv.Atoi(s.settings(client, d.Override)["partitions"])
	if err != nil {
		return Measurement{}, fmt.Errorf("partitions: %w", err)
	}
	b, err := d.broker(ctx, partitions)
	if err != nil {
		return Measurement{}, err
	}
	m, err := d.turn(ctx, s, client, b, partitions)
	if m.Broker = OnSink; d.Bootstrap != "" {
		m.Broker = OnKafka
	}
	stats, stopErr := b.stop()
	m.Sink = stats
	return m, errors.Join(err, stopErr)
}

func (d *Driver) broker(ctx context.Context, partitions int) (broker, error) {
	if d.Bootstrap == "" {
		return startSink(ctx, d.Programs.sink, partitions)
	}
	stop := func() (*sink.Stats, error) { return nil, nil }
	return broker{addr: d.Bootstrap, pid: d.BrokerPID, stop: stop}, nil
}

// startSink starts a null broker and waits until it serves.
func startSink(ctx context.Context, program string, partitions int) (broker, error) {
	cmd := exec.CommandContext(ctx, program, "--partitions", strconv.Itoa(partitions))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return broker{}, err
	}
	if err := cmd.Start(); err != nil {
		return broker{}, err
	}
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	addr, ok := strings.CutPrefix(strings.TrimSpace(first), "ready ")
	if err != nil || !ok {
		killErr := cmd.Process.Kill()
		said := fmt.Errorf("null broker: it said %q", first)
		return broker{}, errors.Join(said, err, killErr, cmd.Wait())
	}
	stop := func() (*sink.Stats, error) {
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			return nil, fmt.Errorf("stop null broker: %w", err)
		}
		var stats sink.Stats
		decodeErr := json.NewDecoder(lines).Decode(&stats)
		return &stats, errors.Join(decodeErr, cmd.Wait())
	}
	return broker{addr: addr, pid: cmd.Process.Pid, stop: stop}, nil
}

func (d *Driver) turn(ctx context.Context, s *Scenario, client string, b broker, partitions int,
) (Measurement, error) {
	admin, err := kgo.NewClient(kgo.SeedBrokers(b.addr))
	if err != nil {
		return Measurement{}, err
	}
	defer admin.Close()
	topics := kadm.NewClient(admin)
	topic := fmt.Sprintf("bench-%s-%d", client, time.Now().UnixNano())
	if d.Bootstrap != "" {
		created, err := topics.CreateTopic(ctx, int32(partitions), 1, nil, topic)
		if err := errors.Join(err, created.Err); err != nil {
			return Measurement{}, fmt.Errorf("create topic: %w", err)
		}
		if err := awaitLeaders(ctx, topics, topic); err != nil {
			return Measurement{}, err
		}
		defer topics.DeleteTopic(ctx, topic) // what is left over harms no later turn
	} else {
		topic = "bench"
	}
	args := append(s.Args(client, d.Programs.Data(), d.Override),
		"--bootstrap", b.addr, "--topic", topic)
	m, err := d.runClient(ctx, append(d.Programs.byName[client], args...), b.pid)
	if err != nil {
		return m, err
	}
	ends, err := topics.ListEndOffsets(ctx, topic)
	if err := errors.Join(err, ends.Error()); err != nil {
		return m, fmt.Errorf("list end offsets: %w", err)
	}
	ends.Each(func(o kadm.ListedOffset) { m.Arrived += o.Offset })
	return m, nil
}

// awaitLeaders returns when every partition of a new topic answers its leader's
// questions: a client that does not retry would fail before.
func awaitLeaders(ctx context.Context, topics *kadm.Client, topic string) error {
	const attempts, pause = 600, 100 * time.Millisecond // a thousand partitions take a while
	var err error
	for range attempts {
		var ends kadm.ListedOffsets
		ends, err = topics.ListEndOffsets(ctx, topic)
		if err = errors.Join(err, ends.Error()); err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(pause)
	}
	return fmt.Errorf("topic %s has no leaders after %v: %w", topic, attempts*pause, err)
}

// runClient runs a client's command and reads its result.
func (d *Driver) runClient(ctx context.Context, command []string, brokerPID int,
) (Measurement, error) {
	if d.WaitQuiet > 0 {
		awaitQuiet(d.WaitQuiet)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	before, known := readCPUTimes()
	brokerBefore := processCPU(brokerPID)
	start := time.Now()
	err := cmd.Run()
	wall := time.Since(start)
	if err != nil {
		return Measurement{}, fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, &diagnostics)
	}
	brokerCPU := processCPU(brokerPID) - brokerBefore
	own := brokerCPU + cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	var m Measurement
	if m.Result, err = parseResult(out.Bytes()); err != nil {
		return m, fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, &diagnostics)
	}
	if diagnostics.Len() > 0 {
		os.Stderr.Write(diagnostics.Bytes())
	}
	if known && brokerPID != 0 {
		m.Load = loadSince(before, wall, own)
	}
	if n := m.Records + m.WarmupRecords; n > 0 {
		m.BrokerCPUPerMRecords = brokerCPU.Seconds() / float64(n) * 1e6
	}
	return m, nil
}

// parseResult finds the JSON line in what a client printed.
func parseResult(out []byte) (run.Result, error) {
	for line := range bytes.Lines(out) {
		var r run.Result
		if err := json.Unmarshal(line, &r); err == nil && r.Client != "" {
			return r, nil
		}
	}
	return run.Result{}, fmt.Errorf("no result in its output: %q", out)
}
