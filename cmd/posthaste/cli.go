package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/schemaregistry"
)

// cli is the whole command line; kong reads it.
type cli struct {
	Broker       brokerCmd       `cmd:"" help:"Run the embedded broker."`
	Topics       topicsCmd       `cmd:"" help:"Create, describe, list, alter and delete topics."`
	Produce      produceCmd      `cmd:"" help:"Produce records from files or standard input."`
	Consume      consumeCmd      `cmd:"" help:"Print the records of a topic."`
	Schema       schemaCmd       `cmd:"" help:"Make, register, compare and evolve schemas."`
	Perf         perfCmd         `cmd:"" help:"Measure how fast records are produced."`
	Tune         tuneCmd         `cmd:"" help:"Find the best producer settings for your records and brokers."`
	Transactions transactionsCmd `cmd:"" help:"List, describe and abort transactions; find hanging ones."`
	Config       configCmd       `cmd:"" help:"Show the producer settings in effect."`
	PartitionOf  partitionOfCmd  `cmd:"" name:"partition-of" help:"Show which partition keys map to."`
	Version      versionCmd      `cmd:"" help:"Print the version."`
	Completion   completionCmd   `cmd:"" help:"Print a completion script for a shell."`
}

// streams is where a command reads, writes and hears signals. Tests give their
// own.
type streams struct {
	in       io.Reader
	out, err io.Writer
	signals  <-chan os.Signal // nil hears none
	kill     func(code int)   // ends the process; for the second signal
}

// env is what a command runs in.
type env struct {
	streams
	ctx      context.Context // ends with errInterrupted at the first signal
	terminal bool            // standard error is one
	drawing  atomic.Bool     // a progress bar is on standard error
	kong     *kong.Kong
}

// warn writes one line about something that does not stop the command.
func (e *env) warn(format string, args ...any) { e.note("warning: "+format, args...) }

// note writes one line that is good to know.
func (e *env) note(format string, args ...any) {
	start := ""
	if e.drawing.Load() {
		start = "\r\x1b[K" // over the bar, which is drawn anew below
	}
	fmt.Fprintf(e.err, "%sposthaste: %s\n", start, oneLine(fmt.Sprintf(format, args...)))
}

// interrupted reports whether a signal has asked the command to end.
func (e *env) interrupted() bool { return errors.Is(context.Cause(e.ctx), errInterrupted) }

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// errInterrupted is the cause of a command's context after a signal.
var errInterrupted = errors.New("interrupted")

// errReported ends a command with exit code 1 when what went wrong has been
// said already.
var errReported = errors.New("failed")

// usageError is a wrong flag or argument: exit code 2.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return &usageError{fmt.Sprintf(format, args...)} }

// run executes one command line and returns its exit code.
func run(args []string, s streams) (code int) {
	e := &env{streams: s}
	if f, ok := s.err.(*os.File); ok {
		e.terminal = term.IsTerminal(int(f.Fd()))
	}
	s.err = &shared{w: s.err}
	e.err = s.err
	ctx, cancel := context.WithCancelCause(context.Background())
	ended := make(chan struct{})
	defer close(ended)
	e.ctx = ctx
	go listen(cancel, s, ended)

	var c cli
	parser, err := newParser(&c, e)
	if err != nil {
		panic("posthaste: the command line's own description is wrong: " + err.Error())
	}
	e.kong = parser
	defer func() { // kong's way to end after --help
		if v := recover(); v != nil {
			asked, ok := v.(exitRequest)
			if !ok {
				panic(v)
			}
			code = int(asked)
		}
	}()
	parsed, err := parser.Parse(normalize(args))
	if err != nil {
		return e.fail(parseError(err))
	}
	return e.fail(parsed.Run(e))
}

// shared is a writer for several goroutines: a command's, its producer's and its
// broker's all write to standard error.
type shared struct {
	mu sync.Mutex
	w  io.Writer
}

// Write writes b in one piece.
func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(b)
}

// listen turns the first signal into the end of the command's context and the
// second into the end of the process.
func listen(cancel context.CancelCauseFunc, s streams, ended <-chan struct{}) {
	defer cancel(nil)
	select {
	case <-s.signals:
		cancel(errInterrupted)
	case <-ended:
		return
	}
	select {
	case <-s.signals:
		s.kill(exitFailed)
	case <-ended:
	}
}

// isInterrupted reports whether err comes from a signal.
func isInterrupted(err error) bool { return errors.Is(err, errInterrupted) }

// exitRequest is how kong's Exit unwinds to run.
type exitRequest int

func newParser(c *cli, e *env) (*kong.Kong, error) {
	return kong.New(c,
		kong.Name("posthaste"),
		kong.Description(withExample("A Kafka producer with a broker of its own.",
			"posthaste produce --topic airports --partitions 6 --key-field iata airports.csv")),
		kong.Writers(e.out, e.err),
		kong.Exit(func(code int) { panic(exitRequest(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 96,
			NoExpandSubcommands: true}),
		kong.UsageOnError(),
		kong.Bind(e),
		kong.Vars{"formats": "lines, ndjson, json, csv, tsv or parquet"},
	)
}

// withExample ends a help text with a command line, which is not wrapped.
func withExample(text, command string) string {
	return strings.TrimLeft(text+"\n\nExample:\n\n\t"+command, "\n")
}

// parseError words what kong says about a command line.
func parseError(err error) error {
	help := "posthaste --help"
	if pe, ok := errors.AsType[*kong.ParseError](err); ok && pe.Context != nil {
		if cmd := pe.Context.Command(); cmd != "" {
			help = "posthaste " + strings.Fields(cmd)[0] + " --help"
		}
	}
	return usagef("%v; see %s", err, help)
}

// fail says what is wrong in one line and returns the exit code for it.
func (e *env) fail(err error) int {
	if err == nil {
		return exitOK
	}
	if !errors.Is(err, errReported) {
		fmt.Fprintf(e.err, "posthaste: %s\n", oneLine(err.Error()))
	}
	var usage *usageError
	var config *posthaste.ConfigError
	if errors.As(err, &usage) || errors.As(err, &config) ||
		errors.Is(err, schemaregistry.ErrConfig) {
		return exitUsage
	}
	return exitFailed
}

// oneLine makes an error that spans lines fit on one.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }),
		"; ")
}
