//go:build unix

package chaos

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"time"
)

// Recoveries is how long a client took after new leaders were there, sorted.
type Recoveries struct {
	Took    []time.Duration // from a new leader to the next acknowledgement
	Never   int             // no acknowledgement until what was broken was mended
	Slowest []string        // the slowest, for who wants to know why
}

// clockTime is how logs write the time.
const clockTime = "15:04:05.000"

// Quantile is the smallest duration that at least the share q has not exceeded;
// 0 without any.
func (r Recoveries) Quantile(q float64) time.Duration {
	if len(r.Took) == 0 {
		return 0
	}
	i := int(math.Ceil(q*float64(len(r.Took)))) - 1
	return r.Took[max(i, 0)]
}

// fairChance is how long a new leader has to stand before the old one is back, for
// a client to be blamed that had no acknowledgement by then.
const fairChance = time.Second

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
		took := times[i].Sub(t.Seen)
		r.Took = append(r.Took, took)
		r.Slowest = append(r.Slowest, fmt.Sprintf(
			"%6d ms: %v in event %d, partition %d, new leader at %s, acknowledged at %s",
			took.Milliseconds(), t.Class, t.Event, t.Partition,
			t.Seen.UTC().Format(clockTime), times[i].UTC().Format(clockTime)))
		if t.Class != Moved && t.Ended.Sub(t.Seen) >= fairChance && times[i].After(t.Ended) {
			r.Never++
		}
	}
	for i := range out {
		r := &out[i]
		slices.Sort(r.Took)
		slices.Sort(r.Slowest)
		slices.Reverse(r.Slowest)
		r.Slowest = r.Slowest[:min(5, len(r.Slowest))]
	}
	return out
}
