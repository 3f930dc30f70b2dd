package tune

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Measurer measures one setting once.
type Measurer interface {
	Measure(ctx context.Context, s Settings) (Figures, error)
}

// Method is how a Search goes about.
type Method uint8

const (
	Adaptive Method = iota
	Grid            // every point of the space, then the final
)

// Search is one search. Budget tells how much of the time is left, from 1 to 0.
type Search struct {
	Space    Space
	Goal     Goal
	Method   Method
	Measurer Measurer
	Budget   func() float64
	Progress func(stage string, candidates int) // at the beginning of a round; may be nil

	// Settings to measure beside the others and to be compared with; may be nil.
	Reference *Settings

	candidates []candidate
	index      map[Settings]int
	seen       []observation
	rounds     int
	rng        *rand.Rand
	fit        []vector // of the first fitted observations
	fitted     int
}

type candidate struct {
	settings Settings
	at       point
	inSpace  bool
	failure  error // why it could not be measured; it is out then
	measured int
}

// Candidate is a setting that was measured, and its figures with the drift of
// the rounds taken out.
type Candidate struct {
	Settings Settings
	Figures  Figures
	Measured int     // times
	Noise    float64 // of the objective between measurements: 0.05 is 5 %
	Final    bool    // measured as often as the recommended one
	Met      bool    // within the goal's limits
}

// Outcome is what a search found.
type Outcome struct {
	Best         Candidate
	Reference    *Candidate
	All          []Candidate // best first
	Front        []Candidate // none better in both axes of the goal, in order of the first
	Measurements int
}

const (
	finalists   = 8
	finalShare  = 0.40 // of the budget
	screenShare = 0.30 // of the budget, at most
)

// Run searches until the budget is used up. An interruption ends it with what was
// found so far and its error.
func (s *Search) Run(ctx context.Context) (Outcome, error) {
	s.candidates, s.seen, s.rounds, s.index = nil, nil, 0, map[Settings]int{}
	s.fit, s.fitted = nil, 0
	s.rng = rand.New(rand.NewPCG(1, 2))
	var always []int
	if s.Reference != nil {
		always = append(always, s.add(candidate{settings: *s.Reference}))
	}
	err := s.explore(ctx, always)
	if err == nil {
		err = s.final(ctx, always)
	}
	if len(s.seen) == 0 {
		return Outcome{}, errors.Join(err, s.failures())
	}
	return s.outcome(always), err
}

// failures is why nothing could be measured.
func (s *Search) failures() error {
	for i := range s.candidates {
		if f := s.candidates[i].failure; f != nil {
			return fmt.Errorf("no setting could be measured; %v: %w", s.candidates[i].settings, f)
		}
	}
	return nil
}

func (s *Search) explore(ctx context.Context, always []int) error {
	first := s.Space.spread()
	if s.Method == Grid {
		first = s.Space.all()
	}
	pool := append(slices.Clone(always), s.points(first)...)
	if err := s.round(ctx, "screen", pool); err != nil {
		return err
	}
	keep := max(4, len(pool)/4)
	for len(pool) > keep && s.Budget() > finalShare &&
		(s.Method == Grid || s.Budget() > 1-screenShare) {
		pool = s.best(pool, max(keep, (len(pool)+1)/2))
		if err := s.round(ctx, "screen", pool); err != nil {
			return err
		}
	}
	if s.Method == Grid {
		return nil
	}
	return s.climb(ctx)
}

// climb looks around the best setting, first two steps away and then one, then
// around the next best ones, until the budget is down to the final's. Whenever a
// better one shows up it goes on from there.
func (s *Search) climb(ctx context.Context) error {
	type visit struct{ candidate, step int }
	visited := map[visit]bool{}
	next := func() (visit, bool) {
		for _, i := range s.best(s.everyone(), finalists) {
			for _, step := range []int{2, 1} {
				if v := (visit{i, step}); !visited[v] && s.candidates[i].inSpace {
					visited[v] = true
					return v, true
				}
			}
		}
		return visit{}, false
	}
	for s.Budget() > finalShare {
		v, ok := next()
		if !ok {
			return nil
		}
		if err := s.lookAround(ctx, v.candidate, v.step); err != nil {
			return err
		}
	}
	return nil
}

// lookAround measures the neighbours of a candidate, then all the steps at once
// that were for the better, and then the best of them again.
func (s *Search) lookAround(ctx context.Context, from, step int) error {
	known := len(s.candidates)
	near := s.points(s.Space.neighbours(s.candidates[from].at, step))
	fresh := slices.DeleteFunc(slices.Clone(near), func(i int) bool { return i < known })
	if len(fresh) == 0 {
		return nil
	}
	// Those measured before tie the rounds together.
	old := s.best(s.everyone(), 2)
	if err := s.round(ctx, "climb", union(fresh, old, []int{from})); err != nil {
		return err
	}
	again := s.best(union(fresh, old, []int{from}), 4)
	if s.Budget() <= finalShare {
		return nil
	}
	return s.round(ctx, "climb", union(again, s.points([]point{s.together(from, near)})))
}

// together is the point that has, in each dimension, the better of from's value
// and those of its neighbours.
func (s *Search) together(from int, near []int) point {
	at := s.candidates[from].at
	to, gain := at, [dimensions]float64{}
	figures := s.estimates()
	base := s.Goal.Score(figures[from].figures())
	for _, i := range near {
		c := &s.candidates[i]
		if c.measured == 0 {
			continue
		}
		moved, d := 0, 0
		for k := range dimensions {
			if c.at[k] != at[k] {
				moved, d = moved+1, k
			}
		}
		if g := base - s.Goal.Score(figures[i].figures()); moved == 1 && g > gain[d] {
			gain[d], to[d] = g, c.at[d]
		}
	}
	return to
}

// union lists what is in any of the lists, once each and in order.
func union(lists ...[]int) []int {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return slices.Compact(all)
}

// final measures the few best in turns until the budget is used up.
func (s *Search) final(ctx context.Context, always []int) error {
	pool := s.best(s.everyone(), finalists)
	for _, i := range always {
		if !slices.Contains(pool, i) {
			pool = append(pool, i)
		}
	}
	for n := 1; n <= 2 || s.Budget() > 0; n++ {
		if err := s.round(ctx, "final", pool); err != nil {
			return err
		}
		if n >= 2 {
			pool = union(s.close(pool), always)
		}
	}
	return nil
}

// close is those of pool that may yet turn out to be the best: all but the ones
// whose distance to the leader is more than twice what noise explains.
func (s *Search) close(pool []int) []int {
	figures := s.estimates()
	ranked := s.best(pool, len(pool))
	score := func(i int) float64 { return s.Goal.Score(figures[i].figures()) }
	return slices.DeleteFunc(ranked, func(i int) bool {
		n := min(s.candidates[i].measured, s.candidates[ranked[0]].measured)
		off := max(s.noise(i), s.noise(ranked[0]), 0.02) * math.Sqrt(2/float64(n))
		return score(i)-score(ranked[0]) > 2.5*off
	})
}

// add makes a candidate known and returns its index.
func (s *Search) add(c candidate) int {
	if i, ok := s.index[c.settings]; ok {
		if c.inSpace {
			s.candidates[i].at, s.candidates[i].inSpace = c.at, true
		}
		return i
	}
	s.candidates = append(s.candidates, c)
	s.index[c.settings] = len(s.candidates) - 1
	return len(s.candidates) - 1
}

func (s *Search) points(points []point) (indices []int) {
	for _, p := range points {
		indices = append(indices, s.add(candidate{settings: s.Space.at(p), at: p, inSpace: true}))
	}
	return indices
}

// everyone is the indices of all candidates that have been measured.
func (s *Search) everyone() (indices []int) {
	for i := range s.candidates {
		if s.candidates[i].measured > 0 {
			indices = append(indices, i)
		}
	}
	return indices
}

// round measures each of pool once, in an order of its own. A setting that cannot
// be measured is out; an error ends the search.
func (s *Search) round(ctx context.Context, stage string, pool []int) error {
	order := slices.Clone(pool)
	s.rng.Shuffle(len(order), func(i, k int) { order[i], order[k] = order[k], order[i] })
	if s.Progress != nil {
		s.Progress(stage, len(order))
	}
	for _, i := range order {
		c := &s.candidates[i]
		if c.failure != nil {
			continue
		}
		f, err := s.Measurer.Measure(ctx, c.settings)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			c.failure = err
			continue
		}
		c.measured++
		s.seen = append(s.seen, observation{i, s.rounds, f.vector()})
	}
	s.rounds++
	if len(s.seen) == 0 {
		return s.failures()
	}
	return nil
}

// estimates is that of all observations so far.
func (s *Search) estimates() []vector {
	if s.fitted != len(s.seen) || len(s.fit) != len(s.candidates) {
		s.fit, s.fitted = estimates(s.seen, len(s.candidates), s.rounds), len(s.seen)
	}
	return s.fit
}

// best returns the n best of pool, best first.
func (s *Search) best(pool []int, n int) []int {
	figures := s.estimates()
	ranked := slices.DeleteFunc(slices.Clone(pool), func(i int) bool {
		return s.candidates[i].failure != nil || s.candidates[i].measured == 0
	})
	slices.SortStableFunc(ranked, func(a, b int) int {
		return cmp.Compare(s.Goal.Score(figures[a].figures()), s.Goal.Score(figures[b].figures()))
	})
	return ranked[:min(n, len(ranked))]
}

func (s *Search) outcome(always []int) Outcome {
	figures := s.estimates()
	most := 0
	ranked := s.best(s.everyone(), len(s.candidates))
	for _, i := range ranked {
		most = max(most, s.candidates[i].measured)
	}
	out := Outcome{Measurements: len(s.seen)}
	last := s.lastRound()
	for _, i := range ranked {
		c := Candidate{Settings: s.candidates[i].settings, Figures: figures[i].figures(),
			Measured: s.candidates[i].measured, Noise: s.noise(i), Final: last[i]}
		c.Met = s.Goal.Met(c.Figures)
		out.All = append(out.All, c)
		if slices.Contains(always, i) {
			out.Reference = &c
		}
	}
	// Luck in one measurement is no reason to be recommended.
	out.Best = out.All[0]
	for _, c := range out.All {
		if c.Final {
			out.Best = c
			break
		}
	}
	out.Front = s.front(out.All)
	return out
}

// lastRound tells which candidates were measured in the last round.
func (s *Search) lastRound() map[int]bool {
	in := map[int]bool{}
	last := s.seen[len(s.seen)-1].round
	for i := range s.seen {
		if s.seen[i].round == last {
			in[s.seen[i].candidate] = true
		}
	}
	return in
}

// noise is how much the objective differs between measurements of a candidate.
func (s *Search) noise(i int) float64 {
	metric := map[Objective]int{Throughput: metricRate, Latency: metricP99, CPU: metricCPU,
		Bytes: metricBytes}[s.Goal.Objective]
	var values []float64
	for k := range s.seen {
		if s.seen[k].candidate == i {
			values = append(values, s.seen[k].v[metric])
		}
	}
	return deviation(values)
}

// front is those that no other beats in both axes, of those measured at least
// twice if there are any.
func (s *Search) front(all []Candidate) []Candidate {
	eligible := slices.DeleteFunc(slices.Clone(all), func(c Candidate) bool { return c.Measured < 2 })
	if len(eligible) == 0 {
		eligible = all
	}
	var front []Candidate
	for _, c := range eligible {
		if !slices.ContainsFunc(eligible, func(o Candidate) bool {
			return s.Goal.worse(c.Figures, o.Figures)
		}) {
			front = append(front, c)
		}
	}
	x, _ := s.Goal.Axes()
	slices.SortFunc(front, func(a, b Candidate) int {
		return cmp.Compare(x.Of(a.Figures), x.Of(b.Figures))
	})
	return front
}
