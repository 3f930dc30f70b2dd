package compare

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
	"github.com/posthaste-go/posthaste/internal/plot"
)

// letter names a variant in tables.
func letter(i int) string { return string(rune('A' + i)) }

// WriteText writes the variants, their medians, and their ratios to the first.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	b.WriteString("\n  " + r.headline() + "\n\n")
	for i, v := range r.Variants {
		fmt.Fprintf(&b, "  %s  %s\n", letter(i), v.Name)
	}
	rows := [][]string{r.head()}
	for i := range Metrics {
		rows = append(rows, r.row(&Metrics[i]))
	}
	b.WriteString("\n" + Align(rows) + "\n")
	b.WriteString(report.Wrap("  ", "Medians; in brackets the ratio to A, round by round: its median, "+
		"lowest and highest. ▲ better, ▼ worse, ≠ different in every round; · no difference that "+
		"the rounds agree on.", 96))
	for _, note := range r.Notes {
		b.WriteString(report.Wrap("  ", note, 96))
	}
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) headline() string {
	rate := "as fast as can be"
	if r.Throughput > 0 {
		rate = "at " + report.Count(int64(r.Throughput)) + " a second"
	}
	text := fmt.Sprintf("%s of %s each to topic %s, %s", report.Plural(int64(r.Rounds), "round"),
		report.Plural(r.RecordsPerRound, "record"), r.Topic, rate)
	if r.Interrupted {
		text += "; interrupted"
	}
	return text
}

func (r *Report) head() []string {
	cells := []string{""}
	for i := range r.Variants {
		cells = append(cells, letter(i))
		if i > 0 {
			cells = append(cells, letter(i)+" / A")
		}
	}
	return cells
}

func (r *Report) row(m *Metric) []string {
	cells := []string{m.Label}
	for i, v := range r.Variants {
		cells = append(cells, Value(float64(v.Values(m).Median)))
		if i > 0 {
			cells = append(cells, m.ratio(v.Ratios(r.Variants[0], m)))
		}
	}
	return cells
}

// ratio writes 1.90 × (1.85 – 1.97) ▲.
func (m *Metric) ratio(s Spread) string {
	if math.IsNaN(float64(s.Median)) {
		return "–"
	}
	sign := map[Verdict]string{Same: "·", Better: "▲", Worse: "▼", Other: "≠"}[m.Judge(s)]
	return fmt.Sprintf("%.2f × (%.2f – %.2f) %s", s.Median, s.Low, s.High, sign)
}

// Value writes a figure with as many digits as it deserves.
func Value(v float64) string {
	switch size := math.Abs(v); {
	case math.IsNaN(v):
		return "–"
	case size >= 1000:
		return report.Count(int64(math.Round(v)))
	case size >= 100:
		return fmt.Sprintf("%.0f", v)
	case size >= 10:
		return fmt.Sprintf("%.1f", v)
	case size >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3f", v)
}

// Align writes rows in columns, the first to the left and the others to the
// right.
func Align(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := "  "
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line += cell + pad
			} else {
				line += "   " + pad + cell
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// percentiles are where the latency curve has its points.
var percentiles = []float64{0, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 97, 98, 99,
	99.3, 99.5, 99.7, 99.8, 99.9, 99.93, 99.95, 99.97, 99.98, 99.99}

// Figure draws the latencies and the figures beside each other.
func (r *Report) Figure() *plot.Figure {
	f := &plot.Figure{Title: "posthaste perf --compare", Subtitle: r.headline(),
		Notes: append([]string{"Curves and bars are medians of the rounds; bands and whiskers go " +
			"from the lowest to the highest round."}, r.Notes...)}
	latency := "latency from Send to acknowledgement, ms"
	if r.Throughput > 0 {
		latency = "latency from when a record was due to its acknowledgement, ms"
	}
	curves := &plot.Curves{Title: "Latency by percentile",
		X: plot.Axis{Label: "percentile of records", Scale: plot.Percentile},
		Y: plot.Axis{Label: latency, Scale: plot.Log}}
	for i, v := range r.Variants {
		f.Series = append(f.Series, letter(i)+"  "+v.Name)
		if len(v.Turns) > 0 {
			curves.Curves = append(curves.Curves, v.curve(i))
		}
	}
	f.Panels = []plot.Panel{curves}
	for _, p := range []struct{ metric, title, unit string }{
		{"records_per_second", "Throughput", "records/s"},
		{"cpu_us_per_record", "CPU of this process", "µs per record"},
		{"wire_bytes_per_record", "Size on the wire", "bytes per record"},
		{"records_per_batch", "Batches", "records per batch"},
	} {
		m := ByName(p.metric)
		note := "less is better"
		switch {
		case m.Neutral:
			note = ""
		case m.More:
			note = "more is better"
		}
		f.Panels = append(f.Panels, r.bars(m, &plot.Bars{Title: p.title, Note: note,
			X: plot.Axis{Label: p.unit}}))
	}
	return f
}

func (r *Report) bars(m *Metric, p *plot.Bars) *plot.Bars {
	var g plot.Group
	for i, v := range r.Variants {
		s := v.Values(m)
		if !math.IsNaN(float64(s.Median)) {
			g.Bars = append(g.Bars, plot.Bar{Series: i, Value: float64(s.Median),
				Low: float64(s.Low), High: float64(s.High)})
		}
	}
	p.Groups = []plot.Group{g}
	return p
}

// curve has no more points than there are records to tell percentiles apart.
func (v *Variant) curve(series int) plot.Curve {
	records := math.Inf(1) // timed, in the shortest turn
	for i := range v.Turns {
		records = min(records, float64(v.Turns[i].Latency.Count()))
	}
	line := plot.Curve{Series: series}
	for _, p := range percentiles {
		if records*(1-p/100) < 2 {
			break
		}
		var turns []float64
		for i := range v.Turns {
			turns = append(turns, percentile(p)(&v.Turns[i]))
		}
		s := spread(turns)
		line.Points = append(line.Points, plot.XY{X: p, Y: float64(s.Median)})
		line.Low, line.High = append(line.Low, float64(s.Low)), append(line.High, float64(s.High))
	}
	return line
}

// Table is the text's table for a page.
func (r *Report) Table() plot.Table {
	t := plot.Table{Caption: "Medians, and ratios to A round by round: median (lowest – highest)",
		Head: r.head()}
	for i := range Metrics {
		t.Rows = append(t.Rows, r.row(&Metrics[i]))
	}
	return t
}
