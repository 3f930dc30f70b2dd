// Package backoff is how long to wait before the next attempt (KIP-580).
package backoff

import (
	"math"
	"math/rand/v2"
	"time"
)

// Policy is an exponential backoff: Initial, twice that, and so on up to Max,
// each moved at random by up to Jitter of itself either way.
//
// Source: org.apache.kafka.common.utils.ExponentialBackoff.
type Policy struct {
	Initial time.Duration
	Max     time.Duration
	Jitter  float64        // 0.2 in Kafka; 0 for none
	Rand    func() float64 // in [0, 1); nil for math/rand
}

// Random is a number in [0, 1), from Rand if there is one.
func (p Policy) Random() float64 {
	if p.Rand != nil {
		return p.Rand()
	}
	return rand.Float64()
}

// Jitter is Kafka's.
const Jitter = 0.2

// Delay is the wait after failures earlier failures (0 for the first).
func (p Policy) Delay(failures int) time.Duration {
	if p.Initial <= 0 {
		return 0
	}
	limit := max(p.Max, p.Initial)
	if p.Max > 0 && p.Max < p.Initial {
		limit = p.Max
	}
	d := float64(p.Initial) * math.Pow(2, float64(min(failures, 60)))
	d = min(d, float64(limit))
	if p.Jitter > 0 {
		d *= 1 + p.Jitter*(2*p.Random()-1)
	}
	if d >= float64(limit) { // as a float, the largest limit is more than a Duration
		return limit
	}
	return time.Duration(d)
}
