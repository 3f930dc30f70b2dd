// Package sim runs the real client against the real embedded broker inside one
// process, on virtual time (testing/synctest), a network in memory (package
// simnet) and a disk in memory. A schedule is made from a seed: settings, load,
// and what breaks when. After each, what the producer said is compared with what
// is in the broker's log. docs/simulation.md says what breaks and what is checked.
//
//	go test ./internal/sim                              a few hundred schedules
//	make sim N=100000                                   as many as you like
//	make sim SIM=delivery SEED=4711 N=1                 one again
//	make sim SIM=transactions SEED=4711 N=1             one again
//
// There are two kinds of schedules. Those of delivery have one producer of any
// settings and several callers; those with transactions have several transactional
// producers, some under one and the same id.
//
// The schedule, the jitter of waits, sticky partitions and first leaders are the
// seed's. What the scheduler decides is not: the order of events at one and the
// same instant of virtual time, and random choices of select. A failing seed mostly
// fails again; -sim.repeat tries it several times.
//
// The code is in tests, because synctest needs them, and because nothing but
// tests may link both sides. plan_test.go and txnplan_test.go draw schedules,
// faults_test.go what breaks, world_test.go is the cluster, load_test.go and
// txnload_test.go are the applications, reader_test.go is a consumer of committed
// records, check_test.go and txncheck_test.go are the verdicts.
//
// With the build tag mutate the same checks run against a producer and a broker
// with a bug put in on purpose, one after the other (package mutation): a
// simulation that does not find those is of no use.
package sim
