package backoff

import (
	"math"
	"testing"
	"time"
)

// The wait doubles from its initial value to its maximum (115 of
// docs/scenarios.md, KIP-580).
func TestDelay(t *testing.T) {
	const ms = time.Millisecond
	tests := []struct {
		name string
		p    Policy
		want []time.Duration // after 0, 1, 2 … failures
	}{
		{"it doubles up to the maximum", Policy{Initial: 100 * ms, Max: 1000 * ms},
			[]time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1000 * ms, 1000 * ms}},
		{"a maximum below the initial value wins", Policy{Initial: 100 * ms, Max: 50 * ms},
			[]time.Duration{50 * ms, 50 * ms}},
		{"without a maximum it does not grow", Policy{Initial: 100 * ms},
			[]time.Duration{100 * ms, 100 * ms}},
		{"none at all", Policy{Max: time.Second, Jitter: Jitter}, []time.Duration{0, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for failures, want := range tt.want {
				if got := tt.p.Delay(failures); got != want {
					t.Errorf("Delay(%d) = %v, want %v", failures, got, want)
				}
			}
		})
	}
	if got := (Policy{Initial: ms, Max: math.MaxInt64}).Delay(math.MaxInt); got < 0 {
		t.Errorf("after very many failures: %v", got)
	}
}

// Each wait is moved by up to a fifth of itself, but never past the maximum.
func TestDelayJitter(t *testing.T) {
	p := Policy{Initial: 100 * time.Millisecond, Max: time.Second, Jitter: Jitter}
	for _, tt := range []struct {
		random   float64
		failures int
		want     time.Duration
	}{
		{0, 0, 80 * time.Millisecond},
		{0.5, 0, 100 * time.Millisecond},
		{1, 0, 120 * time.Millisecond},
		{0, 10, 800 * time.Millisecond},
		{1, 10, time.Second},
	} {
		p.Rand = func() float64 { return tt.random }
		if got := p.Delay(tt.failures); got.Round(time.Microsecond) != tt.want {
			t.Errorf("Delay(%d) with %v = %v, want %v", tt.failures, tt.random, got, tt.want)
		}
	}
	p.Rand = nil
	seen := map[time.Duration]bool{}
	for range 100 {
		d := p.Delay(0)
		if d < 80*time.Millisecond || d > 120*time.Millisecond {
			t.Fatalf("Delay(0) = %v", d)
		}
		seen[d] = true
	}
	if len(seen) < 50 {
		t.Errorf("%d different waits in 100: clients would move in step", len(seen))
	}
}
