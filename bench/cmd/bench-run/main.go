// Command bench-run times producers side by side and prints the figures as
// Markdown. Run it in the bench directory; it builds what it needs.
//
//	go run ./cmd/bench-run --scenarios 'throughput-*' --clients limit,posthaste,franz --rounds 5
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/bench/internal/drive"
)

// settings are the command's flags.
type settings struct {
	clients   []string
	scenarios []drive.Scenario
	rounds    int
	raw       string
	from      string // raw lines to make tables and plots of, instead of running
	img       string // directory for plots
	kafka     bool
	sink      bool
	bin       string
	driver    drive.Driver

	failed int // turns that gave no figures
}

func main() {
	s, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench-run:", err)
		os.Exit(2)
	case s == nil:
		return // --list
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench-run:", err)
		os.Exit(1)
	}
}

// parse returns nil settings if the flags ask for the list of scenarios only.
func parse(args []string) (*settings, error) {
	s := &settings{driver: drive.Driver{Override: map[string]string{}}}
	fs := flag.NewFlagSet("bench-run", flag.ContinueOnError)
	clients := fs.String("clients", strings.Join(drive.ClientNames(), ","), "who is timed")
	scenarios := fs.String("scenarios", "*", "comma-separated names or patterns; see --list")
	list := fs.Bool("list", false, "list the scenarios and their flags")
	fs.IntVar(&s.rounds, "rounds", 3, "turns of each client in each scenario")
	fs.StringVar(&s.raw, "raw", "", "append every result to this file, one JSON object a line")
	fs.StringVar(&s.from, "from", "",
		"make tables and plots of a file that --raw wrote; run nothing")
	fs.StringVar(&s.img, "img", "", "draw the figures into SVG files in this directory")
	fs.BoolVar(&s.kafka, "kafka", false,
		"after the null broker, run every row on a node of Apache Kafka as well; needs a JDK and Maven")
	fs.BoolVar(&s.sink, "sink", true,
		"run every row on the null broker; with --sink=false and --kafka only on Kafka")
	fs.StringVar(&s.bin, "bin", "", "keep the built programs in this directory")
	fs.StringVar(&s.driver.Bootstrap, "bootstrap", "",
		"a running broker, HOST:PORT; empty starts a null broker for each turn")
	fs.IntVar(&s.driver.BrokerPID, "broker-pid", 0, "process of --bootstrap, for its CPU time")
	fs.DurationVar(&s.driver.WaitQuiet, "wait-quiet", 0,
		"before each turn wait at most this long for other processes to calm down")
	fs.Func("set", "NAME=VALUE: a client's flag that beats the scenario's; repeatable",
		func(v string) error {
			name, value, ok := strings.Cut(v, "=")
			if !ok {
				return errors.New("want NAME=VALUE")
			}
			s.driver.Override[name] = value
			return nil
		})
	if err := fs.Parse(args); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	var err error
	if s.scenarios, err = drive.Select(*scenarios); err != nil {
		return nil, err
	}
	if *list {
		for _, row := range s.scenarios {
			fmt.Printf("%s: %s\n    %s\n", row.Name, row.About,
				strings.Join(row.Args("posthaste", drive.DataFile, s.driver.Override), " "))
		}
		return nil, nil
	}
	for _, name := range strings.Split(*clients, ",") {
		if !slices.Contains(drive.ClientNames(), name) {
			return nil, fmt.Errorf("no client is called %q: there are %s", name,
				strings.Join(drive.ClientNames(), ", "))
		}
		s.clients = append(s.clients, name)
	}
	switch {
	case s.rounds < 1:
		return nil, fmt.Errorf("--rounds=%d: want at least 1", s.rounds)
	case !s.sink && !s.kafka:
		return nil, errors.New("--sink=false leaves nothing to run without --kafka")
	case s.kafka && s.driver.Bootstrap != "":
		return nil, errors.New("--kafka starts a broker and --bootstrap names one: choose")
	}
	return s, nil
}

// run measures, or reads what was measured, and prints.
func (s *settings) run(ctx context.Context) error {
	if s.from != "" {
		f, err := os.Open(s.from)
		if err != nil {
			return err
		}
		defer f.Close()
		rows, err := drive.ReadRaw(f)
		if err != nil {
			return err
		}
		return s.print(rows)
	}
	rows, err := s.measure(ctx)
	if len(rows) > 0 { // what was measured before an interruption, too
		err = errors.Join(err, s.print(rows))
	}
	if err == nil && s.failed > 0 {
		err = fmt.Errorf("%d turns failed; their causes are above", s.failed)
	}
	return err
}

func (s *settings) print(rows []drive.Row) error {
	if err := drive.WriteTables(os.Stdout, rows, s.clients); err != nil {
		return err
	}
	if lack := drive.Unmeasured(rows); lack != "" {
		fmt.Print("\n" + lack)
	}
	if s.img == "" {
		return nil
	}
	names, err := drive.WritePlots(s.img, rows, s.clients)
	for _, name := range names {
		fmt.Fprintln(os.Stderr, "bench-run: wrote", name)
	}
	return err
}

func (s *settings) measure(ctx context.Context) ([]drive.Row, error) {
	if s.bin == "" {
		dir, err := os.MkdirTemp("", "bench-run-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		s.bin = dir
	}
	programs, warnings, err := drive.Build(ctx, s.bin, s.clients)
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		fmt.Fprintln(os.Stderr, "bench-run:", w)
	}
	s.clients = slices.DeleteFunc(s.clients, func(c string) bool { return !programs.Has(c) })
	s.driver.Programs = programs
	raw := io.Discard
	if s.raw != "" {
		f, err := os.OpenFile(s.raw, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		raw = f
	}
	var rows []drive.Row
	if s.sink {
		rows, err = s.rows(ctx, json.NewEncoder(raw))
	}
	if err != nil || !s.kafka {
		return rows, err
	}
	node, err := programs.StartKafka(ctx)
	if err != nil {
		return rows, err
	}
	s.driver.Bootstrap, s.driver.BrokerPID = node.Addr, node.PID
	more, err := s.rows(ctx, json.NewEncoder(raw))
	return append(rows, more...), errors.Join(err, node.Close())
}

// rows runs every scenario on the driver's broker.
func (s *settings) rows(ctx context.Context, raw *json.Encoder) ([]drive.Row, error) {
	var rows []drive.Row
	for i := range s.scenarios {
		if s.kafka && s.driver.Bootstrap != "" && s.scenarios[i].SinkOnly {
			continue
		}
		row, err := s.row(ctx, &s.scenarios[i], raw)
		if len(row.Measurements) > 0 {
			rows = append(rows, row)
		}
		if err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// row runs all rounds of one scenario. In each round another client begins, so
// that none always follows the same neighbour. A client's failure is reported and
// leaves a gap; it does not end the run.
func (s *settings) row(ctx context.Context, scenario *drive.Scenario, raw *json.Encoder,
) (drive.Row, error) {
	row := drive.Row{Scenario: scenario, Broker: drive.OnSink,
		Measurements: map[string][]drive.Measurement{}}
	if s.driver.Bootstrap != "" {
		row.Broker = drive.OnKafka
	}
	for round := range s.rounds {
		for i := range s.clients {
			client := s.clients[(i+round)%len(s.clients)]
			if slices.Contains(scenario.Without, client) {
				continue
			}
			m, err := s.driver.Measure(ctx, scenario, client)
			if ctx.Err() != nil {
				return row, ctx.Err()
			}
			if err != nil {
				fmt.Fprintf(os.Stderr, "%s: %s: %v\n", scenario.Name, client, err)
				s.failed++
				continue
			}
			m.Round = round + 1
			row.Measurements[client] = append(row.Measurements[client], m)
			fmt.Fprintf(os.Stderr, "%s %s %d/%d %s: %.0f records/s, %.3f CPU s per million\n",
				time.Now().Format(time.TimeOnly), scenario.Name, m.Round, s.rounds, client,
				m.RecordsPerSec, m.CPUPerMRecords)
			if err := raw.Encode(m); err != nil {
				return row, err
			}
		}
	}
	return row, nil
}
