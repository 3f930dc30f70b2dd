package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/compare"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/tune"
	"github.com/posthaste-go/posthaste/internal/plot"
)

// tuning is one run of the tune command.
type tuning struct {
	e        *env
	cmd      *tuneCmd
	goal     tune.Goal
	embedded bool // the broker's CPU time is in the figures

	outcome tune.Outcome
	took    time.Duration
}

// search runs the search and keeps its outcome.
func (t *tuning) search(m *tuneMeasurer) error {
	begun := time.Now()
	s := tune.Search{Space: tune.Default(), Goal: t.goal, Measurer: m, Reference: m.reference(),
		Budget: func() float64 { return 1 - time.Since(begun).Seconds()/t.cmd.Time.Seconds() }}
	if t.cmd.Search == "grid" {
		s.Space, s.Method = tune.Coarse(), tune.Grid
	}
	if t.e.terminal || t.cmd.Progress {
		s.Progress = func(stage string, candidates int) {
			t.e.note("%s: measuring %d settings, %.0f s left", stage, candidates,
				max(0, (t.cmd.Time-time.Since(begun)).Seconds()))
		}
	}
	var err error
	t.outcome, err = s.Run(t.e.ctx)
	t.took = time.Since(begun)
	return err
}

// conclude prints, writes and draws what was found, and decides how the command
// ends.
func (t *tuning) conclude(failure error) error {
	if t.outcome.Measurements == 0 {
		return failure
	}
	var err error
	if t.cmd.JSON {
		err = json.NewEncoder(t.e.out).Encode(t.json(isInterrupted(failure)))
	} else {
		_, err = io.WriteString(t.e.out, t.text())
	}
	if err != nil {
		return fmt.Errorf("cannot write the report: %w", err)
	}
	if err := writePlot(t.e, t.cmd.Plot, t.figure(), t.table()); err != nil {
		return err
	}
	switch {
	case isInterrupted(failure):
		return errors.New("interrupted before the search was over; what it found so far is above")
	case failure != nil:
		return failure
	case !t.outcome.Best.Met:
		return fmt.Errorf("no setting meets the goal (%v); the nearest has p99 %.3g ms at %.0f "+
			"records/s: allow more, ask for less, or look at what the brokers do", t.goal,
			t.outcome.Best.Figures.P99, t.outcome.Best.Figures.Rate)
	case t.cmd.Out != "":
		return t.writeProperties()
	}
	return nil
}

// writeProperties writes the recommendation as a file that producers read.
func (t *tuning) writeProperties() error {
	if err := os.WriteFile(t.cmd.Out, []byte(t.properties()), 0o644); err != nil {
		return fmt.Errorf("cannot write the settings: %w", err)
	}
	t.e.note("wrote %s", t.cmd.Out)
	return nil
}

func (t *tuning) properties() string {
	best := t.outcome.Best
	var b strings.Builder
	fmt.Fprintf(&b, "# Found by posthaste tune: %v.\n# Measured %d times: %s.\n", t.goal,
		best.Measured, figuresInWords(best.Figures))
	for _, p := range best.Settings.Properties() {
		fmt.Fprintf(&b, "%s=%s\n", p.Key, p.Value)
	}
	return b.String()
}

func figuresInWords(f tune.Figures) string {
	return fmt.Sprintf("%s records/s, p99 %v, %.3g µs of CPU and %.4g bytes on the wire per record",
		report.Count(int64(f.Rate)), report.Millis(f.P99), f.CPU, f.Bytes)
}

// tuneCandidate is a setting in the JSON report.
type tuneCandidate struct {
	Settings map[string]string         `json:"settings"`
	Figures  map[string]compare.Figure `json:"figures"`
	Measured int                       `json:"measured"` // times
	Noise    compare.Figure            `json:"noise"`    // of what the goal is about, 0.05 is 5 %
	Met      bool                      `json:"met"`
}

func newTuneCandidate(c *tune.Candidate) *tuneCandidate {
	if c == nil {
		return nil
	}
	out := &tuneCandidate{Settings: map[string]string{}, Measured: c.Measured, Met: c.Met,
		Noise: compare.Figure(c.Noise), Figures: map[string]compare.Figure{
			"records_per_second":    compare.Figure(c.Figures.Rate),
			"p99_ms":                compare.Figure(c.Figures.P99),
			"cpu_us_per_record":     compare.Figure(c.Figures.CPU),
			"wire_bytes_per_record": compare.Figure(c.Figures.Bytes)}}
	for _, p := range c.Settings.Properties() {
		out.Settings[p.Key] = p.Value
	}
	return out
}

// tuneReport is what --json prints.
type tuneReport struct {
	Goal         string           `json:"goal"`
	Throughput   report.Rate      `json:"throughput"` // asked for; -1: no limit
	Met          bool             `json:"met"`
	Recommended  *tuneCandidate   `json:"recommended"`
	Configured   *tuneCandidate   `json:"configured"` // the settings in force without the search
	Front        []*tuneCandidate `json:"front"`
	All          []*tuneCandidate `json:"all"` // best first
	Measurements int              `json:"measurements"`
	Seconds      report.Seconds   `json:"seconds"`
	Interrupted  bool             `json:"interrupted"`
	Notes        []string         `json:"notes"`
}

func (t *tuning) json(interrupted bool) *tuneReport {
	list := func(all []tune.Candidate) []*tuneCandidate {
		out := []*tuneCandidate{}
		for i := range all {
			out = append(out, newTuneCandidate(&all[i]))
		}
		return out
	}
	o := &t.outcome
	return &tuneReport{Goal: t.cmd.Goal, Throughput: report.Rate(t.cmd.Throughput), Met: o.Best.Met,
		Recommended: newTuneCandidate(&o.Best), Configured: newTuneCandidate(o.Reference),
		Front: list(o.Front), All: list(o.All), Measurements: o.Measurements,
		Seconds: report.Seconds(t.took.Seconds()), Interrupted: interrupted, Notes: t.notes()}
}

func (t *tuning) notes() []string {
	if t.embedded {
		return []string{sharedCPU}
	}
	return []string{}
}

// text is the report for people.
func (t *tuning) text() string {
	o := &t.outcome
	x, y := t.goal.Axes()
	var b strings.Builder
	fmt.Fprintf(&b, "\n  %v\n  %s of %s in %s\n\n", t.goal,
		report.Plural(int64(o.Measurements), "measurement"),
		report.Plural(int64(len(o.All)), "setting"), report.Duration(t.took.Seconds()))
	fmt.Fprintf(&b, "  Pareto front, %s against %s (▶ recommended, ✗ beyond a limit)\n\n", x.Label,
		y.Label)
	b.WriteString(compare.Align(t.rows()))
	b.WriteString("\n")
	if r := o.Reference; r != nil && r.Settings != o.Best.Settings {
		b.WriteString(report.Wrap("  ", "as configured: "+r.Settings.String()+": "+
			figuresInWords(r.Figures)+unmet(r), 96))
	}
	b.WriteString(report.Wrap("  ", "recommended: "+o.Best.Settings.String()+": "+
		figuresInWords(o.Best.Figures)+unmet(&o.Best)+t.gain(), 96))
	b.WriteString("\n")
	for _, p := range o.Best.Settings.Properties() {
		fmt.Fprintf(&b, "    %s=%s\n", p.Key, p.Value)
	}
	for _, note := range t.notes() {
		b.WriteString("\n" + report.Wrap("  ", note, 96))
	}
	return b.String() + "\n"
}

func unmet(c *tune.Candidate) string {
	if c.Met {
		return ""
	}
	return " (misses the goal's limits)"
}

// gain says what the recommendation is better by.
func (t *tuning) gain() string {
	r, best := t.outcome.Reference, t.outcome.Best
	if r == nil || !r.Met || r.Settings == best.Settings {
		return ""
	}
	f, g := best.Figures, r.Figures
	switch t.goal.Objective {
	case tune.Throughput:
		return fmt.Sprintf("; %.2f × the records/s", f.Rate/g.Rate)
	case tune.Latency:
		return fmt.Sprintf("; %.2f × the p99", f.P99/g.P99)
	case tune.Bytes:
		return fmt.Sprintf("; %.2f × the bytes", f.Bytes/g.Bytes)
	}
	return fmt.Sprintf("; %.2f × the CPU time", f.CPU/g.CPU)
}

// rows are the front, with the recommendation and the settings as configured in
// it whether they are on it or not.
func (t *tuning) rows() [][]string {
	o := &t.outcome
	rows := [][]string{{"", "records/s", "p99, ms", "CPU µs/record", "bytes/record"}}
	shown := slices.Clone(o.Front)
	if !slices.ContainsFunc(shown, func(c tune.Candidate) bool {
		return c.Settings == o.Best.Settings
	}) {
		shown = append(shown, o.Best)
	}
	for _, c := range shown {
		mark := "  "
		switch {
		case c.Settings == o.Best.Settings:
			mark = "▶ "
		case !c.Met:
			mark = "✗ "
		}
		row := cells(&c)
		row[0] = mark + row[0]
		rows = append(rows, row)
	}
	return rows
}

func cells(c *tune.Candidate) []string {
	f := c.Figures
	return []string{c.Settings.String(), report.Count(int64(f.Rate)), compare.Value(f.P99),
		compare.Value(f.CPU), compare.Value(f.Bytes)}
}

// table lists everything that was measured, for the page.
func (t *tuning) table() plot.Table {
	table := plot.Table{Caption: "All settings that were measured, best first",
		Head: []string{"settings", "records/s", "p99, ms", "CPU µs/record", "bytes/record", "times"}}
	for _, c := range t.outcome.All {
		table.Rows = append(table.Rows, append(cells(&c), fmt.Sprint(c.Measured)))
	}
	return table
}

// figure draws every setting between the goal's two axes.
func (t *tuning) figure() *plot.Figure {
	o := &t.outcome
	x, y := t.goal.Axes()
	f := &plot.Figure{Title: "posthaste tune", Subtitle: fmt.Sprintf("%v: %s of %s", t.goal,
		report.Plural(int64(o.Measurements), "measurement"),
		report.Plural(int64(len(o.All)), "setting")),
		Notes: append([]string{"Pale points were measured once. The dashed line is the Pareto front: " +
			"nothing that was measured is better in both directions."}, t.notes()...)}
	series := map[string]int{}
	place := func(c *tune.Candidate) plot.Point {
		codec := c.Settings.Compression.Type
		if _, ok := series[codec]; !ok {
			series[codec] = len(f.Series)
			f.Series = append(f.Series, codec)
		}
		return plot.Point{XY: plot.XY{X: x.Of(c.Figures), Y: y.Of(c.Figures)}, Series: series[codec],
			Faint: c.Measured < 2, Name: c.Settings.String()}
	}
	p := &plot.Scatter{Title: "What was measured", X: plot.Axis{Label: x.Label, Scale: plot.Log},
		Y: plot.Axis{Label: y.Label, Scale: plot.Log}}
	best := place(&o.Best)
	for i := range o.All {
		p.Points = append(p.Points, place(&o.All[i]))
	}
	for i := range o.Front {
		p.Front = append(p.Front, place(&o.Front[i]).XY)
	}
	p.Chosen = &best
	if x.Label == "p99 latency, ms" {
		p.Limit = t.goal.Limit.Seconds() * 1000
	}
	f.Panels = []plot.Panel{p}
	return f
}
