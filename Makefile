# make check is what CI runs. Nothing but Go is needed, except for the tests
# against Apache Kafka, which want a JDK, Maven and Python and say so without.
TOOL = go tool -modfile=tools/go.mod
SEED ?= 1
N ?= 10000
SIM ?=
T ?= 30s
ROUNDS ?= 5
WAIT ?= 60s
EVENTS ?= 200
RECORDS ?= 5000000
RATE ?= 5000
CLIENTS ?= posthaste,java,franz-go,librdkafka
TRANSACTIONS ?= 0

# Packages with budgets of instructions, and those with golden files.
GUARDED = . ./internal/wire $(addprefix ./internal/producer/,accumulator completion conn sender)
GOLDEN = $(shell go list -f '{{.ImportPath}} {{.TestImports}} {{.XTestImports}}' ./... | \
  sed -n 's,^\([^ ]*\) .*posthaste/internal/golden.*,\1,p')

.PHONY: check test lint race interop chaos sim mutations eos txn-cost bench bench-peers fuzz golden docs guard

check: lint test benchmarks-once sim mutations interop race ## all of it; tests last

test: ## without the race detector, under which buffers come from the heap; no Java, no network beyond loopback
	go test ./...

lint:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	  test -z "$$unformatted" || { echo "gofmt these: $$unformatted"; exit 1; }
	CGO_ENABLED=0 go build ./...
	go vet ./...
	$(TOOL) staticcheck ./...
	cd bench && CGO_ENABLED=0 go vet ./cmd/sink ./cmd/bench-client ./cmd/bench-peer ./cmd/bench-limit ./cmd/bench-run ./cmd/bench-tune
	cd interop && go vet ./...

race: ## the whole suite under the race detector
	go test -race -shuffle=on -timeout 20m ./...

benchmarks-once: ## every benchmark once, so that none rots
	go test -run '^$$' -bench . -benchtime 1x ./... >/dev/null

guard: ## instructions of hot paths within their budgets; UPDATE=-update sets them
	POSTHASTE_GUARD=1 go test -count=1 -run '^TestInstructions$$' $(GUARDED) $(UPDATE)

interop: ## against Apache Kafka and other clients
	cd interop && go test -timeout 40m ./...

chaos: ## a night: Apache Kafka broken under load, side by side; writes the table of docs/chaos.md
	cd interop && go test ./chaos -run '^TestChaos$$' -v -timeout 24h -chaos.seed=$(SEED) \
	  -chaos.events=$(EVENTS) -chaos.records=$(RECORDS) -chaos.rate=$(RATE) \
	  -chaos.clients=$(CLIENTS) -chaos.transactions=$(TRANSACTIONS) -chaos.goals \
	  -chaos.table=$(CURDIR)/docs/chaos.md

sim: ## N schedules of faults in virtual time, from SEED on; SIM=delivery, transactions or both
	cd internal/sim && go test -run 'TestSimulation|TestTransactions' -timeout 24h \
	  -sim.seed=$(SEED) -sim.n=$(N) -sim.kind=$(SIM)

mutations: ## the simulation finds bugs that are put in on purpose
	cd internal/sim && go test -tags mutate -run TestMutations

eos: ## exactly once, killed again and again: 200,000 rows, 1,000,000 records through a transform
	cd interop && POSTHASTE_KILLS=20 POSTHASTE_EOS_RECORDS=1000000 go test -v -timeout 2h -run 'Killed' .

txn-cost: ## what transactions cost beside none, and commits beside other clients
	cd interop && POSTHASTE_COST=1 go test -v -timeout 30m -run TestTransactionCost .

bench: ## this module's benchmarks, ten runs
	go test -run '^$$' -bench . -count 10 ./...

bench-peers: ## side by side with other clients, hours; see bench/README.md; BENCH='--set max-seconds=1' for less
	cd bench && rm -f results.jsonl && go run ./cmd/bench-run --kafka --rounds $(ROUNDS) \
	  --wait-quiet $(WAIT) $(BENCH) --raw results.jsonl --img ../docs/img >results.md

fuzz: ## every fuzz target for T
	go run ./internal/tidy/fuzzall -fuzztime $(T)

golden: ## rewrite golden files; the diff is the review
	go test $(GOLDEN) -update

docs: ## rewrite generated documents
	go test $(GOLDEN) -run 'Doc|Golden|Help' -update
