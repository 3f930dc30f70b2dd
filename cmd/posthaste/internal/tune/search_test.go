package tune

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// surface is a synthetic response of a producer and its brokers to settings,
// with noise and a drift of the machine's speed.
type surface struct {
	truth func(Settings) Figures
	noise float64 // standard deviation of the logarithm
	drift float64 // how much the speed changes over the search, as a logarithm
	rng   *rand.Rand
	spent int
	most  int
}

func (s *surface) Measure(_ context.Context, set Settings) (Figures, error) {
	speed := s.drift * math.Sin(7*float64(s.spent)/float64(s.most))
	s.spent++
	v := s.truth(set).vector()
	v[metricRate] += speed + s.noise*s.rng.NormFloat64()
	v[metricCPU] += -speed + s.noise*s.rng.NormFloat64()
	v[metricP99] += -speed + 1.25*s.noise*s.rng.NormFloat64()
	return v.figures(), nil
}

func (s *surface) left() float64 { return 1 - float64(s.spent)/float64(s.most) }

// codecs: what is left of a byte, and µs of CPU for each kilobyte.
var codecs = map[Compression][2]float64{{"none", 0}: {1, 0}, {"snappy", 0}: {0.45, 1.1},
	{"lz4", 9}: {0.42, 1.2}, {"zstd", 1}: {0.30, 2.6}, {"zstd", 3}: {0.27, 3.4},
	{"gzip", 1}: {0.33, 8}, {"lz4", 5}: {0.36, 9}, {"gzip", 6}: {0.28, 16}, {"zstd", 7}: {0.25, 9},
	{"zstd", 12}: {0.24, 40}}

// network makes a surface of a link of so many MB/s with a round trip in ms and
// records of 1,000 bytes that come at rate, or as fast as can be if that is 0.
func network(mbps, roundTrip, rate float64) func(Settings) Figures {
	return func(s Settings) Figures {
		c := codecs[s.Compression]
		perBatch := max(1, float64(s.BatchSize)/1000)
		if rate > 0 { // a batch holds what comes while it lingers or waits for its turn
			perBatch = min(perBatch, 1+rate/1000*(float64(s.LingerMs)+
				roundTrip/float64(s.MaxInFlight)))
		}
		squeeze := c[0] + (1-c[0])*0.5/math.Sqrt(perBatch) // small batches compress less
		bytes := 1000*squeeze + 70/perBatch
		cpu := 0.6 + c[1] + 40/perBatch + 0.001*bytes
		link := mbps * 1e6 / bytes
		window := 1000 / roundTrip * perBatch * float64(s.MaxInFlight) * 6
		most := 1 / (1/link + 1/window + cpu*1e-6*0.7)
		if rate == 0 {
			return Figures{Rate: most, P99: 32e6 / 1000 / most * 1000, CPU: cpu, Bytes: bytes}
		}
		load := rate / most
		p99 := roundTrip*1.5 + float64(s.LingerMs) + c[1]*perBatch/1000
		if load < 0.95 {
			p99 *= 1 + load*load/(1-load)
		} else {
			p99 *= 100 * load
		}
		return Figures{Rate: min(rate, most), P99: p99, CPU: cpu, Bytes: bytes}
	}
}

// The search must find what an exhaustive one would, within 5 %, with a twentieth
// of its measurements, although each is wrong by several per cent and the machine
// drifts by a third.
func TestSearchFindsWhatAGridWould(t *testing.T) {
	goal := func(text string, rate float64) Goal {
		g, err := ParseGoal(text, rate)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	tests := []struct {
		name  string
		truth func(Settings) Figures
		goal  Goal
	}{
		{"throughput of a slow link", network(12, 5, 0), goal("throughput", 0)},
		{"throughput of a fast link", network(5000, 0.3, 0), goal("throughput", 0)},
		{"throughput over a long way", network(200, 80, 0), goal("throughput", 0)},
		{"latency", network(1000, 0.5, 20_000), goal("latency-p99", 20_000)},
		{"latency on a slow link", network(12, 5, 20_000), goal("latency-p99", 20_000)},
		{"CPU within a limit", network(1000, 0.5, 20_000), goal("latency-p99=10ms", 20_000)},
		{"CPU within a limit on a slow link", network(15, 5, 20_000),
			goal("latency-p99=40ms", 20_000)},
		{"bytes", network(1000, 0.5, 5000), goal("bytes", 5000)},
		{"bytes within a limit", network(100, 2, 5000), goal("bytes,latency-p99=15ms", 5000)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			best := math.Inf(1)
			space := Default()
			safe := tt.goal // no noise makes it look as if it missed the limit
			safe.Limit -= safe.Limit / 10
			for _, p := range space.all() {
				best = min(best, safe.Score(tt.truth(space.at(p))))
			}
			misses := 0
			const searches = 10
			for seed := range uint64(searches) {
				s := &surface{truth: tt.truth, noise: 0.04, drift: 0.15, most: 160,
					rng: rand.New(rand.NewPCG(seed, 1))}
				search := Search{Space: space, Goal: tt.goal, Measurer: s, Budget: s.left}
				out, err := search.Run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if got := tt.goal.Score(tt.truth(out.Best.Settings)); got > best+0.05 {
					misses++
					t.Logf("seed %d found %v, which is %.1f %% off", seed, out.Best.Settings,
						100*(math.Exp(got-best)-1))
				}
				if out.Measurements > 160+len(out.All) {
					t.Errorf("%d measurements, want about 160", out.Measurements)
				}
			}
			if misses > 1 {
				t.Errorf("%d of %d searches missed the best by more than 5 %%", misses, searches)
			}
		})
	}
}

func TestAWholeGridIsMeasuredIfAskedFor(t *testing.T) {
	space := Coarse()
	s := &surface{truth: network(1000, 0.5, 0), most: 400, rng: rand.New(rand.NewPCG(1, 1))}
	search := Search{Space: space, Method: Grid, Measurer: s, Budget: s.left,
		Goal: Goal{Objective: Throughput}}
	out, err := search.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := len(out.All), len(space.all()); got != want {
		t.Errorf("%d settings were measured, want all %d", got, want)
	}
}

func TestTheReferenceIsMeasuredLikeTheFinalists(t *testing.T) {
	reference := Settings{BatchSize: 16384, Compression: Compression{Type: "none"}, MaxInFlight: 5}
	s := &surface{truth: network(12, 5, 0), most: 100, rng: rand.New(rand.NewPCG(1, 1))}
	search := Search{Space: Default(), Goal: Goal{}, Measurer: s, Budget: s.left,
		Reference: &reference}
	out, err := search.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if out.Reference == nil || out.Reference.Settings != reference || !out.Reference.Final ||
		!out.Best.Final {
		t.Errorf("reference = %+v, best = %+v, want both in the final", out.Reference, out.Best)
	}
	if out.Reference.Figures.Rate >= out.Best.Figures.Rate {
		t.Errorf("the best has %v records/s, the reference %v", out.Best.Figures.Rate,
			out.Reference.Figures.Rate)
	}
	for _, c := range out.Front {
		for _, o := range out.All {
			if o.Measured > 1 && search.Goal.worse(c.Figures, o.Figures) {
				t.Errorf("%v is on the front, but %v is better", c.Settings, o.Settings)
			}
		}
	}
}

// failing cannot measure gzip, and after so many measurements nothing.
type failing struct {
	surface
	stop   func(error)
	cause  error
	always bool
}

func (f *failing) Measure(ctx context.Context, s Settings) (Figures, error) {
	if f.spent == 60 && f.stop != nil {
		f.stop(f.cause)
	}
	if f.always || s.Compression.Type == "gzip" {
		return Figures{}, fmt.Errorf("compression.type=%s: %w", s.Compression.Type, f.cause)
	}
	return f.surface.Measure(ctx, s)
}

func TestASettingThatCannotBeMeasuredIsOut(t *testing.T) {
	f := &failing{cause: errors.New("no gzip here"), surface: surface{truth: network(1, 5, 0),
		most: 100, rng: rand.New(rand.NewPCG(1, 1))}}
	search := Search{Space: Default(), Goal: Goal{Objective: Bytes}, Measurer: f, Budget: f.left}
	out, err := search.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(out.All, func(c Candidate) bool {
		return c.Settings.Compression.Type == "gzip"
	}) {
		t.Error("a setting that failed has figures")
	}
	f.always, f.spent = true, 0
	if _, err = search.Run(t.Context()); !errors.Is(err, f.cause) {
		t.Errorf("nothing can be measured: %v, want %v", err, f.cause)
	}
}

func TestAnInterruptKeepsWhatWasFound(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	f := &failing{cause: errors.New("interrupted"), stop: cancel, surface: surface{
		truth: network(1, 5, 0), most: 200, rng: rand.New(rand.NewPCG(1, 1))}}
	search := Search{Space: Default(), Goal: Goal{Objective: Throughput}, Measurer: f,
		Budget: f.left}
	out, err := search.Run(ctx)
	if !errors.Is(err, f.cause) || len(out.All) == 0 || out.Measurements != 60 {
		t.Errorf("%d settings of %d measurements, %v", len(out.All), out.Measurements, err)
	}
}

func TestEstimatesTakeTheDriftOut(t *testing.T) {
	truth := []float64{1, 2, 3}
	drift := []float64{0, 0.5, -0.7, 0.1}
	var all []observation
	for round, d := range drift {
		for c, v := range truth {
			if c == 2 && round < 2 {
				continue // came later, when the machine was slow
			}
			all = append(all, observation{c, round, vector{v + d}})
		}
	}
	got := estimates(all, len(truth), len(drift))
	for i := range truth {
		if d := got[i][0] - got[0][0]; math.Abs(d-(truth[i]-truth[0])) > 1e-9 {
			t.Errorf("candidate %d is %v above the first, want %v", i, d, truth[i]-truth[0])
		}
	}
}

func TestParseGoal(t *testing.T) {
	tests := []struct {
		text string
		rate float64
		want Goal
		ok   bool
	}{
		{"throughput", 0, Goal{}, true},
		{"bytes", 0, Goal{Objective: Bytes}, true},
		{"latency-p99", 100, Goal{Objective: Latency, Rate: 100}, true},
		{"latency-p99=10ms", 100, Goal{CPU, 10 * time.Millisecond, 100}, true},
		{"bytes,latency-p99=1s", 100, Goal{Bytes, time.Second, 100}, true},
		{"latency-p99=1s, cpu", 100, Goal{CPU, time.Second, 100}, true},
		{"latency-p99=10ms", 0, Goal{}, false}, // the latency of a full buffer
		{"cpu", 0, Goal{}, false},
		{"throughput", 100, Goal{}, false},
		{"latency-p99=10", 100, Goal{}, false},
		{"latency-p99=-1ms", 100, Goal{}, false},
		{"bytes,cpu", 100, Goal{}, false},
		{"bytes=3", 100, Goal{}, false},
		{"speed", 0, Goal{}, false},
		{"", 0, Goal{}, false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.text, "@", tt.rate), func(t *testing.T) {
			got, err := ParseGoal(tt.text, tt.rate)
			if (err == nil) != tt.ok || tt.ok && got != tt.want {
				t.Errorf("ParseGoal = %+v, %v; want %+v, %v", got, err, tt.want, tt.ok)
			}
		})
	}
}

func TestScoreRanksWhatIsWithinTheLimitsFirst(t *testing.T) {
	g := Goal{Objective: Bytes, Limit: 10 * time.Millisecond, Rate: 1000}
	order := []Figures{
		{Rate: 1000, P99: 9, CPU: 5, Bytes: 100},
		{Rate: 1000, P99: 1, CPU: 1, Bytes: 110},
		{Rate: 1000, P99: 11, CPU: 1, Bytes: 50},
		{Rate: 500, P99: 9, CPU: 1, Bytes: 50},
		{Rate: 500, P99: 1000, CPU: 1, Bytes: 50},
	}
	for i := 1; i < len(order); i++ {
		if g.Score(order[i-1]) >= g.Score(order[i]) {
			t.Errorf("%+v is not before %+v", order[i-1], order[i])
		}
	}
	if !g.Met(order[1]) || g.Met(order[2]) || g.Met(order[3]) {
		t.Error("Met does not know the limits")
	}
}
