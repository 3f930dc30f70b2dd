// Command bench-tune shows how good `posthaste tune` is: it has a coarse grid of
// settings measured as a whole and, in the same time, has tune search, both with
// real records against a real broker, and then times the two recommendations
// against each other in interleaved rounds. Run it in the bench directory.
//
//	go run ./cmd/bench-tune --goal latency-p99=20ms --throughput 10000 --data flights.json
//
// It exits with 1 if what tune found is more than 5 % worse than what the grid did.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/bench/internal/drive"
)

// tolerance is how much worse than the grid's the search's settings may be.
const tolerance = 0.05

type settings struct {
	goal      string
	rate      float64
	data      string
	bootstrap string
	time      time.Duration
	rounds    int
	dir       string // of programs and settings
	programs  *drive.Programs
}

func main() {
	var s settings
	flag.StringVar(&s.goal, "goal", "throughput", "as posthaste tune takes it")
	flag.Float64Var(&s.rate, "throughput", -1, "records per second; -1 is as fast as can be")
	flag.StringVar(&s.data, "data", "", "records: lines, or a JSON array; default the shipped earthquakes")
	flag.StringVar(&s.bootstrap, "bootstrap", "",
		"a running broker; empty starts a node of Apache Kafka, which needs a JDK and Maven")
	flag.DurationVar(&s.time, "time", 3*time.Minute, "of each of the two searches")
	flag.IntVar(&s.rounds, "rounds", 7, "of the comparison")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := s.run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench-tune:", err)
		os.Exit(1)
	}
}

func (s *settings) run(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "bench-tune-"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	if s.programs, _, err = drive.Build(ctx, s.dir, []string{"limit"}); err != nil {
		return err
	}
	if s.data, err = s.records(); err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", s.tool(), "./cmd/posthaste")
	build.Dir = s.programs.Root()
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build posthaste: %w\n%s", err, out)
	}
	if s.bootstrap == "" {
		node, err := s.programs.StartKafka(ctx)
		if err != nil {
			return err
		}
		defer node.Close() // its data go with it; nothing depends on how it ends
		s.bootstrap = node.Addr
	}
	grid, err := s.search(ctx, "grid")
	if err != nil {
		return err
	}
	adaptive, err := s.search(ctx, "adaptive")
	if err != nil {
		return err
	}
	return s.compare(ctx, grid, adaptive)
}

func (s *settings) tool() string { return filepath.Join(s.dir, "posthaste") }

// records is a file with a record a line.
func (s *settings) records() (string, error) {
	if s.data == "" {
		return s.programs.Data(), nil
	}
	text, err := os.ReadFile(s.data)
	if err != nil || len(text) == 0 || text[0] != '[' {
		return s.data, err
	}
	var all []json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		return "", fmt.Errorf("%s: %w", s.data, err)
	}
	var b strings.Builder
	for _, r := range all {
		b.Write(r)
		b.WriteByte('\n')
	}
	path := filepath.Join(s.dir, "records.ndjson")
	return path, os.WriteFile(path, []byte(b.String()), 0o600)
}

// found is what a search printed.
type found struct {
	file        string // of its settings
	Measured    int    `json:"measurements"`
	All         []any  `json:"all"`
	Recommended struct {
		Settings map[string]string  `json:"settings"`
		Figures  map[string]float64 `json:"figures"`
	} `json:"recommended"`
}

func (s *settings) search(ctx context.Context, method string) (found, error) {
	f := found{file: filepath.Join(s.dir, method+".properties")}
	err := s.posthaste(ctx, &f, "tune", "--goal", s.goal, "--time", s.time.String(), "--search",
		method, "--out", f.file, "--progress")
	if err != nil {
		return f, err
	}
	fmt.Printf("%s: %d measurements of %d settings: %v\n    %v\n", method, f.Measured, len(f.All),
		f.Recommended.Settings, f.Recommended.Figures)
	return f, nil
}

// compared is what perf --compare printed.
type compared struct {
	Variants []struct {
		Figures map[string]spread `json:"figures"`
		Ratios  map[string]spread `json:"ratios"`
	} `json:"variants"`
}

type spread struct{ Median, Low, High float64 }

// compare times both recommendations and judges the goal's figure.
func (s *settings) compare(ctx context.Context, grid, adaptive found) error {
	records := 300_000
	if s.rate > 0 {
		records = int(4 * s.rate)
	}
	var c compared
	topic := fmt.Sprintf("bench-tune-%x", time.Now().UnixNano())
	err := s.posthaste(ctx, &c, "perf", "--topic", topic, "--partitions", "6",
		"--num-records", strconv.Itoa(records), "--rounds", strconv.Itoa(s.rounds), "--compare",
		grid.file, "--compare", adaptive.file)
	if err != nil {
		return err
	}
	metric, more := s.metric()
	ratio := c.Variants[1].Ratios[metric]
	fmt.Printf("tune over grid, %s: %.3f × (%.3f – %.3f); %s\n", metric, ratio.Median, ratio.Low,
		ratio.High, s.p99(c))
	if worse := ratio.Median - 1; (more && -worse > tolerance) || (!more && worse > tolerance) {
		return errors.New("tune's settings are more than 5 % worse than the grid's best")
	}
	return nil
}

// metric is the figure that the goal is about, and whether more of it is better.
func (s *settings) metric() (name string, more bool) {
	for _, objective := range strings.Split(s.goal, ",") {
		switch strings.TrimSpace(objective) {
		case "throughput":
			return "records_per_second", true
		case "bytes":
			return "wire_bytes_per_record", false
		case "latency-p99":
			return "p99_ms", false
		}
	}
	return "cpu_us_per_record", false // within a limit
}

func (s *settings) p99(c compared) string {
	return fmt.Sprintf("p99 %.3g ms with the grid's, %.3g ms with tune's",
		c.Variants[0].Figures["p99_ms"].Median, c.Variants[1].Figures["p99_ms"].Median)
}

// posthaste runs a command of the tool and reads the JSON that it prints.
func (s *settings) posthaste(ctx context.Context, into any, args ...string) error {
	args = append(args, "--bootstrap-server", s.bootstrap, "--payload-file", s.data, "--json",
		fmt.Sprintf("--throughput=%v", s.rate))
	cmd := exec.CommandContext(ctx, s.tool(), args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("posthaste %s: %w", args[0], err)
	}
	return json.Unmarshal(out, into)
}
