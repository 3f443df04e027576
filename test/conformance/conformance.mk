# `make conformance CONFORMANCE=<folder>`: third-party cases of the formats that the L1 rooms speak.
# One binary beside the unit tests; every suite is a file of its own that registers itself
# (registry.hpp). Then, on a server of its own, what is played through SQL (sql_*.py). The
# data is not part of this repository.
#   make conformance-rooms, make conformance-sql CONFORMANCE=<folder>     one of the two
CONFORMANCE_OBJS = $(patsubst %.cpp, build/unit/%.o, $(wildcard test/conformance/*.cpp))
CONFORMANCE_OBJS += build/unit/test/unit/promql/promqltest.o

conformance_folder = $(if $(CONFORMANCE),$(abspath $(CONFORMANCE)),$(error \
	say where the cases are: make conformance CONFORMANCE=<folder>))

.PHONY: conformance conformance-rooms conformance-sql
conformance: conformance-rooms conformance-sql

conformance-rooms: build/unit/conformance
	build/unit/conformance '$(conformance_folder)'

conformance-sql:
	@test/run/packages && CONFORMANCE='$(conformance_folder)' $(harness_settings) \
		exec test/run/in-copy conformance test/conformance/run

build/unit/conformance: $(CONFORMANCE_OBJS) $(UNIT_ROOM_OBJS)
	$(CXX) $(UNIT_SANITIZE) -o $@ $^ $(NET_LIBS) -lre2 -lyaml-cpp -lzstd -lpthread

-include $(CONFORMANCE_OBJS:.o=.d)
