package drive

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

// Row is all measurements of one scenario.
type Row struct {
	Scenario     *Scenario
	Broker       string                   // OnSink, OnKafka
	Measurements map[string][]Measurement // by client, in the order of rounds
}

// Name is the scenario's, with the broker if that is a real one.
func (r *Row) Name() string {
	if r.Broker == OnKafka {
		return r.Scenario.Name + " on kafka"
	}
	return r.Scenario.Name
}

// median is the middle of a figure over a client's rounds, NaN if there is none.
func (r *Row) median(client string, figure func(*Measurement) float64) float64 {
	values := make([]float64, 0, len(r.Measurements[client]))
	for i := range r.Measurements[client] {
		values = append(values, figure(&r.Measurements[client][i]))
	}
	if len(values) == 0 {
		return math.NaN()
	}
	slices.Sort(values)
	mid := len(values) / 2
	if len(values)%2 == 1 {
		return values[mid]
	}
	return (values[mid-1] + values[mid]) / 2
}

// spread is the largest over the smallest of a client's records per second.
func (r *Row) spread(client string) float64 {
	ms := r.Measurements[client]
	if len(ms) == 0 {
		return math.NaN()
	}
	byRate := func(a, b Measurement) int { return cmp.Compare(a.RecordsPerSec, b.RecordsPerSec) }
	return slices.MaxFunc(ms, byRate).RecordsPerSec / slices.MinFunc(ms, byRate).RecordsPerSec
}

func brokerCPU(m *Measurement) float64 { return m.BrokerCPUPerMRecords }

func rate(m *Measurement) float64  { return m.RecordsPerSec }
func cpu(m *Measurement) float64   { return m.CPUPerMRecords }
func p50(m *Measurement) float64   { return m.P50Micros }
func p95(m *Measurement) float64   { return m.P95Micros }
func p99(m *Measurement) float64   { return m.P99Micros }
func p999(m *Measurement) float64  { return m.P999Micros }
func rss(m *Measurement) float64   { return m.MaxRSSMB }
func batch(m *Measurement) float64 { return perUnit(m, 1) }
func wire(m *Measurement) float64  { return perUnit(m, 2) }

func allocs(m *Measurement) float64 {
	if m.AllocsPerRecord == nil {
		return math.NaN()
	}
	return *m.AllocsPerRecord
}

// perUnit is records per batch (1) or bytes on the wire per record (2), NaN where
// the broker does not count.
func perUnit(m *Measurement, what int) float64 {
	switch {
	case m.Sink == nil || m.Sink.Batches == 0 || m.Sink.Records == 0:
		return math.NaN()
	case what == 1:
		return float64(m.Sink.Records) / float64(m.Sink.Batches)
	default:
		return float64(m.Sink.Bytes) / float64(m.Sink.Records)
	}
}

// remarks are the marks behind a scenario's name: * if other load disturbed a
// round, ! if a broker did not have just the records a client says.
func (r *Row) remarks() (marks string) {
	disturbed, unchecked := false, false
	for _, ms := range r.Measurements {
		for i := range ms {
			disturbed = disturbed || ms[i].Load.Disturbed()
			unchecked = unchecked || !ms[i].Checked()
		}
	}
	if disturbed {
		marks += " *"
	}
	if unchecked {
		marks += " !"
	}
	return marks
}

// WriteTables writes the figures as Markdown: all clients, then Posthaste against
// the limit loop and the best peer, then what the records cost beside time.
func WriteTables(w io.Writer, rows []Row, clients []string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s.\n\n", Machine(), time.Now().UTC().Format(time.DateOnly))
	b.WriteString(legend)
	if slices.Contains(clients, "posthaste") {
		writeGoals(&b, rows, clients)
	}
	writeFigures(&b, rows, clients)
	if slices.Contains(clients, "posthaste") {
		writeRatios(&b, rows, clients)
	}
	writeCosts(&b, rows, clients)
	writeBrokerCPU(&b, rows, clients)
	_, err := io.WriteString(w, b.String())
	return err
}

const legend = "Cells: records/s · CPU seconds of the client per million records; for latency\n" +
	"rows p50 / p99 / p99.9. Medians. `*`: other load on the machine, trust factors of two;\n" +
	"`!`: failed records, or a client and the broker disagree on their number.\n\n"

func writeHead(b *strings.Builder, columns ...string) {
	fmt.Fprintf(b, "| %s |\n|%s\n", strings.Join(columns, " | "), strings.Repeat("---|", len(columns)))
}

func writeFigures(b *strings.Builder, rows []Row, clients []string) {
	writeHead(b, append([]string{"scenario"}, clients...)...)
	for i := range rows {
		r := &rows[i]
		fmt.Fprintf(b, "| %s%s |", r.Name(), r.remarks())
		for _, c := range clients {
			switch {
			case len(r.Measurements[c]) == 0:
				b.WriteString(" – |")
			case r.Scenario.Latency:
				fmt.Fprintf(b, " %s / %s / %s |", duration(r.median(c, p50)),
					duration(r.median(c, p99)), duration(r.median(c, p999)))
			default:
				fmt.Fprintf(b, " %s · %.3g |", count(r.median(c, rate)), r.median(c, cpu))
			}
		}
		b.WriteString("\n")
	}
}

// writeRatios compares Posthaste: above 1 it is the better one, in latency, too.
func writeRatios(b *strings.Builder, rows []Row, clients []string) {
	b.WriteString("\nPosthaste against the best peer in each figure, and against the limit loop:\n" +
		"above 1, Posthaste is ahead. Spread: the fastest of its rounds over the slowest.\n\n")
	writeHead(b, "scenario", "records/s", "per CPU second", "p50", "p99", "p99.9",
		"limit: records/s", "limit: per CPU second", "limit: p50", "limit: p99", "rounds", "spread")
	for i := range rows {
		r := &rows[i]
		if len(r.Measurements["posthaste"]) == 0 {
			continue
		}
		ahead := func(figure func(*Measurement) float64, more bool, limit bool) string {
			return ratio(r.ahead(figure, more, limit, clients))
		}
		cells := []string{r.Name() + r.remarks()}
		if r.Scenario.Latency {
			cells = append(cells, "–", ahead(cpu, false, false), ahead(p50, false, false),
				ahead(p99, false, false), ahead(p999, false, false), "–", ahead(cpu, false, true),
				ahead(p50, false, true), ahead(p99, false, true))
		} else {
			cells = append(cells, ahead(rate, true, false), ahead(cpu, false, false), "–", "–", "–",
				ahead(rate, true, true), ahead(cpu, false, true), "–", "–")
		}
		cells = append(cells, fmt.Sprint(len(r.Measurements["posthaste"])),
			ratio(r.spread("posthaste")))
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
	}
}

// ahead is Posthaste's figure over the other's if more is better, else the other
// way round. The other is the limit loop or the best peer.
func (r *Row) ahead(figure func(*Measurement) float64, more, limit bool, clients []string) float64 {
	own, other := r.median("posthaste", figure), math.NaN()
	for _, c := range clients {
		if c == "posthaste" || (c == "limit") != limit {
			continue
		}
		value := r.median(c, figure)
		if math.IsNaN(other) || (more && value > other) || (!more && value < other) {
			other = value
		}
	}
	if more {
		return own / other
	}
	return other / own
}

func writeCosts(b *strings.Builder, rows []Row, clients []string) {
	b.WriteString("\nAllocations per record · peak MB · records per batch · bytes on the wire per\n" +
		"record:\n\n")
	writeHead(b, append([]string{"scenario"}, clients...)...)
	for i := range rows {
		r := &rows[i]
		fmt.Fprintf(b, "| %s |", r.Name())
		for _, c := range clients {
			if len(r.Measurements[c]) == 0 {
				b.WriteString(" – |")
				continue
			}
			fmt.Fprintf(b, " %s · %s · %s · %s |", number(r.median(c, allocs)),
				number(r.median(c, rss)), number(r.median(c, batch)), number(r.median(c, wire)))
		}
		b.WriteString("\n")
	}
}

// writeBrokerCPU tells what the records cost a real broker.
func writeBrokerCPU(b *strings.Builder, rows []Row, clients []string) {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r Row) bool {
		return r.Broker != OnKafka || !slices.ContainsFunc(clients, func(c string) bool {
			return r.median(c, brokerCPU) > 0
		})
	})
	if len(rows) == 0 {
		return
	}
	b.WriteString("\nCPU seconds of the broker per million records:\n\n")
	writeHead(b, append([]string{"scenario"}, clients...)...)
	for i := range rows {
		fmt.Fprintf(b, "| %s |", rows[i].Name())
		for _, c := range clients {
			fmt.Fprintf(b, " %s |", number(rows[i].median(c, brokerCPU)))
		}
		b.WriteString("\n")
	}
}

func isPeer(client string) bool { return client != "posthaste" && client != "limit" }

// count writes records per second with three digits or so: 19.41 M, 515 k, 98.
func count(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v >= 1e6:
		return fmt.Sprintf("%.2f M", v/1e6)
	case v >= 1e5:
		return fmt.Sprintf("%.0f k", v/1e3)
	case v >= 1e3:
		return fmt.Sprintf("%.1f k", v/1e3)
	default:
		return fmt.Sprintf("%.0f", v)
	}
}

func duration(micros float64) string {
	switch {
	case math.IsNaN(micros):
		return "–"
	case micros >= 1000:
		return fmt.Sprintf("%.1f ms", micros/1000)
	default:
		return fmt.Sprintf("%.0f µs", micros)
	}
}

func ratio(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "–"
	}
	return fmt.Sprintf("%.2f ×", v)
}

func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "–"
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}
