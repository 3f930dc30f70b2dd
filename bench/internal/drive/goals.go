package drive

import (
	"fmt"
	"math"
	"strings"
)

// results finds rows for the goals.
type results struct {
	rows    map[string]*Row // by Row.Name
	clients []string
}

// check is one comparison of a goal: value must be at least, or at most, bound.
type check struct {
	what  string // "records/s of franz"
	value float64
	bound float64
	most  bool // at most
	plain bool // value is no ratio
}

func (c check) known() bool { return !math.IsNaN(c.value) && !math.IsInf(c.value, 0) }

func (c check) met() bool {
	if c.most {
		return c.value <= c.bound
	}
	return c.value >= c.bound
}

// String is 3.42 × records/s of franz; bold if it misses its bound.
func (c check) String() string {
	text := fmt.Sprintf("%.2f × %s", c.value, c.what)
	if c.plain {
		text = number(c.value) + " " + c.what
	}
	if !c.met() {
		text = "**" + text + "**"
	}
	return text
}

// goal is one line of the table of goals.
type goal struct {
	name, want string
	checks     func(*results) []check
}

// writeGoals writes what was wanted, what was reached, and whether that is
// enough. A goal of which nothing was measured is left out.
func writeGoals(b *strings.Builder, rows []Row, clients []string) {
	r := &results{rows: map[string]*Row{}, clients: clients}
	for i := range rows {
		r.rows[rows[i].Name()] = &rows[i]
	}
	b.WriteString("Goals. Ratios of medians, Posthaste's figure over the other's; what misses is bold.\n\n")
	writeHead(b, "scenario", "goal", "figure", "")
	for _, g := range goals() {
		var texts []string
		met, partly := true, false
		for _, c := range g.checks(r) {
			if !c.known() {
				partly = true
				continue
			}
			texts = append(texts, c.String())
			met = met && c.met()
		}
		if len(texts) == 0 {
			continue
		}
		verdict := "met"
		switch {
		case !met:
			verdict = "**missed**"
		case partly:
			verdict = "met as far as measured"
		}
		fmt.Fprintf(b, "| %s | %s | %s | %s |\n", g.name, g.want, strings.Join(texts, " · "), verdict)
	}
	b.WriteString("\n")
}

// against compares Posthaste with the peer that is best in figure.
func (r *results) against(row, what string, figure figure, bound float64) check {
	return r.compare(row, what, figure, bound, r.peer(row, figure))
}

// limit compares Posthaste with the limit loop.
func (r *results) limit(row, what string, figure figure, bound float64) check {
	return r.compare(row, what, figure, bound, "limit")
}

// figure is one of a measurement. More tells which way is better.
type figure struct {
	of   func(*Measurement) float64
	more bool
}

var (
	figureRate   = figure{rate, true}
	figureCPU    = figure{cpu, false}
	figureP50    = figure{p50, false}
	figureP99    = figure{p99, false}
	figureP999   = figure{p999, false}
	figureBroker = figure{brokerCPU, false}
)

func (r *results) median(row, client string, f figure) float64 {
	if r.rows[row] == nil {
		return math.NaN()
	}
	v := r.rows[row].median(client, f.of)
	if v == 0 { // not measured
		return math.NaN()
	}
	return v
}

func (r *results) compare(row, what string, f figure, bound float64, other string) check {
	own, theirs := r.median(row, "posthaste", f), r.median(row, other, f)
	return check{what: what + " of " + other, value: own / theirs, bound: bound, most: !f.more}
}

// peer is the best of the other clients in a figure.
func (r *results) peer(row string, f figure) string {
	best, at := math.NaN(), "no peer"
	for _, c := range r.clients {
		v := r.median(row, c, f)
		if !isPeer(c) || math.IsNaN(v) {
			continue
		}
		if math.IsNaN(best) || (f.more && v > best) || (!f.more && v < best) {
			best, at = v, c
		}
	}
	return at
}

// perCPU compares records per CPU second with those of the best peer, or of the
// limit loop.
func (r *results) perCPU(row, other string, bound float64) check {
	if other == "" {
		other = r.peer(row, figureCPU)
	}
	own, theirs := r.median(row, "posthaste", figureCPU), r.median(row, other, figureCPU)
	return check{what: "records per CPU second of " + other, value: theirs / own, bound: bound}
}

// within compares two rows of Posthaste's own.
func (r *results) within(row, over, what string, f figure, bound float64) check {
	return check{what: what, bound: bound, most: true,
		value: r.median(row, "posthaste", f) / r.median(over, "posthaste", f)}
}

// lowest compares a latency with every peer's: below the best is below all.
func (r *results) lowest(row, what string, f figure) check {
	return r.against(row, what, f, 1)
}
