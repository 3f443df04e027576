# monitoring: PGXS build of the extension, its network library, its tests.
#   make, make install, make installcheck    as for any extension; PG_CONFIG is honoured
#   make demo, make test                     everything on a throw-away server (see README.md)
PG_CONFIG ?= pg_config
.DEFAULT_GOAL = all

EXTENSION = monitoring
EXTVERSION = 1.0.0

# The install script, in the order in which its parts build on each other.
SQL_PARTS = $(addprefix sql/install/, \
	setup/collisions.sql setup/foundation.sql rollup/sketch.sql measurements/changes.sql \
	measurements/measurements.sql worker/worker.sql issues/issues.sql issues/events.sql \
	rollup/rollup.sql rollup/views.sql series/series.sql retention/retention.sql issues/owners.sql health/queues.sql \
	health/health.sql measurements/records.sql measurements/metrics.sql outbox/outbox.sql \
	outbox/secrets.sql rules/rules.sql routing/routing.sql collect/collectors.sql collect/costs.sql \
	collect/host.sql collect/statements.sql collect/table_packs.sql collect/pack_metrics.sql \
	collect/packs.sql probes/probes.sql slo/slo.sql slo/objectives.sql config/config.sql config/history.sql rules/preview.sql health/announcements.sql setup/advice.sql setup/jobs.sql setup/activate.sql \
	setup/system_metrics.sql setup/adopt.sql setup/supabase.sql invariants/invariants.sql \
	setup/checks.sql setup/access.sql)
SQL_BUILT = sql/monitoring--$(EXTVERSION).sql
DATA_built = $(SQL_BUILT)
DATA = $(filter-out $(SQL_BUILT), $(wildcard sql/monitoring--*--*.sql))

# Rooms by layer (CONTRIBUTING.md): arrows point down only.
L1_ROOMS = metrics template alerting notify dispatch host foreign promql chunk
TABLE_ROOMS = issues measurements rollup retention series outbox routing rules probes collect health \
	setup invariants
SERVER_ROOMS = pg shmem $(TABLE_ROOMS) hooks worker api

sources = $(wildcard $(addsuffix /*.cpp, $(addprefix src/, $(1))))
objects = $(patsubst %.cpp, %.o, $(call sources, $(1)))

# Where nothing is done a million times a second, compiling takes longer than it could ever save.
COLD_ROOMS = template notify dispatch foreign transport issues retention outbox routing rules probes collect \
	health setup invariants worker courier server api

# monitoring.so is preloaded and has no network code; monitoring_net.so is loaded by the courier and
# the HTTP server only.
NET_L1_ROOMS = transport
NET_ROOMS = courier server
NET_LIBS = -lcurl -lmicrohttpd -lz
MODULE_big = monitoring
# Of functions that several files have in common the linker keeps the first: that of a warm room.
by_heat = $(filter-out $(COLD_ROOMS), $(1)) $(filter $(COLD_ROOMS), $(1))
OBJS = src/module.o $(call objects, $(call by_heat, base $(L1_ROOMS) $(SERVER_ROOMS)))
NET_LIBRARY = monitoring_net.so
# Of the other rooms it has those that these need; what reads files of other programs is for SQL
# functions only.
NET_SHARED_ROOMS = base $(filter-out foreign promql chunk, $(L1_ROOMS)) pg shmem issues outbox probes
NET_OBJS = $(call objects, $(NET_SHARED_ROOMS) $(NET_L1_ROOMS) $(NET_ROOMS))

# -isystem wins over the -I of PGXS: warnings in the server's headers are not ours to mend.
PG_CPPFLAGS = -Iinclude -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server)
# Enough for a backtrace with lines. `make install` strips it off; the library in this folder keeps it.
DEBUG_INFO = -g1
INSTALL_STRIP_FLAG ?= -s
PG_CXXFLAGS = -std=c++17 $(DEBUG_INFO) -Wall -Wextra -Werror -Wno-register -Wno-unknown-warning-option \
	-fvisibility=hidden -MMD -MP

# L0 and L1 are compiled without the server's include path and flags: once, for the libraries and
# for the unit tests.
PURE_OBJS = $(call objects, base $(L1_ROOMS) $(NET_L1_ROOMS))
# Headers of the language and of the server that most files include are read once (GCC only).
PRECOMPILED_PURE = algorithm chrono functional map memory optional set string unordered_map variant vector
PRECOMPILED_SERVER = postgres.h catalog/pg_type.h executor/spi.h utils/builtins.h utils/timestamp.h
precompiled = $(if $(findstring g++,$(CXX)),$(if $(findstring clang,$(CXX)),,-fpch-preprocess -include build/precompiled/$(1).hpp))

PURE_CXXFLAGS = -std=c++17 -O2 $(DEBUG_INFO) -fPIC -fvisibility=hidden -fstack-protector-strong \
	-Wall -Wextra -Werror -Iinclude -Isrc -MMD -MP $(COPT)

EXPORTS = -Wl,--version-script=src/exports.map
SHLIB_LINK = $(EXPORTS) -lre2 -lyaml-cpp -lzstd -lstdc++
override with_llvm = no

# guard needs test/modules, which only the harness installs.
REGRESS = $(filter-out $(if $(TEST_MODULES),,guard), \
	$(sort $(patsubst test/sql/%.sql, %, $(wildcard test/sql/*.sql))))
REGRESS_OPTS = --inputdir=test --dbname=contrib_regression
ISOLATION = $(sort $(patsubst test/specs/%.spec, %, $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=.
TAP_TESTS = 1
PROVE_TESTS = test/t/*.pl
PROVE_FLAGS = -I test/perl

EXTRA_CLEAN = build $(SQL_BUILT) $(NET_LIBRARY) $(NET_OBJS) \
	$(wildcard src/*.d src/*/*.d) results regression.diffs regression.out tmp_check

# The goals of harness.mk install what is missing, the server's pg_config too.
include test/run/harness.mk
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq ($(PGXS),)
all install uninstall installcheck clean:
	@echo "$(PG_CONFIG) is not there: install postgresql-server-dev-NN of your version, or set PG_CONFIG" >&2; exit 1
else
include $(PGXS)
-include $(wildcard src/*.d src/*/*.d)

# Another compiler, server or flag makes other objects.
build_settings = $(CXX) $(CXXFLAGS) $(CPPFLAGS) $(PURE_CXXFLAGS) $(shell $(PG_CONFIG) --version)
build/settings: FORCE
	@mkdir -p build
	@echo '$(build_settings)' | cmp -s - $@ || echo '$(build_settings)' > $@
.PHONY: FORCE
FORCE:
$(OBJS) $(NET_OBJS): build/settings
SERVER_OBJS = $(filter-out $(PURE_OBJS), $(OBJS) $(NET_OBJS))
$(SERVER_OBJS): private CXXFLAGS += $(call precompiled,server)
$(if $(call precompiled,server), $(SERVER_OBJS)): build/precompiled/server.hpp.gch
build/precompiled/server.hpp: Makefile
	@mkdir -p $(@D)
	@{ echo 'extern "C" {'; printf '#include <%s>\n' $(PRECOMPILED_SERVER); echo '}'; \
	   printf '#include <%s>\n' $(PRECOMPILED_PURE); } > $@
build/precompiled/server.hpp.gch: build/precompiled/server.hpp build/settings
	$(CXX) $(CXXFLAGS) $(CPPFLAGS) -x c++-header -o $@ $<
$(call objects, $(COLD_ROOMS)): private CXXFLAGS += -O1
# What /health calls the version.
src/server/health.o: private CPPFLAGS += -DMONITORING_VERSION='"$(EXTVERSION)"'

$(SQL_BUILT): sql/names.awk $(SQL_PARTS) Makefile
	awk -f sql/names.awk pass=1 $(SQL_PARTS) pass=2 $(SQL_PARTS) > $@

all: $(NET_LIBRARY)

# docs/sql-reference.md, from the comments in a database that has the extension: psql's settings
# (PGHOST, PGDATABASE, ...) say which.
.PHONY: sql-reference
sql-reference:
	psql -X -f sql/reference.sql > docs/sql-reference.md

$(NET_LIBRARY): $(NET_OBJS) src/exports.map
	$(CXX) $(CXXFLAGS) -shared -o $@ $(NET_OBJS) $(LDFLAGS) $(LDFLAGS_SL) $(EXPORTS) $(NET_LIBS) -lre2 -lstdc++

install: install-net
.PHONY: install-net uninstall-net
install-net: $(NET_LIBRARY) installdirs
	$(INSTALL_SHLIB) $(NET_LIBRARY) '$(DESTDIR)$(pkglibdir)/$(NET_LIBRARY)'

uninstall: uninstall-net
uninstall-net:
	rm -f '$(DESTDIR)$(pkglibdir)/$(NET_LIBRARY)'
endif

$(if $(call precompiled,pure), $(PURE_OBJS)): build/precompiled/pure.hpp.gch
build/precompiled/pure.hpp: Makefile
	@mkdir -p $(@D)
	@printf '#include <%s>\n' $(PRECOMPILED_PURE) > $@
build/precompiled/pure.hpp.gch: build/precompiled/pure.hpp
	$(CXX) $(PURE_CXXFLAGS) -x c++-header -o $@ $<
$(call objects, $(COLD_ROOMS)): private PURE_CXXFLAGS += -O1
$(PURE_OBJS): %.o: %.cpp
	$(CXX) $(PURE_CXXFLAGS) $(call precompiled,pure) -c -o $@ $<

include test/unit/unit.mk
include test/modules/modules.mk
include test/conformance/conformance.mk
include test/fuzz/fuzz.mk
include test/bench/bench.mk
include test/compare/compare.mk
include test/supabase/supabase.mk
