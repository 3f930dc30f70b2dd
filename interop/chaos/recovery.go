//go:build unix

package chaos

import (
	"math"
	"slices"
	"sort"
	"time"
)

// Recoveries is how long a client took after new leaders were there, sorted.
type Recoveries struct {
	Took  []time.Duration // from a new leader to the next acknowledgement
	Never int             // no acknowledgement until what was broken was mended
}

// Quantile is the smallest duration that at least the share q has not exceeded;
// 0 without any.
func (r Recoveries) Quantile(q float64) time.Duration {
	if len(r.Took) == 0 {
		return 0
	}
	i := int(math.Ceil(q*float64(len(r.Took)))) - 1
	return r.Took[max(i, 0)]
}

// recoveries finds for each takeover the first acknowledgement after it. One that
// came only once the old leader was back counts among Never too.
func recoveries(takeovers []takeover, acks map[int][]time.Time) [classes]Recoveries {
	for _, times := range acks {
		slices.SortFunc(times, time.Time.Compare)
	}
	var out [classes]Recoveries
	for _, t := range takeovers {
		r := &out[t.Class]
		times := acks[t.Partition]
		i := sort.Search(len(times), func(i int) bool { return !times[i].Before(t.Seen) })
		if i == len(times) {
			r.Never++
			continue
		}
		r.Took = append(r.Took, times[i].Sub(t.Seen))
		if t.Class != Moved && times[i].After(t.Ended) {
			r.Never++
		}
	}
	for i := range out {
		slices.Sort(out[i].Took)
	}
	return out
}
