// Package driver drives a Kafka client of another language: a small program of
// ours that reads one command a line from its standard input and answers on its
// standard output, so that starting a JVM or an interpreter is paid once.
//
//	▶ {"op":"consume","bootstrap":"127.0.0.1:9092","topic":"t",…}
//	◀ {"row":{"topic":"t","partition":0,…}}    any number of rows
//	◀ {"done":true}                            or {"failed":"why"}
//
// The programs end when their standard input does, so none outlives the test
// binary, however that ended.
package driver

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"sync"
	"time"

	"github.com/posthaste-go/posthaste/interop/record"
)

// A Driver is a program that is started with its first command, and again with
// the first after it broke. It carries out one command at a time; callers may
// come from any goroutine.
type Driver struct {
	Name string // as tests print it, such as "librdkafka"

	command func() *exec.Cmd
	mu      sync.Mutex // held for the length of a command
	running *program   // nil before the first command and after a breakdown
}

// A program is one life of a driver's program.
type program struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr *tail
}

// New returns the driver of a program that speaks the protocol of this package;
// command prepares it.
func New(name string, command func() *exec.Cmd) *Driver {
	return &Driver{Name: name, command: command}
}

func start(cmd *exec.Cmd) (*program, error) {
	p := &program{cmd: cmd, stderr: &tail{max: 8 << 10}}
	cmd.Stderr = p.stderr
	var err error
	if p.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.stdout = bufio.NewReaderSize(stdout, 1<<20)
	return p, cmd.Start()
}

// Close ends the program, if it runs, and waits for it.
func (d *Driver) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running != nil {
		d.running.end(5 * time.Second)
		d.running = nil
	}
}

// end closes the program's standard input and kills it if it does not end by
// itself within patience.
func (p *program) end(patience time.Duration) {
	p.stdin.Close()
	timer := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	_ = p.cmd.Wait() // how a program that is not wanted ends does not matter
}

// Consume asks for all records of a topic, from its beginning to the end it has
// when the program looks; with ReadCommitted to the last stable offset.
type Consume struct {
	Bootstrap     string            `json:"bootstrap"`
	Topic         string            `json:"topic"`
	ReadCommitted bool              `json:"read_committed,omitempty"`
	Config        map[string]string `json:"config"` // in the client's own names
}

// Consume reads a topic to its end.
func (d *Driver) Consume(ctx context.Context, c Consume) ([]record.Record, error) {
	if c.Config == nil {
		c.Config = map[string]string{}
	}
	return rows[record.Record](ctx, d, struct {
		Op string `json:"op"`
		Consume
	}{"consume", c})
}

// Produce asks for records to be written in their order.
type Produce struct {
	Bootstrap string            `json:"bootstrap"`
	Config    map[string]string `json:"config"` // in the client's own names
	Records   []record.Record   `json:"records"`
	Abort     bool              `json:"abort,omitempty"` // with a transactional id: abort, not commit
}

// Produce writes records and returns what became of each, in their order.
func (d *Driver) Produce(ctx context.Context, p Produce) ([]record.Outcome, error) {
	if p.Config == nil {
		p.Config = map[string]string{}
	}
	return rows[record.Outcome](ctx, d, struct {
		Op string `json:"op"`
		Produce
	}{"produce", p})
}

// Transform asks for records to be copied from one topic to another as a member
// of a group, until Count are committed: records and offsets in transactions,
// every third of which is aborted.
type Transform struct {
	Bootstrap string            `json:"bootstrap"`
	From      string            `json:"from"`
	To        string            `json:"to"`
	Group     string            `json:"group"`
	Count     int               `json:"count"`
	Config    map[string]string `json:"config"` // of the producer; has transactional.id
}

// Transform copies records.
func (d *Driver) Transform(ctx context.Context, t Transform) error {
	_, err := rows[struct{}](ctx, d, struct {
		Op string `json:"op"`
		Transform
	}{"transform", t})
	return err
}

// Commits asks how long each commit takes of transactions of some records of 100
// bytes, all sent and acknowledged before.
type Commits struct {
	Bootstrap    string            `json:"bootstrap"`
	Config       map[string]string `json:"config"`
	Topic        string            `json:"topic"`
	Transactions int               `json:"transactions"`
	Records      int               `json:"records"` // in each transaction
}

// Commits times commits.
func (d *Driver) Commits(ctx context.Context, c Commits) ([]time.Duration, error) {
	return rows[time.Duration](ctx, d, struct {
		Op string `json:"op"`
		Commits
	}{"commits", c})
}

// Partitions asks which partition of count the client's default partitioner
// gives each key.
func (d *Driver) Partitions(ctx context.Context, keys [][]byte, count int) ([]int32, error) {
	return rows[int32](ctx, d, struct {
		Op    string   `json:"op"`
		Keys  [][]byte `json:"keys"`
		Count int      `json:"count"`
	}{"partitions", keys, count})
}

// Tool names a command line tool: a Java class with a main method.
type Tool struct {
	Class string   `json:"class"`
	Args  []string `json:"args"`
	Stdin string   `json:"stdin"`
}

// A Result is how a tool ended.
type Result struct {
	Code   int    `json:"code"` // exit code
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr"`
}

// Run runs a tool inside the program, as if from a shell.
func (d *Driver) Run(ctx context.Context, tool Tool) (Result, error) {
	results, err := rows[Result](ctx, d, struct {
		Op string `json:"op"`
		Tool
	}{"tool", tool})
	if err != nil || len(results) != 1 {
		return Result{}, fmt.Errorf("run %s: %d results: %w", tool.Class, len(results), err)
	}
	return results[0], nil
}

// Rows sends a command that only one program knows and returns the rows of its
// answer.
func Rows[T any](ctx context.Context, d *Driver, command any) ([]T, error) {
	return rows[T](ctx, d, command)
}

func rows[T any](ctx context.Context, d *Driver, command any) ([]T, error) {
	var all []T
	err := d.do(ctx, command, func(line json.RawMessage) error {
		var row T
		if err := json.Unmarshal(line, &row); err != nil {
			return fmt.Errorf("row %.200s: %w", line, err)
		}
		all = append(all, row)
		return nil
	})
	return all, err
}

// errBroken marks an error after which the program cannot be talked to.
var errBroken = errors.New("broken")

// do sends one command and hands each row of the answer to each. When ctx ends
// first the program is killed: its state is then unknown.
func (d *Driver) do(ctx context.Context, command any, each func(json.RawMessage) error) error {
	line, err := json.Marshal(command)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running == nil {
		if d.running, err = start(d.command()); err != nil {
			d.running = nil
			return fmt.Errorf("start %s: %w", d.Name, err)
		}
	}
	p := d.running
	stop := context.AfterFunc(ctx, func() { _ = p.cmd.Process.Kill() })
	err = p.exchange(append(line, '\n'), each)
	stopped := stop()
	if errors.Is(err, errBroken) || !stopped {
		p.end(0)
		d.running = nil
	}
	if !stopped {
		return fmt.Errorf("%s: killed: %w\n%s", d.Name, context.Cause(ctx), p.stderr)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", d.Name, err)
	}
	return nil
}

func (p *program) exchange(command []byte, each func(json.RawMessage) error) error {
	if _, err := p.stdin.Write(command); err != nil {
		return fmt.Errorf("%w: ended early: %w\n%s", errBroken, err, p.stderr)
	}
	var bad error // the first row that each refused; the rest is read all the same
	for {
		line, err := p.stdout.ReadBytes('\n')
		if err != nil {
			return fmt.Errorf("%w: ended early: %w\n%s", errBroken, err, p.stderr)
		}
		var answer struct {
			Row    json.RawMessage
			Done   bool
			Failed *string
		}
		switch err := json.Unmarshal(line, &answer); {
		case err != nil:
			return fmt.Errorf("%w: answered %.200q: %w", errBroken, line, err)
		case answer.Failed != nil:
			return errors.New(*answer.Failed)
		case answer.Done:
			return bad
		case bad == nil:
			bad = each(answer.Row)
		}
	}
}

// tail keeps the last max bytes written to it.
type tail struct {
	mu  sync.Mutex
	max int
	buf bytes.Buffer
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p)
	if over := t.buf.Len() - t.max; over > 0 {
		t.buf.Next(over)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}
