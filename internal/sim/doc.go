// Package sim runs the real client against the real embedded broker inside one
// process, on virtual time (testing/synctest), a network in memory (package
// simnet) and a disk in memory. A schedule is made from a seed: settings, load,
// and what breaks when. After each the broker's log is compared with what the
// producer said.
//
//	go test ./internal/sim                          a few hundred schedules
//	make sim N=100000                               as many as you like
//	make sim SEED=4711 N=1                          one again
//	go test ./internal/sim -run TestSimulation -sim.seed=4711 -sim.n=1 -v
//
// What is checked, for every schedule:
//
//   - every acknowledged record is in the log: exactly once if the producer is
//     idempotent, at least once with acks of at least 1; at its offset
//   - records of a caller keep their order within a partition, if the producer is
//     idempotent or max.in.flight.requests.per.connection is 1
//   - every accepted record has an outcome within delivery.timeout.ms
//   - an outcome comes once, callbacks of a partition in order
//   - what is NotWritten, or was refused, is not in the log
//   - after Close nothing is left: memory, connections, goroutines
//
// The schedule is the seed's alone. What the scheduler decides is not: the order
// of events at one and the same instant of virtual time, random choices of
// select, backoff's jitter, and the sticky partitioner. A failing seed mostly
// fails again; -sim.repeat tries it several times.
//
// The code is in tests, because synctest needs them, and because nothing but
// tests may link both sides. plan_test.go draws schedules, world_test.go is the
// cluster and its faults, load_test.go the callers, check_test.go the verdict.
//
// With the build tag mutate the same checks run against a producer and a broker
// with a bug put in on purpose, one after the other (package mutation): a
// simulation that does not find those is of no use.
package sim
