# Everything on a throw-away server, in a copy of this tree (test/run/in-copy); needs no pg_config yet.
#   make test               all phases; the last line says how many tests passed and failed
#   make test-regress REGRESS="a b"   make test-isolation ISOLATION=a   make test-tap PROVE_TESTS=test/t/a.pl
#   make lint               make tidy    (clang-tidy: slow, no part of make test)
#   make compare            beside the exporters whose names the packs have (test/compare/compare.mk)
#   make fuzz-sql SECONDS=60 SEED=1   calls of every function with hostile arguments (test/fuzz/sql)
#   make test-matrix        make test on PostgreSQL 17 and 18, in folders with the Debians that have them; as root
#                           MATRIX=17   MATRIX_GOAL=test-regress   MATRIX_FOLDER=/var/tmp/monitoring-matrix
#   make demo               a server with a day of data; the last lines say how to connect and how to stop

# What was set on the command line goes along; the environment and PGXS's defaults do not.
harness_settings = $(foreach name, PG_CONFIG CXX COPT PROVE_TESTS REGRESS ISOLATION UNIT_FILTER \
	BENCH_FILTER BENCH_ROWS BENCH_SIZES BENCH_SERIES BENCH_RUNS BENCH_SECONDS ROLLUP_SLOW ALERT_CRASH_GROUPS \
	CRASH_ROUNDS CRASH_FULL_DISK CRASH_SEED, \
	$(if $(filter command%, $(origin $(name))), $(name)='$($(name))'))
in_copy = @test/run/packages && $(harness_settings) exec test/run/in-copy

MATRIX = 17 18

.PHONY: test test-matrix fuzz-sql test-unit test-regress test-isolation test-tap lint house tidy demo
test:
	$(in_copy) test test/run/phases lint build clang unit sanitized regress isolation fuzz_sql tap
test-matrix:
	@MATRIX_FOLDER='$(MATRIX_FOLDER)' MATRIX_ARCHIVE='$(MATRIX_ARCHIVE)' MATRIX_GOAL='$(MATRIX_GOAL)' \
		$(harness_settings) exec test/run/matrix $(MATRIX)
fuzz-sql:
	@test/run/packages && FUZZ_SQL_SECONDS=$(SECONDS) FUZZ_SQL_SEED=$(SEED) $(harness_settings) \
		exec test/run/in-copy fuzz test/run/phases fuzz_sql
test-unit:
	$(in_copy) test test/run/phases unit
test-regress:
	$(in_copy) test test/run/phases regress
test-isolation:
	$(in_copy) test test/run/phases isolation
test-tap:
	$(in_copy) test test/run/phases tap
lint:
	$(in_copy) lint test/run/phases lint
# Rooms, lines and arrows; fails like the lint on an arrow that points up and on a circle.
house:
	@test/lint/check_layers picture
tidy:
	$(in_copy) tidy test/run/phases tidy
demo:
	@test/run/packages demo && $(harness_settings) exec test/run/in-copy demo test/run/demo
