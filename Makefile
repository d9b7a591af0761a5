# What you can do here. Longer logic lives in Rust (tests/, broker/, …) or in the two scripts of .ci/.

CARGO ?= cargo
RELEASE := target/release
# Options for `make run`, as --shards 4 or --store /data/turbopump; for `make compare`, as --quick or --rounds 5; for `make cluster`, as
# --nodes 5 or --flush sync; for `make chaos`, as --groups 3 or --faults kill-leader,cut-leader; for `make limits`, as --quick.
ARGS ?=
# Benches of `make counted`, `counted-update` and `counted-profile`; all without.
BENCH ?=
# Seconds that each fuzz target runs.
FUZZ_SECONDS ?= 3
FUZZ_FEATURES ?=
# Simulation seeds in `make sim-quick`.
SEEDS ?= 12000
# Of groups of replicas; a quarter as many of clusters of brokers that stand alone, a fifth of groups whose members change, and of masters
# with their slaves: 1,056 clusters in all.
CLUSTER_SEEDS ?= 640
# Of groups of bare Raft replicas.
RAFT_SEEDS ?= 2000
# Where the seeds of `make sim-quick` begin: elsewhere for each commit, so that each tries others, and at the same ones whenever
# that commit is tested again, so that a failure comes again.
FIRST_SEED ?= $(shell printf '%d' "0x$$(git rev-parse --short=11 HEAD 2>/dev/null || printf '%x' "$$(date +%s)")")
# Seconds of fresh simulation seeds in `make sim`, and of faults in `make chaos`.
SECONDS ?= 600
# Repeats a simulation or the faults of `make chaos`; empty: a fresh one.
SEED ?=
# What `make interop` builds to test; as a part of `make test` what `make unit` has built already, with the features of its tests.
PRODUCT ?= -p broker -p namesrv -p admin
# File that `make chaos` also writes its table into.
OUT ?=

.PHONY: run build test check unit optimized counted counted-update counted-profile sim sim-quick fuzz interop interop-long interop-clients cluster chaos limits compare compare-replicated crash tools-for-tests clean

## run: build the release binaries and start name server and broker in one process
run: build
	@PATH="$(CURDIR)/$(RELEASE):$$PATH" $(RELEASE)/mqbroker --standalone $(ARGS)

## build: the release binaries mqbroker, mqnamesrv, mqadmin, mqbench in target/release
build:
	$(CARGO) build --release --locked -p broker -p namesrv -p admin -p bench

## test: everything that CI runs; installs what the tests need
test: PRODUCT = --workspace --exclude interop --exclude sim --bins --tests
test: tools-for-tests check unit optimized counted sim-quick interop fuzz
	@echo "all tests passed"

## tools-for-tests: Java, Maven and Go for the stock clients, cargo-fuzz, valgrind; Debian's packages when root
tools-for-tests:
	@.ci/tools-for-tests

## check: formatting and lints
check:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

## unit: unit, property and vector tests of all crates
unit:
	$(CARGO) test --locked --workspace --exclude interop --exclude sim

## optimized: builds what counted, sim-quick and interop run, all at once: each by itself leaves processors idle
optimized:
	@$(CARGO) build --release --locked -q -p counted & counted=$$!; \
	$(MAKE) --no-print-directory interop-clients & clients=$$!; \
	$(CARGO) test --locked --profile sim -p sim --no-run && $(CARGO) test --locked --profile sim -p raft-driver --test simulation --no-run; \
	simulated=$$?; wait $$counted && wait $$clients && exit $$simulated

## counted: instructions that a message costs, compared with tools/counted/counts.txt
counted:
	$(CARGO) run --release --locked -q -p counted -- $(BENCH)

## counted-update: records the instructions that are counted now
counted-update:
	$(CARGO) run --release --locked -q -p counted -- --update $(BENCH)

## counted-profile: the lines that the instructions of BENCH belong to
counted-profile:
	$(CARGO) run --release --locked -q -p counted -- --profile $(BENCH)

## sim-quick: SEEDS seeds of the simulated disk, CLUSTER_SEEDS of clusters, every story, fault and mutation; RAFT_SEEDS of Raft alone
sim-quick:
	FIRST_SEED=$(FIRST_SEED) SIM_SEEDS=$(SEEDS) CLUSTER_SEEDS=$(CLUSTER_SEEDS) $(CARGO) test --locked --profile sim -p sim -- --nocapture
	FIRST_SEED=$(FIRST_SEED) SIM_SEEDS=$(RAFT_SEEDS) $(CARGO) test --locked --profile sim -p raft-driver --test simulation -- --nocapture

## sim: every seeded test, of stores, clusters and groups, takes fresh seeds for SECONDS seconds; SEED=n replays one
sim:
	SIM_SECONDS=$(SECONDS) $(CARGO) test --locked --profile sim -p sim $(if $(SEED),--test crash --test cluster_seeds --test cluster_members --test pair_seeds) -- --nocapture

## interop: stock clients, kill -9, bad input, start-up errors, master and slave, operators' tools, with real processes
interop: interop-clients
	$(CARGO) build --locked $(PRODUCT)
	$(CARGO) test --locked -p interop --no-fail-fast -- --test-threads=2

## interop-long: what takes minutes more: groups of replicas, faults of nodes on hosts of their own, a rolling restart, Apache's brokers beside ours
interop-long: interop-clients
	$(CARGO) build --locked -p broker -p namesrv -p admin
	$(CARGO) test --locked -p interop --test replicas --test faults --test rolling_restart --test mixed_cluster --test our_mqadmin --test replica_status --no-fail-fast -- --test-threads=1
	$(CARGO) test --locked -p interop --test timers -- --ignored --test-threads=1 retention synchronous
	$(CARGO) test --locked -p interop --test transactions -- --ignored given_up
	$(CARGO) test --locked -p interop --test sql_filters -- --ignored java_4
	$(CARGO) test --locked -p interop --test migrate -- --ignored
	$(CARGO) test --locked -p interop --test master_slave -- --ignored --test-threads=1

## interop-clients: build the Java and Go programs that the interop tests run
interop-clients:
	$(CARGO) run --locked -q -p interop --bin interop-clients

## cluster: three nodes and two name servers on this machine, with their state; in network namespaces when root; Ctrl-C ends it
cluster: build
	$(CARGO) build --release --locked -p cluster
	@$(RELEASE)/mqcluster $(ARGS)

## chaos: faults of three nodes under stock clients for SECONDS seconds, from SEED, and a table of what clients saw, also into OUT
chaos: tools-for-tests interop-clients build
	$(CARGO) build --release --locked -p interop --bins
	$(RELEASE)/interop-chaos --seconds $(SECONDS) $(if $(SEED),--seed $(SEED)) $(if $(OUT),--out $(OUT)) $(ARGS)

## limits: a million timers, 100,000 half messages, 10,000 groups over 20,000 queues: what they cost, and whether sends notice; ten minutes
limits: build
	$(CARGO) build --release --locked -p interop --bins
	$(RELEASE)/interop-limits $(ARGS)

## compare: Turbopump against Apache RocketMQ on this machine, into docs/benchmarks; nearly an hour, see its README
compare:
	$(CARGO) build --release --locked -p broker -p namesrv -p bench -p bare-ceiling -p compare
	$(RELEASE)/mqcompare run $(ARGS)

## compare-replicated: the same with three replicas a side, Apache's with DLedger; more than half an hour
compare-replicated:
	$(CARGO) build --release --locked -p broker -p namesrv -p bench -p bare-ceiling -p compare
	$(RELEASE)/mqcompare run --replicated $(ARGS)

## fuzz: every decoder for FUZZ_SECONDS seconds; that of frames between replicas with FUZZ_FEATURES=replicas, which compiles for minutes
fuzz:
	@FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_FEATURES=$(FUZZ_FEATURES) .ci/fuzz

clean:
	$(CARGO) clean
