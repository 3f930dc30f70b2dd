package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"github.com/posthaste-go/posthaste/broker"
)

// runMain makes the test program be the command itself.
const runMain = "POSTHASTE_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(runMain) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// result is how a command ended.
type result struct {
	code     int
	out, err string
}

// runCommand runs one command line with in as standard input.
func runCommand(t *testing.T, in string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(args, streams{in: strings.NewReader(in), out: &out, err: &errs,
		kill: func(int) { t.Error("the command wants the process to end") }})
	return result{code, out.String(), errs.String()}
}

// must is runCommand that fails the test unless the exit code is 0.
func must(t *testing.T, in string, args ...string) result {
	t.Helper()
	r := runCommand(t, in, args...)
	if r.code != exitOK {
		t.Fatalf("posthaste %s: exit code %d\n%s", strings.Join(args, " "), r.code, r.err)
	}
	return r
}

// background is a command that runs beside the test.
type background struct {
	signals chan os.Signal
	in      *io.PipeWriter
	out     *lines
	done    chan result
	killed  chan int // exit code of the second signal
}

// start runs a command line whose standard input stays open.
func start(t *testing.T, args ...string) *background {
	t.Helper()
	r, w := io.Pipe()
	b := &background{signals: make(chan os.Signal, 2), in: w, out: newLines(),
		done: make(chan result, 1), killed: make(chan int, 1)}
	var errs bytes.Buffer
	go func() {
		code := run(args, streams{in: r, out: b.out, err: &errs, signals: b.signals,
			kill: func(code int) { b.killed <- code }})
		b.out.end()
		b.done <- result{code, b.out.text(), errs.String()}
	}()
	t.Cleanup(func() { w.Close() })
	return b
}

// interrupt sends the signal of Ctrl-C.
func (b *background) interrupt() { b.signals <- syscall.SIGINT }

// lines is a writer whose lines can be waited for.
type lines struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	ended bool
	more  *sync.Cond
}

func newLines() *lines {
	l := &lines{}
	l.more = sync.NewCond(&l.mu)
	return l
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.more.Broadcast()
	return l.buf.Write(b)
}

func (l *lines) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.more.Broadcast()
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// wait returns once there are n lines, or no more come.
func (l *lines) wait(t *testing.T, n int) string {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.ended && strings.Count(l.buf.String(), "\n") < n {
		l.more.Wait()
	}
	if strings.Count(l.buf.String(), "\n") < n {
		t.Fatalf("the command ended with %q, want %d lines", l.buf.String(), n)
	}
	return l.buf.String()
}

// testBroker runs a broker in memory and returns the flags to reach it.
func testBroker(t *testing.T, cfg broker.Config) (*broker.Broker, []string) {
	t.Helper()
	b := broker.Run(t, cfg)
	return b, []string{"--bootstrap-server", b.Addr()}
}

// with is a command line with the flags to reach a broker behind it.
func with(flags []string, args ...string) []string { return append(args, flags...) }

func file(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// decode reads one JSON object a line.
func decode[T any](t *testing.T, text string) []T {
	t.Helper()
	var all []T
	for d := json.NewDecoder(strings.NewReader(text)); ; {
		var v T
		switch err := d.Decode(&v); err {
		case nil:
			all = append(all, v)
		case io.EOF:
			return all
		default:
			t.Fatalf("%v in %s", err, text)
		}
	}
}

// message is what consume --json prints.
type message struct {
	Topic     string
	Partition int32
	Offset    int64
	Timestamp int64
	Key       *string
	Value     *string
	Headers   [][2]*string
}

// consumeAll reads n records of a topic from its beginning.
func consumeAll(t *testing.T, flags []string, topic string, n int, more ...string) []message {
	t.Helper()
	args := append([]string{"consume", "--topic", topic, "--from-beginning", "--json",
		"--timeout-ms", "10000", "--max-messages", itoa(n)}, append(flags, more...)...)
	all := decode[message](t, must(t, "", args...).out)
	if len(all) != n {
		t.Fatalf("%d records in topic %s, want %d", len(all), topic, n)
	}
	return all
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func str(p *string) string {
	if p == nil {
		return "<null>"
	}
	return *p
}
