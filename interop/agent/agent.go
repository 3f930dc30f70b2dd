// Package agent drives a Kafka client of another language: a small program of
// ours that reads one command a line from its standard input and answers on its
// standard output, so that starting a JVM or an interpreter is paid once.
//
//	▶ {"op":"consume","bootstrap":"127.0.0.1:9092","topic":"t",…}
//	◀ {"row":{"topic":"t","partition":0,…}}    any number of rows
//	◀ {"done":true}                            or {"failed":"why"}
//
// The programs end when their standard input does, so none outlives the test
// binary, however that ended.
package agent

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

// An Agent is one running program. It carries out one command at a time;
// callers may come from any goroutine.
type Agent struct {
	Name string // as tests print it, such as "librdkafka"

	mu     sync.Mutex // held for the length of a command
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr *tail
	broken error // why no further command can be carried out
}

// Start runs cmd, which must speak the protocol of this package.
func Start(name string, cmd *exec.Cmd) (*Agent, error) {
	a := &Agent{Name: name, cmd: cmd, stderr: &tail{max: 8 << 10}}
	cmd.Stderr = a.stderr
	var err error
	if a.stdin, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	a.stdout = bufio.NewReaderSize(stdout, 1<<20)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return a, nil
}

// Close ends the program and waits for it.
func (a *Agent) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.broken = errors.New("closed")
	a.stdin.Close()
	ended := make(chan error, 1)
	go func() { ended <- a.cmd.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(5 * time.Second):
		a.cmd.Process.Kill()
		return <-ended
	}
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
func (a *Agent) Consume(ctx context.Context, c Consume) ([]record.Record, error) {
	if c.Config == nil {
		c.Config = map[string]string{}
	}
	return rows[record.Record](ctx, a, struct {
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
func (a *Agent) Produce(ctx context.Context, p Produce) ([]record.Outcome, error) {
	if p.Config == nil {
		p.Config = map[string]string{}
	}
	return rows[record.Outcome](ctx, a, struct {
		Op string `json:"op"`
		Produce
	}{"produce", p})
}

// Partitions asks which partition of count the client's default partitioner
// gives each key.
func (a *Agent) Partitions(ctx context.Context, keys [][]byte, count int) ([]int32, error) {
	return rows[int32](ctx, a, struct {
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
func (a *Agent) Run(ctx context.Context, tool Tool) (Result, error) {
	results, err := rows[Result](ctx, a, struct {
		Op string `json:"op"`
		Tool
	}{"tool", tool})
	if err != nil || len(results) != 1 {
		return Result{}, fmt.Errorf("run %s: %d results: %w", tool.Class, len(results), err)
	}
	return results[0], nil
}

func rows[T any](ctx context.Context, a *Agent, command any) ([]T, error) {
	var all []T
	err := a.do(ctx, command, func(line json.RawMessage) error {
		var row T
		if err := json.Unmarshal(line, &row); err != nil {
			return fmt.Errorf("row %.200s: %w", line, err)
		}
		all = append(all, row)
		return nil
	})
	return all, err
}

// do sends one command and hands each row of the answer to each. When ctx ends
// first the program is killed: its state is then unknown.
func (a *Agent) do(ctx context.Context, command any, each func(json.RawMessage) error) error {
	line, err := json.Marshal(command)
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.broken != nil {
		return fmt.Errorf("%s: %w", a.Name, a.broken)
	}
	stop := context.AfterFunc(ctx, func() { a.cmd.Process.Kill() })
	defer stop()
	if err := a.exchange(append(line, '\n'), each); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			a.broken = cause
			err = fmt.Errorf("killed: %w", cause)
		}
		return fmt.Errorf("%s: %w", a.Name, err)
	}
	return nil
}

func (a *Agent) exchange(command []byte, each func(json.RawMessage) error) error {
	if _, err := a.stdin.Write(command); err != nil {
		a.broken = fmt.Errorf("ended early: %w\n%s", err, a.stderr)
		return a.broken
	}
	var bad error // the first row that each refused; the rest is read all the same
	for {
		line, err := a.stdout.ReadBytes('\n')
		if err != nil {
			a.broken = fmt.Errorf("ended early: %w\n%s", err, a.stderr)
			return a.broken
		}
		var answer struct {
			Row    json.RawMessage
			Done   bool
			Failed *string
		}
		switch err := json.Unmarshal(line, &answer); {
		case err != nil:
			a.broken = fmt.Errorf("answered %.200q: %w", line, err)
			return a.broken
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
