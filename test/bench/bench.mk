# `make bench`: the extension beside the document's plain SQL (test/bench/document_001.sql) on a
# throw-away server of its own, and Google Benchmark over the rooms without Postgres; one table.
#   make bench BENCH_FILTER=rollup     runs the cases whose name matches; rooms are those without SQL
#   make bench BENCH_ROWS=10000000     rows of the big cases (default 1,000,000: a few minutes)
#   make bench BENCH_FILTER=scaling BENCH_SIZES=1000000,10000000,100000000   (30 GB of disk for the last)
#   make bench BENCH_FILTER=year      a database that has been filled for a year, at three sizes
#   BENCH_SERIES=1000  BENCH_RUNS=3  BENCH_SECONDS=2 (of one run of pgbench)
.PHONY: bench bench-build
bench:
	$(in_copy) bench test/bench/run

bench-build: build/bench/rooms build/bench/receiver build/bench/noop.so

build/bench/rooms: $(addprefix build/bench/test/bench/, rooms_bench.o chunk_bench.o promql_bench.o) \
		$(call objects, base metrics template alerting notify dispatch chunk promql)
	$(CXX) -o $@ $^ -lbenchmark -lre2 -lzstd -lpthread

build/bench/receiver: build/bench/test/bench/receiver.o
	$(CXX) -o $@ $^

build/bench/%.o: %.cpp
	@mkdir -p $(@D)
	$(CXX) $(PURE_CXXFLAGS) -c -o $@ $<

build/bench/noop.so: test/bench/noop.c
	@mkdir -p $(@D)
	$(CC) -O2 -fPIC -shared -isystem $(shell $(PG_CONFIG) --includedir-server) -o $@ $<

-include $(wildcard build/bench/test/bench/*.d)
