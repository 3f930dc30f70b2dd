package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/posthaste-go/posthaste"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/compare"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/load"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
	"github.com/posthaste-go/posthaste/internal/plot"
)

// sharedCPU is said where CPU time is not the producer's alone.
const sharedCPU = "The embedded broker runs in this process, so its CPU time is in the figures; " +
	"with --bootstrap-server they are the producer's alone."

// comparison is one run of perf --compare.
type comparison struct {
	e        *env
	cmd      *perfCmd
	payloads payloads
	variants []variant
	report   *compare.Report
}

// compare times the variants of --compare in interleaved rounds.
func (c *perfCmd) compare(e *env, cl *cluster, values payloads) error {
	variants, err := c.variants(cl.cfg)
	if err != nil {
		return err
	}
	run := &comparison{e: e, cmd: c, payloads: values, variants: variants}
	run.report = &compare.Report{Topic: c.Topic, RecordsPerRound: c.NumRecords - c.warmup(),
		Throughput: report.Rate(c.Throughput), Notes: []string{}}
	if cl.embedded != nil {
		run.report.Notes = append(run.report.Notes, sharedCPU)
	}
	for i := range variants {
		if err := c.fits(e, &variants[i], &cl.cfg); err != nil {
			return err
		}
		run.report.Variants = append(run.report.Variants, &compare.Variant{Name: variants[i].name,
			Settings: variants[i].settings})
	}
	return run.conclude(run.all())
}

// fits refuses variants that cannot be timed, and warns about settings that have
// no effect, which would make a comparison of nothing.
func (c *perfCmd) fits(e *env, v *variant, base *posthaste.Config) error {
	if v.cfg.TransactionalID != "" {
		return usagef("--compare times records outside of transactions; leave out transactional.id")
	}
	known := base.Warnings()
	for _, text := range v.cfg.Warnings() {
		if !slices.Contains(known, text) {
			e.warn("%s: %s", v.name, text)
		}
	}
	return nil
}

// warmup is how many records of a turn are not counted.
func (c *perfCmd) warmup() int64 {
	if c.WarmupRecords > 0 {
		return c.WarmupRecords
	}
	return min(c.NumRecords/10, 100_000)
}

// all runs the rounds. Each begins with another variant, so that none always
// follows the same neighbour.
func (r *comparison) all() error {
	for round := range r.cmd.Rounds {
		for i := range r.variants {
			i = (i + round) % len(r.variants)
			v := r.report.Variants[i]
			result, err := r.turn(&r.variants[i])
			if err != nil {
				return fmt.Errorf("%s: %w", v.Name, err)
			}
			v.Turns = append(v.Turns, result)
			if r.e.terminal || r.cmd.Progress {
				r.e.note("round %d of %d, %s: %s records/s, p99 %v", round+1, r.cmd.Rounds, v.Name,
					report.Count(int64(report.Per(result.Records, result.Elapsed))),
					result.Latency.Figures().P99)
			}
		}
		r.report.Rounds = round + 1
	}
	return nil
}

// turn gives a variant a producer of its own, warms it up and measures it.
func (r *comparison) turn(v *variant) (result load.Result, err error) {
	p, err := posthaste.NewProducer(v.cfg)
	if err != nil {
		return result, err
	}
	defer func() { // bounded by delivery.timeout.ms; a second signal ends the process
		err = errors.Join(err, p.Close(context.Background()))
	}()
	work := load.Workload{Topic: r.cmd.Topic, Value: r.payloads, Rate: max(r.cmd.Throughput, 0),
		Records: r.cmd.warmup()}
	if work.Records > 0 {
		if _, err := load.Run(r.e.ctx, p, &work); err != nil {
			return result, err
		}
	}
	runtime.GC() // what others left behind is not this one's to clear away
	work.Records = r.cmd.NumRecords - r.cmd.warmup()
	return load.Run(r.e.ctx, p, &work)
}

// conclude prints what there is, writes the plot and decides how the command
// ends.
func (r *comparison) conclude(failure error) error {
	r.report.Interrupted = isInterrupted(failure)
	var failed int64
	for _, v := range r.report.Variants {
		for i := range v.Turns {
			failed += v.Turns[i].Failed
		}
	}
	if r.report.Rounds == 0 && failure != nil {
		return failure
	}
	if err := r.write(); err != nil {
		return errors.Join(failure, err)
	}
	switch {
	case r.report.Interrupted:
		return fmt.Errorf("interrupted after %s of %d",
			report.Plural(int64(r.report.Rounds), "round"), r.cmd.Rounds)
	case failure != nil:
		return failure
	case failed > 0:
		return fmt.Errorf("%s not acknowledged", report.Plural(failed, "record"))
	}
	return nil
}

func (r *comparison) write() error {
	var err error
	if r.cmd.JSON {
		err = json.NewEncoder(r.e.out).Encode(r.report)
	} else {
		err = r.report.WriteText(r.e.out)
	}
	if err != nil {
		return fmt.Errorf("cannot write the report: %w", err)
	}
	return writePlot(r.e, r.cmd.Plot, r.report.Figure(), r.report.Table())
}

// checkPlot refuses a --plot that is no file for a plot.
func checkPlot(path string) error {
	switch strings.ToLower(filepath.Ext(path)) {
	case "":
		if path == "" {
			return nil
		}
	case ".svg", ".html", ".htm":
		return nil
	}
	return usagef("--plot %s: the file's name must end with .svg or .html", path)
}

// writePlot writes f to the file at path, as its name's end says. An empty path
// writes nothing.
func writePlot(e *env, path string, f *plot.Figure, tables ...plot.Table) (err error) {
	if path == "" {
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("cannot write the plot: %w", err)
	}
	defer func() {
		if closing := file.Close(); err == nil && closing != nil {
			err = fmt.Errorf("cannot write the plot: %w", closing)
		}
	}()
	if strings.EqualFold(filepath.Ext(path), ".svg") {
		err = f.WriteSVG(file)
	} else {
		err = f.WriteHTML(file, tables...)
	}
	if err != nil {
		return fmt.Errorf("cannot write the plot: %w", err)
	}
	e.note("wrote %s", path)
	return nil
}

// plotRun draws a single run.
func (c *perfCmd) plotRun(e *env, run *perfRun, m posthaste.Metrics) error {
	total := run.stats.total
	r := compare.Report{Topic: c.Topic, Rounds: 1, RecordsPerRound: total.records,
		Throughput: report.Rate(c.Throughput)}
	r.Variants = []*compare.Variant{{Name: "as configured", Turns: []load.Result{{
		Records: total.records, Bytes: total.bytes, Elapsed: run.ended.Sub(total.begun),
		CPU: run.cpu, Latency: total.latency, Batches: m.Batches, Requests: m.Requests,
		RawBytes: m.BytesUncompressed, WireBytes: m.BytesCompressed}}}}
	return writePlot(e, c.Plot, r.Figure(), r.Table())
}
