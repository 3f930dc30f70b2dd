package plot

import (
	"fmt"
	"math"
	"strings"
)

// Scale is how an axis maps values to places.
type Scale uint8

const (
	Linear     Scale = iota // from 0
	Log                     // decades; values at or below 0 are drawn at its low end
	Percentile              // 0 to 100, with room for what lies behind 99
)

// Axis is one direction of a panel.
type Axis struct {
	Label string // what is shown, with its unit: "latency, ms"
	Scale Scale
	// Format writes a tick; nil writes the number. Ticks of a percentile axis
	// are p50, p99 and so on.
	Format func(float64) string
}

// span is an axis with its bounds.
type span struct {
	Axis
	low, high float64
}

// around makes bounds that hold all values.
func (a Axis) around(values []float64) span {
	s := span{Axis: a, low: math.Inf(1), high: math.Inf(-1)}
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) || (a.Scale == Log && v <= 0) {
			continue
		}
		s.low, s.high = min(s.low, v), max(s.high, v)
	}
	switch {
	case a.Scale == Percentile:
		s.low, s.high = 0, min(max(s.high, 99), 99.999)
	case math.IsInf(s.low, 1):
		if s.low, s.high = 1, 10; a.Scale == Linear {
			s.low = 0
		}
	case a.Scale == Log:
		s.low, s.high = s.low/1.15, s.high*1.15
		if s.high/s.low < 2 { // so that there are ticks
			s.low, s.high = s.low/1.5, s.high*1.5
		}
	default:
		s.low = min(0, s.low)
		if s.high = s.high * 1.06; s.high <= s.low {
			s.high = s.low + 1
		}
	}
	return s
}

// at maps v to 0..1.
func (s *span) at(v float64) float64 {
	place := func(v float64) float64 {
		switch s.Scale {
		case Log:
			return math.Log10(max(v, s.low))
		case Percentile:
			return -math.Log10(1 - min(v, 99.9999)/100)
		}
		return v
	}
	low, high := place(s.low), place(s.high)
	return (place(v) - low) / (high - low)
}

func (s *span) ticks() []float64 {
	switch s.Scale {
	case Percentile:
		var out []float64
		for _, p := range []float64{0, 50, 90, 99, 99.9, 99.99, 99.999} {
			if p <= s.high {
				out = append(out, p)
			}
		}
		return out
	case Log:
		return s.logTicks()
	}
	step := niceStep((s.high - s.low) / 5)
	var out []float64
	for v := math.Ceil(s.low/step) * step; v <= s.high; v += step {
		out = append(out, v)
	}
	return out
}

// logTicks are whole decades, with their twos and fives where there is room.
func (s *span) logTicks() []float64 {
	decades := math.Log10(s.high / s.low)
	factors := []float64{1}
	switch {
	case decades < 1.2:
		factors = []float64{1, 1.5, 2, 3, 5, 7}
	case decades < 4:
		factors = []float64{1, 2, 5}
	}
	var out []float64
	for e := math.Floor(math.Log10(s.low)); e <= math.Log10(s.high); e++ {
		for _, f := range factors {
			if v := f * math.Pow(10, e); v >= s.low && v <= s.high {
				out = append(out, v)
			}
		}
	}
	return out
}

// niceStep is the next of 1, 2, 5 times a power of ten that is at least v.
func niceStep(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 5} {
		if f*unit >= v*0.999 {
			return f * unit
		}
	}
	return 10 * unit
}

func (s *span) name(v float64) string {
	switch {
	case s.Scale == Percentile && v == 0:
		return "min"
	case s.Scale == Percentile:
		return "p" + Number(v)
	case s.Format != nil:
		return s.Format(v)
	}
	return Number(v)
}

// Number writes v with three or so digits and no needless zeros: 12, 15.2 k, 3 M.
func Number(v float64) string {
	size := math.Abs(v)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case size >= 999_500_000:
		return trim(v/1e9, " G")
	case size >= 999_500:
		return trim(v/1e6, " M")
	case size >= 9_995:
		return trim(v/1e3, " k")
	}
	return trim(v, "")
}

func trim(v float64, unit string) string {
	digits := 0
	switch size := math.Abs(v); {
	case size == 0 || size >= 100:
	case size >= 10:
		digits = 1
	case size >= 1:
		digits = 2
	default:
		digits = 2 - int(math.Floor(math.Log10(size)))
	}
	s := fmt.Sprintf("%.*f", digits, v)
	if v >= 90 && v < 100 {
		s = fmt.Sprintf("%.3f", v) // percentiles
	}
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s + unit
}
