package tune

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// Figures are what one measurement of one setting gives.
type Figures struct {
	Rate  float64 `json:"records_per_second"`
	P99   float64 `json:"p99_ms"`
	CPU   float64 `json:"cpu_us_per_record"`     // of the process
	Bytes float64 `json:"wire_bytes_per_record"` // headers of batches included
}

// metrics of Figures, in the order of vector.
const (
	metricRate = iota
	metricP99
	metricCPU
	metricBytes
	metrics
)

// vector is the logarithms of figures: ratios become differences.
type vector [metrics]float64

func (f Figures) vector() vector {
	log := func(v float64) float64 { return math.Log(max(v, 1e-9)) }
	return vector{log(f.Rate), log(f.P99), log(f.CPU), log(f.Bytes)}
}

func (v vector) figures() Figures {
	return Figures{math.Exp(v[metricRate]), math.Exp(v[metricP99]), math.Exp(v[metricCPU]),
		math.Exp(v[metricBytes])}
}

// Objective is what a goal makes best.
type Objective uint8

const (
	Throughput Objective = iota // most records per second
	Latency                     // lowest p99
	CPU                         // least CPU time per record
	Bytes                       // fewest bytes on the wire
)

var objectives = map[string]Objective{"throughput": Throughput, "latency-p99": Latency, "cpu": CPU,
	"bytes": Bytes}

// Goal is what settings shall achieve.
type Goal struct {
	Objective Objective
	Limit     time.Duration // of p99; 0: none
	Rate      float64       // records per second that must be sustained; 0: as fast as can be
}

// ParseGoal reads throughput, bytes, cpu or latency-p99, or latency-p99=TIME,
// which asks for the least CPU time within that limit. A limit may stand beside
// another objective: bytes,latency-p99=20ms. rate is records per second, 0 for
// as fast as can be; latencies mean something at a rate only.
func ParseGoal(text string, rate float64) (Goal, error) {
	g := Goal{Rate: rate}
	named := false
	for _, piece := range strings.Split(text, ",") {
		name, limit, limited := strings.Cut(strings.TrimSpace(piece), "=")
		objective, known := objectives[name]
		switch {
		case !known || limited && objective != Latency:
			return g, fmt.Errorf("%q is no goal: there are throughput, bytes, cpu, latency-p99, "+
				"latency-p99=10ms, and one of the first three with such a limit: bytes,latency-p99=10ms",
				piece)
		case limited:
			d, err := time.ParseDuration(limit)
			if err != nil || d <= 0 {
				return g, fmt.Errorf("latency-p99=%s: want a time with its unit, such as 10ms", limit)
			}
			g.Limit = d
		case named:
			return g, fmt.Errorf("%q names two objectives: choose one", text)
		default:
			g.Objective, named = objective, true
		}
	}
	if !named {
		g.Objective = CPU
	}
	switch {
	case rate <= 0 && (g.Limit > 0 || g.Objective == Latency || g.Objective == CPU):
		return g, fmt.Errorf("%q needs a rate: without one the producer is kept as busy as it can be, "+
			"and its latency is that of a full buffer", text)
	case rate > 0 && g.Objective == Throughput:
		return g, fmt.Errorf("throughput at a fixed rate is that rate: leave out the rate, or choose " +
			"another goal")
	}
	return g, nil
}

// String says the goal in words.
func (g Goal) String() string {
	text := map[Objective]string{Throughput: "most records per second", Latency: "lowest p99 latency",
		CPU: "least CPU time per record", Bytes: "fewest bytes on the wire"}[g.Objective]
	if g.Limit > 0 {
		text += fmt.Sprintf(" with p99 at most %v", g.Limit)
	}
	if g.Rate > 0 {
		text += fmt.Sprintf(", at %.0f records/s", g.Rate)
	}
	return text
}

// sustained is how much of the asked rate must be reached.
const sustained = 0.95

// Met reports whether f keeps the goal's limits.
func (g Goal) Met(f Figures) bool { return g.excess(f) == 0 }

// excess is how far f is beyond the limits, as a logarithm; 0 is within.
func (g Goal) excess(f Figures) float64 {
	var e float64
	if limit := g.Limit.Seconds() * 1000; limit > 0 && f.P99 > limit {
		e += math.Log(f.P99 / limit)
	}
	if f.Rate < sustained*g.Rate {
		e += math.Log(g.Rate / max(f.Rate, 1e-9))
	}
	return e
}

// Score ranks figures: lower is better, 0.05 is about 5 %. What is beyond a limit
// comes behind everything within.
func (g Goal) Score(f Figures) float64 {
	const beyond = 100
	v := f.vector()
	score := v[metricCPU]
	switch g.Objective {
	case Throughput:
		score = -v[metricRate]
	case Latency:
		score = v[metricP99]
	case Bytes:
		// Settings that differ by no byte differ in what they cost.
		score = v[metricBytes] + 0.01*v[metricCPU]
	}
	if e := g.excess(f); e > 0 {
		return beyond + e
	}
	return score
}

// Axis is one direction of the trade-off that a goal is about.
type Axis struct {
	Label string
	More  bool // more is better
	Of    func(Figures) float64
}

var (
	axisRate  = Axis{"records per second", true, func(f Figures) float64 { return f.Rate }}
	axisP99   = Axis{"p99 latency, ms", false, func(f Figures) float64 { return f.P99 }}
	axisCPU   = Axis{"CPU µs per record", false, func(f Figures) float64 { return f.CPU }}
	axisBytes = Axis{"bytes on the wire per record", false,
		func(f Figures) float64 { return f.Bytes }}
)

// Axes are the two figures of which the goal cannot have the best of both.
func (g Goal) Axes() (x, y Axis) {
	switch {
	case g.Objective == Throughput:
		return axisBytes, axisRate
	case g.Objective == Bytes && g.Rate > 0:
		return axisP99, axisBytes
	case g.Objective == Bytes:
		return axisRate, axisBytes
	}
	return axisP99, axisCPU
}

// worse reports whether a is not better than b in any axis, and worse in one.
func (g Goal) worse(a, b Figures) bool {
	x, y := g.Axes()
	loses := false
	for _, axis := range []Axis{x, y} {
		va, vb := axis.Of(a), axis.Of(b)
		if axis.More {
			va, vb = -va, -vb
		}
		if va < vb {
			return false
		}
		loses = loses || va > vb
	}
	return loses
}
