package tune

import (
	"math"
	"slices"
)

// observation is one measurement of one candidate in one round.
type observation struct {
	candidate int
	round     int
	v         vector
}

// estimates fits log figure = candidate + round to the observations in
// turns, and returns the candidates' part. A round in which the machine was
// slow makes none of its candidates look bad, as long as the rounds have
// candidates in common; a single wild measurement does not count (see middle).
func estimates(all []observation, candidates, rounds int) []vector {
	out := make([]vector, candidates)
	for m := range metrics {
		effect, drift := make([]float64, candidates), make([]float64, rounds)
		for range 8 {
			refit(effect, all, m, func(o *observation) (int, float64) {
				return o.candidate, drift[o.round]
			})
			refit(drift, all, m, func(o *observation) (int, float64) {
				return o.round, effect[o.candidate]
			})
			// Only differences are determined: the typical round counts as it is.
			typical := median(slices.Clone(drift))
			for i := range drift {
				drift[i] -= typical
			}
		}
		refit(effect, all, m, func(o *observation) (int, float64) {
			return o.candidate, drift[o.round]
		})
		for i, e := range effect {
			out[i][m] = e
		}
	}
	return out
}

// refit sets each effect to the median of what is left of its observations once
// the other effect is taken off.
func refit(effect []float64, all []observation, m int,
	split func(*observation) (index int, other float64),
) {
	left := make([][]float64, len(effect))
	for i := range all {
		index, other := split(&all[i])
		left[index] = append(left[index], all[i].v[m]-other)
	}
	for i := range left {
		effect[i] = middle(left[i])
	}
}

// middle is the mean of the middle half of values: almost as insensitive to wild
// ones as the median, and steadier.
func middle(values []float64) float64 {
	if len(values) < 4 {
		return median(values)
	}
	slices.Sort(values)
	values = values[len(values)/4 : len(values)-len(values)/4]
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// median sorts values; that of none is 0.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	mid := len(values) / 2
	if len(values)%2 == 1 {
		return values[mid]
	}
	return (values[mid-1] + values[mid]) / 2
}

// deviation is a robust measure of how far values lie around their median.
func deviation(values []float64) float64 {
	mid := median(slices.Clone(values))
	var off []float64
	for _, v := range values {
		off = append(off, math.Abs(v-mid))
	}
	return 1.48 * median(off)
}
