package drive

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/posthaste-go/posthaste/internal/plot"
)

// WritePlots draws rows into SVG files in dir, makes dir if it is not there, and
// returns the files' names. A plot of which nothing was measured is left out.
func WritePlots(dir string, rows []Row, clients []string) (names []string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	p := plots{results: results{rows: map[string]*Row{}, clients: clients}}
	for i := range rows {
		p.rows[rows[i].Name()] = &rows[i]
	}
	for _, f := range p.all() {
		if len(f.Panels) == 0 {
			continue
		}
		name := filepath.Join(dir, f.name+".svg")
		file, err := os.Create(name)
		if err != nil {
			return names, err
		}
		if err := f.WriteSVG(file); err != nil {
			file.Close()
			return names, err
		}
		if err := file.Close(); err != nil {
			return names, err
		}
		names = append(names, name)
	}
	return names, nil
}

// plots makes figures of the rows it finds.
type plots struct{ results }

type namedFigure struct {
	name string
	plot.Figure
}

// quantity is a figure with its unit.
type quantity struct {
	figure
	title, unit string
	scale       float64
}

var (
	quantityRate   = quantity{figureRate, "Throughput", "records/s", 1}
	quantityCPU    = quantity{figureCPU, "CPU of the client", "µs per record", 1}
	quantityBytes  = quantity{figure{wire, false}, "Size on the wire", "bytes per record", 1}
	quantityBroker = quantity{figureBroker, "CPU of the broker", "µs per record", 1}
	quantityP50    = quantity{figureP50, "p50 latency", "µs", 1}
	quantityP99    = quantity{figureP99, "p99 latency", "µs", 1}
	quantityMemory = quantity{figure{rss, false}, "Memory at its peak", "MB", 1}
)

func (p *plots) all() []namedFigure {
	kafka := func(names ...string) []string {
		for i := range names {
			names[i] += " on kafka"
		}
		return names
	}
	throughput := []string{"throughput-100B", "throughput-100B-bigbatch", "throughput-1KB",
		"throughput-keyed-100B", "defaults"}
	codecs := []string{"lz4-1KB", "zstd-1KB", "snappy-1KB", "gzip-1KB"}
	callers := []string{"concurrent", "concurrent-sync", "sync"}
	return []namedFigure{
		p.bars("throughput", "Throughput on a null broker", throughput, quantityRate, quantityCPU),
		p.bars("compression", "Compressed JSON on a null broker", codecs, quantityCPU, quantityBytes),
		p.bars("callers", "64 callers, and callers that wait, on a null broker", callers,
			quantityRate, quantityCPU),
		p.latency("latency", "Latency at a rate, 1 KB, linger 0, on a null broker", ""),
		p.partitions(),
		p.bars("memory", "Memory with buffer.memory at 32 MiB", []string{"throughput-100B",
			"throughput-1KB", "partitions-1000", "partitions-10000"}, quantityMemory),
		p.sticky(),
		p.bars("kafka", "Throughput on Apache Kafka", kafka("throughput-100B", "throughput-100B-bigbatch",
			"throughput-1KB", "lz4-1KB", "sync", "concurrent-sync"), quantityRate, quantityCPU,
			quantityBroker),
		p.latency("kafka-latency", "Latency at a rate, 1 KB, linger 0, on Apache Kafka", " on kafka"),
	}
}

// begin makes a figure whose series are all clients, so that each has the same
// colour everywhere.
func (p *plots) begin(name, title string, rows []string) (f namedFigure, clients []string) {
	rounds := 0
	for _, row := range rows {
		if r := p.rows[row]; r != nil {
			for _, ms := range r.Measurements {
				rounds = max(rounds, len(ms))
			}
		}
	}
	plural := "s"
	if rounds == 1 {
		plural = ""
	}
	return namedFigure{name, plot.Figure{Title: title, Series: p.clients,
		Subtitle: fmt.Sprintf("Medians of %d interleaved round%s; %s; %s", rounds, plural, Machine(),
			time.Now().UTC().Format(time.DateOnly)),
		Notes: []string{"Whiskers: lowest and highest round. “limit” is no producer: a loop that " +
			"encodes, checksums and writes."}}}, p.clients
}

// bars draws one panel for each quantity, with rows as groups.
func (p *plots) bars(name, title string, rows []string, quantities ...quantity) namedFigure {
	f, clients := p.begin(name, title, rows)
	for _, q := range quantities {
		panel := &plot.Bars{Title: q.title, X: plot.Axis{Label: q.unit}, Note: "less is better",
			Wide: len(quantities) == 1}
		if q.more {
			panel.Note = "more is better"
		}
		for _, row := range rows {
			g := plot.Group{Name: strings.TrimSuffix(row, " on kafka")}
			for i, c := range clients {
				if bar, ok := p.bar(row, c, q); ok {
					bar.Series = i
					g.Bars = append(g.Bars, bar)
				}
			}
			if len(g.Bars) > 0 {
				panel.Groups = append(panel.Groups, g)
			}
		}
		if len(panel.Groups) > 0 {
			f.Panels = append(f.Panels, panel)
		}
	}
	return f
}

func (p *plots) bar(row, client string, q quantity) (plot.Bar, bool) {
	v := p.median(row, client, q.figure)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return plot.Bar{}, false
	}
	bar := plot.Bar{Value: v * q.scale, Low: math.Inf(1), High: math.Inf(-1)}
	ms := p.rows[row].Measurements[client]
	for i := range ms {
		v := q.of(&ms[i]) * q.scale
		bar.Low, bar.High = min(bar.Low, v), max(bar.High, v)
	}
	return bar, true
}

// latency draws the percentiles at each rate.
func (p *plots) latency(name, title, on string) namedFigure {
	rates := []string{"latency-1k" + on, "latency-10k" + on, "latency-50k" + on}
	f, clients := p.begin(name, title, rates)
	f.Notes = []string{"Log scale. Bands: lowest and highest round."}
	at := []struct {
		percentile float64
		figure
	}{{50, figureP50}, {95, figure{p95, false}}, {99, figureP99}, {99.9, figureP999}}
	for _, row := range rates {
		panel := &plot.Curves{Title: strings.TrimSuffix(strings.TrimPrefix(row, "latency-"), on) +
			" records/s", X: plot.Axis{Label: "percentile", Scale: plot.Percentile},
			Y: plot.Axis{Label: "µs", Scale: plot.Log}}
		for i, c := range clients {
			line := plot.Curve{Series: i}
			for _, a := range at {
				if bar, ok := p.bar(row, c, quantity{figure: a.figure, scale: 1}); ok {
					line.Points = append(line.Points, plot.XY{X: a.percentile, Y: bar.Value})
					line.Low, line.High = append(line.Low, bar.Low), append(line.High, bar.High)
				}
			}
			if len(line.Points) > 0 {
				panel.Curves = append(panel.Curves, line)
			}
		}
		if len(panel.Curves) > 0 {
			f.Panels = append(f.Panels, panel)
		}
	}
	return f
}

// partitions draws what a record costs as partitions grow in number.
func (p *plots) partitions() namedFigure {
	counts := []string{"1", "10", "100", "1000", "10000"}
	var rows []string
	for _, n := range counts {
		rows = append(rows, "partitions-"+n)
	}
	f, clients := p.begin("partitions", "Round robin over many partitions, on a null broker", rows)
	f.Notes = []string{"Log scales. Bands: lowest and highest round."}
	for _, q := range []quantity{quantityCPU, quantityRate} {
		panel := &plot.Curves{Title: q.title, Narrow: true,
			X: plot.Axis{Label: "partitions", Scale: plot.Log},
			Y: plot.Axis{Label: q.unit, Scale: plot.Log}}
		for i, c := range clients {
			line := plot.Curve{Series: i}
			for k, row := range rows {
				if bar, ok := p.bar(row, c, q); ok {
					n, _ := strconv.ParseFloat(counts[k], 64) // they are numbers
					line.Points = append(line.Points, plot.XY{X: n, Y: bar.Value})
					line.Low, line.High = append(line.Low, bar.Low), append(line.High, bar.High)
				}
			}
			if len(line.Points) > 0 {
				panel.Curves = append(panel.Curves, line)
			}
		}
		if len(panel.Curves) > 0 {
			f.Panels = append(f.Panels, panel)
		}
	}
	return f
}

// sticky draws both partitioners of every client beside each other.
func (p *plots) sticky() namedFigure {
	return p.bars("sticky", "Sticky against round robin: 16 partitions, 1 KB, 10,000/s",
		[]string{"sticky-linger-0", "roundrobin-linger-0", "sticky-linger-5", "roundrobin-linger-5"},
		quantityP50, quantityP99, quantityCPU)
}
