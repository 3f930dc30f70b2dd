package drive

import (
	"fmt"
	"math"
	"strings"
)

// goals are what Posthaste wants to reach, in the order of the table.
func goals() []goal {
	all := []goal{
		{"throughput-100B-bigbatch", "≥ 3 × the best peer's records/s and records per CPU second; " +
			"≥ 0.5 × the limit loop's", func(r *results) []check {
			const row = "throughput-100B-bigbatch"
			return []check{r.against(row, "records/s", figureRate, 3), r.perCPU(row, "", 3),
				r.limit(row, "records/s", figureRate, 0.5), r.perCPU(row, "limit", 0.5)}
		}},
		{"throughput-1KB", "≥ 1.5 × the best peer per CPU second; ≥ 0.75 × the limit loop",
			func(r *results) []check {
				const row = "throughput-1KB"
				return []check{r.perCPU(row, "", 1.5), r.limit(row, "records/s", figureRate, 0.75),
					r.perCPU(row, "limit", 0.75)}
			}},
		{"throughput-keyed-100B", "≥ 2.5 × the best peer per CPU second", func(r *results) []check {
			return []check{r.perCPU("throughput-keyed-100B", "", 2.5)}
		}},
	}
	for _, codec := range []string{"lz4", "zstd", "snappy", "gzip"} {
		all = append(all, goal{codec + "-1KB", "≥ the best peer per CPU second, in no more bytes",
			func(r *results) []check { return r.compressed(codec + "-1KB") }})
	}
	for _, row := range []string{"concurrent", "concurrent-sync"} {
		all = append(all, goal{row, "≥ 2 × the best peer", func(r *results) []check {
			return []check{r.against(row, "records/s", figureRate, 2), r.perCPU(row, "", 2)}
		}})
	}
	for _, row := range []string{"latency-1k", "latency-10k", "latency-50k"} {
		all = append(all, goal{row, "p50, p99, p99.9 below every peer's; p50 ≤ 1.15 × and p99 ≤ 2 × the " +
			"limit loop's; CPU per record ≤ 1.15 ×", func(r *results) []check {
			return []check{r.lowest(row, "p50", figureP50), r.lowest(row, "p99", figureP99),
				r.lowest(row, "p99.9", figureP999), r.limit(row, "p50", figureP50, 1.15),
				r.limit(row, "p99", figureP99, 2), r.limit(row, "CPU per record", figureCPU, 1.15)}
		}})
	}
	all = append(all, goal{"sync", "≥ the best peer; ≥ 0.85 × the bare request loop",
		func(r *results) []check {
			return []check{r.against("sync", "records/s", figureRate, 1),
				r.limit("sync", "records/s", figureRate, 0.85)}
		}})
	all = append(all, partitionGoals()...)
	all = append(all, goal{"defaults", "never behind any peer at its own defaults",
		func(r *results) []check {
			return []check{r.against("defaults", "records/s", figureRate, 1), r.perCPU("defaults", "", 1)}
		}},
		goal{"idempotence", "on against off ≤ 1.02 × the CPU per record", func(r *results) []check {
			return []check{r.within("throughput-100B", "throughput-100B-plain",
				"CPU per record with idempotence off", figureCPU, 1.02)}
		}})
	for _, linger := range []string{"0", "5"} {
		all = append(all, goal{"sticky, linger " + linger + " ms",
			"p99 ≤ 0.7 × that of round robin, and less CPU", func(r *results) []check {
				a, b := "sticky-linger-"+linger, "roundrobin-linger-"+linger
				return []check{r.within(a, b, "p99 of round robin", figureP99, 0.7),
					r.within(a, b, "CPU per record of round robin", figureCPU, 1)}
			}})
	}
	all = append(all, goal{"allocations", "≤ 12 a request, none a record; RSS ≤ buffer.memory + 30 MiB",
		(*results).allocations})
	return append(all, kafkaGoals()...)
}

// compressed wants the CPU time of the cheapest peer among those that make no
// more bytes of it: who compresses less is no match.
func (r *results) compressed(row string) []check {
	own := r.median(row, "posthaste", figure{wire, false})
	fair := &results{rows: r.rows}
	for _, c := range r.clients {
		if v := r.median(row, c, figure{wire, false}); isPeer(c) && v <= own*1.02 {
			fair.clients = append(fair.clients, c)
		}
	}
	checks := []check{fair.perCPU(row, "", 1)}
	if best := r.peer(row, figureCPU); len(fair.clients) == 0 || best != fair.peer(row, figureCPU) {
		c := r.compare(row, "bytes", figure{wire, false}, 1.02, best)
		checks = append(checks, c)
	}
	return checks
}

func partitionGoals() []goal {
	cost := func(r *results, n string, bound float64) check {
		return r.within("partitions-"+n, "partitions-10", "the CPU per record at 10", figureCPU, bound)
	}
	return []goal{
		{"partitions-1000", "cost per record ≤ 1.3 × that at 10", func(r *results) []check {
			return []check{cost(r, "1000", 1.3)}
		}},
		{"partitions-10000", "cost per record ≤ 2.5 × that at 10; ≥ 5 × the best peer",
			func(r *results) []check {
				const row = "partitions-10000"
				return []check{cost(r, "10000", 2.5), r.against(row, "records/s", figureRate, 5),
					r.perCPU(row, "", 5), {what: "MB of memory at its peak", bound: math.Inf(1), most: true,
						plain: true, value: r.median(row, "posthaste", figure{rss, false})}}
			}},
	}
}

// allocations looks at the rows of plain throughput.
func (r *results) allocations() []check {
	var checks []check
	for _, row := range []string{"throughput-100B", "throughput-1KB", "throughput-100B-bigbatch"} {
		if r.rows[row] == nil {
			continue
		}
		perRequest := figure{func(m *Measurement) float64 {
			if m.Sink == nil || m.Sink.Requests == 0 {
				return math.NaN()
			}
			return allocs(m) * float64(m.Sink.Records) / float64(m.Sink.Requests)
		}, false}
		checks = append(checks,
			check{what: "a request (" + row + ")", plain: true, most: true, bound: 12,
				value: r.median(row, "posthaste", perRequest)},
			check{what: "MB", plain: true, most: true, bound: float64((32+30)<<20) / 1e6,
				value: r.median(row, "posthaste", figure{rss, false})})
	}
	return checks
}

// kafkaGoals asks the same of every row on a real broker.
func kafkaGoals() (all []goal) {
	for _, s := range Scenarios() {
		if s.SinkOnly || strings.HasPrefix(s.Name, "roundrobin") {
			continue
		}
		name := s.Name + " on kafka"
		all = append(all, goal{name, "not behind any peer; broker CPU no higher than with the best peer",
			func(r *results) []check {
				checks := []check{r.against(name, "broker CPU per record", figureBroker, 1)}
				if s.Latency {
					return append(checks, r.lowest(name, "p50", figureP50), r.lowest(name, "p99", figureP99),
						r.lowest(name, "p99.9", figureP999))
				}
				return append(checks, r.against(name, "records/s", figureRate, 1), r.perCPU(name, "", 1))
			}})
	}
	return all
}

// Unmeasured lists the scenarios of the table that rows lack.
func Unmeasured(rows []Row) string {
	have := map[string]bool{}
	for i := range rows {
		have[rows[i].Name()] = true
	}
	var lack []string
	for _, s := range Scenarios() {
		if !have[s.Name] {
			lack = append(lack, s.Name)
		}
		if on := s.Name + " on kafka"; !s.SinkOnly && !have[on] {
			lack = append(lack, on)
		}
	}
	if len(lack) == 0 {
		return ""
	}
	return fmt.Sprintf("Not measured: %s.\n", strings.Join(lack, ", "))
}
