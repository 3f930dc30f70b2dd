package tune

import (
	"fmt"
	"slices"
	"strconv"
)

// Compression is a codec at a level; a level of 0 is a codec without levels.
type Compression struct {
	Type  string // as in compression.type
	Level int
}

// Settings is one point of a Space.
type Settings struct {
	BatchSize   int // bytes; 0 is none given, so that batches grow
	LingerMs    int
	Compression Compression
	MaxInFlight int
}

// Property is one line of a .properties file.
type Property struct{ Key, Value string }

// Properties lists the settings by their names in producer.properties.
func (s Settings) Properties() []Property {
	all := []Property{
		{"linger.ms", strconv.Itoa(s.LingerMs)},
		{"max.in.flight.requests.per.connection", strconv.Itoa(s.MaxInFlight)},
		{"compression.type", s.Compression.Type},
	}
	if s.BatchSize != 0 {
		all = slices.Insert(all, 0, Property{"batch.size", strconv.Itoa(s.BatchSize)})
	}
	if s.Compression.Level != 0 {
		all = append(all, Property{"compression." + s.Compression.Type + ".level",
			strconv.Itoa(s.Compression.Level)})
	}
	return all
}

// String is for people: zstd:3, batch 64 KiB, linger 5 ms, 5 in flight.
func (s Settings) String() string {
	codec := s.Compression.Type
	if s.Compression.Level != 0 {
		codec += ":" + strconv.Itoa(s.Compression.Level)
	}
	size := fmt.Sprintf("%d B", s.BatchSize)
	switch {
	case s.BatchSize == 0:
		size = "as it grows"
	case s.BatchSize%1024 == 0:
		size = fmt.Sprintf("%d KiB", s.BatchSize/1024)
	}
	return fmt.Sprintf("%s, batch %s, linger %d ms, %d in flight", codec, size, s.LingerMs,
		s.MaxInFlight)
}

// Space is what is searched: every combination of one value from each list.
// Values are in order, so that neighbours behave alike.
type Space struct {
	BatchSizes   []int
	Lingers      []int         // ms
	Compressions []Compression // levels of a codec beside each other
	MaxInFlight  []int
}

// Default is what is searched unless told otherwise. A batch of half a mebibyte
// is the largest that fits every broker's default message.max.bytes.
func Default() Space {
	return Space{
		BatchSizes: []int{8 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10},
		Lingers:    []int{0, 1, 2, 5, 10, 20, 50},
		Compressions: []Compression{{"none", 0}, {"snappy", 0}, {"lz4", 9}, {"lz4", 5}, {"gzip", 1},
			{"gzip", 6}, {"zstd", 1}, {"zstd", 3}, {"zstd", 7}, {"zstd", 12}},
		MaxInFlight: []int{1, 2, 3, 5},
	}
}

// Coarse is a part of Default that is small enough to be measured as a whole.
func Coarse() Space {
	return Space{
		BatchSizes: []int{16 << 10, 64 << 10, 256 << 10},
		Lingers:    []int{0, 5, 20},
		Compressions: []Compression{{"none", 0}, {"snappy", 0}, {"lz4", 9}, {"zstd", 1}, {"zstd", 3},
			{"gzip", 6}},
		MaxInFlight: []int{1, 5},
	}
}

// dimensions of a Space, in the order of a point's indices.
const (
	dimBatch = iota
	dimLinger
	dimCompression
	dimInFlight
	dimensions
)

// point is indices into the lists of a Space.
type point [dimensions]int

func (s *Space) lengths() point {
	return point{len(s.BatchSizes), len(s.Lingers), len(s.Compressions), len(s.MaxInFlight)}
}

func (s *Space) at(p point) Settings {
	return Settings{s.BatchSizes[p[dimBatch]], s.Lingers[p[dimLinger]],
		s.Compressions[p[dimCompression]], s.MaxInFlight[p[dimInFlight]]}
}

// all lists every point.
func (s *Space) all() []point {
	points := []point{{}}
	for d, n := range s.lengths() {
		var next []point
		for _, p := range points {
			for i := range n {
				p[d] = i
				next = append(next, p)
			}
		}
		points = next
	}
	return points
}

// spread lists points that see much of the space: every codec with batches of
// middle size, and the corners of batch size and linger without compression.
func (s *Space) spread() []point {
	n := s.lengths()
	middle := point{n[dimBatch] / 2, n[dimLinger] / 2, 0, n[dimInFlight] - 1}
	var points []point
	for c := range n[dimCompression] {
		p := middle
		p[dimCompression] = c
		points = append(points, p)
	}
	for _, batch := range []int{n[dimBatch] / 6, n[dimBatch] - 1} {
		for _, linger := range []int{0, n[dimLinger] - 2} {
			p := middle
			p[dimBatch], p[dimLinger] = batch, max(0, linger)
			points = append(points, p)
		}
	}
	return unique(points)
}

// neighbours lists the points that differ from p by step in one dimension, or
// by step in batch size and linger at once, which depend on each other.
func (s *Space) neighbours(p point, step int) []point {
	n := s.lengths()
	var points []point
	move := func(moves ...[2]int) {
		q := p
		for _, m := range moves {
			q[m[0]] = min(max(q[m[0]]+m[1], 0), n[m[0]]-1)
		}
		if q != p {
			points = append(points, q)
		}
	}
	for d := range dimensions {
		move([2]int{d, step})
		move([2]int{d, -step})
	}
	move([2]int{dimBatch, step}, [2]int{dimLinger, step})
	move([2]int{dimBatch, -step}, [2]int{dimLinger, -step})
	return unique(points)
}

func unique(points []point) []point {
	seen := map[point]bool{}
	var out []point
	for _, p := range points {
		if !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}
