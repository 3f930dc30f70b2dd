// Package compare holds what several variants of a setting measured in
// interleaved rounds, and says how they differ.
//
// A machine's speed drifts between minutes by more than settings differ. So
// every variant has one turn in each round, a variant is compared with the first
// one within the same round only, and what is reported is the median of these
// ratios together with the lowest and the highest.
package compare

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"

	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/load"
	"github.com/posthaste-go/posthaste/cmd/posthaste/internal/report"
)

// Figure is a number; JSON has it with five digits, and null where it is not
// known.
type Figure float64

// MarshalJSON writes a plain number, never an exponent.
func (f Figure) MarshalJSON() ([]byte, error) {
	v := float64(f)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	digits := 0
	if size := math.Abs(v); size > 0 {
		digits = max(0, 4-int(math.Floor(math.Log10(size))))
	}
	scale := math.Pow(10, float64(digits))
	return strconv.AppendFloat(nil, math.Round(v*scale)/scale, 'f', -1, 64), nil
}

// Metric is one of the figures of a turn.
type Metric struct {
	Name    string // in JSON
	Label   string // for people, with the unit
	More    bool   // more is better
	Neutral bool   // neither more nor less is
	of      func(*load.Result) float64
}

// Metrics lists all of them in the order of the report.
var Metrics = []Metric{
	{Name: "records_per_second", Label: "records/s", More: true, of: perSecond(records)},
	{Name: "mb_per_second", Label: "MB/s (of 2^20 bytes)", More: true, of: perSecond(megabytes)},
	{Name: "cpu_us_per_record", Label: "CPU µs per record", of: func(r *load.Result) float64 {
		return per(float64(r.CPU.Nanoseconds())/1e3, records(r))
	}},
	{Name: "p50_ms", Label: "p50 latency, ms", of: percentile(50)},
	{Name: "p95_ms", Label: "p95 latency, ms", of: percentile(95)},
	{Name: "p99_ms", Label: "p99 latency, ms", of: percentile(99)},
	{Name: "p999_ms", Label: "p99.9 latency, ms", of: percentile(99.9)},
	{Name: "batches", Label: "batches", Neutral: true, of: batches},
	{Name: "records_per_batch", Label: "records per batch", Neutral: true,
		of: func(r *load.Result) float64 { return per(records(r), batches(r)) }},
	{Name: "requests", Label: "requests", Neutral: true,
		of: func(r *load.Result) float64 { return float64(r.Requests) }},
	{Name: "wire_bytes_per_record", Label: "bytes on the wire per record",
		of: func(r *load.Result) float64 { return per(float64(r.WireBytes), records(r)) }},
	{Name: "compression_ratio", Label: "compressed to, of 1",
		of: func(r *load.Result) float64 { return per(float64(r.WireBytes), float64(r.RawBytes)) }},
}

func records(r *load.Result) float64 { return float64(r.Records) }
func megabytes(r *load.Result) float64 {
	return float64(r.Bytes) / (1 << 20)
}

func batches(r *load.Result) float64 { return float64(r.Batches) }

func perSecond(of func(*load.Result) float64) func(*load.Result) float64 {
	return func(r *load.Result) float64 { return per(of(r), r.Elapsed.Seconds()) }
}

func percentile(p float64) func(*load.Result) float64 {
	return func(r *load.Result) float64 { return float64(r.Latency.At(p).Microseconds()) / 1000 }
}

func per(a, b float64) float64 {
	if b == 0 {
		return math.NaN()
	}
	return a / b
}

// Value is the metric of one turn, NaN where it has none.
func (m *Metric) Value(r *load.Result) float64 { return m.of(r) }

// ByName finds a metric by its name in JSON. It panics if there is none.
func ByName(name string) *Metric {
	for i := range Metrics {
		if Metrics[i].Name == name {
			return &Metrics[i]
		}
	}
	panic("compare: no metric is called " + name)
}

// Variant is what one variant measured, round by round.
type Variant struct {
	Name     string
	Settings map[string]string // those that were given for it
	Turns    []load.Result
}

// Spread is a median with the lowest and the highest.
type Spread struct {
	Median Figure `json:"median"`
	Low    Figure `json:"low"`
	High   Figure `json:"high"`
}

// Values spreads a metric of a variant over its turns.
func (v *Variant) Values(m *Metric) Spread {
	var all []float64
	for i := range v.Turns {
		all = append(all, m.of(&v.Turns[i]))
	}
	return spread(all)
}

// Ratios spreads v over base, round by round.
func (v *Variant) Ratios(base *Variant, m *Metric) Spread {
	var all []float64
	for i := range min(len(v.Turns), len(base.Turns)) {
		all = append(all, per(m.of(&v.Turns[i]), m.of(&base.Turns[i])))
	}
	return spread(all)
}

func spread(all []float64) Spread {
	all = slices.DeleteFunc(all, math.IsNaN)
	if len(all) == 0 {
		none := Figure(math.NaN())
		return Spread{none, none, none}
	}
	slices.Sort(all)
	return Spread{Figure(Median(all)), Figure(all[0]), Figure(all[len(all)-1])}
}

// Median is the middle of sorted values, or of the middle two.
func Median(sorted []float64) float64 {
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

// Verdict says what a ratio means.
type Verdict uint8

const (
	Same   Verdict = iota // rounds disagree, or differ by less than a hundredth
	Better                // in every round
	Worse                 // in every round
	Other                 // different in every round, and that is neither good nor bad
)

// Judge looks at the spread of the ratios of a metric.
func (m *Metric) Judge(s Spread) Verdict {
	more, less := s.Low > 1.01, s.High < 0.99
	switch {
	case !more && !less:
		return Same
	case m.Neutral:
		return Other
	case more == m.More:
		return Better
	}
	return Worse
}

// Report is the outcome of a comparison; its JSON is what --json prints.
type Report struct {
	Topic           string      `json:"topic"`
	Rounds          int         `json:"rounds"`
	RecordsPerRound int64       `json:"records_per_round"`
	Throughput      report.Rate `json:"throughput"` // asked for; -1: no limit
	Variants        []*Variant  `json:"variants"`   // ratios are to the first
	Interrupted     bool        `json:"interrupted"`
	Notes           []string    `json:"notes"`
}

// MarshalJSON writes names, settings, the figures and their ratios to the first
// variant, and every turn.
func (r *Report) MarshalJSON() ([]byte, error) {
	type plain Report
	type variant struct {
		Name     string              `json:"name"`
		Settings map[string]string   `json:"settings"`
		Records  int64               `json:"records"`
		Failed   int64               `json:"failed"`
		Figures  map[string]Spread   `json:"figures"`
		Ratios   map[string]Spread   `json:"ratios,omitempty"`
		Turns    []map[string]Figure `json:"turns"`
	}
	var all []variant
	for i, v := range r.Variants {
		out := variant{Name: v.Name, Settings: v.Settings, Figures: map[string]Spread{},
			Turns: []map[string]Figure{}}
		if out.Settings == nil {
			out.Settings = map[string]string{}
		}
		if i > 0 {
			out.Ratios = map[string]Spread{}
		}
		for k := range v.Turns {
			turn := map[string]Figure{}
			out.Records += v.Turns[k].Records
			out.Failed += v.Turns[k].Failed
			for m := range Metrics {
				turn[Metrics[m].Name] = Figure(Metrics[m].of(&v.Turns[k]))
			}
			out.Turns = append(out.Turns, turn)
		}
		for k := range Metrics {
			m := &Metrics[k]
			out.Figures[m.Name] = v.Values(m)
			if i > 0 {
				out.Ratios[m.Name] = v.Ratios(r.Variants[0], m)
			}
		}
		all = append(all, out)
	}
	return json.Marshal(struct {
		*plain
		Variants []variant `json:"variants"`
	}{(*plain)(r), all})
}
